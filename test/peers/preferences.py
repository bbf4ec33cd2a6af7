#!/usr/bin/env python3
"""Losses of preference tuning and of on-policy distillation by TRL.

  preferences.py MODEL PAIRS.json OUT

PAIRS: {"pairs": [{"source": [ids], "chosen": [ids], "rejected": [ids]}], "settings": [{"loss", "beta", "perToken", ...}]}.
Writes OUT/reference, the model with other weights, and OUT/expected.json: for each of the settings the loss, the metrics and
the norm of the gradient; and for each of "divergences" ({"beta", "temperature"}) GKD's loss between the two models.
"""
import collections
import json
import os
import sys
import types

import torch
import transformers
from transformers import AutoConfig
from trl import DPOTrainer
from trl.experimental.cpo import CPOTrainer
from trl.experimental.gkd import GKDTrainer
from trl.trainer.utils import add_fused_lm_head

folder, pairs_file, out = sys.argv[1:]
given = json.load(open(pairs_file))
torch.set_num_threads(2)
torch.manual_seed(0)
Model = getattr(transformers, AutoConfig.from_pretrained(folder).architectures[0])


def load(path):
    return Model.from_pretrained(path, attn_implementation="eager", dtype=torch.float32).eval()


model, reference = load(folder), load(folder)
with torch.no_grad():
    for parameter in reference.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
os.makedirs(out, exist_ok=True)
reference.save_pretrained(os.path.join(out, "reference"))
IS_PAIR = model.config.is_encoder_decoder
START, PAD = 2, 0


def padded(rows, filler):
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])


sources = [pair["source"] for pair in given["pairs"]]
answers = {name: [pair[name] for pair in given["pairs"]] for name in ("chosen", "rejected")}
both = answers["chosen"] + answers["rejected"]


def logits_of(one):
    """Of chosen and then rejected answers, with the labels in the form that TRL takes."""
    if IS_PAIR:
        labels = padded(both, -100)
        ids = padded(sources * 2, PAD)
        shifted = torch.cat([torch.full((len(both), 1), START), labels[:, :-1].clamp(min=0)], 1)
        seen = (labels != -100).long()
        logits = one(
            input_ids=ids,
            attention_mask=(ids != PAD).long(),
            decoder_input_ids=shifted,
            decoder_attention_mask=seen,
            use_cache=False,
        ).logits
        return logits, labels
    rows = [[START] + source + answer for source, answer in zip(sources * 2, both, strict=True)]
    labels = [[-100] * (1 + len(source)) + answer for source, answer in zip(sources * 2, both, strict=True)]
    ids = padded(rows, PAD)
    seen = padded([[1] * len(row) for row in rows], 0)
    return one(input_ids=ids, attention_mask=seen, use_cache=False).logits, padded(labels, -100)


def gradient_norm(loss):
    model.zero_grad()
    loss.backward()
    return torch.sqrt(sum((p.grad.double() ** 2).sum() for p in model.parameters() if p.grad is not None)).item()


class Alone:
    """What the trainers ask of their accelerator, on one device."""

    device = torch.device("cpu")

    def gather(self, value):
        return value

    gather_for_metrics = gather


DPO_LOSSES = {
    ("sigmoid", False): "sigmoid",
    ("sigmoid", True): "sigmoid_norm",
    ("robust", False): "robust",
    ("hinge", False): "hinge",
    ("ipo", True): "ipo",
}


