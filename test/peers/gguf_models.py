"""Makes test/golden/fixtures/gguf/*.gguf: a tiny model of each architecture, as llama.cpp's converter would write it.

    python test/peers/gguf_models.py FOLDER

Needs the packages gguf and numpy. NAME.expected.json has the SHA-256 of each tensor's float32 bytes under its published
name and in its published order, computed here. A second call writes the same bytes.
"""

import hashlib
import json
import math
import sys
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter, RopeScalingType
from gguf.quants import dequantize, quantize

HIDDEN, FEED_FORWARD, HEADS, KV_HEADS, HEAD_DIM = 32, 64, 4, 2, 16
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def scored_vocabulary(specials):
    """Tokens, scores and types in Gemma's form: specials, runs of newlines and spaces, bytes, pieces."""
    rows = [(token, -1000.0, kind) for token, kind in specials]
    rows += [(run, -1000.0, USER) for run in ("\n", "\n\n", "  ", "   ")]
    rows += [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]
    pieces = ["▁t", "he", "in", "▁the", "an", "▁an", "nd", "▁and", "th", "the", "en", "hen", "then", "▁a", "at", "▁in"]
    singles = ["▁", "t", "h", "e", "i", "n", "a", "d", "s", "c", ".", ",", "é", "漢", "😀"]
    rows += [(piece, -float(i), NORMAL) for i, piece in enumerate([*pieces, *singles])]
    return rows


