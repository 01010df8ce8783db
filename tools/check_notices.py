#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a remark to the user has no stable code, or docs/json.md does not list exactly the codes that are used.

Usage: check_notices.py [SOURCE_DIR]. A remark is what goes into notice(), note(), notices.push_back() or
log(LogLevel::notice or warning): {"its-code", text}, or a Notice that came from elsewhere, named `said` or `notice`.
"""
import pathlib
import re
import sys

CODE = re.compile(r'(?:Notice)?\s*[({]\s*"([a-z0-9]+(?:-[a-z0-9]+)*)"\s*,|"([a-z0-9]+(?:-[a-z0-9]+)*)"\s*,')
PASSED_ON = re.compile(r"(?:std::move\()?(?:said|notice)\b(?!\.text)|\{\s*(?:said|notice)\.code\b|(?:const )?(?:enlarge::)?Notice\b")
ASSIGNED = re.compile(r'\b(?:notice|Notice)\s*(?:\w+\s*)?(?:=\s*)?\{\s*"([a-z0-9-]+)"\s*,')
CALL = re.compile(r"(?:\.|->|^|[\s(;{])(?:notice|note)\(|notices\.(?:push|emplace)_back\(|\blog\(\s*LogLevel::(?:notice|warning)\s*,")
LISTED = re.compile(r"^\| `([a-z0-9-]+)` \|", re.M)


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    used, found = {}, []
    for folder in ("src", "apps"):
        for path in sorted((root / folder).rglob("*.[ch]pp")):
            text = re.sub(r"//[^\n]*", "", path.read_text(encoding="utf-8"))
            where = path.relative_to(root)
            for match in ASSIGNED.finditer(text):
                used.setdefault(match[1], where)
            for match in CALL.finditer(text):
                argument = text[match.end():].lstrip()
                line = text.count("\n", 0, match.end()) + 1
                code = CODE.match(argument)
                if code:
                    used.setdefault(code[1] or code[2], where)
                elif not PASSED_ON.match(argument):
                    found.append(f"{where}:{line}: a remark without a code: {argument.splitlines()[0][:60]}")
    manual = root / "docs/json.md"
    section = manual.read_text(encoding="utf-8").partition("## Codes of notes")[2].partition("\n## ")[0] if manual.exists() else ""
    listed = LISTED.findall(section)
    found += [f"{where}: code '{code}' is not in docs/json.md" for code, where in sorted(used.items()) if code not in listed]
    found += [f"docs/json.md: nothing says '{code}'" for code in listed if code not in used]
    found += [f"docs/json.md: '{code}' is there twice" for code in sorted(set(listed)) if listed.count(code) > 1]
    for line in found:
        print(line)
    print(f"{len(used)} codes, {len(found)} findings")
    return 1 if found or not used else 0


if __name__ == "__main__":
    sys.exit(main())
