#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a source file lacks its SPDX line, holds a tab or trailing blanks, or a Markdown link points nowhere.

Usage: check_sources.py [SOURCE_DIR]
"""
import pathlib
import re
import subprocess
import sys

NEEDS_SPDX = {".cpp", ".hpp", ".h", ".c", ".cu", ".cuh", ".py", ".sh", ".cmake", ".S"}
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
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
    for line in found:
        print(line)
    print(f"{files} files, {len(found)} findings")
    return 1 if found or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
