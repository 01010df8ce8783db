#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""enlarge and its peers on networks, in turns: compare.py MODEL[:WxH] ... [--python FOLDER/bin/python] [--rounds 5].

MODEL: a weight file or a built-in network's name (320x180). Every round runs each contender once, a few frames each, so
that a noisy minute hits all alike. Prints the machine and a Markdown table of the medians and the least times over all
rounds, and how many times faster enlarge is than the fastest peer; --chart draws the medians as an SVG file. Refuses
where another program uses the processor. A peer that fails or is not installed is left out and named.

Peers: ncnn, OpenVINO, ONNX Runtime and PyTorch (as it is, and compiled) from `bench/peers/install FOLDER`; their files
are made by `enlarge export`, ncnn's from that by pnnx where the model is not ncnn's own. oneDNN by g++ and Debian's
libdnnl-dev, Compact networks only. PyTorch knows Compact and Real-ESRGAN's RRDB in .pth files. All of them with fp32
numbers and every other setting as it is by default, but OpenVINO's hint for latency."""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BUSY = 0.05  # of the processor, used by others


def run(command, env=None, cwd=None):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=env, cwd=cwd)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
    return done


def busy(seconds=1.0):
    """The share of all processors that is in use."""
    def read():
        numbers = list(map(int, pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]))
        return sum(numbers), numbers[3] + numbers[4]
    (all_0, idle_0), _, (all_1, idle_1) = read(), time.sleep(seconds), read()
    return 1 - (idle_1 - idle_0) / max(all_1 - all_0, 1)


def machine(threads, enlarge):
    text = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*: (.*)", text)
    family, model = (re.search(rf"{what}\s*: (\d+)", text) for what in ("cpu family", "model"))
    isa = json.loads(run([enlarge, "bench", "--size", "32x32", "--runs", "1", "--json"]).stdout.splitlines()[0])["isa"]
    number = f"family {family[1]}, model {model[1]}" if family and model else "unknown"
    return f"{name[1] if name else 'processor'} ({number}), {os.cpu_count()} cores, {isa}, {threads} threads"


def ours(options, model, size, precision):
    def measure():
        out = run([options.enlarge, "bench", "-m", model, "--size", size, "--precision", precision, "--threads",
                   options.threads, "--runs", options.runs, "--device", "cpu", "--json"]).stdout
        result = json.loads(out.splitlines()[0])
        return result["median_ms"], result["min_ms"], result["peak_memory_bytes"]
    return measure


def peer(command, env=None):
    def measure():
        done = run(command, env)
        times = [float(line) for line in done.stdout.split()]
        memory = re.search(r"maxrss (\d+)", done.stderr)
        return statistics.median(times), min(times), int(memory.group(1)) if memory else 0
    return measure


def onednn(options, model, width, height, scratch):
    info = json.loads(run([options.enlarge, "models", "info", model, "--json"]).stdout)["facts"]
    if info["family"] != "Compact":
        raise RuntimeError("runs Compact networks only")
    program = scratch / "onednn"
    if not program.exists():
        run(["g++", "-O3", "-march=native", "-fopenmp", "-std=c++20", HERE / "onednn.cpp", "-ldnnl", "-o", program])
    return peer([program, info["features"], int(info["blocks"]) + 2, info["scale"], width, height, options.runs],
                {**os.environ, "OMP_NUM_THREADS": str(options.threads)})


def contenders_of(options, model, size, scratch):
    width, height = size.split("x")
    at = [width, height, options.threads, options.runs]
    found = {f"enlarge {p}": ours(options, model, size, p) for p in options.precisions.split(",")}

    def add(name, make):
        try:
            found[name] = make()
        except (RuntimeError, FileNotFoundError, KeyError) as error:
            print(f"left out: {name}: {error}", file=sys.stderr)

    onnx = scratch / f"{len(list(scratch.iterdir()))}.onnx"
    add("oneDNN", lambda: onednn(options, model, width, height, scratch))
    run([options.enlarge, "export", model, "-o", onnx])

    def ncnn():
        if str(model).endswith(".param"):  # ncnn's own: of RRDB's ONNX file pnnx is not done in 100 s
            return peer([options.python, HERE / "peer.py", "ncnn", model, *at])
        run([options.python.parent / "pnnx", onnx, f"inputshape=[1,3,{height},{width}]f32", "fp16=0"], cwd=scratch)
        return peer([options.python, HERE / "peer.py", "ncnn", onnx.with_suffix(".ncnn.param"), *at])
    if options.python:
        add("ncnn", ncnn)
        for name, kind in (("OpenVINO", "openvino"), ("ONNX Runtime", "onnxruntime")):
            found[name] = peer([options.python, HERE / "peer.py", kind, onnx, *at])
    if options.python and model.endswith(".pth"):
        found["PyTorch"] = peer([options.python, HERE / "pytorch_cpu.py", model, *at])
        found["PyTorch compiled"] = peer([options.python, HERE / "pytorch_cpu.py", model, *at, "compile"])
    return found


