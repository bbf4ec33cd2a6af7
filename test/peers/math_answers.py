#!/usr/bin/env python3
"""What math_verify, which lm-eval's minerva_math uses, says about pairs of answers.

  math_answers.py PAIRS.json OUTPUT.json      PAIRS: a list of [right, answer] in LaTeX without dollars

Writes a list of true and false: a comparison that fails or takes too long is false.
"""
import json
import logging
import sys

from math_verify import parse, verify

logging.disable(logging.CRITICAL)


def equivalent(right, answer):
    # A short limit: what is not decided in a second is one of the hostile pairs.
    gold, target = (parse(f"${one}$", parsing_timeout=2) for one in (right, answer))
    return bool(verify(gold, target, timeout_seconds=2))


pairs = json.load(open(sys.argv[1]))
json.dump([equivalent(*pair) for pair in pairs], open(sys.argv[2], "w"))
