# SPDX-License-Identifier: Apache-2.0
"""Enlarges every clip of $ENLARGE_TEST_DATA/clips with the 1x identity network and tells what came out.

report.py PROGRAM IDENTITY_MODEL [--out REPORT.md] [--only TEXT] [--skip TEXT]

Per clip: frames in = frames out, times equal, other streams the same packets, colour tags kept, and the mean colour error
of the whole path with a lossless encoder (first second). ffprobe and ffmpeg are used to look, never by the program itself.
Exit code: the number of clips that fail; 77 without data.
"""
import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy
except ImportError:
    print("SKIPPED: numpy is not installed, so colours cannot be compared")
    sys.exit(77)

UNREADABLE = {"vp9__invalid-bitstream.webm"}  # not a frame of it can be decoded: must be refused


def probe(path):
    run = subprocess.run(["ffprobe", "-v", "quiet", "-show_streams", "-show_chapters", "-show_format", "-of", "json", path], capture_output=True)
    return json.loads(run.stdout or "{}")


def main_video(info):
    for stream in info.get("streams", []):
        if stream["codec_type"] == "video" and not stream["disposition"]["attached_pic"]:
            return stream
    return None


def times(path, index):
    run = subprocess.run(["ffprobe", "-v", "quiet", "-select_streams", str(index), "-show_entries", "frame=best_effort_timestamp_time", "-of", "csv=p=0", path],
                         capture_output=True, text=True)
    words = [line.split(",")[0] for line in run.stdout.split()]
    return [float(word) for word in words if word not in ("", "N/A")]


def stream_hash(path, index):
    run = subprocess.run(["ffmpeg", "-v", "quiet", "-i", path, "-map", f"0:{index}", "-c", "copy", "-f", "data", "-"], capture_output=True)
    return hashlib.md5(run.stdout).hexdigest() if run.stdout else ""


def mean_error(a, b, fmt, seconds):
    """In steps of 255, over all samples of the first frames."""
    def start(path):
        return subprocess.Popen(["ffmpeg", "-v", "quiet", "-noautorotate", "-i", path, "-map", "0:v:0", "-t", str(seconds), "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", fmt, "-"],
                                stdout=subprocess.PIPE)
    pa, pb = start(a), start(b)
    deep = "10" in fmt or "12" in fmt
    total = count = 0
    while True:
        x, y = pa.stdout.read(1 << 24), pb.stdout.read(1 << 24)
        n = min(len(x), len(y)) & ~1
        if n == 0:
            break
        kind = numpy.uint16 if deep else numpy.uint8
        total += numpy.abs(numpy.frombuffer(x[:n], kind).astype(numpy.int32) - numpy.frombuffer(y[:n], kind)).sum(dtype=numpy.int64)
        count += n // (2 if deep else 1)
    pa.kill(), pb.kill()
    pa.wait(), pb.wait()
    scale = {"10": 1023, "12": 4095}.get("10" if "10" in fmt else "12" if "12" in fmt else "", 255) / 255
    return total / max(count, 1) / scale if count else float("nan")


def enlarge(program, model, clip, out, *more):
    command = [program, str(clip), "-m", model, "--threads", "1", "--precision", "fp32", "-o", str(out), "-f", *more]
    return subprocess.run(command, capture_output=True, text=True)


