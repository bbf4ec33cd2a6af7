#!/usr/bin/env python3
"""A training step of a compact JAX model on one device, in bfloat16: tokens a second, MFU, peak memory, compile time.

  train_jax.py --size S|B|L|XL|2B [--batch 8] [--weights float32|bfloat16] [--layers scan|unrolled]
               [--rematerialize auto|on|off] [--xla JSON]

The model is that of ../bench_jax.py. Products have bfloat16 operands; norms, soft-capped softmax and cross-entropy are
float32. `--weights` is what parameters and AdamW's moments are held in. Layers are one loop over stacked parameters, or
said one by one; cross-entropy is computed some tokens at a time.
"""

import argparse
import functools
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
os.environ.setdefault("JAX_PLATFORMS", "")
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.94")
import jax
import jax.numpy as jnp
import numpy as np
from bench_jax import layer, rms
from sizes import SIZES, report

LOSS_TOKENS = 2048
LEARNING_RATE, BETA1, BETA2, EPSILON, CLIP = 1e-4, 0.9, 0.95, 1e-8, 1.0


def config(s):
    return dict(
        hidden_size=s["d"],
        num_attention_heads=s["heads"],
        num_key_value_heads=s["kv"],
        head_dim=s["hd"],
        query_pre_attn_scalar=s["hd"],
        attn_logit_softcapping=50.0,
        final_logit_softcapping=30.0,
    )


def shapes(s):
    """Name -> shape. The layers' parameters are stacked: their first axis is the layer."""
    d, queries, keys = s["d"], s["heads"] * s["hd"], s["kv"] * s["hd"]
    result = {}
    for side in ("encoder", "decoder"):
        result |= {f"{side}.embed": (s["vocab"], d), f"{side}.norm": (d,)}
        for attention in ("self_attn", "cross_attn")[: 1 + (side == "decoder")]:
            for name, shape in dict(q=(queries, d), k=(keys, d), v=(keys, d), o=(d, queries)).items():
                result[f"{side}.layers.{attention}.{name}_proj.weight"] = (s["layers"], *shape)
            result |= {
                f"{side}.layers.{place}_{attention}_layernorm.weight": (s["layers"], d) for place in ("pre", "post")
            }
        for name, shape in dict(gate=(s["ff"], d), up=(s["ff"], d), down=(d, s["ff"])).items():
            result[f"{side}.layers.mlp.{name}_proj.weight"] = (s["layers"], *shape)
        result |= {f"{side}.layers.{place}_feedforward_layernorm.weight": (s["layers"], d) for place in ("pre", "post")}
    return result


def initial(s, batch, dtype):
    """Parameters, both moments and the number of steps; and one batch."""
    keys = iter(jax.random.split(jax.random.key(0), len(shapes(s)) + 2))
    normal = lambda shape: jax.random.normal(next(keys), shape, dtype) * jnp.asarray(0.02, dtype)
    parameters = {
        name: jnp.zeros(shape, dtype) if "norm" in name else normal(shape) for name, shape in shapes(s).items()
    }
    zeros = lambda: {name: jnp.zeros(p.shape, dtype) for name, p in parameters.items()}
    ids = lambda length: jax.random.randint(next(keys), (batch, length), 3, s["vocab"])
    return (parameters, zeros(), zeros(), jnp.zeros((), jnp.float32)), (ids(s["enc"]), ids(s["dec"]))


