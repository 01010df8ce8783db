#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a module includes what docs/architecture.md does not let it include.

Usage: check_layers.py [SOURCE_DIR]. Prints one line per violation; exits 1 when there is one.
"""
import pathlib
import re
import sys

TIER1 = {"image", "graph", "kernels", "weights"}
# module -> modules it may include, itself and base aside.
ALLOWED = {
    "base": set(),
    "image": set(),
    "graph": set(),
    "kernels": set(),
    "weights": set(),
    "zoo": set(),
    "color": {"image", "kernels"},
    "tile": {"image", "kernels"},
    "arch": {"weights", "graph"},
    "export": {"graph", "weights"},
    "plan": {"graph", "tile", "image"},
    "media": {"image"},
    "pictures": {"image"},
    "backend": {"graph", "plan", "kernels", "image", "color", "tile"},
    "run": (TIER1 - {"weights"}) | {"color", "tile", "plan", "backend"},
    "video": {"image", "color", "tile", "media", "backend", "run"},
    "api": {"base", "image", "graph", "kernels", "weights", "zoo", "color", "tile", "arch", "export", "plan", "media",
            "pictures", "backend", "run", "video"},
}
# Public headers that every module may include, because the types in them are the lowest tier's own.
PUBLIC_BASE = {"result.hpp", "image.hpp", "device.hpp", "limits.hpp", "cancel.hpp", "log.hpp", "notice.hpp"}
# Public headers that a module below api implements or fills in.
PUBLIC_OF = {"pictures": {"picture.hpp"}, "media": {"media.hpp"}, "zoo": {"models.hpp"}, "run": {"enlarge.hpp"},
             "export": {"models.hpp"}, "video": {"enlarge.hpp", "media.hpp", "farm.hpp"}}
# External headers with one user only.
ONLY_USER = [
    (re.compile(r"^(libav\w+|libsw\w+)/"), {"media"}),
    (re.compile(r"^vips/"), {"pictures"}),
    (re.compile(r"^zimg"), {"color"}),
    (re.compile(r"^curl/"), {"zoo"}),
    (re.compile(r"^zip\.h$"), {"weights"}),
    (re.compile(r"^microhttpd\.h$"), {"apps/server/http"}),
    (re.compile(r"^sqlite3\.h$"), {"apps/server/jobs"}),
]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def check_source(root: pathlib.Path, path: pathlib.Path) -> list[str]:
    module = path.relative_to(root / "src").parts[0]
    if module not in ALLOWED:
        return [f"{path.relative_to(root)}: module '{module}' is not in the table of tools/check_layers.py"]
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        name = match.group(2)
        where = f"{path.relative_to(root)}:{number}"
        head = name.split("/")[0]
        if head == "enlarge":
            header = name.split("/", 1)[1]
            if module != "api" and header not in PUBLIC_BASE and header not in PUBLIC_OF.get(module, set()):
                found.append(f"{where}: {module} includes the public header {name}")
        elif head in ALLOWED and "/" in name:
            if head not in ALLOWED[module] | {module, "base"}:
                found.append(f"{where}: {module} includes {name}")
        for pattern, users in ONLY_USER:
            if pattern.match(name) and module not in users:
                found.append(f"{where}: {module} includes <{name}>, which is for {', '.join(sorted(users))} alone")
    return found


def check_outside(root: pathlib.Path, path: pathlib.Path) -> list[str]:
    """Applications, bindings, examples: public headers only; two folders of the server have a library each."""
    found = []
    folder = path.parent.relative_to(root).as_posix()
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if match and "/" in match.group(2) and match.group(2).split("/")[0] in ALLOWED:
            found.append(f"{path.relative_to(root)}:{number}: only include/ may be used here, not {match.group(2)}")
        for pattern, users in ONLY_USER if match else []:
            served = any(user.startswith("apps/") for user in users)
            if served and pattern.match(match.group(2)) and folder not in users:
                whom = ", ".join(sorted(users))
                found.append(f"{path.relative_to(root)}:{number}: <{match.group(2)}> is for {whom} alone")
    return found


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    found, files = [], 0
    endings = {".cpp", ".hpp", ".h", ".c", ".cu", ".cuh"}
    for path in sorted((root / "src").rglob("*")):
        if path.suffix in endings:
            files += 1
            found += check_source(root, path)
    for folder in ("apps", "bindings", "examples", "include"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in endings:
                files += 1
                found += check_outside(root, path)
    for line in found:
        print(line)
    print(f"{files} files, {len(found)} violations")
    return 1 if found or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
