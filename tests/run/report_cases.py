#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up what ctest ran: every skip with its reason, every failure, and at last `N passed, N failed, N skipped`.

report_cases.py BUILD_DIR...

Each build folder holds junit*.xml (ctest --output-junit) and cases/*.json (run_cases.py): counted are the cases within
programs; a test that does not go through run_cases.py is one case. Exit code: 1 when a case failed or a test did not
run.
"""

import collections
import json
import pathlib
import sys
import xml.etree.ElementTree as xml


def outcomes(build):
    """[(case, outcome, why)] of one ctest run."""
    found = []
    for test in (
        test for report in sorted(build.glob("junit*.xml")) for test in xml.parse(report).getroot().iter("testcase")
    ):
        name, status = test.get("name"), test.get("status")
        record = build / "cases" / f"{name}.json"
        skip, failure = test.find("skipped"), test.find("failure")
        if status in ("run", "fail") or (skip is not None and "SKIP" in (skip.get("message") or "")):
            if record.exists():
                cases = [(case["case"], case["outcome"], case["why"]) for case in json.loads(record.read_text())]
                if status == "fail" and all(outcome != "failed" for _, outcome, _ in cases):
                    cases.append(
                        (name, "failed", (failure.get("message") if failure is not None else "") or "ctest says so")
                    )
                found += cases
                continue
        if status == "run":
            found.append((name, "passed", ""))
        elif skip is not None and "SKIP" in (skip.get("message") or ""):
            found.append((name, "skipped", skip.get("message")))
        else:  # failed, disabled, or its program is not there
            why = next((e.get("message") for e in (failure, skip) if e is not None and e.get("message")), status)
            found.append((name, "failed", f"{why} ({status})" if status != "fail" else why))
    return found


def main():
    total = collections.Counter()
    reasons = collections.defaultdict(list)
    failures = []
    for argument in sys.argv[1:]:
        build = pathlib.Path(argument)
        if not any(build.glob("junit*.xml")):
            failures.append(f"{build}: no junit.xml, so ctest did not run there")
            total["failed"] += 1
            continue
        for case, outcome, why in outcomes(build):
            total[outcome] += 1
            if outcome == "skipped":
                reasons[f"{build.name}: {why}"].append(case)
            elif outcome == "failed":
                failures.append(f"{build.name}: {case}: {why.splitlines()[0] if why else 'failed'}")
    for why, cases in sorted(reasons.items()):
        print(f"skipped, {why}")
        for case in cases:
            print(f"    {case}")
    for line in failures:
        print(f"failed, {line}")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
