#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs on real clips and on a long one, with workers that die and disks that do not hold: farm.py PROGRAM MODEL

  - ten clips of ENLARGE_TEST_DATA: parts in random order, some twice, by processes that find their number in
    JOB_COMPLETION_INDEX, some of them killed; joined: the file that one machine makes, byte for byte;
  - one of 20,000 frames, the job's folder on a small disk: workers meet a full disk and a read-only one, then others
    share the parts out among themselves and are killed at random, until 100 workers were killed in all;
  - what plan and join of the long one cost, beside the parts (said, not judged).
"""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from farm_tools import Checks, make_clip, run, same

CLIPS = ["mkv__sample_with_srt.mkv", "mkv__sample_with_chapters.mkv", "mp4__sample.mp4", "ts__sample_h264.ts",
         "ts__bbb_2500ms.ts", "flv__sample.flv", "avi__sample.avi", "mp4__edit_list_positive_shift.mp4",
         "mkv__bbb_642x642_768kbps_30fps_vp9.webm", "3gp__bbb_176x144_128kbps_15fps_h263.3gp"]
KILLS = 100
check = Checks()


def killed_after(seconds, words, **variables):
    """Whether the process still ran then, and was killed; else its exit code."""
    process = subprocess.Popen([str(w) for w in words], env={**os.environ, **variables}, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        return False, process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True, None


def one_clip(program, film, folder, options, kills):
    """How many workers were killed."""
    ending = ".mkv" if film.suffix in (".3gp", ".flv", ".avi") else film.suffix
    out, alone, job, parts = folder / f"out{ending}", folder / f"alone{ending}", folder / "job", 6
    code, said, _ = run([program, "plan", film, "-o", out, "--job", job, "--parts", parts, *options])
    if not check(f"{film.name}: plan", code == 0, said):
        return 0
    order = list(range(parts)) + random.choices(range(parts), k=2)
    random.shuffle(order)
    work, killed = [program, "work", job, "--task", "auto", "--threads", "1"], 0
    for index in order:
        task = {"JOB_COMPLETION_INDEX": str(index)}
        if killed < kills:
            killed += killed_after(random.uniform(0.02, 0.4), work, **task)[0]
        code, said, _ = run(work, **task)
        check(f"{film.name}: part {index}", code == 0, said)
    code, said, _ = run([program, "join", job])
    check(f"{film.name}: join", code == 0, said)
    code, said, _ = run([program, film, "-o", alone, "--threads", "1", *options])
    check(f"{film.name}: the file of one machine", code == 0 and same(out, alone), said)
    return killed


def clips(program, model, folder):
    data = pathlib.Path(os.environ.get("ENLARGE_TEST_DATA", "")) / "clips"
    if not os.environ.get("ENLARGE_TEST_DATA") or not data.is_dir():
        print("SKIPPED: ten clips: ENLARGE_TEST_DATA is not set")
        return 0
    killed = 0
    options = ["-m", model, "--precision", "fp32", "--preset", "veryfast", "--segment-frames", "10", "--to", "2"]
    for name in CLIPS:
        at = folder / name
        at.mkdir()
        killed += one_clip(program, data / name, at, options, 2)
        shutil.rmtree(at)
    return killed


class Disk:
    """A small one of its own, where that can be had; else a folder."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(path)]
        self.mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0

    def become(self, how):
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.path)], check=True)

    def away(self):
        if self.mounted:
            subprocess.run(["umount", str(self.path)], check=True)


def bad_disks(program, job, disk):
    """Workers on a full and on a read-only disk: one sentence, exit code 4."""
    if not disk.mounted:
        print("SKIPPED: full and read-only disks: a tmpfs cannot be mounted here")
        return
    work = [program, "work", job, "--threads", "1"]
    disk.become("size=2m")
    code, said, _ = run(work)
    check("a full disk", code == 4 and "No space left" in said, f"{code}: {said}")
    disk.become("ro,size=1g")
    code, said, _ = run(work)
    check("a read-only disk", code == 4 and "Read-only" in said, f"{code}: {said}")
    disk.become("rw,size=1g")


def share_out(program, job, kills):
    """Three workers that are killed at random and replaced, until `kills` were; then two end the job."""
    work = [program, "work", job, "--threads", "1", "--retry"]
    running, killed = [], 0
    while killed < kills:
        while len(running) < 3:
            running.append(subprocess.Popen(work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(random.uniform(0.05, 0.45))  # a part takes about half a second
        victim = running.pop(random.randrange(3))
        victim.send_signal(signal.SIGKILL)
        if victim.wait() != -signal.SIGKILL:
            break  # everything is made
        killed += 1
    for process in running:
        check("a worker that nobody killed", process.wait() == 0, process.returncode)
    code, said, _ = run(work)
    check("the last worker", code == 0, said)
    return killed


def long_one(program, folder, killed):
    film, out, alone = folder / "long.mkv", folder / "out.mkv", folder / "alone.mkv"
    disk = Disk(folder / "disk")
    job = disk.path / "job"
    options = ["-m", "swift-x2", "--precision", "fp32", "--preset", "ultrafast"]
    try:
        make_clip(film, "64x48", 20000, sound=True)
        code, said, _ = run([program, "plan", film, "-o", out, "--job", job, "--parts", 160, "--lease", 2, *options])
        check("20,000 frames: plan", code == 0, said)
        bad_disks(program, job, disk)
        killed += share_out(program, job, KILLS - killed)
        check(f"{KILLS} workers were killed", killed >= KILLS, killed)
        for part in random.sample(range(160), 5):
            code, said, _ = run([program, "work", job, "--task", part, "--threads", "1"])
            check(f"part {part} again", code == 0, said)
        code, said, joining = run([program, "join", job])
        check("20,000 frames: join", code == 0, said)
    finally:
        disk.away()
    code, said, working = run([program, film, "-o", alone, "--threads", "1", *options])
    check("20,000 frames: the file of one machine", code == 0 and same(out, alone), said)
    code, said, planning = run([program, "plan", film, "-o", out, "--job", folder / "again", "--force", *options])
    print(f"{killed} workers were killed; processor seconds of 20,000 frames: plan {planning:.1f}, one machine "
          f"{working:.1f}, join {joining:.1f}")


def main():
    program, model = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
    random.seed(19)
    with tempfile.TemporaryDirectory(prefix="enlarge-farm-") as name:
        folder = pathlib.Path(name)
        killed = clips(program, model, folder)
        long_one(program, folder, killed)
    return check.end()


if __name__ == "__main__":
    sys.exit(main())
