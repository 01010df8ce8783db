# SPDX-License-Identifier: Apache-2.0
"""A picture that WebP has no room for is kept as PNG beside the name that was asked for.

Usage: webp_limit.py PROGRAM
Takes 4 GiB of memory and a minute or two.
"""
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from checks import check, finish

SIDE = 16383


def size_of_png(path):
    head = path.read_bytes()[:24] if path.exists() else b""
    return struct.unpack(">II", head[16:24]) if head[:4] == b"\x89PNG" else None


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        (scratch / "noise.ppm").write_bytes(b"P6\n2048 2048\n255\n" + os.urandom(3 * 2048 * 2048))
        (scratch / "big.webp").write_text("old")
        line = [program, "noise.ppm", "-o", "big.webp", "--force", "--strength", "0", "--size", f"{SIDE}x{SIDE}"]
        ran = subprocess.run(line, cwd=scratch, capture_output=True, text=True)
        check("the picture is refused", ran.returncode == 8, ran.stderr)
        check("that it may be is said", "more than WebP has room for" in ran.stderr, ran.stderr)
        check("where it is kept is said", "it is kept as big.webp.png" in ran.stderr, ran.stderr)
        check("there it is", size_of_png(scratch / "big.webp.png") == (SIDE, SIDE))
        check("the old file stays", (scratch / "big.webp").read_text(errors="replace") == "old")
        left = sorted(file.name for file in scratch.iterdir())
        check("nothing else does", left == ["big.webp", "big.webp.png", "noise.ppm"], str(left))
    return finish()


if __name__ == "__main__":
    sys.exit(main())
