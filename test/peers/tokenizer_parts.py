#!/usr/bin/env python3
"""Tokenizers of every component and flag that the published tokenizers library has, and what it makes of texts with them.

  tokenizer_parts.py TEXTS.json OUTPUT.jsonl
  tokenizer_parts.py --fixture plugins/text/test-support/published-ids.jsonl

On each line of OUTPUT {name, file, encoded}: `file` is a whole tokenizer.json, `encoded` has, of every text, ids and, of some
tokenizers, their text without special tokens and with them; `refused` instead where the library itself fails. The fixture, which
`npm test` reads, has one tokenizer of so many, short texts on its first line, and no model where that is `spelling_model`.
"""
import itertools
import json
import os
import random
import sys
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

draw = random.Random(int(os.environ.get("GRAFT_PEERS_SEED", 11)))
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>"]
SAMPLE_TEXT = ["the cat and the dog, and then the end.", "a naïve café: don't, won't 12 123 1999!", "x y  z\n\nthe\tthe", "漢字 ひら 한글 Ünï ½ Ⅷ", "THE End of The World"] * 4


def flags(content, id, **more):
    base = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    return dict(id=id, content=content) | base | more


def spelling_model():
    """
    Spells the normal text in bytes and marks where a piece begins: "##" stands before every character but a piece's first. So
    every difference in the text or in the pieces is one of ids.
    """
    vocab = {t: i for i, t in enumerate(SPECIAL + [f"<0x{b:02X}>" for b in range(256)])}
    return dict(type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix="##", end_of_word_suffix=None,
                fuse_unk=False, byte_fallback=True, ignore_merges=False, vocab=vocab, merges=[])


def tokenizer(model=None, added=(), **parts):
    file = dict(version="1.0", truncation=None, padding=None, normalizer=None, pre_tokenizer=None, post_processor=None, decoder=None)
    model = model or spelling_model()
    vocab = model["vocab"]
    size = len(vocab)
    known = {t: i for i, t in enumerate(vocab)} if isinstance(vocab, dict) else {t: i for i, (t, _) in enumerate(vocab)}
    tokens = [flags(t, known[t]) for t in SPECIAL if t in known]
    for i, (content, more) in enumerate(added):
        tokens.append(flags(content, size + i, **more))
    return file | dict(added_tokens=tokens, model=model) | parts


def charsmap():
    """SentencePiece's own table of replacements, as its models carry it."""
    import base64, io
    import sentencepiece
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(SAMPLE_TEXT), model_writer=model, vocab_size=60,
                                             hard_vocab_limit=False, normalization_rule_name="nmt_nfkc", minloglevel=2)

    def fields(data):
        at = 0
        def varint():
            nonlocal at
            value = shift = 0
            while True:
                byte = data[at]; at += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value
        while at < len(data):
            key = varint()
            if key & 7 == 0:
                yield key >> 3, varint()
            elif key & 7 == 2:
                length = varint()
                yield key >> 3, data[at:at + length]
                at += length
            elif key & 7 == 5:
                at += 4
            else:
                at += 8
    spec = dict(fields(model.getvalue()))[3]
    return base64.b64encode(dict(fields(spec))[2]).decode()


def replace(pattern, content):
    return dict(type="Replace", pattern=pattern, content=content)


