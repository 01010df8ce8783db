#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A clip from file to file, by enlarge and by vs-mlrt under VapourSynth: vs_mlrt.py MODEL CLIP --python
FOLDER/bin/python, where FOLDER is what bench/peers/install FOLDER vs-mlrt made. Both decode, enlarge and write H.264
(libx264, crf 17, medium); vs-mlrt's frames go through a pipe to FFmpeg, as its users have it. Rounds alternate; the
whole of each program counts, the loading of the network too. OpenVINO runs as it does by itself (in bf16 where the
processor has that) and once more in fp32."""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from compare import BUSY, busy

SCRIPT = """
import vapoursynth as vs
core = vs.core
clip = core.bs.VideoSource({clip!r}, cachemode=0)
rgb = clip.resize.Bicubic(format=vs.RGBS, matrix_in_s="709")
up = {model}
up.resize.Bicubic(format=vs.YUV420P8, matrix_s="709").set_output()
"""
MODELS = {
    "vs-mlrt OpenVINO": "core.ov.Model([rgb], network_path={onnx!r}, device='CPU')",
    "vs-mlrt OpenVINO fp32": "core.ov.Model([rgb], network_path={onnx!r}, device='CPU', "
                             "config=lambda: dict(INFERENCE_PRECISION_HINT='f32'))",
    "vs-mlrt ONNX Runtime": "core.ort.Model([rgb], network_path={onnx!r}, provider='')",
}
X264 = {"crf": "17", "preset": "medium"}


def commands(options, scratch):
    """What each contender runs: programs that are piped into one another."""
    out = str(scratch / "out.mkv")
    onnx = str(scratch / "network.onnx")
    subprocess.run([options.enlarge, "export", options.model, "-o", onnx], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    ours = [options.enlarge, options.clip, "-m", options.model, "-o", out, "-f", "--no-reuse", "--video-codec",
            "libx264", "--crf", X264["crf"], "--preset", X264["preset"]]
    all_of = {"enlarge fp32": [ours + ["--precision", "fp32"]], "enlarge auto": [ours]}
    vspipe = str(pathlib.Path(options.python).parent / "vspipe")
    for number, (name, model) in enumerate(MODELS.items()):
        script = scratch / f"{number}.vpy"
        script.write_text(SCRIPT.format(clip=os.path.abspath(options.clip), model=model.format(onnx=onnx)))
        all_of[name] = [[vspipe, "-c", "y4m", str(script), "-"],
                        ["ffmpeg", "-v", "error", "-y", "-i", "-", "-c:v", "libx264", "-crf", X264["crf"], "-preset",
                         X264["preset"], out]]
    return all_of


def seconds(pipeline, log, environment):
    start = time.perf_counter()
    programs = []
    for command in pipeline:
        last = command is pipeline[-1]
        programs.append(subprocess.Popen(command, stdin=programs[-1].stdout if programs else subprocess.DEVNULL,
                                         stdout=log if last else subprocess.PIPE, stderr=log, env=environment))
    for program in programs[:-1]:
        program.stdout.close()
    if any([program.wait() for program in programs]):
        log.seek(0)
        sys.exit(f"vs_mlrt.py: {pipeline[0][0]} failed:\n{log.read().decode(errors='replace')}")
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a weight file that enlarge reads")
    parser.add_argument("clip")
    parser.add_argument("--python", required=True, help="of the environment with VapourSynth and vs-mlrt")
    parser.add_argument("--enlarge", default="build/release/bin/enlarge")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", action="store_true", help="measure although other programs run")
    options = parser.parse_args()
    used = busy()
    if used > BUSY and not options.busy:
        sys.exit(f"vs_mlrt.py: {100 * used:.0f} % of the processor is in use by others; stop them, or give --busy")
    # vspipe asks the first Python of the path where VapourSynth is.
    folder_of_python = os.path.dirname(os.path.abspath(options.python))
    environment = dict(os.environ, PATH=folder_of_python + os.pathsep + os.environ["PATH"])
    with tempfile.TemporaryDirectory() as folder:
        contenders = commands(options, pathlib.Path(folder))
        times = {name: [] for name in contenders}
        for _ in range(options.rounds):
            for name, pipeline in contenders.items():
                with tempfile.TemporaryFile() as log:
                    times[name].append(seconds(pipeline, log, environment))
    print("| | s, median (least) |\n|---|---|")
    for name, of in times.items():
        print(f"| {name} | {statistics.median(of):.2f} ({min(of):.2f}) |")


if __name__ == "__main__":
    main()
