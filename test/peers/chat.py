#!/usr/bin/env python3
"""What the published library makes of conversations, with the tokenizer and the chat template of a folder, and with other templates.

  chat.py FOLDER CONVERSATIONS.json TEMPLATES.json OUTPUT.json

OUTPUT holds, of every conversation, {text, prompt, ids} or {error}: whole, with the model's turn begun, and the ids of the latter. Of every
template and conversation {text} or {error}, and the texts that it marks as generated, where it does.
"""
import json
import sys
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

folder, conversations, templates, output = sys.argv[1:5]
tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
conversations = json.load(open(conversations, encoding="utf-8"))


def attempt(make):
    try:
        return make()
    except Exception as error:
        return {"error": str(error)}


def own(messages):
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(prompt, add_special_tokens=False).input_ids
    return {"text": text, "prompt": prompt, "ids": ids}


def by(template, messages):
    said = {"text": tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)}
    if "generation %}" in template:
        rendered, places = render_jinja_template([messages], chat_template=template, return_assistant_tokens_mask=True)
        said["marked"] = [rendered[0][start:end] for start, end in places[0]]
    return said


said = {
    "own": [attempt(lambda: own(messages)) for messages in conversations],
    "others": [
        [attempt(lambda: by(template, messages)) for messages in conversations]
        for template in json.load(open(templates, encoding="utf-8"))
    ],
}
json.dump(said, open(output, "w", encoding="utf-8"))
