#!/usr/bin/env python3
"""Rows in every format as Python's own modules and pyarrow write them, and what Python's readers make of them.

  rows.py FOLDER SEED

Writes files of nasty rows, and FOLDER/cases.json: a list of {file, format, rows}, the rows as Python reads them back from the
file. Of the formats "odd lines" and "odd gzip" some are malformed: null stands for a line, or a file's text, that Python refuses, or
that has a key twice, half of a surrogate pair, or a number beyond a float64. Of a row the texts are texts; numbers are texts of their digits as Graft's documentation has them ({"number": ...}), dates
and times too ({"text": ...}); floats are compared by value ({"float": ..., "bits": ...}).
"""
import datetime
import decimal
import gzip
import json
import os
import random
import sys
import uuid

import pyarrow as pa
import pyarrow.parquet as pq

folder, seed = sys.argv[1], int(sys.argv[2])
draw = random.Random(seed)
cases = []

NASTY = [
    "\ufeff", "\0", "\x01", "\x1f", "\x7f", "\x85", "\xa0", "\xad", "\u2028", "\u2029", "\u200b", "\u200d", "\u202e", "\r", "\n", "\r\n",
    "\t", " ", "  ", '"', "\\", "\\u0041", "{", "}", "{{text}}", "[", ":", '":', ",", "/", "é", "e\u0301", "\ufffd", "\uffff", "\ufdd0",
    "\U0001f600", "\U0001f469\u200d\U0001f467", "\U0010ffff", "\U00010000", "漢字", "привет", "عرب", "\u0130", "ß", "true", "null",
    "1e400", "12345678901234567890", ": 1.50,", "<eos>", "\\ud83d", "__proto__",
]


def text(longest=12):
    def piece():
        kind = draw.randrange(4)
        if kind == 0:
            return draw.choice(NASTY)
        if kind == 1:
            return "".join(draw.choice("abc xyz.") for _ in range(draw.randrange(9)))
        code = draw.randrange(0x110000) if kind == 2 else draw.randrange(0x3000)
        return "" if 0xD800 <= code < 0xE000 else chr(code)

    return "".join(piece() for _ in range(draw.randrange(longest)))


def number():
    kind = draw.randrange(6)
    sign = draw.choice(["", "-"])
    if kind == 0:
        return sign + str(draw.randrange(10))
    if kind == 1:
        return sign + str(draw.randrange(2**53 - 4, 2**53 + 9))
    if kind == 2:
        return sign + str(draw.randrange(10 ** draw.randrange(1, 60)))
    fraction = "." + "".join(draw.choice("0123456789") for _ in range(draw.randrange(1, 25))) if kind != 3 else ""
    exponent = draw.choice("eE") + draw.choice(["", "+", "-"]) + str(draw.randrange(300)) if kind in (3, 5) else ""
    # A float64 holds the largest.
    return sign + ("1" if kind == 5 else str(draw.randrange(1, 10 ** draw.randrange(1, 9)))) + fraction + exponent


def quoted(value):
    """A JSON string, its characters escaped or not as chance has it."""
    out = ['"']
    for char in value:
        code = ord(char)
        if char in '"\\' or code < 0x20 or draw.random() < 0.1:
            units = char.encode("utf-16-be")
            short = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f"}
            if char in short and draw.random() < 0.5:
                out.append(short[char])
            else:
                form = draw.choice(["\\u%04x", "\\u%04X"])
                out.extend(form % int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2))
        else:
            out.append(char)
    return "".join(out) + '"'


def blank():
    return draw.choice(["", "", "", " ", "\t", "\r", "  "])


def json_value(depth=0):
    kind = draw.randrange(7 if depth < 3 else 5)
    if kind < 2:
        return quoted(text())
    if kind < 4:
        return number()
    if kind == 4:
        return draw.choice(["true", "false", "null"])
    if kind == 5:
        return "[" + ",".join(blank() + json_value(depth + 1) + blank() for _ in range(draw.randrange(4))) + "]"
    keys = {text(4) for _ in range(draw.randrange(4))}
    return json_object([(key, json_value(depth + 1)) for key in sorted(keys)])


def json_object(pairs):
    return "{" + ",".join(f"{blank()}{quoted(key)}{blank()}:{blank()}{value}{blank()}" for key, value in pairs) + "}"


class Number(str):
    pass


def marked(value):
    """As the comparison wants it."""
    if isinstance(value, Number):
        return {"number": str(value)}
    if isinstance(value, list):
        return {"list": [marked(item) for item in value]}
    if isinstance(value, dict):
        return {"object": [[key, marked(item)] for key, item in value.items()]}
    return value


def read_lines(data):
    """As Python's json reads them; a byte order mark at the start of a file is no part of the first line."""
    lines = data.decode("utf-8").removeprefix("\ufeff").split("\n")
    rows = [json.loads(line, parse_int=Number, parse_float=Number) for line in lines if line.strip(" \t\r")]
    return [marked(row) for row in rows]


