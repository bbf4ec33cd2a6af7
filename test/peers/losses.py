#!/usr/bin/env python3
"""Losses of texts by the published implementation, as it tokenises by default.

  losses.py FOLDER TEXTS.json OUTPUT.json      TEXTS: a list of texts, or of lists of ids

Writes {"ids": [[...]], "loss": nats a predicted token}.
"""
import json
import sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, texts, output = sys.argv[1:]
torch.set_num_threads(2)
model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
given = json.load(open(texts))
ids = given if isinstance(given[0], list) else [AutoTokenizer.from_pretrained(folder)(text).input_ids for text in given]
total = count = 0
with torch.no_grad():
    for row in ids:
        one = torch.tensor([row])
        total += model(input_ids=one, labels=one).loss.double().item() * (len(row) - 1)
        count += len(row) - 1
json.dump({"ids": ids, "loss": total / count}, open(output, "w"))