def stack(p, side, s, x, masks, scan, rematerialize, encoded=None, cross=None):
    """All layers of a side. `masks` has two: of the layers that see a window, and of those that see everything."""
    c = config(s)

    # Layers with and without a window take turns: a loop runs over pairs of them.
    def pair(x, weights):
        for i, mask in enumerate(masks):
            x = layer(
                {f"layer.{name}": w[i] for name, w in weights.items()}, "layer", c, x, mask, 10_000.0, encoded, cross
            )
        return x

    if rematerialize:
        pair = jax.checkpoint(pair)
    prefix = f"{side}.layers."
    weights = {name[len(prefix) :]: w.reshape(-1, 2, *w.shape[1:]) for name, w in p.items() if name.startswith(prefix)}
    if scan:
        x, _ = jax.lax.scan(lambda x, w: (pair(x, w), None), x, weights)
    else:
        for i in range(s["layers"] // 2):
            x = pair(x, {name: w[i] for name, w in weights.items()})
    return rms(x, p[f"{side}.norm"])


def loss_of(p, s, batch, scan, rematerialize):
    source, target = batch
    rows, enc, dec = source.shape[0], s["enc"], s["dec"]
    p = {name: w.astype(jnp.bfloat16) for name, w in p.items()}
    i, j = jnp.arange(enc)[:, None], jnp.arange(enc)[None]
    t, u = jnp.arange(dec)[:, None], jnp.arange(dec)[None]
    everything = jnp.ones((1, enc, enc), bool)
    embed = lambda side, ids: p[f"{side}.embed"][ids] * jnp.asarray(s["d"] ** 0.5, jnp.bfloat16)
    encoded = stack(
        p, "encoder", s, embed("encoder", source), ((abs(i - j) < s["window"])[None], everything), scan, rematerialize
    )
    shifted = jnp.concatenate([jnp.full((rows, 1), 2, target.dtype), target[:, :-1]], 1)
    causal = (u <= t)[None]
    hidden = stack(
        p,
        "decoder",
        s,
        embed("decoder", shifted),
        (causal & (u > t - s["window"]), causal),
        scan,
        rematerialize,
        encoded,
        jnp.ones((1, dec, enc), bool),
    )

    @jax.checkpoint
    def part(total, of):
        hidden, target = of
        cap = config(s)["final_logit_softcapping"]
        logits = jnp.tanh((hidden @ p["decoder.embed"].T).astype(jnp.float32) / cap) * cap
        # Capped logits need no search for the largest. Picking by comparison keeps the gradient in one loop.
        picked = jnp.where(jax.lax.broadcasted_iota(jnp.int32, logits.shape, 1) == target[:, None], logits, 0)
        return total + jnp.sum(jnp.log(jnp.sum(jnp.exp(logits), -1)) - jnp.sum(picked, -1)), None

    tokens = min(LOSS_TOKENS, rows * dec)
    total, _ = jax.lax.scan(
        part, jnp.zeros((), jnp.float32), (hidden.reshape(-1, tokens, s["d"]), target.reshape(-1, tokens))
    )
    return total / (rows * dec)


def training_step(s, scan, rematerialize):
    """(state, batch) -> (state, loss): forward, backward, clipping by the global norm, AdamW."""

    def step(state, batch):
        parameters, first, second, steps = state
        loss, gradients = jax.value_and_grad(loss_of)(parameters, s, batch, scan, rematerialize)
        steps = steps + 1
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(g.astype(jnp.float32))) for g in gradients.values()))
        scale = jnp.minimum(1.0, CLIP / norm)

        def updated(p, g, m, v):
            g = g.astype(jnp.float32) * scale
            m32, v32 = (
                BETA1 * m.astype(jnp.float32) + (1 - BETA1) * g,
                BETA2 * v.astype(jnp.float32) + (1 - BETA2) * g * g,
            )
            change = m32 / (1 - BETA1**steps) / (jnp.sqrt(v32 / (1 - BETA2**steps)) + EPSILON)
            return (
                (p.astype(jnp.float32) - LEARNING_RATE * change).astype(p.dtype),
                m32.astype(m.dtype),
                v32.astype(v.dtype),
            )

        new = {name: updated(p, gradients[name], first[name], second[name]) for name, p in parameters.items()}
        return (*({name: parts[k] for name, parts in new.items()} for k in range(3)), steps), loss

    return step


def rematerializes(size, choice):
    return choice == "on" or (choice == "auto" and size not in ("tiny", "S", "B"))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--size", default="S", choices=SIZES)
    a.add_argument("--batch", type=int, default=8)
    a.add_argument("--steps", type=int, default=8)
    a.add_argument("--weights", default="float32", choices=("float32", "bfloat16"))
    a.add_argument("--layers", default="scan", choices=("scan", "unrolled"))
    a.add_argument("--rematerialize", default="auto", choices=("auto", "on", "off"))
    a.add_argument("--xla", default="{}", help="options of XLA, as JSON")
    a = a.parse_args()
    s, rematerialize = SIZES[a.size], rematerializes(a.size, a.rematerialize)
    state, batch = jax.jit(functools.partial(initial, s, a.batch, jnp.dtype(a.weights)))()
    started = time.perf_counter()
    step = jax.jit(training_step(s, a.layers == "scan", rematerialize), donate_argnums=0).lower(state, batch)
    lowered = time.perf_counter()
    step = step.compile(json.loads(a.xla))
    compiled = time.perf_counter()
    losses, seconds = [], []
    for i in range(a.steps + 2):
        began = time.perf_counter()
        state, loss = step(state, batch)
        losses.append(float(loss))
        jax.block_until_ready(state)
        if i >= 2:
            seconds.append(time.perf_counter() - began)
    device = jax.devices()[0]
    memory = device.memory_stats() or {}
    analysis = step.memory_analysis()
    report(
        "jax-train",
        s,
        a.batch,
        statistics.median(seconds),
        device.device_kind,
        size=a.size,
        weights=a.weights,
        layers=a.layers,
        rematerialize=rematerialize,
        xla=a.xla,
        parameters=sum(int(np.prod(shape)) for shape in shapes(s).values()),
        peak_gib=round(memory.get("peak_bytes_in_use", 0) / 2**30, 2),
        temporary_gib=round(analysis.temp_size_in_bytes / 2**30, 2),
        lower_s=round(lowered - started, 2),
        compile_s=round(compiled - lowered, 2),
        losses=[round(losses[0], 4), round(losses[-1], 4)],
        jax=jax.__version__,
    )


if __name__ == "__main__":
    main()