def members(data):
    """Gzip data: one member or several, cut anywhere, with zeros between and behind them, of any level."""
    out = b""
    while True:
        cut = draw.choice([len(data), draw.randrange(len(data) + 1), draw.randrange(min(9, len(data) + 1))])
        out += gzip.compress(data[:cut], draw.randrange(10), mtime=0)
        out += bytes(draw.choice([0, 0, 1, 512, 300_000 if draw.random() < 0.02 else 3]))
        data = data[cut:]
        if not data and draw.random() < 0.8:
            return out


def write(name, data):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)
    return name


def lines(count):
    out = []
    for _ in range(count):
        pairs = [("text", quoted(text())), ("id", number()), ("any", json_value())]
        draw.shuffle(pairs)
        out.append(blank() + json_object(pairs) + blank() + draw.choice(["", "", "\n", "\n \t\r", "\r"]))
    end = draw.choice(["", "\n", "\r\n", "\n\n"])
    mark = "\ufeff" if draw.random() < 0.2 else ""
    return (mark + "\n".join(out) + end).encode("utf-8")


for i in range(30):
    data = lines(60)
    cases.append({"file": write(f"{i}.jsonl", data), "format": "lines", "rows": read_lines(data)})
    packed = members(data)
    with gzip.open(os.path.join(folder, write(f"{i}.jsonl.gz", packed))) as file:
        cases.append({"file": f"{i}.jsonl.gz", "format": "lines", "rows": read_lines(file.read())})

for i in range(40):
    data = "".join(text(60) for _ in range(draw.choice([1, 40, 900]))).encode("utf-8")
    with open(os.path.join(folder, write(f"{i}.txt", data)), encoding="utf-8", newline="") as file:
        cases.append({"file": f"{i}.txt", "format": "text", "rows": [file.read()]})
    write(f"{i}.txt.gz", members(data))
    with gzip.open(os.path.join(folder, f"{i}.txt.gz"), "rt", encoding="utf-8", newline="") as file:
        cases.append({"file": f"{i}.txt.gz", "format": "text", "rows": [file.read()]})



class Refused(Exception):
    pass


def once(pairs):
    if len(dict(pairs)) < len(pairs):
        raise Refused
    for key, value in pairs:
        for one in (key, value):
            if isinstance(one, str):
                one.encode("utf-8")
    return dict(pairs)


def refuse(_):
    raise Refused


def finite(digits):
    if abs(float(digits)) == float("inf"):
        raise Refused
    return Number(digits)


def verdict(line):
    """The row of a line; None where it is refused."""
    try:
        row = json.loads(line.decode("utf-8"), parse_int=finite, parse_float=finite, parse_constant=refuse, object_pairs_hook=once)
        json.dumps(row, ensure_ascii=False).encode("utf-8")
    except (ValueError, Refused, OverflowError, RecursionError):
        return None
    return marked(row) if isinstance(row, dict) else None


def changed(data, alphabet):
    data = bytearray(data)
    for _ in range(draw.choice([0, 1, 1, 2, 5])):
        at = draw.randrange(len(data) + 1)
        data[at : at + draw.randrange(3)] = draw.choice(alphabet)
    return bytes(data)


ODD = [part.encode() for part in ['"', "\\", "{", "}", "[", "]", ",", ":", "0", "-", "1e400", ".", "e", "NaN", "null", "\\ud83d", "\\ude00", "\\u", "\x00", "\t", " "]]
ODD += [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b""]
for i in range(10):
    odd = []
    while len(odd) < 400:
        line = json_object([(text(4), json_value()) for _ in range(draw.randrange(5))]).encode()
        line = changed(line, ODD).replace(b"\n", b"")
        # A mark at the start of a file is no part of a line.
        if line.strip(b" \t\r") and (odd or not line.startswith(b"\xef\xbb\xbf")):
            odd.append(line)
    cases.append({"file": write(f"odd{i}.jsonl", b"\n".join(odd)), "format": "odd lines", "rows": [verdict(line) for line in odd]})
for i in range(400):
    data = members("".join(text(30) for _ in range(3)).encode())
    data = changed(data, [bytes([draw.randrange(256)]), b"\0", b"\x1f\x8b", b"\x1f", b"junk", b""])
    data = data[: draw.randrange(len(data))] if draw.random() < 0.2 else data
    try:
        with gzip.open(os.path.join(folder, write(f"odd{i}.gz", data)), "rt", encoding="utf-8", newline="") as file:
            rows = [file.read()]
    except Exception:
        rows = [None]
    cases.append({"file": f"odd{i}.gz", "format": "odd gzip", "rows": rows})

