#!/usr/bin/env python3
"""Logits of a checkpoint folder by the published implementation. Fails where a tensor is missing or left over.

  logits.py FOLDER INPUTS.safetensors OUTPUT.safetensors [--without-vision]

With --without-vision a folder may lack the vision tower, which then begins at random and is not used.
"""
import sys
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

folder, inputs, output, *options = sys.argv[1:]
torch.set_num_threads(2)
import transformers
Model = getattr(transformers, AutoConfig.from_pretrained(folder).architectures[0])
model, report = Model.from_pretrained(folder, output_loading_info=True, attn_implementation="eager", dtype=torch.float32)
for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
    found = report.get(what) or []
    if "--without-vision" in options:
        found = [key for key in found if "vision_tower" not in str(key) and "multi_modal_projector" not in str(key)]
    if found:
        sys.exit(f"{what}: {found}")
torch.manual_seed(0)
fields = {name: tensor.long() for name, tensor in load_file(inputs).items()}
with torch.no_grad():
    # Classifiers switch the cache off by themselves.
    more = {} if "Classification" in type(model).__name__ else {"use_cache": False}
    outputs = model.eval()(**fields, **more)
    # An encoder alone has states.
    logits = outputs.logits if hasattr(outputs, "logits") else outputs.last_hidden_state
save_file({"logits": logits.float().contiguous()}, output)