def byte_characters():
    """GPT-2's character for each byte."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in kept else chr(next(others)) for byte in range(256)]


def merged_vocabulary(specials):
    characters = byte_characters()
    merges = []
    tokens = sorted(characters)
    for pair in "h e,i n,a n,t he,Ġ the,Ġ a,an d,Ġ in,Ġ and,1 2,Ġ Ġ,Ã ©".split(","):
        left, right = pair.split(" ")
        merges.append(f"{left} {right}")
        tokens.append(left + right)
    rows = [(token, kind) for token, kind in specials] + [(token, NORMAL) for token in tokens]
    return rows, merges


def write_scored(writer, add_space_prefix):
    rows = scored_vocabulary(
        [("<pad>", CONTROL), ("<eos>", CONTROL), ("<bos>", CONTROL), ("<unk>", CONTROL), ("<end_of_turn>", CONTROL)]
    )
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token.encode() for token, _, _ in rows])
    writer.add_token_scores([score for _, score, _ in rows])
    writer.add_token_types([kind for _, _, kind in rows])
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(add_space_prefix)
    return len(rows)


def write_merged(writer, pre):
    rows, merges = merged_vocabulary([("<|end|>", CONTROL), ("<|im_start|>", CONTROL), ("<|im_end|>", CONTROL)])
    rows.append((f"[PAD{len(rows)}]", UNUSED))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([token.encode() for token, _ in rows])
    writer.add_token_types([kind for _, kind in rows])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}")
    return len(rows)


def interleaved(rows, heads):
    """Row i and row i + d/2 of each head next to each other: (heads, 2, d/2) to (heads, d/2, 2)."""
    size = rows.shape[0] // heads
    order = [head * size + half * size // 2 + i for head in range(heads) for i in range(size // 2) for half in (0, 1)]
    return rows[order]


def published(gguf, interleaves, heads):
    """Back again."""
    if not interleaves:
        return gguf
    size = gguf.shape[0] // heads
    out = np.empty_like(gguf)
    for head in range(heads):
        rows = gguf[head * size : (head + 1) * size]
        out[head * size : head * size + size // 2] = rows[0::2]
        out[head * size + size // 2 : (head + 1) * size] = rows[1::2]
    return out


def llama3_divisors(theta, factor, low, high, original):
    divisors = []
    for i in range(HEAD_DIM // 2):
        wavelength = 2 * math.pi * theta ** (2 * i / HEAD_DIM)
        share = (original / wavelength - low) / (high - low)
        divisors.append(1 / (min(1, max(0, share)) + (1 - min(1, max(0, share))) / factor))
    return np.array(divisors, dtype=np.float32)


def model(folder, name, arch, kind, layers, write_vocabulary, untied=False, llama3=None, linear=None):
    random = np.random.default_rng(sum(map(ord, name)))
    gemma = arch.startswith("gemma")
    writer = GGUFWriter(folder / f"{name}.gguf", arch)
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6 if gemma else 1e-5)
    writer.add_rope_freq_base({"gemma2": 10000.0, "gemma3": 1000000.0}.get(arch, 500000.0))
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    if gemma:
        writer.add_sliding_window(8)
    if arch == "gemma2":
        writer.add_attn_logit_softcapping(50.0)
        writer.add_final_logit_softcapping(30.0)
    if arch == "llama":
        writer.add_rope_dimension_count(HEAD_DIM)
    if linear:
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(linear)
    vocabulary = write_vocabulary(writer)
    expected = {}

    def add(gguf_name, published_name, shape, heads=None):
        one = len(shape) == 1
        values = (random.normal(size=shape) * (0.1 if one else 0.3)).astype(np.float32)
        if one and not gemma:
            values += np.float32(1)
        if one:
            # Gemma's gains are stored with 1 added, in float32.
            stored = values + np.float32(1) if gemma else values
            writer.add_tensor(gguf_name, stored)
            got = stored - np.float32(1) if gemma else stored
        else:
            rows = interleaved(values, heads) if heads and arch == "llama" else values
            data = quantize(rows, kind)
            writer.add_tensor(gguf_name, data, raw_dtype=kind)
            got = published(dequantize(data, kind).reshape(shape), bool(heads) and arch == "llama", heads)
        got = np.ascontiguousarray(got, dtype=np.float32)
        expected[published_name] = [list(shape), hashlib.sha256(got.tobytes()).hexdigest()]

    add("token_embd.weight", "model.embed_tokens.weight", (vocabulary, HIDDEN))
    if llama3:
        writer.add_tensor("rope_freqs.weight", llama3_divisors(500000.0, **llama3))
    for layer in range(layers):
        from_, to = f"blk.{layer}.", f"model.layers.{layer}."
        queries, keys = HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM
        add(f"{from_}attn_norm.weight", f"{to}input_layernorm.weight", (HIDDEN,))
        add(f"{from_}attn_q.weight", f"{to}self_attn.q_proj.weight", (queries, HIDDEN), HEADS)
        add(f"{from_}attn_k.weight", f"{to}self_attn.k_proj.weight", (keys, HIDDEN), KV_HEADS)
        add(f"{from_}attn_v.weight", f"{to}self_attn.v_proj.weight", (keys, HIDDEN))
        add(f"{from_}attn_output.weight", f"{to}self_attn.o_proj.weight", (HIDDEN, queries))
        if arch in ("gemma3", "qwen3"):
            add(f"{from_}attn_q_norm.weight", f"{to}self_attn.q_norm.weight", (HEAD_DIM,))
            add(f"{from_}attn_k_norm.weight", f"{to}self_attn.k_norm.weight", (HEAD_DIM,))
        if gemma:
            add(f"{from_}post_attention_norm.weight", f"{to}post_attention_layernorm.weight", (HIDDEN,))
            add(f"{from_}post_ffw_norm.weight", f"{to}post_feedforward_layernorm.weight", (HIDDEN,))
        before = "pre_feedforward_layernorm" if gemma else "post_attention_layernorm"
        add(f"{from_}ffn_norm.weight", f"{to}{before}.weight", (HIDDEN,))
        add(f"{from_}ffn_gate.weight", f"{to}mlp.gate_proj.weight", (FEED_FORWARD, HIDDEN))
        add(f"{from_}ffn_up.weight", f"{to}mlp.up_proj.weight", (FEED_FORWARD, HIDDEN))
        add(f"{from_}ffn_down.weight", f"{to}mlp.down_proj.weight", (HIDDEN, FEED_FORWARD))
    add("output_norm.weight", "model.norm.weight", (HIDDEN,))
    if untied:
        add("output.weight", "lm_head.weight", (vocabulary, HIDDEN))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (folder / f"{name}.expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def main(folder):
    model(folder, "gemma2", "gemma2", Type.F16, 2, lambda writer: write_scored(writer, False))
    model(folder, "gemma3", "gemma3", Type.Q4_0, 7, lambda writer: write_scored(writer, False), linear=8.0)
    llama3 = {"factor": 8.0, "low": 1.0, "high": 4.0, "original": 8192}
    model(folder, "llama", "llama", Type.Q8_0, 2, lambda writer: write_merged(writer, "smollm"), llama3=llama3)
    model(folder, "llama-scores", "llama", Type.Q5_1, 1, lambda writer: write_scored(writer, True), untied=True)
    model(folder, "qwen3", "qwen3", Type.BF16, 2, lambda writer: write_merged(writer, "qwen2"))


main(Path(sys.argv[1]))
