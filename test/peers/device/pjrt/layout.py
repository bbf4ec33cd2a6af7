#!/usr/bin/env python3
"""Makes layout.json: size and offsets of every struct of the PJRT C API, and of the functions in its table.

  pip download --no-deps tensorflow-cpu==2.21.0
  unzip -j tensorflow_cpu-2.21.0-*.whl tensorflow/include/xla/pjrt/c/pjrt_c_api.h
  python3 test/peers/device/pjrt/layout.py pjrt_c_api.h > test/peers/device/pjrt/layout.json

A field is [offset, bytes], a function its offset in PJRT_Api. The header of that wheel is of version 0.90. The C
compiler (`cc`) says where the fields lie.
"""

import os
import re
import subprocess
import sys
import tempfile


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def fields_of(body):
    """Names of a struct's fields; those of an anonymous union or struct inside it count as its own."""
    body = without_comments(body)
    body = re.sub(r"union \{(.*?)\};", r"\1", body, flags=re.S)
    body = re.sub(r"struct \{(.*?)\}\s*;", r"\1", body, flags=re.S)
    for statement in filter(None, (" ".join(part.split()) for part in body.split(";"))):
        function = re.search(r"\(\*(\w+)\)\(", statement)
        if function:
            yield function[1]
        elif "(" not in statement:
            yield re.match(r".*?(\w+)(\[\w*\])?$", statement)[1]


def program(header):
    """A C program that prints the layout."""
    source = open(header, encoding="utf-8").read()
    lines = ["#include <stddef.h>", "#include <stdio.h>", f'#include "{os.path.abspath(header)}"']
    lines += ["int main(void) {", 'const char *c = "", *d;', 'printf("{\\"structs\\":{");']
    for name, body in re.findall(r"^struct (PJRT_\w+) \{(.*?)\n\};", source, re.S | re.M):
        if name == "PJRT_Api":
            continue
        lines.append(f'printf("%s\\n\\"{name}\\":{{\\"size\\":%zu,\\"fields\\":{{", c, sizeof({name}));')
        lines.append('c = ","; d = "";')
        for field in fields_of(body):
            place = f"offsetof({name}, {field}), sizeof((({name}*)0)->{field})"
            lines.append(f'printf("%s\\"{field}\\":[%zu,%zu]", d, {place}); d = ",";')
        lines.append('printf("}}");')
    lines.append('printf("},\\"functions\\":{"); c = "";')
    table = re.search(r"(?:typedef )?struct PJRT_Api \{(.*?)\n\}", source, re.S)[1]
    for function in re.findall(r"_PJRT_API_STRUCT_FIELD\((\w+)\)", without_comments(table)):
        lines.append(f'printf("%s\\"{function}\\":%zu", c, offsetof(PJRT_Api, {function})); c = ",";')
    lines.append('printf("},\\"apiSize\\":%zu,\\"minor\\":%d}\\n", sizeof(PJRT_Api), PJRT_API_MINOR);')
    return "\n".join([*lines, "return 0;", "}", ""])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        source, binary = os.path.join(folder, "layout.c"), os.path.join(folder, "layout")
        with open(source, "w", encoding="utf-8") as file:
            file.write(program(sys.argv[1]))
        subprocess.run(["cc", source, "-o", binary], check=True)
        subprocess.run([binary], check=True)


if __name__ == "__main__":
    main()
