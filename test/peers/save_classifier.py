#!/usr/bin/env python3
"""A classifier of the published implementation with random weights, of the sizes of another folder.

  save_classifier.py ARCHITECTURE CONFIG_FOLDER FOLDER
"""
import sys
import torch
import transformers
from transformers import AutoConfig

architecture, sizes, folder = sys.argv[1:]
torch.manual_seed(0)
config = AutoConfig.from_pretrained(sizes, num_labels=3)
model = getattr(transformers, architecture)(config)
for parameter in model.parameters():
    parameter.data.normal_(0, 0.3)
model.save_pretrained(folder)
