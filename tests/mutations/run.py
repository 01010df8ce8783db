#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks each line of list.toml in a copy of the sources, and fails where the test that is named there still passes.

run.py [--work DIR] [--jobs N] [TEXT...]     only mutations whose file contains one of the TEXTs
run.py --check                               only whether each line is there, once

The copy (DIR/tree, by default build/mutations/tree) is a build of its own, release without CUDA, made of the targets
that the list names; a mutation rebuilds one file. First every test must pass with nothing broken. A line that is not
found exactly once, and a change that does not compile, are failures of the list.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def sources():
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True, text=True
    )
    if listed.returncode == 0 and listed.stdout:
        return [pathlib.Path(name) for name in listed.stdout.split("\0") if name]
    return [
        p.relative_to(ROOT)
        for p in ROOT.rglob("*")
        if p.is_file() and p.relative_to(ROOT).parts[0] not in ("build", ".git")
    ]


def copy_tree(tree):
    """Only what differs is written, so that a second run builds little."""
    wanted = set()
    for name in sources():
        source, copy = ROOT / name, tree / name
        if not source.is_file():
            continue
        wanted.add(name)
        if copy.exists() and copy.read_bytes() == source.read_bytes():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    for old in [p for p in tree.rglob("*") if p.is_file() and p.relative_to(tree).parts[0] != "build"]:
        if old.relative_to(tree) not in wanted:
            old.unlink()


class Build:
    def __init__(self, tree, jobs):
        self.tree, self.folder, self.jobs = tree, tree / "build" / "release", jobs
        # The same names relative to the sources as in an ordinary build, so that ccache has most of it already.
        self.env = {**os.environ, "CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1"}
        self.env.pop("GTEST_OUTPUT", None)  # a broken program's report would become this one's

    def call(self, command, timeout=1800):
        try:
            return subprocess.run(
                command,
                cwd=self.tree,
                env=self.env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as stopped:  # a mutation may well make an endless loop: noticed
            return subprocess.CompletedProcess(command, 124, stopped.stdout or "", "")

    def configure(self):
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        return self.call(["cmake", "--preset", "release", "-DENLARGE_CUDA=OFF", "-DENLARGE_BENCH=OFF", *launcher])

    def build(self, targets):
        return self.call(["cmake", "--build", self.folder, "-j", str(self.jobs), "--target", *targets])

    def program(self, target):
        found = [
            p
            for p in self.folder.rglob("enlarge" if target == "enlarge_cli" else target)
            if p.is_file() and os.access(p, os.X_OK)
        ]
        if len(found) != 1:
            sys.exit(f"{target}: {len(found)} programs of this name in {self.folder}; expected one")
        return found[0]

    def test(self, mutation):
        program = self.program(mutation["target"])
        if "script" in mutation:
            return self.call([self.tree / mutation["script"], program])
        return self.call(
            [program, *([f"--gtest_filter={mutation['cases']}"] if "cases" in mutation else [])], timeout=120
        )


def places(text, mutation):
    return [i for i, line in enumerate(text.splitlines()) if line.strip() == mutation["line"].strip()]


def check(mutations):
    wrong = [m for m in mutations if len(places((ROOT / m["file"]).read_text(), m)) != 1]
    for m in wrong:
        print(f"FAILED: {m['file']}: the line to break is not there once: {m['line'].strip()}")
    print(f"{len(mutations)} checks, {len(wrong)} failures")
    return 1 if wrong else 0


def tail(text, lines=8):
    return "".join(f"    {line}\n" for line in text.splitlines()[-lines:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "mutations")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("only", nargs="*")
    options = parser.parse_args()
    listed = tomllib.loads((ROOT / "tests/mutations/list.toml").read_text())["mutation"]
    chosen = [m for m in listed if not options.only or any(text in m["file"] for text in options.only)]
    if not chosen:
        sys.exit(f"none of {len(listed)} mutations is of a file named {' or '.join(options.only)}")
    if options.check:
        return check(chosen)
    tree = options.work.resolve() / "tree"
    copy_tree(tree)
    build = Build(tree, options.jobs)
    for step in (build.configure(), build.build(sorted({m["target"] for m in chosen}))):
        if step.returncode != 0:
            sys.exit(f"the unbroken sources do not build:\n{tail(step.stdout, 30)}")

    failures = []

    def fail(name, what):
        failures.append(name)
        print(f"FAILED: {name}: {what}", flush=True)

    def test_of(mutation):
        return (mutation["target"], mutation.get("cases"))

    passed = {}  # with nothing broken, all of them first: programs stay broken until they are built again
    for mutation in chosen:
        if test_of(mutation) in passed:
            continue
        ran = build.test(mutation)
        # A filter that matches nothing passes too.
        passed[test_of(mutation)] = ran.returncode == 0 and "Running 0 tests" not in ran.stdout
        if not passed[test_of(mutation)]:
            print(tail(ran.stdout))
    for mutation in chosen:
        began, name = time.monotonic(), f"{mutation['file']}: {mutation['becomes'].strip()}"
        test = test_of(mutation)
        if not passed[test]:
            fail(name, f"its test {' '.join(filter(None, test))} does not pass with nothing broken, or runs nothing")
            continue
        path = tree / mutation["file"]
        original = path.read_text()
        found = places(original, mutation)
        if len(found) != 1:
            fail(name, f"the line to break is found {len(found)} times; expected once")
            continue
        lines = original.splitlines(keepends=True)
        lines[found[0]] = lines[found[0]].replace(mutation["line"].strip(), mutation["becomes"].strip())
        try:
            path.write_text("".join(lines))
            made = build.build([mutation["target"]])
            if made.returncode != 0:
                fail(name, f"it does not compile:\n{tail(made.stdout)}")
                continue
            ran = build.test(mutation)
        finally:
            path.write_text(original)
        if ran.returncode == 0:
            fail(name, f"{' '.join(filter(None, test))} did not notice")
        else:
            print(f"noticed by {' '.join(filter(None, test))}: {name} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{len(chosen)} checks, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
