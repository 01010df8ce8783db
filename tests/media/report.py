# SPDX-License-Identifier: Apache-2.0
"""Enlarges every clip of $ENLARGE_TEST_DATA/clips with the 1x identity network and tells what came out.

report.py PROGRAM IDENTITY_MODEL [--out REPORT.md] [--only TEXT] [--most-frames N] [--jobs N]

Per clip: frames in = frames out, times equal, other streams the same packets, colour tags kept, and the mean colour error
of the whole path with a lossless encoder (first 12 frames, every 7th sample). ffprobe and ffmpeg are used to look, never
by the program itself. Clips of more than --most-frames are cut there with --to (0: nothing is cut).
Exit code: the number of clips that fail; 77 without data or without ffmpeg and ffprobe.
"""
import argparse
import array
import concurrent.futures
import hashlib
import json
import operator
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

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


def stream_hash(path, index, cut):
    limit = ["-t", str(cut - 0.5)] if cut else []
    run = subprocess.run(["ffmpeg", "-v", "quiet", "-nostdin", "-i", path, "-map", f"0:{index}", *limit, "-c", "copy", "-f", "data", "-"], capture_output=True)
    return hashlib.md5(run.stdout).hexdigest() if run.stdout else ""


def mean_error(a, b, fmt, frames=12, every=7):
    """In steps of 255, over every 7th sample of the first frames (7 divides no usual width)."""
    def start(path):
        return subprocess.Popen(["ffmpeg", "-v", "quiet", "-nostdin", "-noautorotate", "-i", path, "-map", "0:v:0", "-frames:v", str(frames),
                                 "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", fmt, "-"], stdout=subprocess.PIPE)
    bits = 10 if fmt.endswith("10le") else 12 if fmt.endswith("12le") else 8
    kind = "H" if bits > 8 else "B"
    pa, pb = start(a), start(b)
    total = count = 0
    while True:
        x, y = pa.stdout.read(7 << 20), pb.stdout.read(7 << 20)
        if not x or len(x) != len(y):
            break
        x, y = array.array(kind, x)[::every], array.array(kind, y)[::every]
        total += sum(map(abs, map(operator.sub, x, y)))
        count += len(x)
    for process in (pa, pb):
        process.kill()
        process.communicate()
    if len(x) != len(y):
        return float("nan")  # not the same number of samples
    return total / count * 255 / ((1 << bits) - 1) if count else float("nan")


def enlarge(program, model, clip, out, *more):
    command = [program, str(clip), "-m", model, "--threads", "1", "--precision", "fp32", "-o", str(out), "-f", *more]
    return subprocess.run(command, capture_output=True, text=True)


def check(program, model, clip, folder, most_frames):
    """(row of the report, list of what is wrong)"""
    problems, notes = [], []
    out = folder / clip.name
    before = probe(clip)
    va = main_video(before)
    rate = [float(n) for n in va["avg_frame_rate"].split("/")]
    frames = int(va.get("nb_frames") or 0)
    cut = most_frames * rate[1] / rate[0] if most_frames and frames > most_frames else None
    run = enlarge(program, model, clip, out, "--preset", "ultrafast", "--skip-unsupported", *(["--to", f"{cut:.4f}"] if cut else []))
    if clip.name in UNREADABLE:
        good = run.returncode == 6 and not out.exists() and run.stderr.count("\n") >= 1
        return [clip.name, "refused", "", "", "", run.stderr.strip().splitlines()[-1].split(": ", 2)[-1]], [] if good else ["not refused as it should be"]
    if run.returncode != 0:
        return [clip.name, "-", "-", "-", "-", run.stderr.strip()[-200:]], [f"exit code {run.returncode}"]
    after = probe(out)
    vb = main_video(after)
    ta, tb = times(clip, va["index"]), times(out, vb["index"])
    if cut:
        end = float(before["format"].get("start_time") or 0) + cut
        ta = [t for t in ta if t < end - 1e-6]
        notes.append(f"of {frames} frames")
    if not ta or len(ta) != len(tb):
        problems.append(f"{len(ta)} frames in, {len(tb)} out")
    worst = max((abs(x - y) for x, y in zip(ta, tb)), default=0)
    if worst > 0.00101:
        problems.append(f"a time is off by {worst * 1000:.3f} ms")
    kept = lost = 0
    others = [s for s in after["streams"] if s["index"] != vb["index"]]
    for stream in before["streams"]:
        if stream["index"] == va["index"]:
            continue
        digest = stream_hash(str(clip), stream["index"], cut)
        same = [s for s in others if s.get("codec_name") == stream.get("codec_name") and (digest == stream_hash(str(out), s["index"], cut))]
        if same:
            others.remove(same[0])
            kept += 1
            if not stream["disposition"]["attached_pic"] and {"start_time"} <= stream.keys() & same[0].keys() and stream["codec_type"] == "audio":
                shift = float(same[0]["start_time"]) - float(stream["start_time"]) - (tb[0] - ta[0])
                if abs(shift) > 0.00201:
                    problems.append(f"stream {stream['index']} begins {shift * 1000:.1f} ms later than before")
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
    end = ta[min(14, len(ta) - 1)] + 0.0005 - float(before["format"].get("start_time") or 0)
    run = enlarge(program, model, clip, exact, "--video-codec", "ffv1", "--skip-unsupported", "--to", f"{end:.3f}")
    error = mean_error(str(clip), str(exact), va["pix_fmt"]) if run.returncode == 0 else float("nan")
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
    parser.add_argument("--most-frames", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    data = os.environ.get("ENLARGE_TEST_DATA")
    if not data:
        print("SKIPPED: ENLARGE_TEST_DATA is not set, so no real clip was looked at")
        return 77
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        print("SKIPPED: ffmpeg and ffprobe, which look at the results, are not installed")
        return 77

    def one(clip):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            row, problems = check(options.program, options.model, clip, pathlib.Path(folder), options.most_frames)
        word = "FAILED: " if problems else "ok   "
        print(word + " | ".join(row) + f" ({time.monotonic() - began:.1f} s)", flush=True)
        return row, problems

    clips = sorted(clip for clip in pathlib.Path(data, "clips").iterdir() if options.only in clip.name)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(one, clips))
    rows, failures = [row for row, _ in results], sum(bool(problems) for _, problems in results)
    head = ["clip", "frames in / out", "worst time error, ms", "other streams", "mean colour error (of 255)", "remarks"]
    text = "| " + " | ".join(head) + " |\n|" + "---|" * len(head) + "\n" + "".join("| " + " | ".join(r) + " |\n" for r in rows)
    if options.out:
        pathlib.Path(options.out).write_text("# Every test clip through the whole path with a 1x identity network\n\nMade by tests/media/report.py.\n\n" + text)
    print(f"{len(rows)} checks, {failures} failures")
    return min(failures, 70) if rows else 1


sys.exit(main())
