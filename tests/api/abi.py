#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the C interface as it is compiled now with the one that is kept.

Usage: abi.py HEADER COMPILER KEPT [--library LIBRARY] [--write]

KEPT lists every function, every enumerator with its value, every struct with its size, every field with its place and
size. What is in it may not change or go; structs may grow at their ends. What is new must be written down with --write,
which refuses everything else. With --library: a shared library must export exactly the functions of the header.
"""
import pathlib
import re
import subprocess
import sys
import tempfile


def parse(text):
    """(functions, enums, structs): declarations, {enum: names}, {struct: fields}."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    functions = [" ".join(found.split()) for found in re.findall(r"ENLARGE_API\s+([^;]+);", text)]
    enums = {name: re.findall(r"(ENLARGE_\w+)\s*=", body)
             for name, body in re.findall(r"typedef enum (\w+) \{([^}]*)\}", text)}
    structs = {}
    for name, body in re.findall(r"typedef struct (\w+) \{([^}]*)\}", text):
        structs[name] = [re.search(r"(\w+)\s*(?:\[\d+\])?$", one.strip()).group(1)
                         for line in body.split(";") if line.strip() for one in line.split(",")]
    callbacks = [" ".join(found.split()) for found in re.findall(r"typedef ([^;{}]*\(\*\w+\)[^;]*);", text)]
    return functions, callbacks, enums, structs


def dump(header, compiler):
    """The lines of the interface, made by a program that the compiler builds from the header."""
    functions, callbacks, enums, structs = parse(header.read_text(encoding="utf-8"))
    lines = ["function " + one for one in functions] + ["callback " + one for one in callbacks]
    source = ["#include <stdio.h>", f'#include "{header}"', "int main(void) {"]
    for name, values in enums.items():
        source += [f'printf("enum {name} {value} = %d\\n", (int){value});' for value in values]
    for name, fields in structs.items():
        source.append(f'printf("struct {name} has %zu bytes\\n", sizeof({name}));')
        source += [f'printf("field {name}.{field} at %zu, %zu bytes\\n", offsetof({name}, {field}), '
                   f"sizeof((({name}*)0)->{field}));" for field in fields]
    source += ["return 0;", "}"]
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "dump"
        (program.with_suffix(".c")).write_text("\n".join(source), encoding="utf-8")
        subprocess.run([compiler, "-std=c99", "-o", program, program.with_suffix(".c")], check=True)
        ran = subprocess.run([program], check=True, capture_output=True, text=True)
    return sorted(lines + ran.stdout.splitlines())


def grown(line, now):
    """Whether a struct's size is only larger than it was."""
    match = re.match(r"(struct \w+ has )(\d+) bytes", line)
    if not match:
        return False
    return any(one.startswith(match[1]) and int(one[len(match[1]):].split()[0]) > int(match[2]) for one in now)


def compare(kept, now):
    """(what broke, what is new)."""
    gone = [line for line in kept if line not in now and not grown(line, now)]
    return gone, [line for line in now if line not in kept]


def exported(library):
    listed = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in listed.splitlines()}


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    header, compiler, kept_file = pathlib.Path(words[0]).resolve(), words[1], pathlib.Path(words[2])
    now = dump(header, compiler)
    kept = kept_file.read_text(encoding="utf-8").splitlines() if kept_file.exists() else []
    gone, new = compare(kept, now)
    for line in gone:
        print(f"changed or gone: {line}")
    if "--write" in sys.argv and not gone:
        kept_file.write_text("\n".join(now) + "\n", encoding="utf-8")
        new = []
    for line in new:
        print(f"new, to be kept with --write: {line}")
    wrong = len(gone) + len(new)
    if "--library" in sys.argv:
        declared = {re.search(r"(\w+)\(", line).group(1) for line in now if line.startswith("function ")}
        has = exported(words[3])
        for name in sorted(declared ^ has):
            print(f"{name}: {'declared, but not exported' if name in declared else 'exported, but not declared'}")
        wrong += len(declared ^ has)
    print(f"{len(now)} lines, {wrong} findings")
    return 1 if wrong or not now else 0


if __name__ == "__main__":
    sys.exit(main())
