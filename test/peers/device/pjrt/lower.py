#!/usr/bin/env python3
"""Lowers the training step of ../train_jax.py to StableHLO, which step.mjs compiles and runs; wants no GPU.

  lower.py NAME --size S|B|L|XL|2B [--batch 16] [--weights float32|bfloat16] [--layers scan|unrolled]
           [--rematerialize auto|on|off]

Writes NAME.step.mlir, NAME.init.mlir (the initial values and one batch) and NAME.json (what both are of). Neither may
have custom calls, since a plugin that JAX did not load has none. Donated arguments carry `tf.aliasing_output`.
"""

import argparse
import functools
import json
import os
import re
import sys

os.environ["JAX_PLATFORMS"] = "cpu"
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import jax
import jax.numpy as jnp
from sizes import SIZES, step_flops
from train_jax import initial, rematerializes, training_step


def lowered(function, platform, *arguments):
    text = function.trace(*arguments).lower(lowering_platforms=(platform,)).as_text()
    calls = sorted(set(re.findall(r"custom_call @(\w+)", text)))
    if calls:
        sys.exit(f"The program has custom calls: {', '.join(calls)}")
    return text


def described(tree):
    return [[str(leaf.dtype), list(leaf.shape)] for leaf in jax.tree.leaves(tree)]


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("name")
    a.add_argument("--size", default="S", choices=SIZES)
    a.add_argument("--batch", type=int, default=16)
    a.add_argument("--weights", default="float32", choices=("float32", "bfloat16"))
    a.add_argument("--layers", default="scan", choices=("scan", "unrolled"))
    a.add_argument("--rematerialize", default="auto", choices=("auto", "on", "off"))
    a = a.parse_args()
    s, rematerialize = SIZES[a.size], rematerializes(a.size, a.rematerialize)
    init = jax.jit(functools.partial(initial, s, a.batch, jnp.dtype(a.weights)))
    state, batch = jax.eval_shape(init)
    # Without keep_unused, arguments that the step does not read would be missing.
    step = jax.jit(training_step(s, a.layers == "scan", rematerialize), donate_argnums=0, keep_unused=True)
    # On CUDA, JAX draws random numbers by a custom call of its own; for a CPU it says the same in StableHLO.
    texts = dict(init=lowered(init, "cpu"), step=lowered(step, "cuda", state, batch))
    for what, text in texts.items():
        with open(f"{a.name}.{what}.mlir", "w", encoding="utf-8") as file:
            file.write(text)
    with open(f"{a.name}.json", "w", encoding="utf-8") as file:
        json.dump(
            dict(
                size=a.size,
                batch=a.batch,
                weights=a.weights,
                layers=a.layers,
                rematerialize=rematerialize,
                flops=step_flops(s, a.batch),
                tokens=a.batch * (s["enc"] + s["dec"]),
                state=described(state),
                data=described(batch),
            ),
            file,
        )
    print(json.dumps({what: len(text) for what, text in texts.items()}))


if __name__ == "__main__":
    main()
