#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What run_cases.py and report_cases.py must notice, on small made-up programs."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SKIPS = 'only on the moon :: true\nonly on the sun :: false\nonly as (\\w+) :: [ "$1" = program ]\n'


def report(*cases):
    """A script that writes what GoogleTest writes: each case is (name, XML inside)."""
    body = "".join(
        f'<testcase name="{name}" status="run" result="completed" classname="suite">{inside}</testcase>'
        for name, inside in cases
    )
    text = f'<?xml version="1.0" encoding="UTF-8"?><testsuites><testsuite name="suite">{body}</testsuite></testsuites>'
    return f"cat >\"${{GTEST_OUTPUT#xml:}}\" <<'END'\n{text}\nEND\n"


def skip(why):
    return f'<skipped message="a.cpp:3&#x0A;{why}&#x0A;"><![CDATA[a.cpp:3\n{why}\n]]></skipped>'


class RunCases(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        (self.path / "skips").write_text(SKIPS)

    def tearDown(self):
        self.folder.cleanup()

    def run_program(self, script, name="program"):
        (self.path / "script").write_text(script)
        command = [
            sys.executable,
            HERE / "run_cases.py",
            name,
            self.path / "cases",
            self.path / "skips",
            "sh",
            self.path / "script",
        ]
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace")
        self.said = ran.stdout
        self.last = ran.stdout.splitlines()[-1]
        return ran.returncode

    def test_cases_are_counted_within_a_program(self):
        self.assertEqual(self.run_program(report(("a", ""), ("b", ""), ("c", skip("only on the moon")))), 0)
        self.assertEqual(self.last, "program: 2 passed, 0 failed, 1 skipped")

    def test_a_skip_for_an_unknown_reason_fails(self):
        self.assertEqual(self.run_program(report(("a", ""), ("b", skip("no idea")))), 1)
        self.assertIn("suite.b was skipped (no idea): no line of tests/expected_skips", self.said)

    def test_a_skip_whose_condition_does_not_hold_fails(self):
        self.assertEqual(self.run_program(report(("a", ""), ("b", skip("only on the sun")))), 1)
        self.assertIn("allows it only where `false`", self.said)

    def test_a_condition_knows_the_name_of_the_test(self):
        self.assertEqual(self.run_program(report(("a", skip("only as program")))), 77)
        self.assertEqual(self.run_program(report(("a", skip("only as program"))), name="other"), 1)

    def test_a_program_that_runs_no_case_fails(self):
        self.assertEqual(self.run_program(report()), 1)

    def test_a_failed_case_fails_whatever_the_exit_code(self):
        self.assertEqual(self.run_program(report(("a", '<failure message="1 is not 2" type=""></failure>'))), 1)

    def test_an_exit_code_fails_whatever_the_cases(self):
        self.assertEqual(self.run_program(report(("a", "")) + "exit 9"), 1)  # a leak that is found at the end, say

    def test_a_crash_in_a_case_names_it(self):
        lines = "echo '[ RUN      ] s.a'; echo '[       OK ] s.a (1 ms)'; echo '[ RUN      ] s.b'; "
        self.assertEqual(self.run_program(lines + "kill -9 $$"), 1)
        self.assertEqual(self.last, "program: 1 passed, 1 failed, 0 skipped")
        self.assertIn('"case": "s.b"', (self.path / "cases/program.json").read_text().replace("\n", " "))
        self.assertEqual(self.run_program(lines + "exit 0"), 1)

    def test_bytes_that_are_no_text_do_no_harm(self):
        self.assertEqual(self.run_program("printf '\\377\\376\\n'; " + report(("a", ""))), 0)

    def test_checks_of_a_script_are_cases(self):
        self.assertEqual(self.run_program("echo 'SKIPPED: the sea: only on the moon'; echo '12 checks, 0 failures'"), 0)
        self.assertEqual(self.last, "program: 12 passed, 0 failed, 1 skipped")
        self.assertEqual(self.run_program("echo 'SKIPPED: the sea: too wet'; echo '12 checks, 0 failures'"), 1)
        self.assertEqual(self.run_program("echo 'FAILED: a b'; echo '12 checks, 1 failures'; exit 1"), 1)
        self.assertEqual(self.last, "program: 11 passed, 1 failed, 0 skipped")
        self.assertEqual(self.run_program("echo 'FAILED: a b'; echo '12 checks, 1 failures'; exit 0"), 1)
        self.assertEqual(self.run_program("echo '12 checks, 0 failures'; exit 3"), 1)

    def test_a_program_that_was_not_built_is_one_sentence(self):
        command = [sys.executable, HERE / "run_cases.py", "gone", self.path / "cases", self.path / "skips"]
        ran = subprocess.run([*command, self.path / "gone"], capture_output=True, text=True)
        self.assertEqual((ran.returncode, ran.stderr), (1, ""))
        self.assertIn("is not there: build it first", ran.stdout)

    def test_other_programs_are_one_case(self):
        self.assertEqual(self.run_program("exit 0"), 0)
        self.assertEqual(self.run_program("exit 4"), 1)
        self.assertEqual(self.run_program("echo only on the moon; exit 77"), 77)
        self.assertEqual(self.run_program("echo no idea; exit 77"), 1)

    def sum_up(self, tests):
        """ctest's own report, and what report_cases.py makes of it: (exit code, lines)."""
        (self.path / "junit.xml").write_text(f"<testsuite>{tests}</testsuite>")
        ran = subprocess.run([sys.executable, HERE / "report_cases.py", self.path], capture_output=True, text=True)
        return ran.returncode, ran.stdout.splitlines()

    def test_the_sum_counts_cases_and_tells_each_skip(self):
        self.run_program(report(("a", ""), ("b", ""), ("c", skip("only on the moon"))))
        code, lines = self.sum_up('<testcase name="program" status="run"/><testcase name="lint" status="run"/>')
        self.assertEqual((code, lines[-1]), (0, "3 passed, 0 failed, 1 skipped"))
        self.assertIn("    suite.c", lines)
        self.assertTrue(any("only on the moon" in line for line in lines))

    def test_the_sum_fails_when_a_test_did_not_run(self):
        for status in ("notrun", "disabled"):
            code, lines = self.sum_up(
                f'<testcase name="gone" status="{status}"><skipped message="Unable to find executable"/></testcase>'
                '<testcase name="lint" status="run"/>'
            )
            self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_the_sum_fails_when_the_time_ran_out(self):
        self.run_program(report(("a", "")))
        code, lines = self.sum_up('<testcase name="program" status="fail"><failure message="Timeout"/></testcase>')
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_the_sum_of_nothing_fails(self):
        self.assertEqual(self.sum_up("")[0], 1)
        (self.path / "junit.xml").unlink()
        self.assertEqual(
            subprocess.run([sys.executable, HERE / "report_cases.py", self.path], capture_output=True).returncode, 1
        )


if __name__ == "__main__":
    unittest.main()
