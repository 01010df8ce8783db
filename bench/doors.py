#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The doors into the library against the command line, in turns.

doors.py --build FOLDER [--rounds 5] [--frames 48] [--only DOOR ...] [--vapoursynth FOLDER --vapoursynth-python PYTHON]

Every round enlarges the same clip of 640x360 once through each door, so that a noisy minute hits all alike: the
command line, the C example (enlarge_video_file), the Python package (upscale_video), FFmpeg pipes on both sides, the
element of GStreamer, the plugin of VapourSynth. All decode the same H.264 file, VapourSynth the same frames as
YUV4MPEG2. Each door is compared with a command line that reads and encodes as it does: libx264, what is chosen where no
encoder is named (the C example), or not at all (GStreamer, VapourSynth). Prints medians, least times and the share of
the command line's speed. A door that is not there is left out. VapourSynth's Python needs NumPy."""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
CODEC = ["--video-codec", "libx264", "--preset", "ultrafast", "--crf", "20"]
PYTHON = """
import sys, enlarge
engine = enlarge.Engine("swift-x2")
for now in enlarge.upscale_video(sys.argv[1], sys.argv[2], engine, overwrite=True, video_codec="libx264",
                                 preset="ultrafast", crf=20):
    pass
"""

PIPE = "import sys, vapoursynth; sys.exit(vapoursynth.vspipe())"
SCRIPT = """
import numpy
import vapoursynth as vs
from vapoursynth import core
core.std.LoadPlugin({plugin!r})
head = open({clip!r}, "rb").readline()
frames = numpy.memmap({clip!r}, mode="r", offset=len(head)).reshape({count}, 6 + 640 * 360 * 3 // 2)

def fill(n, f):
    frame, at = f.copy(), 6
    for plane in range(3):
        samples = numpy.asarray(frame[plane])
        samples[:] = frames[n, at:at + samples.size].reshape(samples.shape)
        at += samples.size
    return frame

blank = core.std.BlankClip(width=640, height=360, format=vs.YUV420P8, length={count}, fpsnum=25, fpsden=1)
core.enlarge.Upscale(core.std.ModifyFrame(blank, blank, fill), model="swift-x2").set_output()
"""


def vapoursynth_door(build, work, package, python, frames):
    """The command, where VapourSynth and the plugin are there."""
    plugin = build / "bindings/vapoursynth/libenlarge_vapoursynth.so"
    if not package or not plugin.exists():
        return None
    os.environ["XDG_CONFIG_HOME"] = str(work)  # where vspipe is told which Python it is to load
    environment = {**os.environ, "PYTHONPATH": str(package.resolve().parent)}
    subprocess.run([python, "-m", "vapoursynth", "config"], env=environment, capture_output=True, check=True)
    clip = work / "clip.y4m"
    subprocess.run(["ffmpeg", "-v", "error", "-i", work / "clip.mp4", clip], check=True)
    (work / "script.vpy").write_text(SCRIPT.format(plugin=str(plugin), clip=str(clip), count=frames))
    line = f"PYTHONPATH={environment['PYTHONPATH']} {python} -c '{PIPE}' -c y4m {work}/script.vpy {work}/g.y4m"
    return ["sh", "-c", line]


def doors(build, work):
    """{name: (what it is compared with, command)}; the command line's own are compared with themselves."""
    program, clip = build / "bin" / "enlarge", work / "clip.mp4"
    own = [program, clip, "--model", "swift-x2", "--quiet", "--force"]
    found = {"command line": ("command line", [*own, "-o", work / "a.mkv", *CODEC]),
             "command line, raw": ("command line, raw", [*own, "-o", work / "a.y4m"])}
    example = build / "examples" / "example_video_c"
    if example.exists():  # with the encoder that is chosen where none is named
        found["command line, its encoder"] = ("command line, its encoder", [*own, "-o", work / "b.mkv"])
        words = f"rm -rf {work}/c.mkv*; {example} {clip} {work}/c.mkv"
        found["C example"] = ("command line, its encoder", ["sh", "-c", words])
    found["Python"] = ("command line", [sys.executable, "-c", PYTHON, clip, work / "d.mkv"])
    pipe = (f"ffmpeg -v error -i {clip} -map 0:v -c:v rawvideo -f nut - | {program} - -o - --model swift-x2 --quiet | "
            f"ffmpeg -v error -y -i - -c:v libx264 -preset ultrafast -crf 20 {work}/e.mkv")
    if shutil.which("ffmpeg"):
        found["FFmpeg pipes"] = ("command line", ["sh", "-c", pipe])
    if shutil.which("gst-launch-1.0") and (build / "bindings/gstreamer/libgstenlarge.so").exists():
        line = (f"gst-launch-1.0 -q filesrc location={clip} ! qtdemux ! h264parse ! avdec_h264 ! queue ! enlarge "
                f"model=swift-x2 ! queue ! y4menc ! filesink location={work}/f.y4m")
        found["GStreamer"] = ("command line, raw", ["sh", "-c", line])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="a build folder of CMake, in release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--only", nargs="+", default=[], metavar="DOOR", help="these, and what they are compared with")
    parser.add_argument("--vapoursynth", type=pathlib.Path, help="VapourSynth's Python package, unpacked")
    parser.add_argument("--vapoursynth-python", default="python3")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    work = pathlib.Path(tempfile.mkdtemp(prefix="enlarge-doors-"))
    os.environ.update(PYTHONPATH=str(ROOT / "bindings" / "python"),
                      ENLARGE_LIBRARY=str(build / "src" / "libenlarge.so"),
                      GST_PLUGIN_PATH=str(build / "bindings" / "gstreamer"), GST_REGISTRY=str(work / "registry"))
    try:
        # Everything moves, so that nothing of a frame can be taken from the one before.
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "mandelbrot=size=640x360:rate=25", "-frames:v",
                        str(arguments.frames), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-crf", "18",
                        work / "clip.mp4"], check=True)
        subprocess.run(["gst-inspect-1.0", "enlarge"], capture_output=True, check=False)  # fills the registry
        found = doors(build, work)
        through = vapoursynth_door(build, work, arguments.vapoursynth, arguments.vapoursynth_python, arguments.frames)
        if through:
            alone = [build / "bin" / "enlarge", work / "clip.y4m", "--model", "swift-x2", "--quiet", "--force", "-o"]
            found["command line, Y4M"] = ("command line, Y4M", [*alone, work / "h.y4m"])
            found["VapourSynth"] = ("command line, Y4M", through)
        if arguments.only:
            wanted = {name for door in arguments.only for name in (door, found[door][0])}
            found = {name: door for name, door in found.items() if name in wanted}
        times = {name: [] for name in found}
        for turn in range(arguments.rounds):
            for name, (_, command) in found.items():
                began = time.monotonic()
                done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
                times[name].append(time.monotonic() - began)
                if done.returncode:
                    sys.exit(f"{name}: {done.stderr.strip()}")
            print(f"round {turn + 1} of {arguments.rounds}", file=sys.stderr)
    finally:
        shutil.rmtree(work)
    for name, (against, _) in found.items():
        share = statistics.median(a / b for a, b in zip(times[against], times[name]))
        print(f"{name:28} median {statistics.median(times[name]):6.2f} s  least {min(times[name]):6.2f} s  "
              f"{100 * share:5.1f} % of the speed of: {against}")


if __name__ == "__main__":
    main()
