#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The element in pipelines of gst-launch-1.0: the frames of the command line, and what gst-inspect-1.0 shows.

launch_test.py PLUGIN PROGRAM INSPECTED [--write]

INSPECTED is what gst-inspect-1.0 is known to say; --write writes it down anew.
"""
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests" / "support"))
from checks import check, finish  # noqa: E402

plugin, program, inspected = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
source = pathlib.Path(__file__).resolve().parents[3]
data = pathlib.Path(os.environ.get("ENLARGE_TEST_DATA") or "/nowhere")
work = pathlib.Path(tempfile.mkdtemp(prefix="enlarge-gst-"))
# What GStreamer knows about plugins is kept beside this build's own.
os.environ.update(GST_PLUGIN_PATH=str(plugin.parent), GST_REGISTRY=str(plugin.parent / "registry.bin"))


def launch(*words):
    return subprocess.run(["gst-launch-1.0", "-q", *words], capture_output=True, text=True, cwd=work)


def y4m_frames(path, frame_bytes):
    """The samples of a YUV4MPEG2 file, without its headers."""
    content = path.read_bytes()
    at = content.index(b"\n") + 1
    frames = []
    while at < len(content):
        at = content.index(b"\n", at) + 1
        frames.append(content[at:at + frame_bytes])
        at += frame_bytes
    return frames


def by_command_line(clip, options):
    """What the program makes of a clip: frames of 4:2:0, 4:2:2 or 4:4:4, without gaps."""
    out = work / "expected.y4m"
    ran = subprocess.run([program, clip, "-o", out, "--force", "--quiet", *options], capture_output=True, text=True)
    if ran.returncode:
        return ran.stderr, []
    head = out.read_bytes().split(b"\n", 1)[0].decode()
    fields = {word[0]: word[1:] for word in head.split()[1:]}
    width, height = int(fields["W"]), int(fields["H"])
    halves = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}.get(fields["C"][:3])
    chroma = 2 * (-(-width // halves[0])) * (-(-height // halves[1])) if halves else 0
    wide = 2 if "p1" in fields["C"] else 1
    return head, y4m_frames(out, (width * height + chroma) * wide)


def same(what, clip, pipeline, element, options, frames=None):
    """The first `frames` frames of a pipeline and of the command line are the same, or all of them."""
    out = work / "got.yuv"
    out.unlink(missing_ok=True)
    ran = launch(*pipeline.split(), "!", "enlarge", *element, "!", "videocodectestsink", f"location={out}")
    head, expected = by_command_line(clip, options)
    if ran.returncode or not expected:
        return check(what, False, ran.stderr.strip() or head)
    got = out.read_bytes()
    count = len(got) // len(expected[0])
    if frames is None:
        frames = len(expected)
        check(f"{what}: number of frames", count == frames, f"{count}, not {frames}")
    wanted = b"".join(expected[:frames])
    check(what, got[:len(wanted)] == wanted, f"frames differ: {count}, {len(expected)} ({head})")


def noise(width, height, frames, halves, bits):
    """(Y4M file, raw file) of a picture that moves, with noise in it."""
    chance = random.Random(5)
    tag = {(2, 2): "420mpeg2", (2, 1): "422", (1, 1): "444"}[halves]
    if bits > 8:
        tag = tag[:3] + f"p{bits}"
    raw, y4m = bytearray(), bytearray(f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C{tag}\n".encode())
    sizes = [(width, height)] + 2 * [(-(-width // halves[0]), -(-height // halves[1]))]
    for frame in range(frames):
        samples = []
        for plane, (across, down) in enumerate(sizes):
            samples += [(60 + (x * 3 + y * 5 + plane * 40 + frame * 9) % 120 << bits - 8) + chance.randrange(9)
                        for y in range(down) for x in range(across)]
        content = b"".join(s.to_bytes(2, "little") for s in samples) if bits > 8 else bytes(samples)
        raw += content
        y4m += b"FRAME\n" + content
    (work / "in.raw").write_bytes(raw)
    (work / "in.y4m").write_bytes(y4m)
    return work / "in.y4m", work / "in.raw"


def check_inspected():
    said = subprocess.run(["gst-inspect-1.0", "enlarge"], capture_output=True, text=True).stdout
    lines = [line.rstrip() for line in said.splitlines() if not line.startswith("  Filename ")]
    text = "\n".join(lines) + "\n"
    if "--write" in sys.argv:
        inspected.write_text(text)
    known = inspected.read_text() if inspected.exists() else ""
    check("gst-inspect-1.0", text == known, f"differs from {inspected.name}; --write writes it down anew:\n{text}")


def check_clips():
    clip = source / "samples" / "clip.mp4"
    decoded = f"filesrc location={clip} ! qtdemux ! h264parse ! avdec_h264"
    same("a clip", clip, decoded, ["model=swift-x2"], ["--model", "swift-x2"])
    same("a clip by 1.5", clip, decoded, ["model=swift-x2", "scale=1.5"], ["--model", "swift-x2", "--scale", "1.5"])
    same("a clip in fp32", clip, decoded, ["model=swift-x2", "precision=fp32", "device=cpu", "threads=1", "width=200"],
         ["--model", "swift-x2", "--precision", "fp32", "--device", "cpu", "--threads", "1", "--width", "200"])
    same("a clip with the network that nobody names", clip, f"{decoded} ! identity eos-after=3", [], ["--to", "0.1"], 2)
    same("a clip with some noise kept", clip, f"{decoded} ! identity eos-after=2", ["model=fine-x2", "denoise=0.3"],
         ["--model", "fine-x2", "--denoise", "0.3", "--to", "0.1"], 1)


def check_formats():
    doubling = str(source / "tests" / "media" / "data" / "nearest-x2.safetensors")
    kinds = (("i420", (2, 2), 8), ("y42b", (2, 1), 8), ("y444", (1, 1), 8), ("i420-10le", (2, 2), 10),
             ("i422-10le", (2, 1), 10), ("y444-12le", (1, 1), 12))
    for name, halves, bits in kinds:
        width, height = 56, 34
        clip, raw = noise(width, height, 3, halves, bits)
        site = "" if halves == (1, 1) else ",chroma-site=mpeg2"
        # rawvideoparse leaves the siting open, which GStreamer takes to be another than Y4M's.
        pipeline = (f"filesrc location={raw} ! rawvideoparse format={name} width={width} height={height} "
                    f"framerate=25/1 ! capssetter caps=video/x-raw,colorimetry=bt601{site}")
        for model in (doubling, "swift-x2"):
            same(f"frames of {name} through {pathlib.Path(model).stem}", clip, pipeline, [f"model={model}"],
                 ["--model", model])


def check_rgb():
    """Pixels whose components lie side by side, against a picture of the program's."""
    width, height = 56, 34
    pixels = bytes((60 + x * 3 + y * 5 + c * 40) % 200 for y in range(height) for x in range(width) for c in range(3))
    (work / "in_001.ppm").write_bytes(b"P6\n%d %d\n255\n" % (width, height) + pixels)
    (work / "in.raw").write_bytes(pixels)
    ran = subprocess.run([program, work / "in_%03d.ppm", "-o", work / "out_%03d.ppm", "--force", "--quiet", "--model",
                          "swift-x2"], capture_output=True, text=True)
    check("the program makes a sequence of pictures", ran.returncode == 0, ran.stderr)
    ran = launch("filesrc", f"location={work}/in.raw", "!", "rawvideoparse", "format=rgb", f"width={width}",
                 f"height={height}", "framerate=25/1", "!", "enlarge", "model=swift-x2", "!", "filesink",
                 f"location={work}/got.raw")
    check("RGB is enlarged", ran.returncode == 0, ran.stderr)
    got, expected = (work / "got.raw").read_bytes(), (work / "out_001.ppm").read_bytes()
    check("frames of RGB", len(got) == width * height * 12 and expected.endswith(got), f"{len(got)} bytes")


