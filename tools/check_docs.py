#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a Markdown file names what is not there: a path, an option of the program, a CMake preset, a variable.

Usage: check_docs.py SOURCE_DIR PROGRAM

Looked at is what stands in code spans and code blocks. Paths begin with a folder of the repository; a part that is `x`
or in <angles> stands for any name, `*` and {a,b} are patterns. Options are those of `enlarge`, or of a script of the
repository.
"""

import json
import pathlib
import re
import subprocess
import sys

SPAN = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.M | re.S)
OPTION = re.compile(r"--[a-z][a-z0-9-]+")
HISTORY = {"CHANGELOG.md"}  # tells of what was, too


def tracked(root):
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True
    )
    if listed.returncode == 0 and listed.stdout:
        return [name for name in listed.stdout.splitlines() if (root / name).is_file()]
    return [
        str(p.relative_to(root))
        for p in root.rglob("*")
        if p.is_file() and p.relative_to(root).parts[0] not in ("build", ".git")
    ]


def helps(program):
    """{subcommand: its options}, "" for the main one."""
    text = subprocess.run([program, "--help"], capture_output=True, text=True).stdout
    found = {"": set(OPTION.findall(text))}
    for name in set(re.findall(r"^  ([a-z]+) ", text, re.M)) | {
        "compare",
        "models",
        "devices",
        "bench",
        "export",
        "completions",
    }:
        ran = subprocess.run([program, name, "--help"], capture_output=True, text=True)
        if ran.returncode != 0:
            continue
        found[name] = set(OPTION.findall(ran.stdout))
        for below in re.findall(r"^  ([a-z]+) ", ran.stdout, re.M):
            deeper = subprocess.run([program, name, below, "--help"], capture_output=True, text=True)
            if deeper.returncode == 0:
                found[name] |= set(OPTION.findall(deeper.stdout))
    return found


def alternatives(word):
    """src/{a,b}.cpp -> src/a.cpp, src/b.cpp."""
    braces = re.search(r"\{([^{}]*)\}", word)
    if not braces:
        return [word]
    return [
        w
        for part in braces.group(1).split(",")
        for w in alternatives(word[: braces.start()] + part + word[braces.end() :])
    ]


def is_there(root, word):
    pattern = "/".join("*" if "<" in part else re.sub(r"^x(?=\.|$)", "*", part) for part in word.rstrip("/").split("/"))
    return any(True for _ in root.glob(pattern)) if "*" in pattern else (root / pattern).exists()


def main():
    root, program = pathlib.Path(sys.argv[1]).resolve(), str(pathlib.Path(sys.argv[2]).resolve())
    names = tracked(root)
    folders = {name.split("/")[0] for name in names if "/" in name}
    path_like = re.compile(rf"^(?:\./)?(?:{'|'.join(re.escape(f) for f in sorted(folders))})/[\w./*{{}},<>+-]*$")
    commands = helps(program)
    if len(commands[""]) < 10:
        sys.exit(f"{program} --help names {len(commands[''])} options; expected dozens")
    scripts, text_of_sources = set(), []
    for name in names:
        if name.endswith(".md"):
            continue
        try:
            text = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        text_of_sources.append(text)
        if name.endswith((".py", ".sh")) or text.startswith("#!"):
            scripts |= set(OPTION.findall(text))
    variables = set(re.findall(r"ENLARGE_[A-Z0-9_]+", "\n".join(text_of_sources)))
    presets = {
        p["name"]
        for kind in ("configurePresets", "workflowPresets")
        for p in json.loads((root / "CMakePresets.json").read_text())[kind]
    }
    any_option = set().union(*commands.values()) | scripts
    problems, looked_at = [], 0
    for name in names:
        if not name.endswith(".md") or name in HISTORY:
            continue
        text = (root / name).read_text(encoding="utf-8")
        codes = [line for block in BLOCK.findall(text) for line in block.splitlines()]
        codes += SPAN.findall(BLOCK.sub("", text))
        for code in codes:
            looked_at += 1
            code = code.split(" #")[0]
            for word in re.split(r"[\s'\"=()|;:]+", code):
                word = word.rstrip(".,")
                if path_like.match(word) and "/build/" not in word:
                    problems += [
                        f"{name}: `{one}` is not there" for one in alternatives(word) if not is_there(root, one)
                    ]
            for part in re.split(r"\s(?:&&|\|\||\||;)\s", code):
                words = part.split()
                if not words:
                    continue
                if words[0] == "enlarge" or words[0].endswith("/enlarge"):
                    sub = words[1] if len(words) > 1 and words[1] in commands else ""
                    known = commands[sub]
                elif words[0].startswith("--"):
                    sub, known, words = "", any_option, words[:1]
                else:
                    if words[0] in ("cmake", "ctest"):
                        wanted = [w for before, w in zip(words, words[1:]) if before == "--preset"]
                        problems += [f"{name}: `{part.strip()}`: no preset {w}" for w in wanted if w not in presets]
                    continue
                given = [w for w in (OPTION.match(w) for w in words) if w]
                command = f"enlarge {sub}".strip()
                problems += [
                    f"{name}: `{part.strip()}`: {command} has no {w.group()}" for w in given if w.group() not in known
                ]
            problems += [
                f"{name}: nothing reads {v}"
                for v in re.findall(r"ENLARGE_[A-Z0-9_]*[A-Z0-9]", code)
                if v not in variables
            ]
    for problem in sorted(set(problems)):
        print(problem)
    print(f"{looked_at} pieces of code in the documents, {len(set(problems))} findings")
    return 1 if problems or not looked_at else 0


if __name__ == "__main__":
    sys.exit(main())
