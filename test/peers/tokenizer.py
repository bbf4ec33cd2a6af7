#!/usr/bin/env python3
"""What the published tokenizer libraries make of texts, with the tokenizer of a folder.

  tokenizer.py FOLDER TEXTS.json OUTPUT.json [WORDS.json]

OUTPUT holds, of every text, ids without and with what is put before it, and the text that its ids give back. With WORDS
({"words": {word: count}, "reserved": [...], "vocabularySize": n, "minFrequency": n}) also the merges that the published
trainer learns from these words.
"""
import json
import sys
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

folder, texts, output = sys.argv[1:4]
published = AutoTokenizer.from_pretrained(folder)
plain = Tokenizer.from_file(f"{folder}/tokenizer.json")
encoded = []
for text in json.load(open(texts, encoding="utf-8")):
    ids = published(text, add_special_tokens=False).input_ids
    if plain.encode(text, add_special_tokens=False).ids != ids:
        sys.exit(f"transformers and tokenizers differ on {text!r}")
    encoded.append({
        "ids": ids,
        "whole": published(text).input_ids,
        "text": plain.decode(ids, skip_special_tokens=False),
    })
special = {name: getattr(published, f"{name}_token_id") for name in ("pad", "eos", "bos", "unk")}
said = {"encoded": encoded, "special": special, "size": len(published), "inputs": published.model_input_names}
if len(sys.argv) > 4:
    asked = json.load(open(sys.argv[4], encoding="utf-8"))
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Split("\n", "removed")
    trainer = trainers.BpeTrainer(
        vocab_size=asked["vocabularySize"], min_frequency=asked["minFrequency"], special_tokens=asked["reserved"],
        show_progress=False,
    )
    learner.train_from_iterator((word for word, count in asked["words"].items() for _ in range(count)), trainer)
    model = json.loads(learner.to_str())["model"]
    said["merges"] = [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]
    said["vocab"] = model["vocab"]
json.dump(said, open(output, "w", encoding="utf-8"))
