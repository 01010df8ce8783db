# SPDX-License-Identifier: Apache-2.0
"""Builds the kernels and the CPU backend for arm64 and runs their tests under qemu: NEON against the plain loops, and
networks against the reference.

Usage: arm64_kernels.py SOURCE_FOLDER
Needs Debian's g++-aarch64-linux-gnu, qemu-user-static and libgtest-dev; skips aloud without.
"""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from checks import check, finish

COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64-static"
GTEST = pathlib.Path("/usr/src/googletest/googletest")
MODULES = ("base", "graph", "kernels", "kernels/isa", "image", "plan", "tile", "backend", "backend/reference",
           "backend/cpu", "backend/cpu/tensors")
TESTS = ("tests/kernels", "tests/unit/backend_cpu")


def sources(root):
    for module in MODULES:
        for file in sorted((root / "src" / module).glob("*.cpp")):
            if file.name != "registry.cpp" and (module != "kernels/isa" or file.stem == "neon"):  # of all backends
                yield file
    for folder in TESTS:
        yield from sorted((root / folder).glob("*.cpp"))
    yield from (GTEST / "src/gtest-all.cc", GTEST / "src/gtest_main.cc")


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    missing = [what for what in (COMPILER, EMULATOR) if not shutil.which(what)]
    if missing or not GTEST.exists():
        print(f"SKIPPED: arm64 under qemu: {' and '.join(missing) or GTEST} not found\n0 checks, 0 failures")
        return 0
    include = [f"-I{folder}" for folder in (root / "src", root / "include", root / "tests", GTEST / "include", GTEST)]
    with tempfile.TemporaryDirectory() as scratch:
        def build(numbered):
            number, file = numbered
            made = f"{scratch}/{number}.o"
            command = [COMPILER, "-std=c++20", "-O2", "-ffp-contract=off", *include, "-c", file, "-o", made]
            done = subprocess.run(command, capture_output=True, text=True)
            return made if check(f"{file} is compiled", done.returncode == 0, done.stderr) else None

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            made = list(pool.map(build, enumerate(sources(root))))
        if None in made:
            return finish()
        program = f"{scratch}/tests"
        done = subprocess.run([COMPILER, "-static", "-o", program, *made, "-lpthread"], capture_output=True, text=True)
        if check("the tests are linked", done.returncode == 0, done.stderr):
            # Measuring which precision to take would last for hours there.
            tests = "--gtest_filter=kernels.*:*cpu_tensors*compute*:cpu.equals_the_reference*"
            done = subprocess.run([EMULATOR, program, "--gtest_brief=1", tests], capture_output=True, text=True)
            print(done.stdout[-400:])
            check("they pass", done.returncode == 0 and "PASSED" in done.stdout, done.stdout + done.stderr)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
