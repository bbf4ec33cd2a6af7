#!/usr/bin/env python3
"""SuperGLUE's rows by the rules of T5's preprocessors (t5/data/preprocessors.py), and Matthews' correlations.

  superglue.py FOLDER CASES.json OUTPUT.json      CASES: a list of {predicted: [0 or 1], right: [0 or 1]}

Writes {texts: {TASK/PART: [[text, target], ...]}, matthews: [...]}: an example for each right answer, as for training.
"""
import json
import re
import sys

import torch
from torchmetrics.functional.classification import binary_matthews_corrcoef

folder, cases, output = sys.argv[1:]

# Features in the order in which they are read: sorted by name, unless the task has an order of its own.
SIMPLE = {
    "BoolQ": (["passage", "question"], {False: "False", True: "True"}),
    "CB": (["hypothesis", "premise"], None),
    "COPA": (["choice1", "choice2", "premise", "question"], {0: "choice1", 1: "choice2"}),
    "RTE": (["hypothesis", "premise"], None),
    "WiC": (["sentence1", "sentence2", "word"], {False: "False", True: "True"}),
}


def simple(task, row):
    features, names = SIMPLE[task]
    pieces = [task.lower()] + [piece for name in features for piece in (name + ":", row[name])]
    label = row["label"]
    yield " ".join(pieces), names[label] if names else label


def multirc(row):
    passage = row["passage"]
    for question in passage["questions"]:
        for answer in question["answers"]:
            text = f"multirc question: {question['question']} answer: {answer['text']} paragraph: {passage['text']}"
            text = text.replace("<br>", " ")
            yield re.sub("</?b>", "", text), str(bool(answer["label"]))


def record(row):
    text = row["passage"]["text"]
    entities = {text[one["start"] : one["end"] + 1] for one in row["passage"]["entities"]}
    passage = re.sub("([.?!\"'])\n@highlight\n", r"\1 ", text).replace("\n@highlight\n", ". ")
    for query in row["qas"]:
        source = f"record query: {query['query']} entities: {', '.join(sorted(entities))} passage: {passage}"
        for answer in sorted({one["text"] for one in query["answers"]}):
            yield source, answer


def wsc(row):
    if not row["label"]:
        return
    text, target = row["text"], row["target"]
    words = text.split(" ")
    at, pronoun = target["span2_index"], target["span2_text"]
    if words[at] != pronoun:
        # T5 has this row by hand: punctuation stands apart from the pronoun, and the blank at the end is missing.
        assert words[at].startswith(pronoun), row
        words = text.rstrip().split(" ")
        words[at : at + 1] = [pronoun, words[at][len(pronoun) :]]
    noun = target["span1_text"]
    if noun not in text:
        first = text.split()[target["span1_index"]][0]
        noun = (noun[0].lower() if first.islower() else noun[0].upper()) + noun[1:]
        noun = noun.rstrip(".").replace("\n", " ")
    yield "wsc: " + " ".join(words[:at] + [f"*{pronoun}*"] + words[at + 1 :]), noun


OTHERS = {"MultiRC": multirc, "ReCoRD": record, "WSC": wsc}
texts = {}
for task in [*SIMPLE, *OTHERS]:
    for part in ["train", "val"]:
        with open(f"{folder}/{task}/{part}.jsonl", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        read = OTHERS.get(task) or (lambda row, own=task: simple(own, row))
        texts[f"{task}/{part}"] = [example for row in rows for example in read(row)]

matthews = [
    float(binary_matthews_corrcoef(torch.tensor(case["predicted"]), torch.tensor(case["right"])))
    for case in json.load(open(cases))
]
json.dump({"texts": texts, "matthews": matthews}, open(output, "w"))
