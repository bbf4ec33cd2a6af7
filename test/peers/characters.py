#!/usr/bin/env python3
"""Which characters the published tokenizers library takes for what, as tables for plugins/text/src/tokenizer-json/tables.ts.

  characters.py [OUTPUT.ts]

Each part of that library has a Unicode version of its own: its regular expressions another than its normal forms, and these
another than its lists of punctuation and marks. Every code point is shown to each of them. Without OUTPUT: prints the file.
"""
import sys
import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def those_removed(normalizer):
    """Characters that are not in the result; many at once, between characters that stay."""
    found = []
    for at in range(0, len(CODE_POINTS), 4096):
        some = CODE_POINTS[at:at + 4096]
        rest = set(normalizer.normalize_str("".join(map(chr, some))))
        found += [c for c in some if chr(c) not in rest]
    return found


def unassigned():
    return set(those_removed(normalizers.Replace(Regex(r"\p{Cn}"), "")))


def bert(**flags):
    parts = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**(parts | flags))


def normal_form_unknown(assigned):
    """
    Those that the normal forms leave alone although they are assigned: probed as marks, between marks of other classes, and
    against Python's own, newer, tables.
    """
    import unicodedata
    forms = {name: getattr(normalizers, name)() for name in ("NFC", "NFD", "NFKC", "NFKD")}
    found = set()
    for c in CODE_POINTS:
        s = chr(c)
        for name, form in forms.items():
            if form.normalize_str(s) != unicodedata.normalize(name, s):
                found.add(c)
                # What it is composed of would be composed to it.
                found.add(ord(unicodedata.normalize("NFD", s)[0]))
        if unicodedata.combining(s):
            for text in ("\u0301" + s, s + "\u0334", s + "\u0323", "\u0345" + s):
                if forms["NFD"].normalize_str(text) != unicodedata.normalize("NFD", text):
                    found.add(c)
    # Python's tables may be older than some characters; what the library leaves alone here, it does not know.
    young = {c for c in CODE_POINTS if c not in assigned or unicodedata.category(chr(c)) == "Cn"}
    for c in young:
        assert all(form.normalize_str(chr(c)) == chr(c) for form in forms.values()), hex(c)
    return found | young


def encode(code_points):
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"

    def base36(n):
        text = ""
        while True:
            n, digit = divmod(n, 36)
            text = digits[digit] + text
            if n == 0:
                return text

    ranges = []
    for c in sorted(code_points):
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    at, words = 0, []
    for start, end in ranges:
        words.append(base36(start - at) + (f"-{base36(end - start)}" if end > start else ""))
        at = end + 1
    return " ".join(words)


unknown_to_regex = unassigned()
assigned = set(CODE_POINTS) - unknown_to_regex
isolated = pre_tokenizers.Punctuation("isolated")
tables = {
    "ASSIGNED": assigned,
    "PUNCTUATION": [c for c in CODE_POINTS if len(isolated.pre_tokenize_str(f"a{chr(c)}a")) == 3],
    "STRIPPED_ACCENTS": those_removed(normalizers.StripAccents()),
    "BERT_ACCENTS": [c for c in CODE_POINTS if bert(strip_accents=True).normalize_str(chr(c)) == ""],
    "BERT_REMOVED": [c for c in CODE_POINTS if bert(clean_text=True).normalize_str(chr(c)) == ""],
    "NORMAL_FORM_UNKNOWN": normal_form_unknown(assigned),
}
lines = [f"// Made by test/peers/characters.py with tokenizers {tokenizers.__version__}. Ranges of code points in base 36: gap-length.", ""]
for name, code_points in tables.items():
    lines += [f"export const {name} =", f"  '{encode(code_points)}';"]
text = "\n".join(lines) + "\n"
if len(sys.argv) > 1:
    open(sys.argv[1], "w", encoding="utf-8").write(text)
else:
    print(text, end="")