def measure_all(options, model, size):
    """{name: (median, least, memory)}"""
    with tempfile.TemporaryDirectory() as folder:
        contenders = contenders_of(options, model, size, pathlib.Path(folder))
        times, least, memory = {}, {}, {}
        for _ in range(options.rounds):
            for name, measure in list(contenders.items()):
                try:
                    middle, best, most = measure()
                except (RuntimeError, FileNotFoundError) as error:
                    print(f"left out: {name}: {error}", file=sys.stderr)
                    del contenders[name]
                    continue
                times.setdefault(name, []).append(middle)
                least[name] = min(best, least.get(name, best))
                memory[name] = max(most, memory.get(name, 0))
    return {name: (statistics.median(times[name]), least[name], memory[name]) for name in contenders}


def table(results):
    """Lines of Markdown: a network in a row, a contender in a column."""
    names = list(dict.fromkeys(name for found in results.values() for name in found))
    mine = [name for name in names if name.startswith("enlarge")]
    lines = ["| median (least), ms | " + " | ".join(names) + " | times the fastest peer |",
             "|---|" + "---|" * (len(names) + 1)]
    for what, found in results.items():
        others = [name for name in found if name not in mine]
        fastest = min(others, key=lambda name: found[name][0], default=None)
        cells = [f"{found[n][0]:.0f} ({found[n][1]:.0f})" if n in found else "–" for n in names]
        if fastest:
            cells = [f"**{c}**" if n == fastest else c for n, c in zip(names, cells)]
        ratios = " / ".join(f"{found[fastest][0] / found[n][0]:.2f}" for n in mine if n in found) if fastest else "–"
        lines.append(f"| {what} | " + " | ".join(cells) + f" | {ratios} |")
    return lines


def chart(results, said, path):
    """Bars of medians, shorter is better, one group for each network."""
    rows, y = [], 30
    for what, found in results.items():
        longest = max(value[0] for value in found.values())
        rows.append(f'<text x="10" y="{y}" font-weight="bold">{what}</text>')
        for name, (median, _, _) in sorted(found.items(), key=lambda item: item[1][0]):
            y += 22
            width = 380 * median / longest
            colour = "#1668b8" if name.startswith("enlarge") else "#9aa5b1"
            rows += [f'<text x="150" y="{y}" text-anchor="end">{name}</text>',
                     f'<rect x="158" y="{y - 12}" width="{width:.0f}" height="15" fill="{colour}"/>',
                     f'<text x="{164 + width:.0f}" y="{y}">{median:.0f} ms</text>']
        y += 34
    rows.append(f'<text x="10" y="{y}" font-size="11" fill="#555">{said}; medians, shorter is better</text>')
    pathlib.Path(path).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {y + 14}" font-family="sans-serif" font-size="13">\n'
        f'<rect width="640" height="{y + 14}" fill="#fff"/>\n<g fill="#222">\n' + "\n".join(rows) + "\n</g>\n</svg>\n",
        encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL[:WxH]")
    parser.add_argument("--enlarge", default="build/release/bin/enlarge")
    parser.add_argument("--python", type=pathlib.Path, help="of the peers' virtual environment")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--precisions", default="fp32,auto")
    parser.add_argument("--chart", metavar="FILE.svg")
    parser.add_argument("--busy", action="store_true", help="measure although other programs run")
    options = parser.parse_args()
    used = busy()
    if used > BUSY and not options.busy:
        sys.exit(f"compare.py: {100 * used:.0f} % of the processor is in use by others; stop them, or give --busy")
    results = {}
    for item in options.models:
        model, _, size = item.partition(":")
        results[f"{pathlib.Path(model).stem} {size or '320x180'}"] = measure_all(options, model, size or "320x180")
    said = machine(options.threads, options.enlarge)
    print(f"{said}; {options.rounds} rounds of {options.runs} frames\n")
    print("\n".join(table(results)))
    if options.chart:
        chart(results, said, options.chart)


if __name__ == "__main__":
    main()
