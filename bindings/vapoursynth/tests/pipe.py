#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vspipe with the plugin, as people run it: the command line's frames, scripts of vs-mlrt's shape, mpv.

pipe.py VAPOURSYNTH PLUGIN PROGRAM REPOSITORY

VAPOURSYNTH is its Python package, unpacked. Ends with "N checks, M failures"; skipped where no Python can load it.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests" / "support"))
from checks import check, finish  # noqa: E402
PIPE = "import sys, vapoursynth; sys.exit(vapoursynth.vspipe())"
WIDTH, HEIGHT, FRAMES = 64, 48, 6
READER = """
import vapoursynth as vs
from vapoursynth import core
core.std.LoadPlugin({plugin!r})
data = open({clip!r}, "rb").read()
begin = data.index(b"\\n") + 1
size = {width} * {height} * 3 // 2 + 6

def fill(n, f):
    frame, at = f.copy(), begin + n * size + 6
    for plane in range(3):
        rows = memoryview(frame[plane])
        height, width = rows.shape
        for y in range(height):
            for x in range(width):
                rows[y, x] = data[at + y * width + x]
        at += width * height
    return frame

blank = core.std.BlankClip(width={width}, height={height}, format=vs.YUV420P8, length={frames}, fpsnum=25, fpsden=1)
clip = core.std.ModifyFrame(blank, blank, fill)
"""


def find_python(package):
    """A Python that loads the package, and its environment."""
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in (os.environ.get("ENLARGE_VAPOURSYNTH_PYTHON"), "python3", "python3.14", "python3.13", "python3.12"):
        python = name and shutil.which(name)
        words = [python, "-c", "import vapoursynth"]
        if python and subprocess.run(words, env=environment, capture_output=True).returncode == 0:
            return python, environment
    return None, environment


def frames_of(y4m):
    """The bytes of the frames, without what their headers say."""
    head, _, rest = y4m.partition(b"\n")
    return [part.partition(b"\n")[2] for part in rest.split(b"FRAME")[1:]]


def main():
    package, plugin, program, repository = (pathlib.Path(word).resolve() for word in sys.argv[1:])
    python, environment = find_python(package)
    if not python:
        print("skipped: no Python that loads this VapourSynth")
        return 77
    environment["PYTHONPATH"] += f":{repository / 'bindings/vapoursynth'}"
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        clip = folder / "clip.y4m"
        # vspipe is told once which Python it is to load; not in the user's own settings.
        environment["XDG_CONFIG_HOME"] = str(folder)
        subprocess.run([python, "-m", "vapoursynth", "config"], env=environment, capture_output=True)
        planes = [bytes((x * 3 + y * 5 + n * 7) % 256 for y in range(h) for x in range(w))
                  for n in range(FRAMES) for w, h in ((WIDTH, HEIGHT), *((WIDTH // 2, HEIGHT // 2),) * 2)]
        frames = [b"FRAME\n" + b"".join(planes[3 * n:3 * n + 3]) for n in range(FRAMES)]
        clip.write_bytes(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 Ip A1:1 C420mpeg2\n".encode() + b"".join(frames))
        reader = READER.format(plugin=str(plugin), clip=str(clip), width=WIDTH, height=HEIGHT, frames=FRAMES)
        model = repository / "tests/media/data/nearest-x2.safetensors"

        def pipe(name, tail):
            script = folder / f"{name}.vpy"
            script.write_text(reader + tail)
            ran = subprocess.run([python, "-c", PIPE, "-c", "y4m", script, "-"], env=environment, capture_output=True)
            check(f"{name}: vspipe", ran.returncode == 0, ran.stderr.decode("utf-8", "replace")[-600:])
            return ran.stdout

        ours = pipe("upscale", 'core.enlarge.Upscale(clip, model="swift-x2").set_output()\n')
        words = [program, clip, "--quiet", "-m", "swift-x2", "-o", folder / "theirs.y4m"]
        ran = subprocess.run(words, capture_output=True)
        check("the program", ran.returncode == 0, ran.stderr)
        theirs = frames_of((folder / "theirs.y4m").read_bytes())
        check("frame-identical to the command line", frames_of(ours) == theirs and len(theirs) == FRAMES, len(theirs))
        model = str(model)
        moved = pipe("inference", "from enlarge_vs import Backend, inference\n"
                                  f"backend = Backend.OV_CPU()\n"
                                  f"inference([clip], {model!r}, tilesize=32, backend=backend).set_output()\n")
        named = pipe("realesrgan", "from enlarge_vs import RealESRGAN\n"
                                   f"RealESRGAN(clip, model={model!r}).set_output()\n")
        check("both calls of vs-mlrt's shape give the same frames", frames_of(moved) == frames_of(named) != [])
        if shutil.which("mpv"):
            words = ["mpv", "--no-config", "--vo=null", "--no-audio", "--untimed", "-"]
            player = subprocess.run(words, input=ours, capture_output=True)
            check("mpv plays what vspipe writes", player.returncode == 0 and b"128x96" in player.stdout,
                  player.stdout[-400:])
        else:
            print("SKIPPED: mpv plays what vspipe writes: mpv is not installed")
    return finish()


if __name__ == "__main__":
    sys.exit(main())
