#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one test program for ctest, counts its cases, and fails where ctest alone would see a pass.

run_cases.py NAME RESULTS_DIR EXPECTED_SKIPS PROGRAM [ARGUMENT...]

PROGRAM is a GoogleTest program, or a script that ends with the line `N checks, M failures` and has printed
`FAILED: what` and `SKIPPED: what: why` for its checks, or any other program, which is one case. The outcome becomes the
exit code (77 where nothing but expected skips happened) and RESULTS_DIR/NAME.json, which report_cases.py adds up. It is
a failure too when
  - a case is skipped for a reason that EXPECTED_SKIPS does not list, or lists with a condition that does not hold;
  - a program ran no case at all (a filter that matches nothing);
  - a program ends without having told how its cases ended (a crash, or exit() in the middle of one).
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml

SKIPPED = 77


class Expected:
    """Lines `REASON :: CONDITION`: a skip whose reason matches the regular expression is right where sh says yes."""

    def __init__(self, path, name):
        self.rules, self.name = [], name
        for number, line in enumerate(pathlib.Path(path).read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            reason, separator, condition = line.partition(" :: ")
            if not separator or not condition.strip():
                sys.exit(f"{path}:{number}: expected `REASON :: CONDITION`, found: {line}")
            self.rules.append((re.compile(reason.strip()), condition.strip()))

    def why_not(self, reason):
        """Empty where the skip is right, else what is wrong with it."""
        matching = [condition for pattern, condition in self.rules if pattern.search(reason)]
        if not matching:
            return "no line of tests/expected_skips knows this reason"
        if any(
            subprocess.run(["sh", "-c", condition, "sh", self.name], check=False).returncode == 0
            for condition in matching
        ):
            return ""
        return "tests/expected_skips allows it only where " + " or ".join(f"`{condition}`" for condition in matching)


def run(command, env, seen):
    """Runs the program, shows what it prints at once, and hands each line to `seen`."""
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    ) as process:
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            seen(line.decode("utf-8", "replace").rstrip("\n"))
    return process.returncode


def cases_of_xml(path):
    """[(case, outcome, reason)] of a GoogleTest report."""
    cases = []
    text = pathlib.Path(path).read_bytes().decode("utf-8", "replace")  # messages may quote any bytes
    for case in xml.fromstring(text).iter("testcase"):
        if case.get("status") == "notrun":
            continue
        name = f"{case.get('classname')}.{case.get('name')}"
        failure, skip = case.find("failure"), case.find("skipped")
        if failure is not None:
            cases.append((name, "failed", failure.get("message", "")))
        elif skip is not None or case.get("result") == "skipped":
            message = (skip.get("message") if skip is not None else "") or ""
            # "file:line\nSkipped\nreason": the reason is what follows the place.
            lines = [line for line in message.splitlines() if line.strip() and line.strip() != "Skipped"]
            cases.append((name, "skipped", " ".join(lines[1:] or lines) or "no reason given"))
        else:
            cases.append((name, "passed", ""))
    return cases


def cases_of_lines(name, lines, code):
    """The cases of a program without a GoogleTest report."""
    ran = [line[12:].strip() for line in lines if line.startswith("[ RUN      ]")]
    ended = re.compile(r"\[ +(OK|FAILED|SKIPPED) +\] (\S+) \(")
    ends = {m.group(2): m.group(1) for m in map(ended.match, lines) if m}
    if ran:  # GoogleTest that did not reach its end
        cases = [
            (case, "passed" if ends.get(case) == "OK" else "failed", "")
            for case in ran
            if ends.get(case) in ("OK", "FAILED")
        ]
        where = [case for case in ran if case not in ends]
        return [*cases, (where[-1] if where else name, "failed", f"the program ended here with code {code}")]
    total = next((m for m in (re.match(r"(\d+) checks, (\d+) failures", line) for line in reversed(lines)) if m), None)
    if total:
        skips = [line[9:].strip().partition(": ") for line in lines if line.startswith("SKIPPED: ")]
        fails = [line[8:].strip() for line in lines if line.startswith("FAILED: ")]
        checks, failures = int(total.group(1)), int(total.group(2))
        if (failures == 0) != (code == 0) or failures != len(fails):
            fails = fails or [f"{failures} failures were counted, the exit code is {code}"]
        cases = [(f"{name}: check {i + 1}", "passed", "") for i in range(checks - failures)]
        cases += [(f"{name}: {what}", "failed", "") for what in fails]
        return cases + [(f"{name}: {what}", "skipped", why or what) for what, _, why in skips]
    if code == SKIPPED:
        return [(name, "skipped", next((line for line in reversed(lines) if line.strip()), "no reason given"))]
    return [(name, "passed" if code == 0 else "failed", "" if code == 0 else f"exit code {code}")]


def main():
    name, results, expected_path, *command = sys.argv[1:]
    expected = Expected(expected_path, name)
    folder = pathlib.Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    result, report = folder / f"{name}.json", folder / f"{name}.xml"
    report.unlink(missing_ok=True)

    def keep(cases):
        result.write_text(json.dumps([dict(zip(("case", "outcome", "why"), case)) for case in cases], indent=0))

    keep([(name, "failed", "it did not come to an end (killed, or the time ran out)")])
    if not shutil.which(command[0]):
        keep([(name, "failed", f"{command[0]} is not there: it was not built")])
        print(f"FAILED: {command[0]} is not there: build it first")
        return 1
    lines = []
    code = run(command, {**os.environ, "GTEST_OUTPUT": f"xml:{report}"}, lines.append)
    cases = cases_of_lines(name, lines, code)
    if report.exists():
        try:
            cases = cases_of_xml(report)
        except xml.ParseError as error:
            cases = [(name, "failed", f"the report {report} cannot be read: {error}")]
        if not cases:
            cases = [(name, "failed", "no case was run: the filter matches none")]
        if code != 0 and all(outcome != "failed" for _, outcome, _ in cases):
            cases.append((name, "failed", f"every case passed, but the exit code is {code}"))
    judged = []
    for case, outcome, why in cases:
        wrong = expected.why_not(why) if outcome == "skipped" else ""
        if wrong:
            print(f"FAILED: {case} was skipped ({why}): {wrong}")
            judged.append((case, "failed", f"skipped unexpectedly ({why}): {wrong}"))
        else:
            judged.append((case, outcome, why))
    keep(judged)
    outcomes = [outcome for _, outcome, _ in judged]
    counts = (f"{outcomes.count(kind)} {kind}" for kind in ("passed", "failed", "skipped"))
    print(f"{name}: {', '.join(counts)}")
    if "failed" in outcomes:
        return 1
    return 0 if "passed" in outcomes else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
