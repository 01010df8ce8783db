#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole program with Vulkan, as a user runs it: devices, pictures, films, and devices that fail.

program.py PROGRAM FALSE_LOADER MODELS

Ends with "N checks, M failures".
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
from checks import check, finish  # noqa: E402

PROGRAM, LOADER, MODELS = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
SWIFT = MODELS / "swift-x2.safetensors"
NEAREST = pathlib.Path(__file__).resolve().parents[2] / "media/data/nearest-x2.safetensors"


class Run:
    def __init__(self, *words, **environment):
        done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, check=False,
                              env={**os.environ, **{key: str(value) for key, value in environment.items()}})
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def events(self, name):
        lines = [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def __str__(self):
        return f"exit {self.code}: {self.out[-1500:]} {self.err[-1500:]}"


def ffmpeg(*words):
    return subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, words)], check=True, capture_output=True).stdout


def pixels(file):
    return ffmpeg("-i", file, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")


def apart(a, b):
    return max((abs(x - y) for x, y in zip(a, b)), default=0) if len(a) == len(b) else 256


def real_loader():
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"libvulkan\.so\.1 .*=> (\S+)", listed)
    return found.group(1) if found else ""


def broken(**how):
    """What makes the program load the loader whose devices fail."""
    return {"LD_LIBRARY_PATH": LOADER.parent, "ENLARGE_TEST_VULKAN_LOADER": real_loader(), **how}


def devices():
    said = Run("devices")
    check("devices: a Vulkan device with driver and rung",
          re.search(r"vulkan:0 +yes \S.*\n +Vulkan 1\.\d+\.\d+, \S.*; rung \d .*\n +[\d.]+ GiB of memory", said.out),
          said)
    entries = [entry for entry in Run("devices", "--json").events("device") if entry["id"] == "vulkan:0"]
    check("devices --json", len(entries) == 1 and entries[0]["usable"] and entries[0]["memory"] > 0, entries)
    report = Run("devices", "--report")
    for line in ("  driver: ", "  rung: ", "  largest binding: ", "  heap 0: ", "  device UUID: "):
        check(f"devices --report: {line}", line in report.out, report)
    none = Run("devices", VK_ICD_FILENAMES="/nowhere.json", VK_DRIVER_FILES="/nowhere.json")
    check("devices without a driver: why", none.code == 0 and re.search("vulkan +no .*\n +no Vulkan ", none.out), none)
    return entries[0] if entries else {}


def pictures(folder, device):
    source = folder / "in.png"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=44x28", "-frames:v", 1, source)

    def enlarged(name, *words, **environment):
        run = Run(source, "-o", folder / name, "-m", SWIFT, "--json", *words, **environment)
        return run, pixels(folder / name) if (folder / name).exists() else b""

    first, whole = enlarged("whole.png", "--device", "vulkan")
    done = first.events("done")
    check("a picture on the device", first.code == 0 and done and done[0]["path"].startswith("vulkan "), first)
    verdicts = list((folder / "cache").glob("vulkan-*.check"))
    check("the verdict is kept", len(verdicts) == 1, verdicts)
    for tile in (17, 33):
        run, cut = enlarged(f"tile{tile}.png", "--device", "vulkan:0", "--tile", tile)
        check(f"tiles of {tile} pixels: the same bits", run.code == 0 and cut == whole, run)
    run, exact = enlarged("cpu.png", "--device", "cpu", "--precision", "fp32")
    check("within one step of the processor", run.code == 0 and apart(exact, whole) <= 1, apart(exact, whole))
    run, _ = enlarged("auto.png", "--device", "auto")
    if "software" in device["detail"]:
        check("auto takes no software device", run.code == 0 and run.events("done")[0]["path"].startswith("cpu"), run)
    run, _ = enlarged("nine.png", "--device", "vulkan:9")
    check("vulkan:9", run.code == 10 and "there is no vulkan:9" in run.out and not (folder / "nine.png").exists(), run)
    run, _ = enlarged("half.png", "--device", "vulkan", "--precision", "int8")
    check("no int8", run.code == 7 and "fp32" in run.out, run)

    wrong, nothing = enlarged("wrong.png", "--device", "vulkan",
                              **broken(ENLARGE_TEST_LAZY=1, ENLARGE_CACHE=folder / "other"))
    check("a device that computes wrongly is refused",
          wrong.code == 10 and not nothing and "does not compute this network right" in wrong.out, wrong)
    again, nothing = enlarged("wrong.png", "--device", "vulkan", ENLARGE_CACHE=folder / "other")
    check("and stays refused", again.code == 10 and not nothing, again)
    lost, nothing = enlarged("lost.png", "--device", "vulkan", **broken(ENLARGE_TEST_LOSE_AT=3))
    check("a device lost under a picture: one sentence",
          lost.code == 10 and not nothing and "stopped working" in lost.out and lost.out.count("stopped") == 1, lost)


