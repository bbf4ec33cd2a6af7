#!/usr/bin/env python3
"""A LoRA adapter of PEFT: its folder, its logits, the gradients of its pairs, and three steps of AdamW.

  lora.py MODEL INPUTS.safetensors OUT [SETTINGS.json]

INPUTS: input_ids, attention_mask, labels (aligned with the logits), and for an encoder-decoder its decoder_ fields.
SETTINGS: the arguments of LoraConfig. Writes OUT/adapter, and OUT/expected.safetensors:
  logits; grad.NAME and after.NAME by the names in adapter_model.safetensors; losses [3]
"""
import json
import os
import sys

import torch
import transformers
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

folder, inputs, out = sys.argv[1:4]
settings = json.load(open(sys.argv[4])) if len(sys.argv) > 4 else {}
torch.set_num_threads(2)
torch.manual_seed(0)
Model = getattr(transformers, AutoConfig.from_pretrained(folder).architectures[0])
base = Model.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
model = get_peft_model(base, LoraConfig(**settings))
with torch.no_grad():
    for name, parameter in model.named_parameters():
        # B begins at zero, which would hide A.
        if ".lora_B." in name:
            parameter.normal_(std=0.05)
os.makedirs(out, exist_ok=True)
model.save_pretrained(os.path.join(out, "adapter"))
# A model card without content.
os.remove(os.path.join(out, "adapter", "README.md"))
expected = {}

fields = {name: tensor.long() for name, tensor in load_file(inputs).items()}
labels = fields.pop("labels")


def logits_of():
    return model(**fields, use_cache=False).logits


def loss_of():
    return torch.nn.functional.cross_entropy(logits_of().flatten(0, 1), labels.flatten(), ignore_index=-100)


model.eval()
with torch.no_grad():
    expected["logits"] = logits_of()
model.train()
# With a smaller epsilon, numbers whose gradient is nearly zero move by rounding errors.
trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=0.001, betas=(0.9, 0.95), eps=1e-3, weight_decay=0.1)
losses = []
for step in range(3):
    optimizer.zero_grad()
    loss = loss_of()
    loss.backward()
    losses.append(loss.detach())
    if step == 0:
        # By the names that the file has.
        gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
        state = {name: gradients.get(name, torch.zeros(0)) for name in model.state_dict()}
        for name, gradient in get_peft_model_state_dict(model, state_dict=state).items():
            expected[f"grad.{name}"] = gradient.clone()
    optimizer.step()
expected["losses"] = torch.stack(losses)
for name, value in get_peft_model_state_dict(model).items():
    expected[f"after.{name}"] = value.detach()
save_file({name: value.float().contiguous().clone() for name, value in expected.items()}, os.path.join(out, "expected.safetensors"))
