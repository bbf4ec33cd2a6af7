#!/usr/bin/env python3
"""States of an encoder alone by the published implementation. Fails where a tensor is missing or left over.

  encoder_states.py FOLDER INPUTS.safetensors OUTPUT.safetensors

A FOLDER of "new:PATH" is made first, with random weights.
"""
import sys
import torch
from safetensors.torch import load_file, save_file
from transformers import T5GemmaConfig, T5GemmaEncoderModel, T5GemmaModuleConfig

folder, inputs, output = sys.argv[1:]
torch.set_num_threads(2)
torch.manual_seed(0)
if folder.startswith("new:"):
    folder = folder[4:]
    # Built from an encoder alone: its decoder section is the class's default, of another vocabulary.
    side = T5GemmaModuleConfig(hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
                               head_dim=8, vocab_size=96, sliding_window=6, query_pre_attn_scalar=8)
    made = T5GemmaEncoderModel(T5GemmaConfig(encoder=side, is_encoder_decoder=False))
    for parameter in made.parameters():
        parameter.data.normal_(0, 0.3)
    made.save_pretrained(folder)
model, report = T5GemmaEncoderModel.from_pretrained(folder, output_loading_info=True, attn_implementation="eager", dtype=torch.float32)
for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
    if report.get(what):
        sys.exit(f"{what}: {report[what]}")
fields = {name: tensor.long() for name, tensor in load_file(inputs).items()}
with torch.no_grad():
    states = model.eval()(**fields).last_hidden_state
save_file({"states": states.float().contiguous()}, output)
