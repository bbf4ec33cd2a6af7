#!/usr/bin/env python3
"""A training step of the published PyTorch implementation on one GPU, in bfloat16: tokens a second, MFU, peak memory.

  train_torch.py --size S|B|L|XL|2B [--batch 16,8,4] [--weights bfloat16|float32] [--compile no|layers|model]
                 [--attention eager|flex_attention] [--rematerialize auto|on|off]

Of several batches the first that fits is measured. bfloat16 weights have bfloat16 gradients and moments; float32 ones
run under autocast. AdamW is the fused one. `--compile layers` compiles each layer, which is quick for many equal ones;
`model` compiles the whole at once.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
import torch
import transformers
from bench_hf import model
from sizes import SIZES, report


def build(a, s, device):
    torch.set_default_dtype(getattr(torch, a.weights))
    with torch.device(device):
        network = model(s, a.attention, tied=False)
    torch.set_default_dtype(torch.float32)
    network.config.use_cache = False
    network.train()
    if a.rematerialize == "on" or (a.rematerialize == "auto" and a.size not in ("tiny", "S", "B")):
        network.gradient_checkpointing_enable(gradient_checkpointing_kwargs=dict(use_reentrant=False))
    if a.compile == "layers":
        for layer in (*network.model.encoder.layers, *network.model.decoder.layers):
            layer.compile()
    elif a.compile == "model":
        network.compile()
    return network


def measure(a, s, network, optimizer, batch, device):
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    draw = torch.Generator().manual_seed(0)
    source, target = (torch.randint(3, s["vocab"], (batch, n), generator=draw).to(device) for n in (s["enc"], s["dec"]))
    seen = torch.ones_like(source), torch.ones_like(target)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=a.weights == "float32"):
            loss = network(
                input_ids=source, attention_mask=seen[0], labels=target, decoder_attention_mask=seen[1], use_cache=False
            ).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0, foreach=True)
        optimizer.step()
        return loss.detach()

    began = time.perf_counter()
    losses = [step().item()]
    wait()
    first = time.perf_counter() - began
    losses.append(step().item())
    step()
    seconds = []
    for _ in range(a.steps):
        wait()
        began = time.perf_counter()
        losses.append(step())
        wait()
        seconds.append(time.perf_counter() - began)
    report(
        "torch-train",
        s,
        batch,
        statistics.median(seconds),
        torch.cuda.get_device_name() if device == "cuda" else "cpu",
        size=a.size,
        weights=a.weights,
        compile=a.compile,
        attention=a.attention,
        rematerialize=network.is_gradient_checkpointing,
        parameters=sum(p.numel() for p in network.parameters()),
        peak_gib=round(torch.cuda.max_memory_allocated() / 2**30, 2),
        first_step_s=round(first, 2),
        losses=[round(float(losses[0]), 4), round(float(losses[-1]), 4)],
        torch=torch.__version__,
        transformers=transformers.__version__,
    )


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--size", default="S", choices=SIZES)
    a.add_argument("--batch", default="16,8,4,2,1")
    a.add_argument("--steps", type=int, default=8)
    a.add_argument("--weights", default="bfloat16", choices=("float32", "bfloat16"))
    a.add_argument("--compile", default="no", choices=("no", "layers", "model"))
    a.add_argument("--attention", default="eager", choices=("eager", "flex_attention"))
    a.add_argument("--rematerialize", default="auto", choices=("auto", "on", "off"))
    a = a.parse_args()
    s, device = SIZES[a.size], "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    network = build(a, s, device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=1e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0, fused=True
    )
    for batch in map(int, a.batch.split(",")):
        try:
            return measure(a, s, network, optimizer, batch, device)
        except torch.OutOfMemoryError as error:
            print(
                json.dumps(
                    dict(
                        kind="torch-train",
                        size=a.size,
                        weights=a.weights,
                        compile=a.compile,
                        batch=batch,
                        error=str(error).split(". ")[0],
                    )
                ),
                flush=True,
            )
        optimizer.zero_grad(set_to_none=True)
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


if __name__ == "__main__":
    main()
