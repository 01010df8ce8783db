#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Long runs and many kills of the program: what a short test cannot see.

soak.py PROGRAM MODEL [--seconds N] [--kills N]

  - a stream of frames without end, for N seconds: memory stops growing, every frame comes out, in order;
  - many pictures in one run: memory stops growing;
  - SIGKILL at random moments of writing pictures: an output is whole or not there, and nothing else is left behind.
Ends with "N checks, M failures".
"""

import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

WIDTH, HEIGHT = 64, 48
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from checks import check, finish  # noqa: E402


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0  # it has ended


def settled(samples):
    """Megabytes that the last third of a run holds more than the second: a start may fill caches, a leak goes on."""
    third = len(samples) // 3
    return max(samples[2 * third :]) - max(samples[third : 2 * third]) if third else float("inf")


def ppm(seed):
    return b"P6\n%d %d\n255\n" % (WIDTH, HEIGHT) + random.Random(seed).randbytes(WIDTH * HEIGHT * 3)


def frames_without_end(program, model, seconds):
    """Each frame is one grey; with a network that repeats pixels the output's frame is the same grey."""
    command = [program, "-", "-o", "-", "-m", model, "--threads", "1", "--precision", "fp32", "--quiet"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    sent, ends = [0], time.monotonic() + seconds
    samples = []

    def feed():
        try:
            process.stdin.write(b"YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C444\n" % (WIDTH, HEIGHT))
            while time.monotonic() < ends:
                luma = 16 + sent[0] * 7 % 200
                process.stdin.write(b"FRAME\n" + bytes([luma]) * (WIDTH * HEIGHT) + bytes([128]) * (WIDTH * HEIGHT * 2))
                sent[0] += 1
                if sent[0] % 50 == 0:
                    samples.append(resident_mib(process.pid))
            process.stdin.close()
        except BrokenPipeError:
            pass

    errors = []
    threads = [threading.Thread(target=feed), threading.Thread(target=lambda: errors.append(process.stderr.read()))]
    for thread in threads:
        thread.start()
    header = process.stdout.readline()
    received, wrong = 0, ""
    size = 4 * WIDTH * HEIGHT * 3
    while True:
        marker = process.stdout.readline()
        if not marker:
            break
        frame = process.stdout.read(size)
        luma = 16 + received * 7 % 200
        if len(frame) != size or abs(frame[size // 7] - luma) > 2:
            wrong = (
                wrong
                or f"frame {received}: {len(frame)} bytes, grey {frame[size // 7] if frame else 0}; "
                f"expected {size} and {luma}"
            )
        received += 1
    code = process.wait()
    for thread in threads:
        thread.join()
    said = errors[0].decode("utf-8", "replace")[-300:]
    check("a long stream ends well", code == 0 and header.startswith(b"YUV4MPEG2"), f"code {code}: {said}")
    check(
        "every frame of a long stream comes out",
        received == sent[0] and received > 100,
        f"{sent[0]} in, {received} out",
    )
    check("the frames of a long stream are in order", not wrong, wrong)
    growth = settled(samples)
    check(
        "a long stream does not fill the memory",
        growth < 8,
        f"{growth:.1f} MiB more in the last third; samples {samples[::max(1, len(samples) // 10)]}",
    )
    print(f"stream: {received} frames in {seconds} s, {samples[-1] if samples else 0:.0f} MiB", flush=True)


def many_pictures(program, model, folder, count):
    inputs, outputs = folder / "in", folder / "out"
    inputs.mkdir()
    for i in range(count):
        (inputs / f"{i:04}.ppm").write_bytes(ppm(i))
    process = subprocess.Popen(
        [program, inputs, "-r", "-o", outputs, "-m", model, "--threads", "1", "--quiet"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    samples = []
    while process.poll() is None:
        samples.append(resident_mib(process.pid))
        time.sleep(0.02)
    made = len(list(outputs.rglob("*.ppm")))
    check(
        "many pictures are all made",
        process.returncode == 0 and made == count,
        f"code {process.returncode}, {made} of {count}",
    )
    growth = settled(samples)
    check("many pictures do not fill the memory", growth < 8, f"{growth:.1f} MiB more in the last third")
    print(f"pictures: {made}, {max(samples):.0f} MiB", flush=True)


def kills(program, model, folder, count):
    folder.mkdir()
    (folder / "in.ppm").write_bytes(ppm(1))
    command = [program, "in.ppm", "-o", "out.png", "-m", model, "--threads", "1", "--quiet", "--force"]
    began = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, stdin=subprocess.DEVNULL)
    length = time.monotonic() - began
    whole = (folder / "out.png").read_bytes()
    choose = random.Random(5)
    (folder / "out.png").unlink()
    killed = 0
    for _ in range(count):
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(choose.uniform(0, length * 1.1))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        out = folder / "out.png"
        if out.exists():
            check(
                "a killed run leaves a whole picture or none", out.read_bytes() == whole, f"{out.stat().st_size} bytes"
            )
            if choose.random() < 0.5:  # the next one replaces it, or makes it
                out.unlink()
        left = sorted(name for name in os.listdir(folder) if name not in ("in.ppm", "out.png"))
        check("a killed run leaves nothing else", not left, " ".join(left))
    check("the kills came while it worked", killed > count // 4, f"{killed} of {count}")
    print(f"kills: {killed} of {count} before the end", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--pictures", type=int, default=1500)
    options = parser.parse_args()
    program, model = options.program.resolve(), options.model.resolve()
    with tempfile.TemporaryDirectory(prefix="enlarge-soak-") as name:
        folder = pathlib.Path(name)
        os.environ.update(HOME=name, XDG_DATA_HOME=name, ENLARGE_CACHE="")
        frames_without_end(program, model, options.seconds)
        (folder / "pictures").mkdir()
        many_pictures(program, model, folder / "pictures", options.pictures)
        kills(program, model, folder / "kills", options.kills)
    return finish()


if __name__ == "__main__":
    sys.exit(main())
