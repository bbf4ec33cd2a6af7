"""Makes test/golden/fixtures/gguf/blocks.*: random blocks of every format, and what the published package makes of them.

    python test/peers/gguf_blocks.py FOLDER [SEED]

Needs the packages gguf, numpy and safetensors. A second call writes the same bytes.
"""

import sys
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize
from safetensors.numpy import save_file

# Where float16 scales are in a block, in bytes.
SCALES = {
    Type.F32: [], Type.F16: [], Type.BF16: [],
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0],
    Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
}  # fmt: skip
ROWS, COLUMNS = 2, 256


def blocks(kind: Type, random: np.random.Generator) -> np.ndarray:
    """Rows of random bytes whose numbers are finite."""
    values, size = GGML_QUANT_SIZES[kind]
    if kind in (Type.F32, Type.F16, Type.BF16):
        numbers = random.normal(size=(ROWS, COLUMNS)).astype(np.float32)
        numbers[0, :4] = [0, -0.0, 1e-7, -65504]
        if kind == Type.BF16:
            return (numbers.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
        return numbers.astype(np.float32 if kind == Type.F32 else np.float16).view(np.uint8)
    count = ROWS * COLUMNS // values
    data = random.integers(0, 256, size=(count, size), dtype=np.uint8)
    for at in SCALES[kind]:
        scales = random.normal(size=(count, 1)).astype(np.float16)
        # The smallest subnormal number, the largest one, and none.
        scales[: min(3, count - 1), 0] = np.array([6e-8, -65504, 0], dtype=np.float16)[: min(3, count - 1)]
        data[:, at : at + 2] = scales.view(np.uint8)
    return data.reshape(ROWS, -1)


def main(folder: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    writer = GGUFWriter(folder / "blocks.gguf", "none")
    expected = {}
    for kind in SCALES:
        data = blocks(kind, random)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        expected[kind.name] = dequantize(data, kind).reshape(ROWS, COLUMNS).astype(np.float32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, folder / "blocks.expected.safetensors")


main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 7)