def dpo_trainer(settings):
    """The trainer's own loss; what `__init__` adds is the processing of data."""
    trainer = object.__new__(DPOTrainer)
    trainer.accelerator = Alone()
    trainer.model, trainer.ref_model = model, reference
    trainer.args = types.SimpleNamespace(gradient_checkpointing_kwargs=None)
    trainer.loss_types = [DPO_LOSSES[settings["loss"], settings["perToken"]]]
    trainer.loss_weights = [1.0]
    trainer.beta, trainer.label_smoothing = settings["beta"], settings.get("labelSmoothing", 0)
    trainer.f_divergence_type, trainer.ld_alpha = "reverse_kl", None
    trainer.precompute_ref_logps = trainer.aux_loss_enabled = trainer.use_weighting = False
    trainer._metrics = {"train": collections.defaultdict(list), "eval": collections.defaultdict(list)}
    trainer._total_train_tokens, trainer._tp_size = 0, 1
    return trainer


def by_dpo(settings):
    rows = [[START] + source + answer for source, answer in zip(sources * 2, both, strict=True)]
    completion = [[0] * (1 + len(s)) + [1] * len(a) for s, a in zip(sources * 2, both, strict=True)]
    inputs = {
        "input_ids": padded(rows, PAD),
        "attention_mask": padded([[1] * len(row) for row in rows], 0),
        "completion_mask": padded(completion, 0),
    }
    trainer = dpo_trainer(settings)
    loss = trainer._compute_loss(model, inputs, return_outputs=False)
    metrics = {name: values[0] for name, values in trainer._metrics["eval"].items()}
    named = {"accuracy": "rewards/accuracies", "margin": "rewards/margins", "chosen": "logps/chosen"}
    # Rewards are sums, whatever the loss takes.
    return loss, {} if settings["perToken"] else {key: metrics[name] for key, name in named.items()}


def by_cpo(settings):
    """TRL's DPO has no encoder-decoders, and SimPO is CPO's: its losses, of log-ratios where there is a reference."""
    per_token = settings["perToken"]
    logps = CPOTrainer.get_batch_logps(*logits_of(model), average_log_prob=per_token, is_encoder_decoder=IS_PAIR)
    if settings.get("reference") != "none":
        with torch.no_grad():
            fixed = CPOTrainer.get_batch_logps(*logits_of(reference), per_token, IS_PAIR)
        logps = logps - fixed
    chosen, rejected = logps.chunk(2)
    trainer = types.SimpleNamespace(
        accelerator=Alone(),
        alpha=0.0,
        beta=settings["beta"],
        label_smoothing=settings.get("labelSmoothing", 0),
        loss_type="simpo" if settings.get("margin") else settings["loss"],
        simpo_gamma=settings.get("margin", 0),
    )
    losses, good, bad = CPOTrainer.cpo_loss(trainer, chosen, rejected)
    return losses.mean(), {"accuracy": (good > bad).float().mean().item(), "margin": (good - bad).mean().item()}


def by_trl(settings):
    is_dpo = not IS_PAIR and settings.get("reference") != "none" and settings["loss"] + str(settings["perToken"])
    smoothed = settings["loss"] == "sigmoid" and settings.get("labelSmoothing", 0) > 0
    take = by_dpo if is_dpo and not smoothed else by_cpo
    if settings["loss"] == "robust" and take is by_cpo:
        return None
    loss, metrics = take(settings)
    return {"by": take.__name__[3:], "loss": loss.item(), "gradNorm": gradient_norm(loss), **metrics}


def by_gkd(settings):
    (own, labels), (taught, _) = logits_of(model), logits_of(reference)
    # Aligned with the logits, as its trainer gives them.
    kept = slice(None) if IS_PAIR else slice(None, -1)
    aligned = labels if IS_PAIR else labels[:, 1:]
    loss = GKDTrainer.generalized_jsd_loss(own[:, kept], taught[:, kept].detach(), aligned, **settings)
    return {"loss": loss.item(), "gradNorm": gradient_norm(loss)}


if not IS_PAIR:
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "mean_logits", "is_top1"))
    add_fused_lm_head(reference)
expected = {
    "losses": [by_trl(settings) for settings in given["settings"]],
    "divergences": [by_gkd(settings) for settings in given["divergences"]],
}
json.dump(expected, open(os.path.join(out, "expected.json"), "w"))
