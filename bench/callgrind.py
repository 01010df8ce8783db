#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions of the hot kernels (AVX2, one thread) under callgrind and prints them beside the last ones.

Usage: bench/callgrind.py [BUILD_FOLDER] [--keep] [--isa NAME]

BUILD_FOLDER is build/release unless said otherwise; kernel_counts is built there first. --keep writes the counts
to bench/callgrind.json, which are the last ones from then on: in the commit that changed them. Counts depend on the
compiler, not on the machine or on what else runs; they are no times. Sets that valgrind does not know (AVX-512) cannot
be counted.
Needs valgrind.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAST = ROOT / "bench/callgrind.json"


def said(command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done


def instructions(program, kernel, environment):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=measured", program,
               kernel]
    counted = re.search(r"Collected\s*:\s*(\d+)", said(command, env=environment).stderr)
    if not counted or not int(counted[1]):
        sys.exit(f"{kernel}: callgrind counted nothing")
    return int(counted[1])


def compiler(folder):
    path = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", (folder / "CMakeCache.txt").read_text(), re.M)[1]
    return said([path, "--version"]).stdout.splitlines()[0]


def main():
    parser = argparse.ArgumentParser(description="instructions of the hot kernels, beside the last ones")
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--keep", action="store_true", help="write bench/callgrind.json")
    parser.add_argument("--isa", default="avx2")
    told = parser.parse_args()
    said(["cmake", "--build", told.folder, "--target", "kernel_counts"])
    program, environment = told.folder / "bench/kernel_counts", {**os.environ, "ENLARGE_ISA": told.isa}
    last = json.loads(LAST.read_text()) if LAST.exists() else {}
    before = last.get("instructions", {}) if last.get("isa") == told.isa else {}
    made = {"isa": told.isa, "compiler": compiler(told.folder), "instructions": {}}
    print(f"{told.isa}, {made['compiler']}; the last ones: {last.get('isa', '-')}, {last.get('compiler', '-')}")
    print(f"{'kernel':26}{'instructions':>14}{'last':>14}{'change':>10}")
    for kernel in said([program], env=environment).stdout.split():
        now, was = instructions(program, kernel, environment), before.get(kernel)
        made["instructions"][kernel] = now
        change = f"{(now / was - 1) * 100:+.2f} %" if was else "new"
        print(f"{kernel:26}{now:14}{was or '-':>14}{change:>10}", flush=True)
    if told.keep:
        LAST.write_text(json.dumps(made, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
