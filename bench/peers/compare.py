#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""enlarge and its peers on one network and size, in turns: compare.py --model FILE.pth [--size 320x180] [--rounds 5].

Every round runs each contender once, a few frames each, so that a noisy minute hits all alike. Prints the median and the
least time of each over all rounds, its largest memory, and how many times faster enlarge is than the fastest peer. A peer
that is not installed is left out and named. PyTorch wants --python (Debian: /usr/bin/python3 with python3-torch); ONNX
Runtime wants node and onnxruntime-node in --ort (a folder with node_modules); its file is made by `enlarge export`;
oneDNN wants g++ and Debian's libdnnl-dev, and runs Compact networks only."""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def run(command, env=None):
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}")
    return done


def ours(arguments, precision):
    def measure():
        out = run([arguments.enlarge, "bench", "-m", arguments.model, "--size", arguments.size, "--precision", precision,
                   "--threads", str(arguments.threads), "--runs", str(arguments.runs), "--device", "cpu", "--json"]).stdout
        result = json.loads(out)
        # One number a round that stands for its frames: the median; the least is kept beside it.
        return [result["median_ms"]], result["min_ms"], result["peak_memory_bytes"]
    return measure


def peer(command, env=None):
    def measure():
        done = run(command, env)
        times = [float(line) for line in done.stdout.split()]
        memory = re.search(r"maxrss (\d+)", done.stderr)
        return [statistics.median(times)], min(times), int(memory.group(1)) if memory else 0
    return measure


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--enlarge", default="build/release/bin/enlarge")
    parser.add_argument("--model", required=True, help="a .pth file (Compact or Real-ESRGAN RRDB)")
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--precisions", default="fp32,fp16,int16,auto")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--ort", default=os.environ.get("ORT_HOME", HERE))
    arguments = parser.parse_args()
    width, height = arguments.size.split("x")

    scratch = tempfile.TemporaryDirectory()
    onnx = os.path.join(scratch.name, "network.onnx")
    size = [width, height, str(arguments.threads), str(arguments.runs)]
    contenders = {f"enlarge {p}": ours(arguments, p) for p in arguments.precisions.split(",")}
    try:
        run([arguments.enlarge, "export", arguments.model, "-o", onnx])
        contenders["ONNX Runtime"] = peer(["node", os.path.join(HERE, "onnxruntime.mjs"), onnx, *size],
                                          {**os.environ, "ORT_HOME": arguments.ort})
    except (RuntimeError, FileNotFoundError) as error:
        print(f"left out: ONNX Runtime: {error}", file=sys.stderr)
    try:
        info = json.loads(run([arguments.enlarge, "models", "info", arguments.model, "--json"]).stdout)
        if info["family"] != "Compact":
            raise RuntimeError("runs Compact networks only")
        program = os.path.join(scratch.name, "onednn")
        run(["g++", "-O3", "-march=native", "-fopenmp", "-std=c++20", os.path.join(HERE, "onednn.cpp"), "-ldnnl", "-o", program])
        shape = [str(info["features"]), str(info["blocks"] + 2), str(info["scale"])]
        contenders["oneDNN"] = peer([program, *shape, width, height, str(arguments.runs)],
                                    {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)})
    except (RuntimeError, FileNotFoundError) as error:
        print(f"left out: oneDNN: {error}", file=sys.stderr)
    contenders["PyTorch"] = peer([arguments.python, os.path.join(HERE, "pytorch_cpu.py"), arguments.model, *size])

    times, least, memory = {}, {}, {}
    for _ in range(arguments.rounds):
        for name, measure in list(contenders.items()):
            try:
                found, best, peak = measure()
            except (RuntimeError, FileNotFoundError) as error:
                print(f"left out: {name}: {error}", file=sys.stderr)
                del contenders[name]
                continue
            times.setdefault(name, []).extend(found)
            least[name] = min(best, least.get(name, best))
            memory[name] = max(peak, memory.get(name, 0))
    peers = [name for name in times if not name.startswith("enlarge")]
    fastest = min((statistics.median(times[name]) for name in peers), default=None)
    fastest_least = min((least[name] for name in peers), default=None)
    print(f"{os.path.basename(arguments.model)} {arguments.size}, {arguments.threads} threads, {arguments.rounds} rounds")
    for name, found in times.items():
        median = statistics.median(found)
        ratio = ""
        if fastest and name.startswith("enlarge"):
            ratio = f"  {fastest / median:5.2f} x the fastest peer (by least times {fastest_least / least[name]:.2f})"
        print(f"{name:16} median {median:8.1f} ms  least {least[name]:8.1f} ms  {memory[name] / 1048576:6.0f} MiB{ratio}")


main()
