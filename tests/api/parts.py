#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What packages are made of, without making them: each part of the installation has what it should and no other part's
files, the wheel works from where it is unpacked, and all that the archive carries may be passed on.
tests/long/packages.py tries the real packages on bare systems.

parts.py BUILD REPOSITORY LIBRARY PROGRAM COMPILED_IN   (COMPILED_IN: the optional parts of this build, with commas)

Ends with "N checks, M failures".
"""
import base64
import fnmatch
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from checks import check, finish  # noqa: E402
PARTS = {
    "program": ["bin/enlarge", "share/man/man1/enlarge.1*", "share/bash-completion/completions/enlarge",
                "share/zsh/*/_enlarge", "share/fish/*/enlarge.fish"],
    "library": ["lib/*libenlarge.so.0", "lib/*libenlarge.so.0.*"],
    "development": ["include/enlarge/enlarge.h", "include/enlarge/enlarge.hpp", "lib/*libenlarge.a",
                    "lib/*libenlarge.so", "lib/*cmake/enlarge/enlarge-config.cmake", "lib/*pkgconfig/enlarge.pc",
                    "lib/*pkgconfig/enlarge-c.pc"],
    "licence": ["share/doc/enlarge/LICENSE", "share/doc/enlarge/NOTICE"],
    "gstreamer": ["lib/*gstreamer-1.0/libgstenlarge.so"],
    "vapoursynth": ["lib/*vapoursynth/libenlarge_vapoursynth.so", "share/enlarge/enlarge_vs.py"],
}
USE = """
import enlarge, pathlib, sys
assert pathlib.Path(enlarge.__file__).is_relative_to(sys.argv[1]), enlarge.__file__
small = memoryview(bytes(range(192))).cast("B", (8, 8, 3))
big = enlarge.Engine("swift-x2", device="cpu").upscale(small)
assert big.shape == (16, 16, 3), big.shape
"""


def run(*words, **options):
    ran = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    return ran.returncode, ran.stdout + ran.stderr


def files_of(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def check_parts(build, folder, optional):
    owner = {}
    for part, patterns in PARTS.items():
        if part in ("gstreamer", "vapoursynth") and part not in optional:
            continue
        code, said = run("cmake", "--install", build, "--component", part, "--prefix", folder / part)
        check(f"{part} is installed", code == 0, said[-400:])
        found = files_of(folder / part)
        for pattern in patterns:
            check(f"{part} has {pattern}", any(fnmatch.fnmatch(file, pattern) for file in found), sorted(found))
        for file in found:
            check(f"{file} is in one part", file not in owner, f"{owner.get(file)} and {part}")
            owner[file] = part
    code, said = run("cmake", "--install", build, "--prefix", folder / "whole")
    whole = files_of(folder / "whole")
    check("the whole is its parts", code == 0 and whole == set(owner), sorted(whole ^ set(owner)) or said[-400:])
    headers = {file for file in owner if file.startswith("include/")}
    check("no header of src/ is installed", headers and all(file.startswith("include/enlarge/") for file in headers))


def check_wheel(repository, library, folder):
    code, said = run(sys.executable, repository / "bindings/python/make_wheel.py", library, folder)
    wheels = list(folder.glob("*.whl"))
    if code or len(wheels) != 1:
        return check("a wheel is made", False, said)
    unpacked = folder / "unpacked"
    with zipfile.ZipFile(wheels[0]) as wheel:
        names = set(wheel.namelist())
        info = next(name.split("/")[0] for name in names if ".dist-info/" in name)
        record = wheel.read(f"{info}/RECORD").decode().splitlines()
        for name, digest, size in (line.split(",") for line in record):
            if digest:
                data = wheel.read(name)
                found = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                check(f"RECORD is right about {name}", digest == f"sha256={found}" and int(size) == len(data))
        check("RECORD lists all", {line.split(",")[0] for line in record} == names)
        wheel.extractall(unpacked)
    package = repository / "bindings/python/enlarge"
    wanted = {f"enlarge/{path.name}" for path in package.glob("*.py")} | {"enlarge/py.typed", "enlarge/libenlarge.so.0"}
    check("the wheel has the package and the library", wanted <= names, sorted(wanted - names))
    check("and the licence", f"{info}/licenses/LICENSE" in names, sorted(names))
    environment = {key: value for key, value in os.environ.items() if key != "ENLARGE_LIBRARY"}
    environment.update(PYTHONPATH=str(unpacked), PYTHONDONTWRITEBYTECODE="1")
    code, said = run(sys.executable, "-c", USE, unpacked, env=environment)
    check("the package works from the wheel", code == 0, said)


def check_carried(repository, program):
    """Every library that the archive would carry is a package's, with a copyright file."""
    if not shutil.which("dpkg-query") or not pathlib.Path("/usr/include/x86_64-linux-gnu").is_dir():
        return print("SKIPPED: what the archive carries: this is not Debian on x86-64")
    sys.path.insert(0, str(repository / "scripts"))
    import carry_libraries

    try:
        libraries = carry_libraries.all_needed([program])
        packages = set(carry_libraries.packages_of(set(libraries.values())).values())
    except carry_libraries.Failure as failure:
        return check("the archive's libraries are found", False, failure)
    sources = {package.source for package in packages}
    check("FFmpeg, libvips, x264 and x265 are among them", {"ffmpeg", "vips", "x264", "x265"} <= sources, sources)
    for package in packages:
        text = pathlib.Path("/usr/share/doc") / package.name.split(":")[0] / "copyright"
        check(f"{package.name} says its licence", text.exists(), text)
    check("glibc is not carried", not any(carry_libraries.GLIBC.match(name) for name in libraries))


def main():
    build, repository, library, program = (pathlib.Path(word).resolve() for word in sys.argv[1:5])
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        check_parts(build, folder / "parts", sys.argv[5].split(","))
        check_wheel(repository, library, folder / "wheel")
        check_carried(repository, program)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