def normalizer_parts():
    simple = [dict(type=t) for t in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel")]
    strips = [dict(type="Strip", strip_left=l, strip_right=r) for l in (True, False) for r in (True, False)]
    bert = [dict(type="BertNormalizer", clean_text=c, handle_chinese_chars=h, strip_accents=s, lowercase=l)
            for c in (True, False) for h in (True, False) for s in (True, False, None) for l in (True, False)]
    replaces = [replace({"String": " "}, "▁"), replace({"String": "  "}, "_"), replace({"String": "the"}, ""),
                replace({"String": "."}, "$&$1"), replace({"Regex": " {2,}"}, " "), replace({"Regex": r"\s"}, "▁"),
                replace({"Regex": r"\p{M}+"}, ""), replace({"Regex": r"[^\p{L}\p{N}\s]"}, "#"), replace({"Regex": "(a|b)c?"}, "$1")]
    prepends = [dict(type="Prepend", prepend="▁"), dict(type="Prepend", prepend="ab")]
    return simple + strips + bert + replaces + prepends + [dict(type="Precompiled", precompiled_charsmap=charsmap())]


BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
PATTERNS = [
    {"String": " "}, {"String": "th"}, {"String": "."},
    {"Regex": r"\s+"}, {"Regex": r"\p{L}+|\d"}, {"Regex": r"\w+|[^\w\s]+"}, {"Regex": r"[\w.]+"},
    {"Regex": r"\p{Lu}\p{Ll}*"}, {"Regex": r"[[:punct:]]"}, {"Regex": r"[[:alpha:]]+"}, {"Regex": r".{1,3}"},
    {"Regex": r"\p{Han}+"}, {"Regex": r"\h+"}, {"Regex": r"(?=t)th?|[^t]{1,2}?"}, {"Regex": r"\s+(?!\S)|\s+"}, {"Regex": r"\p{L}++|\d++x?"},
    {"Regex": r"\s+$"}, {"Regex": r"(?<=t)h"}, {"Regex": r"[^(\s|[.,!?…。,、।۔،])]+"}, {"Regex": r"(?i:THE|ski)"},
]
LLAMA = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def split(pattern, behavior="Isolated", invert=False):
    return dict(type="Split", pattern=pattern, behavior=behavior, invert=invert)


def pre_tokenizer_parts():
    byte_level = [dict(type="ByteLevel", add_prefix_space=a, trim_offsets=t, use_regex=u)
                  for a in (True, False) for t in (True, False) for u in (True, False)]
    simple = [dict(type=t) for t in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "UnicodeScripts")]
    metaspace = [dict(type="Metaspace", replacement=r, prepend_scheme=p, split=s)
                 for r in ("▁", "_") for p in ("always", "first", "never") for s in (True, False)]
    metaspace += [dict(type="Metaspace", replacement="▁", add_prefix_space=True), dict(type="Metaspace", replacement="▁", add_prefix_space=False, prepend_scheme="never")]
    splits = [split(p, b, i) for p in PATTERNS for b in BEHAVIORS for i in (False, True)]
    splits += [split({"Regex": r}) for r in (LLAMA, O200K)] + [split({"Regex": O200K}, "Removed", True)]
    digits = [dict(type="Digits", individual_digits=i) for i in (True, False)]
    punctuation = [dict(type="Punctuation", behavior=b) for b in BEHAVIORS] + [dict(type="Punctuation")]
    delimiters = [dict(type="CharDelimiterSplit", delimiter=d) for d in (" ", "t", "漢")]
    fixed = [dict(type="FixedLength", length=n) for n in (1, 3, 7)]
    return byte_level + simple + metaspace + splits + digits + punctuation + delimiters + fixed


def random_pattern(depth=0):
    """An expression of what the library's tokenizers use: classes, repetitions, alternatives, looking ahead."""
    atom = lambda: draw.choice([r"\s", r"\S", r"\d", r"\w", r"\p{L}", r"\P{L}", r"\p{N}", r"[^\s\p{L}\p{N}]", r"[a-e\p{N}]", r"[^\r\n]", "t", "h", "e", " ", r"\n", ".", r"\p{Lu}", r"[^\w]", r"[\p{P}\p{S}]", "é", "漢"])
    quantifier = lambda: draw.choice(["", "", "+", "?", "*", "{1,3}", "{2}", "+?", "{1,2}?", ""])
    def piece():
        kind = draw.random()
        if kind < 0.7 or depth > 1:
            return atom() + quantifier()
        if kind < 0.85:
            return f"(?:{random_pattern(depth + 1)}){draw.choice(['', '?', '{1,2}'])}"
        return f"(?{draw.choice('=!')}{atom()})" + atom()
    return "|".join("".join(piece() for _ in range(draw.randint(1, 3))) for _ in range(draw.randint(1, 3)))


def trained(model, trainer, normalizer=None, pre_tokenizer=None):
    learner = Tokenizer(model)
    if normalizer: learner.normalizer = normalizer
    learner.pre_tokenizer = pre_tokenizer or pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(SAMPLE_TEXT, trainer)
    return json.loads(learner.to_str())["model"]