def check_real_clips():
    if not (data / "clips").is_dir():
        print("SKIPPED: real clips: ENLARGE_TEST_DATA is not set")
        return
    # Some decoders of GStreamer 1.22 do not say what the file says.
    hdr, left = "capssetter caps=video/x-raw,colorimetry=bt2100-pq", "capssetter caps=video/x-raw,chroma-site=mpeg2"
    for name, demux in (("mp4__sample.mp4", "qtdemux ! h264parse ! avdec_h264"),
                        ("mp4__bt601.mp4", "qtdemux ! h264parse ! avdec_h264"),
                        ("mp4__hdr10-av1.mp4", f"qtdemux ! av1dec ! {hdr}"),
                        ("vp9__bear-vp9-odd-dimensions.webm", f"matroskademux ! avdec_vp9 ! {left}")):
        clip = data / "clips" / name
        same(name, clip, f"filesrc location={clip} ! {demux} ! identity eos-after=3", ["model=swift-x2", "scale=1.5"],
             ["--model", "swift-x2", "--scale", "1.5", "--to", "0.1"], 2)


def check_refusals():
    for words, expected in ((["model=no-such-model"], 'no model is named "no-such-model"'),
                            (["model=swift-x2", "denoise=0.5"], "not with 'swift-x2'")):
        ran = launch("videotestsrc", "num-buffers=1", "!", "enlarge", *words, "!", "fakesink")
        errors = [line for line in ran.stderr.splitlines() if line.startswith("ERROR: from element")]
        check(f"a refusal of {words}", ran.returncode != 0 and len(errors) == 1 and expected in errors[0], ran.stderr)


if not shutil.which("gst-launch-1.0") or not shutil.which("gst-inspect-1.0"):
    print("skipped: gst-launch-1.0 is not installed (Debian: gstreamer1.0-tools)")
    sys.exit(77)
needed = ("videocodectestsink", "avdec_h264", "qtdemux", "rawvideoparse", "capssetter", "av1dec")
absent = [name for name in needed if subprocess.run(["gst-inspect-1.0", "--exists", name]).returncode]
try:
    check_inspected()
    check_refusals()
    if absent:
        print(f"SKIPPED: pipelines: GStreamer's elements are not installed: {', '.join(absent)}")
    else:
        check_clips()
        check_formats()
        check_rgb()
        check_real_clips()
finally:
    shutil.rmtree(work)
sys.exit(finish())
