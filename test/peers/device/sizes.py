"""The published sizes, what a step must compute, and how the scripts of this folder report."""

import json

ENCODER_TOKENS = DECODER_TOKENS = 1024
VOCABULARY = 256_000
WINDOW = 4096

# Layers, width, feed-forward width, heads, key/value heads, width of a head: of the encoder and of the decoder alike.
_ROWS = dict(
    tiny=(2, 64, 128, 4, 2, 16),
    S=(8, 512, 1024, 8, 8, 64),
    B=(12, 768, 2048, 12, 12, 64),
    L=(24, 1024, 2816, 16, 16, 64),
    XL=(24, 2048, 5120, 32, 32, 64),
    **{"2B": (26, 2304, 9216, 8, 4, 256)},
)
SIZES = {
    name: dict(
        layers=layers,
        d=d,
        ff=ff,
        heads=heads,
        kv=kv,
        hd=hd,
        vocab=VOCABULARY,
        enc=ENCODER_TOKENS,
        dec=DECODER_TOKENS,
        window=WINDOW,
    )
    for name, (layers, d, ff, heads, kv, hd) in _ROWS.items()
}
SIZES["tiny"] |= dict(vocab=1024, enc=64, dec=64)

# Products of bfloat16 a second, dense, as the data sheets have them: the base of the MFU.
PEAK_TFLOPS = {"H100 PCIe": 756, "H100": 989.4, "H200": 989.4, "GH200": 989.4, "A100": 312, "L40S": 362, "B200": 2250}


def step_flops(s, batch):
    """Operations of a training step: products forward and backward, half of causal attention, nothing twice."""
    enc, dec, d = s["enc"], s["dec"], s["d"]
    queries, keys = s["heads"] * s["hd"], s["kv"] * s["hd"]
    attention = d * (2 * queries + 2 * keys)
    encoder = s["layers"] * (enc * (attention + 3 * d * s["ff"]) + 2 * enc * enc * queries)
    cross = dec * d * 2 * queries + enc * d * 2 * keys + 2 * dec * enc * queries
    decoder = s["layers"] * (dec * (attention + 3 * d * s["ff"]) + dec * dec * queries + cross)
    return 3 * 2 * batch * (encoder + decoder + dec * d * s["vocab"])


def peak_tflops(device):
    """Of the longest name that the device's contains; None of one that the table does not have."""
    known = [name for name in PEAK_TFLOPS if name in device]
    return PEAK_TFLOPS[max(known, key=len)] if known else None


def report(kind, s, batch, seconds, device, **more):
    """Prints one line of JSON of a training run: `seconds` of a step."""
    flops, peak = step_flops(s, batch) / seconds / 1e12, peak_tflops(device)
    print(
        json.dumps(
            dict(
                kind=kind,
                device=device,
                batch=batch,
                step_ms=round(seconds * 1e3, 2),
                tokens_per_s=round(batch * (s["enc"] + s["dec"]) / seconds, 1),
                tflops=round(flops, 1),
                mfu=peak and round(flops / peak, 4),
                **more,
            )
        ),
        flush=True,
    )