def model_parts():
    """Models, each with the pre-tokenizer that it was learnt behind."""
    settings = dict(special_tokens=SPECIAL, show_progress=False)
    meta = dict(type="Metaspace", replacement="▁", prepend_scheme="always", split=True)
    plain = trained(models.BPE(unk_token="<unk>"), trainers.BpeTrainer(vocab_size=120, **settings))
    for fuse in (True, False):
        for ignore in (True, False):
            yield f"BPE, fuse_unk {fuse}, ignore_merges {ignore}", plain | dict(fuse_unk=fuse, ignore_merges=ignore), dict(type="WhitespaceSplit")
            yield f"BPE over the whole text, fuse_unk {fuse}, ignore_merges {ignore}", plain | dict(fuse_unk=fuse, ignore_merges=ignore), None
    yield "BPE without unk_token", plain | dict(unk_token=None), dict(type="WhitespaceSplit")
    yield "BPE with dropout", plain | dict(dropout=0.1), None
    yield "BPE with dropout 0", plain | dict(dropout=0.0), None
    bytes_of = lambda some: {f"<0x{b:02X}>": len(plain["vocab"]) + i for i, b in enumerate(some)}
    for name, some in (("all bytes", range(256)), ("some bytes", list(range(0x30, 0x80)) + list(range(0xa0, 0xe8)))):
        for fuse in (True, False):
            yield f"BPE with {name}, fuse_unk {fuse}", plain | dict(byte_fallback=True, fuse_unk=fuse, vocab=plain["vocab"] | bytes_of(some)), None
    with_bytes = plain["vocab"] | bytes_of(range(256))
    merged = plain["merges"] + [["<0xC3>", "<0xA9>"], ["<0xA9>", "<0xC3>"]]
    merged_vocab = with_bytes | {"<0xC3><0xA9>": len(with_bytes), "<0xA9><0xC3>": len(with_bytes) + 1}
    yield "BPE that merges bytes", plain | dict(byte_fallback=True, vocab=merged_vocab, merges=merged), None
    again = plain["merges"] + plain["merges"][:3]
    yield "BPE with merges twice", plain | dict(merges=again), None
    pairs = [m if isinstance(m, list) else m.split(" ") for m in plain["merges"]]
    yield "BPE with merges as texts", plain | dict(merges=[" ".join(m) for m in pairs]), None
    yield "BPE with merges of no vocabulary", plain | dict(merges=pairs + [["the", "漢漢漢"]]), None
    for prefix, suffix in (("##", None), (None, "</w>"), ("##", "</w>"), ("", "")):
        marks = {k: v for k, v in dict(continuing_subword_prefix=prefix, end_of_word_suffix=suffix).items() if v is not None}
        learner = trainers.BpeTrainer(vocab_size=150, **settings, **marks)
        for fuse in (True, False):
            yield (f"BPE, prefix {prefix}, suffix {suffix}, fuse_unk {fuse}",
                   trained(models.BPE(unk_token="<unk>", **marks), learner) | dict(fuse_unk=fuse), dict(type="Whitespace"))
    byte_level = trained(models.BPE(), trainers.BpeTrainer(vocab_size=330, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **settings),
                         pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False))
    for ignore in (True, False):
        yield f"byte-level BPE, ignore_merges {ignore}", byte_level | dict(ignore_merges=ignore), dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)
    yield "byte-level BPE, Llama's words", byte_level, dict(type="Sequence", pretokenizers=[split({"Regex": LLAMA}), dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=False)])
    for prefix in ("##", "@@"):
        for most in (100, 5):
            word_piece = trained(models.WordPiece(unk_token="<unk>", max_input_chars_per_word=most, continuing_subword_prefix=prefix),
                                 trainers.WordPieceTrainer(vocab_size=120, continuing_subword_prefix=prefix, **settings))
            yield f"WordPiece, prefix {prefix}, at most {most}", word_piece, dict(type="BertPreTokenizer")
    word_level = trained(models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(vocab_size=40, **settings))
    yield "WordLevel", word_level, dict(type="Whitespace")
    unigram = trained(models.Unigram(), trainers.UnigramTrainer(vocab_size=90, unk_token="<unk>", **settings), pre_tokenizer=pre_tokenizers.Metaspace())
    unigram_bytes = unigram["vocab"] + [[f"<0x{b:02X}>", -20.0] for b in range(256)]
    for name, vocab, fallback in (("", unigram["vocab"], False), (", all bytes", unigram_bytes, True), (", some bytes", unigram_bytes[:-40], True)):
        yield f"Unigram{name}", unigram | dict(vocab=vocab, byte_fallback=fallback), meta
        yield f"Unigram{name}, the whole text", unigram | dict(vocab=vocab, byte_fallback=fallback), None
    ties = [[t, 0.0] for t in SPECIAL] + [[t, -1.0] for t in ("a", "b", "ab", "ba", "aba", "t", "h", "e", "th", "he", "the", " ", " t", "▁")]
    yield "Unigram with equal scores", unigram | dict(vocab=ties, byte_fallback=False), None
    yield "Unigram without unk_id", unigram | dict(unk_id=None), None


