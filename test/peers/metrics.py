#!/usr/bin/env python3
"""Scores of texts by the published implementations: sacrebleu, rouge-score, and SQuAD's as torchmetrics has it.

  metrics.py CASES.json OUTPUT.json      CASES: a list of {hypotheses: [text], references: [[text]]}

Writes a list of {bleu: {settings: {score, precisions, signature}}, chrf: {settings: {score, signature}}, sentences: [...]}.
"""
import json
import sys

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF
from torchmetrics.functional.text.squad import _compute_exact_match_score, _compute_f1_score

cases = json.load(open(sys.argv[1]))
scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])


def streams(references):
    """sacrebleu has a list for each of the references, None where a text has fewer."""
    most = max(len(own) for own in references)
    return [[own[i] if i < len(own) else None for own in references] for i in range(most)]


def bleu(case, **settings):
    metric = BLEU(**settings)
    score = metric.corpus_score(case["hypotheses"], streams(case["references"]))
    return {
        "score": score.score,
        "precisions": score.precisions,
        "brevityPenalty": score.bp,
        "hypothesisTokens": score.sys_len,
        "referenceTokens": score.ref_len,
        "signature": str(metric.get_signature()),
    }


def chrf(case, **settings):
    metric = CHRF(**settings)
    score = metric.corpus_score(case["hypotheses"], streams(case["references"]))
    return {"score": score.score, "signature": str(metric.get_signature())}


def sentence(hypothesis, references):
    rouge = scorer.score_multi(references, hypothesis)
    return {
        "bleu": BLEU(effective_order=True).sentence_score(hypothesis, references).score,
        "chrf": CHRF().sentence_score(hypothesis, references).score,
        "rouge": {name: score._asdict() for name, score in rouge.items()},
        "exactMatch": max(int(_compute_exact_match_score(hypothesis, one)) for one in references),
        "f1": max(float(_compute_f1_score(hypothesis, one)) for one in references),
    }


results = []
for case in cases:
    results.append(
        {
            "bleu": {
                "": bleu(case),
                "lowercase": bleu(case, lowercase=True),
                "effectiveOrder": bleu(case, effective_order=True),
                **{name: bleu(case, tokenize=name) for name in ["intl", "zh", "char", "none"]},
            },
            "chrf": {"": chrf(case), "lowercase": chrf(case, lowercase=True), "wordOrder": chrf(case, word_order=2)},
            "sentences": [sentence(*pair) for pair in zip(case["hypotheses"], case["references"])],
        }
    )
json.dump(results, open(sys.argv[2], "w"))
