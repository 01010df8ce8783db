#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a source file lacks its SPDX line, holds a tab, trailing blanks or a line of more than 120 columns, or a
Markdown link points nowhere.

Usage: check_sources.py [SOURCE_DIR] [--write-long-lines]

tools/long_lines.txt counts the longer lines that were there before the rule, file by file. A file may have fewer, never
more; with --write-long-lines the counts that fell are written down, and a file that has none left is dropped. Without that
list lines of any length are let through, and --write-long-lines makes it: from then on the rule holds.
"""
import pathlib
import re
import subprocess
import sys

NEEDS_SPDX = {".cpp", ".hpp", ".h", ".c", ".cu", ".cuh", ".py", ".sh", ".cmake", ".S"}
COLUMNS = 120
LONG_LINES = "tools/long_lines.txt"
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def main() -> int:
    arguments = [word for word in sys.argv[1:] if not word.startswith("--")]
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent).resolve()
    allowed = {}  # longer lines, by file
    ruled = (root / LONG_LINES).is_file()
    if ruled:
        for line in (root / LONG_LINES).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                count, name = line.split(maxsplit=1)
                allowed[name] = int(count)
    counted = {}
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        names = listed.stdout.splitlines()
    else:
        names = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and "build" not in p.parts]
    found, files = [], 0
    for name in sorted(names):
        path = root / name
        if not path.is_file():
            continue
        script = path.suffix == "" and path.read_bytes()[:2] == b"#!"
        if path.suffix in NEEDS_SPDX or path.name == "CMakeLists.txt" or script:
            files += 1
            text = path.read_text(encoding="utf-8")
            if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(text.splitlines()[:4]):
                found.append(f"{name}: no SPDX line among the first four")
            longer = [number for number, line in enumerate(text.splitlines(), 1) if len(line) > COLUMNS]
            if longer:
                counted[name] = len(longer)
            if ruled and len(longer) > allowed.get(name, 0):
                known = f", {allowed[name]} of them known" if name in allowed else ""
                found.append(f"{name}: {len(longer)} lines of more than {COLUMNS} columns{known}: "
                             + ", ".join(map(str, longer[:8])) + (" ..." if len(longer) > 8 else ""))
            for number, line in enumerate(text.splitlines(), 1):
                if "\t" in line and path.suffix != ".S":
                    found.append(f"{name}:{number}: a tab")
                if line != line.rstrip():
                    found.append(f"{name}:{number}: trailing blanks")
        elif path.suffix == ".md":
            files += 1
            for target in LINK.findall(path.read_text(encoding="utf-8")):
                if not (path.parent / target).exists():
                    found.append(f"{name}: link to {target}, which does not exist")
    if "--write-long-lines" in sys.argv:
        kept = {name: count for name, count in counted.items() if not ruled or count <= allowed.get(name, 0)}
        head = f"# Lines of more than {COLUMNS} columns from before the rule (check_sources.py): "
        head += "only to be made fewer.\n"
        (root / LONG_LINES).write_text(head + "".join(f"{count} {name}\n" for name, count in sorted(kept.items())))
    for line in found:
        print(line)
    print(f"{files} files, {len(found)} findings")
    return 1 if found or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