# Parquet: columns of every type, in every compression, page version and encoding.

ROWS = 90


def some(make, null=0.15):
    return lambda: None if draw.random() < null else make()


def whole(bits, signed):
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    return lambda: draw.choice([low, high - 1, 0, draw.randrange(low, high), draw.randrange(low, high)])


def fixed_point(precision, scale):
    digits = lambda: draw.randrange(10 ** draw.randrange(1, precision + 1))
    return lambda: decimal.Decimal(draw.choice([-1, 1]) * digits()).scaleb(-scale, decimal.Context(prec=90))


def real():
    return draw.choice([0.0, -0.0, 1.0, 0.1, -1.5, 1e300, 5e-324, 1e21, 123456789.125, draw.uniform(-1, 1), draw.uniform(-1e9, 1e9)])


def real32():
    import struct

    return draw.choice([0.0, -0.0, 0.1, 1 / 3, 16777216.0, 3.4e38, 1e-45, struct.unpack("<f", draw.randbytes(3) + b"\x40")[0]])


def day():
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=draw.choice([0, -1, draw.randrange(-700_000, 2_900_000)]))


def moment(step):
    micros = draw.choice([0, -1, draw.randrange(-(10**15), 10**15), 86_400_000_000 * draw.randrange(-9000, 9000)])
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros // step * step)


def clock(step):
    micros = draw.choice([0, 86_399_999_999, draw.randrange(86_400_000_000)]) // step * step
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros)).time()


turn = pa.struct([("role", pa.string()), ("content", pa.string())])
TYPES = {
    "text": (pa.string(), some(text)),
    "required": (pa.field("required", pa.string(), nullable=False), text),
    "large": (pa.large_string(), some(text)),
    "few": (pa.string(), some(lambda: draw.choice(NASTY))),
    "words": (pa.dictionary(pa.int32(), pa.string()), some(lambda: draw.choice(NASTY))),
    "constant": (pa.string(), lambda: "the same \U0001f600"),
    "nothing": (pa.string(), lambda: None),
    "bytes": (pa.binary(), some(lambda: text().encode())),
    "long": (pa.string(), some(lambda: text(900))),
    "flag": (pa.bool_(), some(lambda: draw.random() < 0.5)),
    **{f"int{bits}": (getattr(pa, f"int{bits}")(), some(whole(bits, True))) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (getattr(pa, f"uint{bits}")(), some(whole(bits, False))) for bits in (8, 16, 32, 64)},
    "float64": (pa.float64(), some(real)),
    "float32": (pa.float32(), some(real32)),
    "float16": (pa.float16(), some(lambda: __import__("numpy").float16(draw.choice([0.0, 0.1, 1.5, -2.0, 65504, 6e-8])))),
    "money": (pa.decimal128(20, 2), some(fixed_point(20, 2))),
    "small": (pa.decimal128(9, 4), some(fixed_point(9, 4))),
    "middle": (pa.decimal128(18, 0), some(fixed_point(18, 0))),
    "huge": (pa.decimal256(76, 30), some(fixed_point(76, 30))),
    "date": (pa.date32(), some(day)),
    "date64": (pa.date64(), some(day)),
    "clock_ms": (pa.time32("ms"), some(lambda: clock(1000))),
    "clock_us": (pa.time64("us"), some(lambda: clock(1))),
    "clock_ns": (pa.time64("ns"), some(lambda: clock(1))),
    "at_ms": (pa.timestamp("ms"), some(lambda: moment(1000))),
    "at_us": (pa.timestamp("us"), some(lambda: moment(1))),
    "at_utc": (pa.timestamp("us", "UTC"), some(lambda: moment(1))),
    "at_ns": (pa.timestamp("ns"), some(lambda: moment(1))),
    "uuid": (pa.uuid(), some(lambda: uuid.UUID(int=draw.getrandbits(128)).bytes)),
    "json": (pa.json_(), some(lambda: json_value())),
    "list": (pa.list_(pa.string()), some(lambda: [some(text)() for _ in range(draw.randrange(4))])),
    "lists": (pa.list_(pa.list_(pa.int64())), some(lambda: [some(lambda: [some(whole(64, True))() for _ in range(draw.randrange(3))])() for _ in range(draw.randrange(3))])),
    "struct": (pa.struct([("a", pa.string()), ("b", pa.struct([("c", pa.decimal128(20, 2)), ("d", pa.list_(pa.float64()))]))]),
               some(lambda: {"a": some(text)(), "b": some(lambda: {"c": some(fixed_point(20, 2))(), "d": some(lambda: [some(real)() for _ in range(draw.randrange(3))])()})()})),
    "turns": (pa.list_(turn), some(lambda: [some(lambda: {"role": some(text)(), "content": some(text)()}, 0.1)() for _ in range(draw.randrange(4))])),
    "map": (pa.map_(pa.string(), pa.int64()), some(lambda: [(key, some(whole(64, True))()) for key in sorted({text(4) for _ in range(draw.randrange(4))})])),
}


