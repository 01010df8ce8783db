#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py on a project of two files: what is noticed, what is not, and what is wrong with a list."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

RUN = pathlib.Path(__file__).resolve().parent / "run.py"
FILES = {
    "CMakeLists.txt": "cmake_minimum_required(VERSION 3.25)\nproject(small C)\nadd_executable(small sum.c test.c)\n",
    "CMakePresets.json": '{"version": 6, "configurePresets": [{"name": "release", "generator": "Ninja", '
    '"binaryDir": "${sourceDir}/build/release"}]}',
    "sum.c": "int sum(int a, int b) {\n    return a + b;\n}\nint unused(void) {\n    return 7;\n}\n",
    "test.c": "int sum(int, int);\nint main(void) { return sum(2, 3) == 5 ? 0 : 1; }\n",
}


class Mutations(unittest.TestCase):
    def check(self, *mutations):
        """(exit code, what was printed) of a list of (line, becomes)."""
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            for file, text in FILES.items():
                (root / file).write_text(text)
            (root / "tests/mutations").mkdir(parents=True)
            shutil.copy(RUN, root / "tests/mutations/run.py")
            (root / "tests/mutations/list.toml").write_text(
                "".join(
                    f'[[mutation]]\nfile = "sum.c"\nline = "{line}"\nbecomes = "{becomes}"\ntarget = "small"\n'
                    for line, becomes in mutations
                )
            )
            ran = subprocess.run([sys.executable, root / "tests/mutations/run.py"], capture_output=True, text=True)
            for file, text in FILES.items():
                self.assertEqual((root / "build/mutations/tree" / file).read_text(), text)  # mended again
            return ran.returncode, ran.stdout + ran.stderr

    def test_what_a_test_notices_passes_and_all_else_fails(self):
        code, said = self.check(
            ("return a + b;", "return a - b;"),
            ("return 7;", "return 8;"),
            ("return 9;", "return 8;"),
            ("return a + b;", "return a + ;"),
        )
        self.assertEqual(code, 1, said)
        self.assertIn("noticed by small: sum.c: return a - b;", said)
        self.assertIn("FAILED: sum.c: return 8;: small did not notice", said)
        self.assertIn("the line to break is found 0 times", said)
        self.assertIn("FAILED: sum.c: return a + ;: it does not compile", said)
        self.assertIn("4 checks, 3 failures", said)

    def test_a_list_of_noticed_lines_passes(self):
        code, said = self.check(("return a + b;", "return b;"))
        self.assertEqual((code, said.splitlines()[-1]), (0, "1 checks, 0 failures"), said)


if __name__ == "__main__":
    unittest.main()
