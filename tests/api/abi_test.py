#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""abi.py must find what breaks programs that were built before.  Usage: abi_test.py HEADER COMPILER"""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import abi  # noqa: E402

HEADER, COMPILER = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]


def changed(*replacements):
    text = HEADER.read_text(encoding="utf-8")
    for old, new in replacements:
        assert text.count(old) >= 1, old
        text = text.replace(old, new)
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "enlarge.h"
        copy.write_text(text, encoding="utf-8")
        return abi.dump(copy, COMPILER)


class Findings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = abi.dump(HEADER, COMPILER)

    def test_nothing_where_nothing_changed(self):
        self.assertEqual(abi.compare(self.kept, changed()), ([], []))

    def test_a_function_that_went(self):
        gone, new = abi.compare(self.kept, changed(("ENLARGE_API const char* enlarge_version(void);", "")))
        self.assertEqual((gone, new), (["function const char* enlarge_version(void)"], []))

    def test_an_enumerator_that_moved(self):
        gone, _ = abi.compare(self.kept, changed(("ENLARGE_NUMERIC = 12", "ENLARGE_NUMERIC = 14")))
        self.assertEqual(gone, ["enum enlarge_status ENLARGE_NUMERIC = 12"])

    def test_fields_that_changed_places(self):
        gone, _ = abi.compare(self.kept, changed(("int32_t usable;", ""), ("int32_t kind; ", "int32_t usable, kind; ")))
        self.assertEqual(len(gone), 2, gone)

    def test_a_struct_may_grow_at_its_end(self):
        gone, new = abi.compare(self.kept, changed(("int32_t takes_frames;", "int32_t takes_frames, more[4];")))
        self.assertEqual(gone, [])
        self.assertEqual(len(new), 2, new)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