def iso(value, digits):
    out = value.isoformat(timespec="seconds")
    micros = value.microsecond
    return out + ("." + f"{micros:06d}000"[:digits] if micros else "")


def shown(value, kind):
    if value is None or isinstance(value, bool):
        return value
    if pa.types.is_list(kind):
        return {"list": [shown(item, kind.value_type) for item in value]}
    if pa.types.is_struct(kind):
        return {"object": [[field.name, shown(value[field.name], field.type)] for field in kind]}
    if pa.types.is_map(kind):
        return {"object": [[key, shown(item, kind.item_type)] for key, item in value]}
    if kind == pa.json_():
        return marked(json.loads(value, parse_int=Number, parse_float=Number))
    if kind == pa.uuid():
        return str(value)
    if pa.types.is_floating(kind):
        return {"float": repr(float(value)), "bits": kind.bit_width}
    if pa.types.is_decimal(kind):
        return {"number": format(value, "f")}
    if pa.types.is_integer(kind):
        return {"number": str(value)}
    if pa.types.is_date(kind):
        return value.isoformat()
    digits = {"ms": 3, "us": 6, "ns": 9}[kind.unit] if pa.types.is_time(kind) or pa.types.is_timestamp(kind) else 0
    if pa.types.is_time(kind):
        return iso(value, digits)
    if pa.types.is_timestamp(kind):
        return iso(value.replace(tzinfo=None), digits).replace(" ", "T") + ("Z" if kind.tz else "")
    return value.decode("utf-8") if isinstance(value, bytes) else value


def parquet(name, columns, **options):
    fields, arrays = [], []
    for column in columns:
        kind, make = TYPES[column]
        field = kind if isinstance(kind, pa.Field) else pa.field(column, kind)
        values = [make() for _ in range(ROWS)]
        fields.append(field)
        storage = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
        array = pa.array(values, storage)
        arrays.append(pa.ExtensionArray.from_storage(field.type, array) if storage is not field.type else array)
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    path = os.path.join(folder, name)
    pq.write_table(table, path, row_group_size=draw.choice([7, 40, 1000]), data_page_size=draw.choice([64, 1024, 1 << 20]), **options)
    back = pq.read_table(path, coerce_int96_timestamp_unit="ns")
    rows = []
    values = [back.column(i) for i in range(len(columns))]
    for i in range(ROWS):
        row = []
        for column, value in zip(columns, values):
            kind = TYPES[column][0]
            kind = kind.type if isinstance(kind, pa.Field) else kind
            if pa.types.is_dictionary(kind):
                kind = kind.value_type
            one = value[i].as_py()
            row.append([column, shown(one, pa.timestamp("ns") if options.get("use_deprecated_int96_timestamps") else kind)])
        rows.append({"object": row})
    cases.append({"file": name, "format": "parquet", "rows": rows})


made = 0
for compression in ["none", "snappy", "gzip", "brotli", "lz4", "zstd"]:
    for version in ["1.0", "2.0"]:
        for dictionary in [True, False]:
            made += 1
            parquet(
                f"{made}.parquet", list(TYPES), compression=compression, data_page_version=version, use_dictionary=dictionary,
                write_page_checksum=draw.random() < 0.5, store_decimal_as_integer=draw.random() < 0.5,
                write_batch_size=draw.choice([5, 1024]),
            )
ENCODINGS = {
    "DELTA_LENGTH_BYTE_ARRAY": ["text", "required", "large", "few", "nothing", "bytes", "long"],
    "DELTA_BYTE_ARRAY": ["text", "required", "large", "few", "nothing", "bytes", "long", "money", "uuid"],
    "DELTA_BINARY_PACKED": ["int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "date", "at_us", "clock_ms"],
    "BYTE_STREAM_SPLIT": ["int32", "int64", "float32", "float64", "float16", "uuid", "money"],
    "PLAIN": list(TYPES),
    "RLE": ["flag"],
}
for encoding, columns in ENCODINGS.items():
    for version in ["1.0", "2.0"]:
        for compression in ["none", "zstd"]:
            made += 1
            columns_of = [c for c in columns if encoding != "PLAIN" or c not in ("list", "lists", "struct", "turns", "map")]
            parquet(
                f"{made}.parquet", columns_of, compression=compression, data_page_version=version, use_dictionary=False,
                column_encoding={c: encoding for c in columns_of}, write_page_checksum=True,
            )
made += 1
parquet(f"{made}.parquet", ["at_ms", "at_us"], use_deprecated_int96_timestamps=True)

with open(os.path.join(folder, "cases.json"), "w", encoding="ascii") as file:
    json.dump(cases, file)
