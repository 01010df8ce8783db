#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a wheel of the package with the library in it: one for every Python from 3.9 on this platform.

Usage: make_wheel.py LIBRARY FOLDER. LIBRARY is build/release/src/libenlarge.so; the wheel goes into FOLDER, and
its name printed. The libraries that LIBRARY needs (libvips, FFmpeg's and others, as scripts/packages lists them) are
the system's: the wheel is for machines like the one that it is made on, and its tag says linux, not manylinux.
"""
import base64
import hashlib
import pathlib
import platform
import re
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent


def metadata():
    """(name, version, METADATA) from pyproject.toml."""
    text = (HERE / "pyproject.toml").read_text(encoding="utf-8")
    value = {key: re.search(rf'^{key} = "(.*)"$', text, re.M).group(1)
             for key in ("name", "version", "description", "requires-python")}
    lines = ["Metadata-Version: 2.1", f"Name: {value['name']}", f"Version: {value['version']}",
             f"Summary: {value['description']}", "License: Apache-2.0", f"Requires-Python: {value['requires-python']}"]
    return value["name"], value["version"], "\n".join(lines) + "\n"


def main():
    library, folder = pathlib.Path(sys.argv[1]).resolve(strict=True), pathlib.Path(sys.argv[2])
    name, version, about = metadata()
    tag = f"py3-none-linux_{platform.machine()}"
    info = f"{name}-{version}.dist-info"
    files = {f"{name}/{path.name}": path.read_bytes() for path in sorted((HERE / name).glob("*.py"))}
    files[f"{name}/py.typed"] = b""
    files[f"{name}/libenlarge.so.0"] = library.read_bytes()
    root = HERE.parents[1]
    for licence in ("LICENSE", "NOTICE"):
        files[f"{info}/licenses/{licence}"] = (root / licence).read_bytes()
    files[f"{info}/METADATA"] = about.encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: make_wheel\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    record = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(data)}\n")
    files[f"{info}/RECORD"] = ("".join(record) + f"{info}/RECORD,,\n").encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))  # the same bytes every time
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, data)
    print(wheel)


if __name__ == "__main__":
    main()