def decoder_parts():
    fallback = [replace({"String": "▁"}, " "), dict(type="ByteFallback"), dict(type="Fuse")]
    yield from (dict(type="ByteFallback"), dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True), dict(type="Fuse"), None)
    yield from (dict(type="Sequence", decoders=fallback), dict(type="Sequence", decoders=fallback + [dict(type="Strip", content=" ", start=1, stop=0)]))
    yield from (dict(type="WordPiece", prefix="##", cleanup=c) for c in (True, False))
    yield from (dict(type="Metaspace", replacement="▁", prepend_scheme=p, split=True) for p in ("always", "first", "never"))
    yield from (dict(type="BPEDecoder", suffix=s) for s in ("</w>", "e"))
    yield from (dict(type="CTC", pad_token="<pad>", word_delimiter_token="|", cleanup=c) for c in (True, False))
    yield from (dict(type="Sequence", decoders=[dict(type="Fuse"), dict(type="Strip", content=c, start=s, stop=e)]) for c, s, e in ((" ", 2, 1), ("t", 1, 0)))
    yield dict(type="Sequence", decoders=[dict(type="Fuse"), replace({"Regex": r"\s+"}, "_")])


def everything():
    for part in normalizer_parts():
        yield f"normalizer {json.dumps(part, ensure_ascii=False)[:160]}", tokenizer(normalizer=part)
    for part in pre_tokenizer_parts():
        yield f"pre_tokenizer {json.dumps(part, ensure_ascii=False)[:160]}", tokenizer(pre_tokenizer=part)
    for i in range(150):
        part = split({"Regex": random_pattern()}, draw.choice(BEHAVIORS), draw.random() < 0.3)
        yield f"random {json.dumps(part, ensure_ascii=False)}", tokenizer(pre_tokenizer=part)
    norms, pres = normalizer_parts(), pre_tokenizer_parts()
    for i in range(150):
        normalizer = dict(type="Sequence", normalizers=draw.sample(norms, draw.randint(0, 3)))
        pre_tokenizer = dict(type="Sequence", pretokenizers=draw.sample(pres, draw.randint(0, 3)))
        name = json.dumps([normalizer, pre_tokenizer], ensure_ascii=False)
        yield f"sequences {i} {name[:300]}", tokenizer(normalizer=normalizer, pre_tokenizer=pre_tokenizer)
    kinds = list(itertools.product((True, False), repeat=5))
    around = {"none": None, "Lowercase": dict(type="Lowercase"), "Replace": replace({"String": " "}, "▁"), "Prepend": dict(type="Prepend", prepend="▁"),
              "Strip": dict(type="Strip", strip_left=True, strip_right=True), "NFKC": dict(type="NFKC"), "ByteLevel": dict(type="ByteLevel")}
    for name, normalizer in around.items():
        for single_word, lstrip, rstrip, normalized, special in kinds:
            more = dict(single_word=single_word, lstrip=lstrip, rstrip=rstrip, normalized=normalized, special=special)
            added = [(t, more) for t in ("the", "<b>", "<bb>", "x y", "ﬁ")]
            scheme = "always" if name == "Strip" else "first"
            words = dict(type="Metaspace", replacement="▁", prepend_scheme=scheme, split=False)
            yield f"added {more} {name}", tokenizer(added=added, normalizer=normalizer, pre_tokenizer=words)
    for i in range(60):
        contents = draw.sample(["the", "THE", "<b>", "<bb>", "b><", "x y", " ", "  ", "\n\n", "12", "é", "漢", "<eos", ".", "▁▁", "th", "e"], 6)
        normalizer = draw.choice(list(around.values()))
        if normalizer and normalizer["type"] == "Strip":
            # Of a blank token nothing is left, and the library never ends.
            contents = [t for t in contents if not t.isspace()]
        added = [(t, dict(zip(("single_word", "lstrip", "rstrip", "normalized", "special"), draw.choice(kinds)))) for t in contents]
        yield f"added mixture {i} {added}", tokenizer(added=added, normalizer=normalizer, pre_tokenizer=draw.choice([None, dict(type="Whitespace"), dict(type="Metaspace", replacement="▁", prepend_scheme="first")]))
    for name, model, pre_tokenizer in model_parts():
        yield f"model {name}", tokenizer(model=model, pre_tokenizer=pre_tokenizer)
    spelled = spelling_model() | dict(continuing_subword_prefix=None)
    for decoder in decoder_parts():
        yield f"decoder {json.dumps(decoder)}", tokenizer(model=spelled, decoder=decoder, normalizer=around["Replace"], added=[("<b>", dict(special=False)), ("the", dict(special=False, normalized=True))])
    models_of = {name: (model, pre_tokenizer) for name, model, pre_tokenizer in model_parts()}
    for decoder in decoder_parts():
        for name in ("WordPiece, prefix ##, at most 100", "Unigram", "byte-level BPE, ignore_merges False", "BPE, prefix None, suffix </w>, fuse_unk False"):
            model, pre_tokenizer = models_of[name]
            yield f"decoder {json.dumps(decoder)} of {name}", tokenizer(model=model, pre_tokenizer=pre_tokenizer, decoder=decoder, added=[("<b>", dict(special=False)), ("<bb>", {})])
    template = dict(type="TemplateProcessing", single=[{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], pair=[{"Sequence": {"id": "A", "type_id": 0}}],
                    special_tokens={"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}})
    bert = dict(type="BertProcessing", sep=["<eos>", 1], cls=["<bos>", 2])
    roberta = bert | dict(type="RobertaProcessing", trim_offsets=True, add_prefix_space=True)
    byte_level = dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True)
    for part in (template, bert, roberta, byte_level, dict(type="Sequence", processors=[byte_level, template])):
        yield f"post_processor {json.dumps(part)[:60]}", tokenizer(post_processor=part)


def says(file, texts):
    """Of each text its ids and, where decoders are what is looked at, what they give back."""
    published = Tokenizer.from_str(json.dumps(file))
    for text in texts:
        ids = published.encode(text, add_special_tokens=False).ids
        decodes = file["decoder"] is not None or file["model"].get("continuing_subword_prefix") != "##"
        yield [ids, published.decode(ids), published.decode(ids, skip_special_tokens=False)] if decodes else [ids]


FIXTURE_TEXTS = [
    "", " a  b ", "The cat,the<b>dog <bb>x y.", "concatenate the cat", "don't I'LL 'ſ", "a\n\n\n b\r\n\tc", "é e\u0301 ﬁ ² Ⅷ ½ İ ΑΣ", "漢字ひら한글 カ\u3099",
    "😀 👩\u200d👧\ufeff\u2028\x85\xa0\u3000", "1234567 १२३ 3.14", "▁▁the <eos><unk><0x41>", "\0\x1f\x7f\ufffd\u200b", "\u088f\U000323b0\ua7ce\u0295\U0001e4d0\U00010ec5",
]
fixture = sys.argv[1] == "--fixture"
texts = FIXTURE_TEXTS if fixture else json.load(open(sys.argv[1], encoding="utf-8"))


def line(value):
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":")), file=output)


with open(sys.argv[2], "w", encoding="utf-8") as output:
    if fixture:
        line(dict(texts=texts))
    for name, file in itertools.islice(everything(), 3 if fixture else 0, None, 31 if fixture else 1):
        try:
            result = dict(encoded=list(says(file, texts)))
        except BaseException as error:  # The library also ends in panics, which are not exceptions.
            if isinstance(error, KeyboardInterrupt):
                raise
            result = dict(refused=str(error)[:200])
        if fixture:
            if "refused" in result or "Precompiled" in json.dumps(file):
                continue
            file = {key: part for key, part in file.items() if part is not None and part != spelling_model()}
        line(dict(name=name[:80] if fixture else name, file=file) | result)
