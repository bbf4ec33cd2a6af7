#!/usr/bin/env python3
"""What the published library makes of texts with a tokenizer.json: ids and their text, without special tokens and with them.

  real_tokenizer.py tokenizer.json TEXTS.json OUTPUT.json
"""
import json
import sys
from tokenizers import Tokenizer

published = Tokenizer.from_file(sys.argv[1])
published.no_truncation()
published.no_padding()
encoded = []
for text in json.load(open(sys.argv[2], encoding="utf-8")):
    ids = published.encode(text, add_special_tokens=False).ids
    encoded.append([ids, published.decode(ids), published.decode(ids, skip_special_tokens=False)])
json.dump(encoded, open(sys.argv[3], "w", encoding="utf-8"))
