# SPDX-License-Identifier: Apache-2.0
"""Builds the kernels and the CPU backend for arm64 and runs their tests under qemu, on processors without SVE and with
vectors of 256 and 512 bits: NEON and SVE against the plain loops, and networks against the reference. The objects are
read, too: no SVE outside its files, no vectors on the stack in the loops of products.

Usage: arm64_kernels.py SOURCE_FOLDER
Needs Debian's g++-aarch64-linux-gnu, qemu-user-static and libgtest-dev; skips aloud without.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from checks import check, finish

PREFIX, EMULATOR = "aarch64-linux-gnu-", "qemu-aarch64-static"
COMPILER = PREFIX + "g++"
GTEST = pathlib.Path("/usr/src/googletest/googletest")
MODULES = ("base", "graph", "kernels", "image", "plan", "tile", "backend", "backend/reference", "backend/cpu",
           "backend/cpu/tensors")
TESTS = ("tests/kernels", "tests/unit/backend_cpu")
# As src/kernels/CMakeLists.txt has them.
SVE = "-march=armv8.2-a+sve"
SETS = {"neon": (), "sve256": (SVE, "-msve-vector-bits=256"), "sve512": (SVE, "-msve-vector-bits=512")}
# Processors, and the set that each of them takes.
PROCESSORS = {"max,sve=off": "neon_dotprod", "max,sve128=on": "neon_dotprod", "max,sve256=on": "sve256",
              "max,sve512=on": "sve512", "max,sve1024=on,sve-default-vector-length=128": "neon_dotprod"}
# Measuring which precision to take would last for hours there. Where there is SVE, qemu runs plain arithmetic, as the
# reference's, at a tenth of its speed: chains are compared with what NEON makes of them, which is compared with the
# reference, and of the networks that run node by node there are those that are small.
KERNELS, CHAINS, NODES = "kernels.*", "cpu.equals_the_reference*", "*cpu_tensors*compute*"
SETS_AGREE = "cpu.gives_with_each_instruction_set_what_the_first_gives"
SMALL = ("winograd*", "five_by_five", "one_by_one*", "*windows", "norms", "own_kernels", "depthwise", "grouped",
         "number_by_number", "transposed_by_three")
ALL_TESTS = ":".join((KERNELS, CHAINS, NODES))
SVE_TESTS = ":".join((KERNELS, SETS_AGREE, *(f"{NODES}/{name}" for name in SMALL)))
RUNS = {"max,sve=off": ALL_TESTS, "max,sve256=on": SVE_TESTS, "max,sve512=on": SVE_TESTS}
WHICH = '''#include <cstdio>
#include "base/cpu.hpp"
int main() { std::puts(std::string(enlarge::isa_name(enlarge::chosen_isa().value())).c_str()); }
'''


def sources(root):
    """(file, options, where to), the files of kernels first: they take longest."""
    for name, options in SETS.items():
        yield root / f"src/kernels/isa/{name}.cpp", ("-O3", "-fno-schedule-insns", *options), f"isa/{name}.cpp.o"
    ours = [file for module in MODULES for file in sorted((root / "src" / module).glob("*.cpp"))
            if file.name != "registry.cpp"]  # of all backends
    tests = [file for folder in TESTS for file in sorted((root / folder).glob("*.cpp"))]
    gtest = [GTEST / "src/gtest-all.cc", GTEST / "src/gtest_main.cc"]
    for number, file in enumerate(ours + tests + gtest):
        yield file, ("-O2",), f"{'ours' if file in ours else 'tests'}/{number}_{file.stem}.o"


def build(root, scratch):
    """Compiles and links; whether all went well."""
    include = [f"-I{folder}" for folder in (root / "src", root / "include", root / "tests", GTEST / "include", GTEST)]
    for folder in ("isa", "ours", "tests"):
        (scratch / folder).mkdir()
    (scratch / "which.cpp").write_text(WHICH)

    def compiled(what):
        file, options, made = what
        command = [COMPILER, "-std=c++20", "-ffp-contract=off", *options, *include, "-c", file, "-o", scratch / made]
        done = subprocess.run(command, capture_output=True, text=True)
        return check(f"{file} is compiled", done.returncode == 0, done.stderr)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        if not all(list(pool.map(compiled, [*sources(root), (scratch / "which.cpp", (), "which.o")]))):
            return False
    library = scratch / "library.a"
    ours = [*scratch.glob("isa/*.o"), *scratch.glob("ours/*.o")]
    done = subprocess.run([PREFIX + "ar", "rcs", library, *ours], capture_output=True, text=True)
    good = check("there is a library", done.returncode == 0, done.stderr)
    for program, objects in {"tests": ours + [*scratch.glob("tests/*.o")], "which": ["which.o", library]}.items():
        command = [COMPILER, "-static", "-o", f"{program}.run", *objects, "-lpthread"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=scratch)
        good &= check(f"{program} is linked", done.returncode == 0, done.stderr)
    return good


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    missing = [what for what in (COMPILER, EMULATOR) if not shutil.which(what)]
    if missing or not GTEST.exists():
        print(f"SKIPPED: arm64 under qemu: {' and '.join(missing) or GTEST} not found\n0 checks, 0 failures")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        if not build(root, scratch):
            return finish()
        command = [root / "tools/check_isa_symbols.sh", scratch, scratch / "library.a", PREFIX]
        done = subprocess.run(command, capture_output=True, text=True)
        check("no set leaks and no loop of products spills", done.returncode == 0, done.stdout + done.stderr)
        for processor, name in PROCESSORS.items():
            done = subprocess.run([EMULATOR, "-cpu", processor, scratch / "which.run"], capture_output=True, text=True)
            check(f"{processor} takes {name}", done.stdout.strip() == name, done.stdout + done.stderr)
        def ran(processor):
            command = [EMULATOR, "-cpu", processor, scratch / "tests.run", "--gtest_brief=1",
                       f"--gtest_filter={RUNS[processor]}"]
            done = subprocess.run(command, capture_output=True, text=True)
            passed = re.search(r"\[  PASSED  \] [1-9]\d* tests?\.", done.stdout)
            print(processor, done.stdout[-400:], flush=True)
            return check(f"they pass on {processor}", done.returncode == 0 and passed, done.stdout + done.stderr)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(ran, RUNS))
    return finish()


if __name__ == "__main__":
    sys.exit(main())