def bench():
    run = Run("bench", "--device", "vulkan", "--model", SWIFT, "--size", "32x24", "--runs", 1, "--json")
    results = run.events("bench")
    check("bench", run.code == 0 and results and results[0]["device_ms"] > 0, run)


def films(folder):
    source, frames, size = folder / "in.mkv", 6, 2 * 40 * 2 * 24 * 3
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=40x24:rate=10", "-frames:v", frames, "-c:v", "ffv1", source)

    def enlarged(name, *words, **environment):
        run = Run(source, "-o", folder / name, "-m", SWIFT, "--video-codec", "ffv1", "--json",
                  *words, **environment)
        return run, pixels(folder / name) if (folder / name).exists() else b""

    counted = folder / "submits"
    run, whole = enlarged("whole.mkv", "--device", "vulkan", **broken(ENLARGE_TEST_SUBMITS=counted))
    check("a film on the device", run.code == 0 and len(whole) == frames * size, run)
    for tile in (24,):
        run, cut = enlarged(f"tile{tile}.mkv", "--device", "vulkan", "--tile", tile)
        check(f"a film in tiles of {tile}: the same bits", run.code == 0 and cut == whole, run)
    submits = int(counted.read_text())
    run, mixed = enlarged("lost.mkv", "--device", "vulkan", **broken(ENLARGE_TEST_LOSE_AT=submits * 2 // 3))
    notes = [note for note in run.events("note") if note.get("code") == "device-lost"]
    check("a film goes on when the device is lost", run.code == 0 and len(mixed) == frames * size, run)
    check("and says so", notes and "the processor goes on" in notes[0]["message"], run.out)
    check("its frames are right", apart(mixed, whole) <= 2, apart(mixed, whole))
    check("those before are the device's", mixed[:size] == whole[:size])


def films_on_a_card(folder):
    """Three frames in work at a time, some made of the one before: the same film, also when the device is lost."""
    source, frames = folder / "moving.mkv", 12
    # A square moves over a picture that stands still; a cut in the middle.
    ffmpeg("-f", "lavfi", "-i", "mandelbrot=size=192x160:rate=10", "-f", "lavfi", "-i", "testsrc2=size=24x24:rate=10",
           "-filter_complex", "[0]trim=end_frame=1,loop=-1:1,setpts=N/10/TB[a];[a][1]overlay=x=8*n:y=40,"
           "negate=enable='gte(n,6)'", "-frames:v", frames, "-pix_fmt", "yuv420p", "-c:v", "ffv1", source)
    size = 2 * 192 * 2 * 160 * 3

    def enlarged(name, *words, **environment):
        run = Run(source, "-o", folder / name, "-m", NEAREST, "--video-codec", "ffv1", "--json", "--device", "vulkan",
                  "--precision", "fp32", *words, **environment)
        return run, pixels(folder / name) if (folder / name).exists() else b""

    one, whole = enlarged("one.mkv")
    counted = folder / "card_submits"
    three, same = enlarged("three.mkv", **broken(ENLARGE_TEST_CARD=1, ENLARGE_TEST_SUBMITS=counted))
    said = [note["message"] for note in three.events("note") if note.get("code") == "frames-on-gpu"]
    check("a card takes three frames at a time", said == ["the GPU takes 3 frames at a time, over RGB"], three)
    check("software takes one", not [note for note in one.events("note") if note.get("code") == "frames-on-gpu"], one)
    check("the same film", len(whole) == frames * size and same == whole, (len(whole), len(same)))
    partial = [run.events("done")[0]["partial_frames"] for run in (one, three)]
    check("of parts of the frames before, in both", partial[0] > 5 and partial[0] == partial[1], partial)
    run, every = enlarged("every.mkv", "--no-reuse", **broken(ENLARGE_TEST_CARD=1))
    check("every frame computed: the same film", run.code == 0 and every == whole, run)
    submits = int(counted.read_text())
    for at in (submits // 3, submits // 2, submits * 3 // 4):
        run, mixed = enlarged(f"lost{at}.mkv", **broken(ENLARGE_TEST_CARD=1, ENLARGE_TEST_LOSE_AT=at))
        notes = [note for note in run.events("note") if note.get("code") == "device-lost"]
        check(f"lost at submit {at} of {submits} with three frames under way: all are there and right",
              run.code == 0 and notes and len(mixed) == len(whole) and apart(mixed, whole) <= 2, run)


def main():
    if not shutil.which("ffmpeg"):
        print("SKIPPED: Vulkan in the program: ffmpeg is not installed\n1 checks, 0 failures")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["ENLARGE_CACHE"] = str(folder / "cache")
        usable = [line for line in Run("devices", "--json").events("device")
                  if line["id"].startswith("vulkan") and line["usable"]]
        if not usable:
            why = [line["detail"] for line in Run("devices", "--json").events("device") if "vulkan" in line["id"]]
            print(f"SKIPPED: Vulkan in the program: no usable Vulkan device: {'; '.join(why)}\n1 checks, 0 failures")
            return 0
        device = devices()
        pictures(folder, device)
        bench()
        films(folder)
        films_on_a_card(folder)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
