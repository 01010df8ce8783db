#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tools/check_docs.py and tools/check_sources.py must find, planted in a small folder."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / "tools"
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
HELP = "".join(f"  --option-{word} TEXT\n" for word in "abcdefghijkl") + "  models   what is there\n"


class Checkers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        for folder in ("src/base", "tools"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "src/base/log.cpp").write_text(SPDX + 'const char* v = "ENLARGE_LOG";\n')
        (self.root / "CMakePresets.json").write_text('{"configurePresets": [{"name": "dev"}], "workflowPresets": []}')
        (self.root / "tools/measure.py").write_text("# SPDX-License-Identifier: Apache-2.0\n# --crop N\n")
        self.program = self.root / "enlarge"
        self.program.write_text("#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"
                                'case $1 in\nmodels) echo "  --offline"; exit 0 ;;\n'
                                f"--help) cat <<'END'\n{HELP}END\nexit 0 ;;\nesac\nexit 2\n")
        self.program.chmod(0o755)

    def tearDown(self):
        self.folder.cleanup()

    def docs(self, text):
        (self.root / "README.md").write_text(text)
        command = [sys.executable, TOOLS / "check_docs.py", self.root, self.program]
        ran = subprocess.run(command, capture_output=True, text=True)
        return ran.returncode, ran.stdout

    def test_what_is_there_is_let_through(self):
        code, said = self.docs("`src/base/log.cpp`, `src/base/`, `src/*/{log,x}.cpp`, `src/<module>/log.cpp`\n\n```\n"
                               "enlarge a.png --option-a 3   # --not-looked-at\nENLARGE_LOG=1 cmake --preset dev\n```\n"
                               "`--option-b 4`, `--crop 3`, `enlarge models --offline`, --in-prose")
        self.assertEqual(code, 0, said)

    def test_what_is_not_there_is_found(self):
        for text, finding in {
            "`src/base/gone.cpp`": "`src/base/gone.cpp` is not there",
            "`src/{base,gone}/log.cpp`": "`src/gone/log.cpp` is not there",
            "```\nenlarge a.png --gone\n```": "enlarge has no --gone",
            "`enlarge models --option-a`": "enlarge models has no --option-a",
            "`--gone-too 3`": "has no --gone-too",
            "`cmake --preset gone`": "no preset gone",
            "`ENLARGE_GONE`": "nothing reads ENLARGE_GONE",
        }.items():
            code, said = self.docs(text)
            self.assertEqual(code, 1, text)
            self.assertIn(finding, said)

    def sources(self, text, *options):
        (self.root / "src/base/log.cpp").write_text(text)
        command = [sys.executable, TOOLS / "check_sources.py", self.root, *options]
        ran = subprocess.run(command, capture_output=True, text=True)
        return ran.returncode, ran.stdout

    def test_a_new_long_line_is_found_and_an_old_one_is_not(self):
        long_line = "// " + "x" * 118 + "\n"
        self.assertEqual(self.sources(SPDX + "// " + "ü" * 117 + "\n")[0], 0)  # 120 columns, more bytes
        listed = self.root / "tools/long_lines.txt"
        listed.write_text("")
        code, said = self.sources(SPDX + long_line)
        self.assertEqual(code, 1)
        self.assertIn("src/base/log.cpp: 1 lines of more than 120 columns: 2", said)
        listed.unlink()
        self.assertEqual(self.sources(SPDX + 2 * long_line)[0], 0)  # no rule without the list, which is made so:
        self.sources(SPDX + 2 * long_line, "--write-long-lines")
        self.assertEqual(listed.read_text().splitlines()[1:], ["2 src/base/log.cpp"])
        listed.write_text("2 src/base/log.cpp\n")
        self.assertEqual(self.sources(SPDX + 2 * long_line)[0], 0)
        self.assertEqual(self.sources(SPDX + 3 * long_line)[0], 1)
        self.sources(SPDX + 3 * long_line, "--write-long-lines")  # never more
        listed.write_text("2 src/base/log.cpp\n")
        self.sources(SPDX + long_line, "--write-long-lines")
        self.assertEqual(listed.read_text().splitlines()[1:], ["1 src/base/log.cpp"])


if __name__ == "__main__":
    unittest.main()
