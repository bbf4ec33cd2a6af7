#!/usr/bin/env python3
"""Greedy generation by the published PyTorch implementation on one GPU, with bfloat16 weights: tokens a second.

generate_torch.py --size S|B|L|XL|2B [--batch 1,8,64] [--source 256] [--tokens 64] [--cache dynamic|static]
"""

import argparse
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
import transformers
from bench_hf import model
from sizes import SIZES


@torch.no_grad()
def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--size", default="S", choices=SIZES)
    a.add_argument("--batch", default="1,8,64")
    a.add_argument("--source", type=int, default=256)
    a.add_argument("--tokens", type=int, default=64)
    a.add_argument("--repeat", type=int, default=3)
    a.add_argument("--cache", default="dynamic", choices=("dynamic", "static"))
    a = a.parse_args()
    s, device = SIZES[a.size], "cuda" if torch.cuda.is_available() else "cpu"
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        network = model(s, "eager", tied=False).eval()
    draw = torch.Generator().manual_seed(0)
    for batch in map(int, a.batch.split(",")):
        source = torch.randint(3, s["vocab"], (batch, a.source), generator=draw).to(device)
        options = dict(
            input_ids=source,
            attention_mask=torch.ones_like(source),
            max_new_tokens=a.tokens,
            min_new_tokens=a.tokens,
            do_sample=False,
            use_cache=True,
            decoder_start_token_id=2,
        )
        if a.cache == "static":
            options |= dict(cache_implementation="static")
        seconds = []
        for _ in range(a.repeat + 1):
            wait()
            began = time.perf_counter()
            made = network.generate(**options)
            wait()
            seconds.append(time.perf_counter() - began)
        assert made.shape == (batch, a.tokens + 1)
        took = statistics.median(seconds[1:])
        print(
            json.dumps(
                dict(
                    kind="torch-generate",
                    device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
                    size=a.size,
                    batch=batch,
                    source=a.source,
                    tokens=a.tokens,
                    cache=a.cache,
                    tokens_per_s=round(batch * a.tokens / took, 1),
                    ms_per_token=round(took / a.tokens * 1e3, 2),
                    first_s=round(seconds[0], 2),
                    peak_gib=round(torch.cuda.max_memory_allocated() / 2**30, 2) if device == "cuda" else None,
                    torch=torch.__version__,
                    transformers=transformers.__version__,
                )
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
