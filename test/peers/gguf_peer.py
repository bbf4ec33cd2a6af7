#!/usr/bin/env python3
"""A GGUF file and the folder that Graft made of it, by the published implementation.

  gguf_peer.py FILE.gguf FOLDER TEXTS.json OUTPUT.json

Writes the largest difference of the logits of both, and the ids of the texts by the folder's tokenizer. Fails where a
tensor is missing or left over.
"""
import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

file, folder, texts, output = sys.argv[1:]
torch.set_num_threads(2)
options = {"output_loading_info": True, "attn_implementation": "eager", "dtype": torch.float32}
own, report = AutoModelForCausalLM.from_pretrained(folder, **options)
for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
    if report.get(what):
        sys.exit(f"{what}: {report[what]}")
# Its reading of the metadata has gaps (head_dim, scaling of positions): its reading of the tensors is compared.
published, _ = AutoModelForCausalLM.from_pretrained(
    Path(file).parent, gguf_file=Path(file).name, config=own.config, **options
)
ids = torch.arange(24).reshape(2, 12) * 7 % own.config.vocab_size
with torch.no_grad():
    difference = (own.eval()(ids).logits - published.eval()(ids).logits).abs().max().item()
tokenizer = AutoTokenizer.from_pretrained(folder)
encoded = [tokenizer(text)["input_ids"] for text in json.loads(Path(texts).read_text())]
Path(output).write_text(json.dumps({"difference": difference, "encoded": encoded}))
