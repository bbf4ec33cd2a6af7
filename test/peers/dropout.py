#!/usr/bin/env python3
"""Loss and gradients of one training pass by the published implementation, with masks of dropout that are given in call order.

  dropout.py FOLDER INPUTS.safetensors MASKS.safetensors OUTPUT.safetensors
"""
import sys
import torch
from safetensors.torch import load_file, save_file
import transformers
from transformers import AutoConfig

folder, inputs, masks, output = sys.argv[1:]
torch.set_num_threads(2)
Model = getattr(transformers, AutoConfig.from_pretrained(folder).architectures[0])
model = Model.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
fields = {name: tensor.long() for name, tensor in load_file(inputs).items()}
queue = sorted(load_file(masks).items())


def dropout(x, p=0.5, training=True, inplace=False):
    if not training or p == 0:
        return x
    name, mask = queue.pop(0)
    kept = 1 / (1 - p)
    if mask.numel() != x.numel():
        sys.exit(f"{name} has shape {list(mask.shape)}, but a tensor of shape {list(x.shape)} is dropped")
    if abs(mask.max().item() - kept) > 1e-6:
        sys.exit(f"{name} multiplies what is kept by {mask.max().item()}, but the rate is {p}")
    return x * mask.reshape(x.shape)


torch.nn.functional.dropout = dropout
labels = fields.pop("labels")
logits = model.train()(**fields, use_cache=False).logits
if queue:
    sys.exit(f"{len(queue)} masks were not asked for: {[name for name, _ in queue]}")
counted = labels != -100
loss = torch.nn.functional.cross_entropy(logits[counted], labels[counted])
loss.backward()
results = {f"grad.{name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
save_file({"loss": loss.detach(), **{name: grad.contiguous() for name, grad in results.items()}}, output)
