#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a wheel of the package with the library in it: one for every Python from 3.9 on this platform.

Usage: make_wheel.py LIBRARY FOLDER [--carry]. LIBRARY is build/release/src/libenlarge.so; the wheel goes into FOLDER,
and its name printed. The libraries that LIBRARY needs (libvips, FFmpeg's and others, as scripts/packages lists them)
are the system's: the wheel is for machines like the one that it is made on, and its tag says linux, not manylinux.

With --carry it has them inside, as the archive of scripts/package does, with their licences and our own sources, and
runs wherever glibc is new enough; as a whole it is under the GPL, version 3, then.
"""
import base64
import hashlib
import pathlib
import platform
import re
import shutil
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def metadata(licence):
    """(name, version, METADATA) from pyproject.toml."""
    text = (HERE / "pyproject.toml").read_text(encoding="utf-8")
    value = {key: re.search(rf'^{key} = "(.*)"$', text, re.M).group(1)
             for key in ("name", "version", "description", "requires-python")}
    lines = ["Metadata-Version: 2.1", f"Name: {value['name']}", f"Version: {value['version']}",
             f"Summary: {value['description']}", f"License: {licence}", f"Requires-Python: {value['requires-python']}"]
    return value["name"], value["version"], "\n".join(lines) + "\n"


def carried(library, version, folder):
    """{path in the wheel: bytes} of the library with all that it needs beside it."""
    sys.path.insert(0, str(ROOT / "scripts"))
    import carry_libraries
    import make_archive

    try:
        files = carry_libraries.carry([library], folder / "lib")
        own = folder / "libenlarge.so.0"
        shutil.copyfile(library, own)
        carry_libraries.ask("strip", "--strip-unneeded", own)
        carry_libraries.set_origin(own, "$ORIGIN/lib")
        packages = set(carry_libraries.packages_of(set(files.values())).values())
        make_archive.licences(packages, folder / "licences")
        make_archive.own_sources(f"enlarge-{version}", folder / "sources")
    except carry_libraries.Failure as failure:
        sys.exit(f"make_wheel.py: {failure}")
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def pack(wheel, files, info):
    record = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(data)}\n")
    files[f"{info}/RECORD"] = ("".join(record) + f"{info}/RECORD,,\n").encode()
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))  # the same bytes every time
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, data)


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["--carry"]):
        sys.exit("make_wheel.py: expected LIBRARY FOLDER [--carry]")
    library, folder = pathlib.Path(sys.argv[1]).resolve(strict=True), pathlib.Path(sys.argv[2])
    whole = bool(sys.argv[3:])
    name, version, about = metadata("GPL-3.0-or-later AND Apache-2.0" if whole else "Apache-2.0")
    tag = f"py3-none-{'manylinux_2_36' if whole else 'linux'}_{platform.machine()}"
    info = f"{name}-{version}.dist-info"
    files = {f"{name}/{path.name}": path.read_bytes() for path in sorted((HERE / name).glob("*.py"))}
    files[f"{name}/py.typed"] = b""
    if whole:
        with tempfile.TemporaryDirectory() as scratch:
            inside = carried(library, version, pathlib.Path(scratch))
        files.update({f"{name}/{path}": data for path, data in inside.items()})
    else:
        files[f"{name}/libenlarge.so.0"] = library.read_bytes()
    for licence in ("LICENSE", "NOTICE"):
        files[f"{info}/licenses/{licence}"] = (ROOT / licence).read_bytes()
    files[f"{info}/METADATA"] = about.encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: make_wheel\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    wheel = folder / f"{name}-{version}-{tag}.whl"
    pack(wheel, files, info)
    print(wheel)


if __name__ == "__main__":
    main()
