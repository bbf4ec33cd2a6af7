#!/usr/bin/env python3
"""The peers on one GPU, in turn: each case a process with its own limit; a line of JSON each, and a table last.

  bench.py [--sizes S,B,L,XL,2B] [--kinds torch,torch-compiled,jax,generate] [--minutes 15] [--limit 120]

Run it by a Python that has torch, transformers and jax, each with support for the GPU. Cases that would begin after
`--minutes` are left out.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# What fits 80 GB. Where several are given, the first that fits is taken.
TORCH_BATCHES = dict(S="16,8", B="16,8,4", L="16,8", XL="16,8,4", **{"2B": "8,4"})
JAX_BATCHES = dict(S=16, B=16, L=16, XL=8, **{"2B": 8})
# Trying XLA's own kernels for each product takes minutes with large ones; cuBLAS has as fast a one without trying.
XLA = dict(xla_gpu_enable_triton_gemm=False, xla_gpu_autotune_level=0)


def command(size, kind):
    """The script of a case, and its options."""
    if kind in ("torch", "torch-compiled"):
        how = "no" if kind == "torch" else "layers"
        return f"train_torch.py --size {size} --batch {TORCH_BATCHES.get(size, '4')} --compile {how}".split()
    if kind == "jax":
        # float32 weights and moments of 2B, with bfloat16 copies and gradients, are more than 80 GB.
        weights = "bfloat16" if size == "2B" else "float32"
        options = f"--size {size} --batch {JAX_BATCHES.get(size, 4)} --weights {weights} --rematerialize on".split()
        return ["train_jax.py", *options, "--xla", json.dumps(XLA)]
    return f"generate_torch.py --size {size}".split()


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--sizes", default="2B,S,L,XL,B")
    a.add_argument("--kinds", default="torch-compiled,jax,torch,generate")
    a.add_argument("--minutes", type=float, default=15)
    a.add_argument("--limit", type=float, default=120, help="seconds of one case")
    a = a.parse_args()
    began, lines = time.monotonic(), []
    for size in a.sizes.split(","):
        for kind in a.kinds.split(","):
            left = a.minutes * 60 - (time.monotonic() - began)
            if left < 20:
                print(f"left out: {size} {kind}", file=sys.stderr)
                continue
            script, *options = command(size, kind)
            process = subprocess.Popen(
                [sys.executable, os.path.join(HERE, script), *options],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            try:
                output, errors = process.communicate(timeout=min(a.limit, left))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # compilers' processes, too
                output, errors = process.communicate()
                errors = f"ended after {min(a.limit, left):.0f} s"
            found = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
            for line in found:
                print(json.dumps(line), flush=True)
            lines += [line for line in found if "error" not in line]
            if not any("error" not in line for line in found):
                print(f"{size} {kind}: {errors.strip()[-300:]}", file=sys.stderr)

    for line in lines:
        trains = line["kind"].endswith("train")
        how = "layers compiled" if line.get("compile") == "layers" else "eager" if line["kind"] == "torch-train" else ""
        case = f"{line['size']:4} {line['kind']:14} {how:15} batch {line['batch']:2}"
        mfu = f", MFU {line['mfu']:.1%}" if line.get("mfu") is not None else ""
        rest = f"{line['peak_gib']} GiB, {line['weights']} weights" if trains else f"{line['ms_per_token']} ms a token"
        print(f"{case}: {line['tokens_per_s']:9,.0f} tokens/s{mfu}, {rest}")


if __name__ == "__main__":
    main()
