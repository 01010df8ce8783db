# SPDX-License-Identifier: Apache-2.0
"""What the long tests of jobs have in common: counted checks, runs of the program, clips made by FFmpeg."""

import os
import pathlib
import resource
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


class Checks:
    """Ends with "N checks, M failures"."""

    def __init__(self):
        self.count = self.failures = 0

    def __call__(self, what, condition, detail=""):
        self.count += 1
        if not condition:
            self.failures += 1
            print(f"FAILED: {what}: {detail}", flush=True)
        return bool(condition)

    def end(self):
        print(f"{self.count} checks, {self.failures} failures")
        return 1 if self.failures or not self.count else 0


def run(words, **variables):
    """Exit code, standard error, processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run([str(w) for w in words], env={**os.environ, **variables}, capture_output=True, text=True,
                         errors="replace", check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return ran.returncode, ran.stderr + (ran.stdout if ran.returncode else ""), spent


def make_clip(path, size, frames, sound=False):
    sine = ["-f", "lavfi", "-i", "sine", "-shortest"] if sound else []
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25", *sine, "-frames:v",
                    str(frames), "-c:v", "libx264", "-bf", "3", str(path)], check=True)


def same(one, other):
    """Byte for byte, of files too large to be held."""
    return subprocess.run(["cmp", "-s", str(one), str(other)], check=False).returncode == 0
