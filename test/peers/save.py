#!/usr/bin/env python3
"""A folder of the published implementation with random weights.

  save.py LANGUAGE_MODEL FOLDER tied|untied [SHARD_SIZE]
  save.py CLASSIFIER FOLDER encoder|decoder
"""
import sys
import torch
import transformers
from transformers import Gemma2Config, T5GemmaConfig, T5GemmaModuleConfig

architecture, folder, how, *shard = sys.argv[1:]
torch.manual_seed(0)
side = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
            vocab_size=96, sliding_window=6, query_pre_attn_scalar=8, initializer_range=0.3)
tied = how != "untied"
if architecture.startswith("Gemma2"):
    config = Gemma2Config(**side, tie_word_embeddings=tied)
else:
    config = T5GemmaConfig(encoder=T5GemmaModuleConfig(**side), decoder=T5GemmaModuleConfig(**{**side, "num_hidden_layers": 2}), vocab_size=96,
                           tie_word_embeddings=tied, num_labels=3, initializer_range=0.3)
# Classifiers: which side their head reads.
more = {"is_encoder_decoder": how == "decoder"} if how in ("encoder", "decoder") else {}
model = getattr(transformers, architecture)(config, **more)
for parameter in model.parameters():
    parameter.data.normal_(0, 0.3)
model.save_pretrained(folder, **({"max_shard_size": shard[0]} if shard else {}))