def check(program, model, clip, folder):
    """(row of the report, list of what is wrong)"""
    problems, notes = [], []
    out = folder / clip.name
    run = enlarge(program, model, clip, out, "--preset", "ultrafast", "--skip-unsupported")
    if clip.name in UNREADABLE:
        good = run.returncode == 6 and not out.exists() and run.stderr.count("\n") >= 1
        return [clip.name, "refused", run.stderr.strip().splitlines()[-1].split(": ", 2)[-1], "", "", ""], [] if good else ["not refused as it should be"]
    if run.returncode != 0:
        return [clip.name, "-", "-", "-", "-", run.stderr.strip()[-200:]], [f"exit code {run.returncode}"]
    before, after = probe(clip), probe(out)
    va, vb = main_video(before), main_video(after)
    ta, tb = times(clip, va["index"]), times(out, vb["index"])
    if len(ta) != len(tb):
        problems.append(f"{len(ta)} frames in, {len(tb)} out")
    worst = max((abs(x - y) for x, y in zip(ta, tb)), default=0)
    if worst > 0.00101:
        problems.append(f"a time is off by {worst * 1000:.3f} ms")
    kept = lost = 0
    others = [s for s in after["streams"] if s["index"] != vb["index"]]
    for stream in before["streams"]:
        if stream["index"] == va["index"]:
            continue
        digest = stream_hash(str(clip), stream["index"])
        same = [s for s in others if s.get("codec_name") == stream.get("codec_name") and (digest == stream_hash(str(out), s["index"]))]
        if same:
            others.remove(same[0])
            kept += 1
        else:
            lost += 1
            named = f"stream {stream['index']} (" in run.stderr or stream.get("codec_name") == "bin_data"
            (notes if named else problems).append(f"stream {stream['index']} {stream.get('codec_name', 'unknown')} " + ("named as left out" if named else "lost"))
    for key in ("pix_fmt", "color_range", "color_space", "color_transfer", "color_primaries", "sample_aspect_ratio"):
        was, now = va.get(key), vb.get(key)
        if was not in (None, "unknown", "unspecified", now) and not (key == "pix_fmt" and was.replace("yuvj", "yuv") == now.replace("yuvj", "yuv")):
            problems.append(f"{key} {was} became {now}")
    side = lambda v: sorted(s["side_data_type"] + s.get("displaymatrix", "") for s in v.get("side_data_list", []) if s["side_data_type"] in ("Display Matrix", "Mastering display metadata", "Content light level metadata"))
    if side(va) != side(vb) and not (set(side(va)) <= set(side(vb))):
        problems.append(f"side data {side(va)} became {side(vb)}")
    if len(before["chapters"]) != len(after["chapters"]):
        problems.append(f"{len(before['chapters'])} chapters in, {len(after['chapters'])} out")
    exact = folder / (clip.stem + "-exact.mkv")
    # The first second of the video, which may begin later than the file.
    end = 1 + max(0, float(va.get("start_time") or 0) - float(before["format"].get("start_time") or 0))
    run = enlarge(program, model, clip, exact, "--video-codec", "ffv1", "--skip-unsupported", "--to", f"{end:.3f}")
    error = mean_error(str(clip), str(exact), va["pix_fmt"], end) if run.returncode == 0 else float("nan")
    rotated = any(s["side_data_type"] == "Display Matrix" for s in va.get("side_data_list", []))
    if rotated:
        notes.append("colours not compared: turned upright in Matroska")
    elif not error < 0.5:
        problems.append(f"mean colour error {error:.3f}")
    for path in (out, exact):
        path.unlink(missing_ok=True)
    return [clip.name, f"{len(ta)} / {len(tb)}", f"{worst * 1000:.3f}", f"{kept} kept" + (f", {lost} not" if lost else ""), f"{error:.3f}", "; ".join(problems + notes) or "ok"], problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--out")
    parser.add_argument("--only", default="")
    parser.add_argument("--skip", default="\0")
    options = parser.parse_args()
    data = os.environ.get("ENLARGE_TEST_DATA")
    if not data:
        print("SKIPPED: ENLARGE_TEST_DATA is not set, so no real clip was looked at")
        return 77
    rows, failures = [], 0
    for clip in sorted(pathlib.Path(data, "clips").iterdir()):
        if options.only not in clip.name or options.skip in clip.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            row, problems = check(options.program, options.model, clip, pathlib.Path(folder))
        failures += bool(problems)
        rows.append(row)
        print(("FAIL " if problems else "ok   ") + " | ".join(row), flush=True)
    head = ["clip", "frames in / out", "worst time error, ms", "other streams", "mean colour error (of 255)", "remarks"]
    text = "| " + " | ".join(head) + " |\n|" + "---|" * len(head) + "\n" + "".join("| " + " | ".join(r) + " |\n" for r in rows)
    if options.out:
        pathlib.Path(options.out).write_text("# Every test clip through the whole path with a 1x identity network\n\nMade by tests/media/report.py.\n\n" + text)
    print(f"{len(rows)} clips, {failures} with problems")
    return min(failures, 70)


sys.exit(main())
