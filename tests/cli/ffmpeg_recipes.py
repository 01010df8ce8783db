#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of the section FFmpeg of docs/embedding.md, as they stand there, and looks at what they make.

ffmpeg_recipes.py PROGRAM DOCUMENT MODEL

MODEL is any network that is quick; it helps to make the HDR clip.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

program, document, model = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
work = pathlib.Path(tempfile.mkdtemp(prefix="enlarge-recipes-"))
os.environ["PATH"] = f"{program.parent}:{os.environ['PATH']}"
checks = failures = 0

RATE = "30000/1001"
SDR = ["-color_primaries", "smpte170m", "-color_trc", "smpte170m", "-colorspace", "smpte170m", "-color_range", "tv"]
HDR = ("log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited:max-cll=1000,400:"
       "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)")
TAGS = ("color_space", "color_transfer", "color_primaries")


def check(what, good, why=""):
    global checks, failures
    checks += 1
    if not good:
        failures += 1
        print(f"FAILED: {what}: {why}")


def run(*command):
    subprocess.run(command, cwd=work, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def make_clips():
    """in.mp4: BT.601, with gaps between its frames. hdr.mp4: 10 bits, PQ, with what a mastering display could show."""
    sound = ["-f", "lavfi", "-i", "sine=r=48000"]
    picture = ["-f", "lavfi", "-i", f"testsrc2=size=96x64:rate={RATE}"]
    common = ["ffmpeg", "-v", "error", *picture, *sound, "-t", "0.4", "-c:a", "aac"]
    run(*common, "-vf", "select='not(eq(mod(n,4),1))'", "-fps_mode", "vfr", "-frames:v", "9", "-pix_fmt", "yuv420p",
        "-c:v", "libx264", "-preset", "ultrafast", *SDR, "in.mp4")
    run(*common, "-frames:v", "12", "-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast",
        "-x265-params", HDR, "plain.mp4")
    # ffmpeg itself does not write down for the whole file what its frames say.
    run(program, "plain.mp4", "-o", "hdr.mp4", "--model", model, "--scale", "1", "--video-codec", "libx265", "--crf",
        "10", "--quiet")


def probe(name):
    """What a file says about its pictures."""
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream", "-of", "json", work / name],
        capture_output=True, text=True)
    return json.loads(shown.stdout or "{}").get("streams", [{}])[0]


def times(name):
    """Times of the pictures in ticks of the clips' rate."""
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "json",
         work / name], capture_output=True, text=True)
    packets = json.loads(shown.stdout or "{}").get("packets", [])
    return sorted(float(packet["pts_time"]) for packet in packets)


def sums(name, *options):
    made = subprocess.run(["ffmpeg", "-v", "error", "-i", work / name, *options, "-f", "md5", "-"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return made.stdout.strip() or made.stderr


def close(a, b, within):
    return len(a) == len(b) > 0 and all(abs(x - y) <= within for x, y in zip(a, b))


def same_times(out, source, within=1e-6):
    check(f"{out}: times", close(times(out), times(source), within), f"{times(out)}, not {times(source)}")


def same_sound(out, source):
    copied = ["-map", "0:a", "-c", "copy"]
    check(f"{out}: sound", sums(out, *copied) == sums(source, *copied), sums(out, *copied))


def same_tags(out, source, tags=TAGS):
    for tag in tags:
        check(f"{out}: {tag}", probe(out).get(tag) == probe(source).get(tag), str(probe(out).get(tag)))


def light(name):
    """What is told about HDR, in one unit."""
    told = {}
    for side in probe(name).get("side_data_list", []):
        for key, value in side.items():
            number = str(value).partition("/")
            if number[0].isdigit():
                told[key] = round(int(number[0]) / int(number[2] or 1), 4)
    return told


def size_is_doubled(out, source):
    sides = [(probe(name).get("width"), probe(name).get("height")) for name in (out, source)]
    check(f"{out}: size", sides[0] == (2 * sides[1][0], 2 * sides[1][1]), str(sides))


def is_sdr(out):
    said = probe(out)
    check(f"{out}: colours", [said.get(tag) for tag in TAGS] == ["bt709"] * 3, str(said))
    check(f"{out}: bits", said.get("pix_fmt") == "yuv420p", said.get("pix_fmt"))
    check(f"{out}: no HDR metadata", light(out) == {}, str(light(out)))


def look_at(out, source):
    size_is_doubled(out, source)
    same_sound(out, source)
    if out == "copied.mkv":  # NUT has no times below zero, Matroska whole milliseconds
        moved = [time - times(out)[0] for time in times(out)]
        check(f"{out}: times", close(moved, times(source), 1.1e-3), str(moved))
        return same_tags(out, source)
    same_times(out, source)
    if out == "out.mov":
        same_tags(out, source)
        run(program, source, "-o", "direct.mkv", "--model", "swift-x2", "--video-codec", "ffv1", "--quiet")
        frames = ["-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo"]
        check(f"{out}: frames of the program alone", sums(out, *frames[:4]) == sums("direct.mkv", *frames[:4]))
    elif out == "big_hdr.mp4":
        same_tags(out, source, TAGS + ("color_range", "chroma_location", "pix_fmt"))
        check(f"{out}: HDR metadata", light(out) == light(source) and len(light(out)) >= 12, str(light(out)))
    else:
        is_sdr(out)


def main():
    section = document.read_text(encoding="utf-8").split("\n## FFmpeg\n", 1)[1].split("\n## ", 1)[0]
    commands = re.findall(r"^```sh\n(.*?)\n```$", section, re.M | re.S)
    check("commands in the document", len(commands) >= 5, str(len(commands)))
    make_clips()
    for command in commands:
        source = re.search(r"\b(in|hdr)\.mp4\b", command).group(0)
        out = re.search(r"\b(out\.mov|big_hdr\.mp4|sdr\.mp4|sdr_alone\.mp4|copied\.mkv)", command).group(0)
        ran = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=work, capture_output=True, text=True,
                             stdin=subprocess.DEVNULL, errors="replace")
        check(f"{out}: its command", ran.returncode == 0, ran.stderr[-2000:])
        if ran.returncode == 0:
            look_at(out, source)


if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
    print("skipped: ffmpeg is not installed")
    sys.exit(77)
try:
    main()
finally:
    shutil.rmtree(work)
print(f"{checks} checks, {failures} failures")
sys.exit(1 if failures else 0)
