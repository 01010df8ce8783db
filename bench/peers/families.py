#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every family's files against what their authors' programs make, and against ONNX Runtime, OpenVINO and PyTorch.

Usage: families.py [FILE[:WxH] ...] [--golden FOLDER] [--only FAMILY ...] [--rounds 2] [--runs 3] [--results FILE]
                   [--authors FOLDER] [--into FILE]

FILE: weights; their speed is measured at WxH (64x64). --golden: a folder of FAMILY/VARIANT with weights.*,
input_N.npy and output_N.npy (CHW float32): those are checked too. Contenders take turns in each round; of each the
least time counts, and the most memory. A peer that fails on a file, or is not installed, has a dash. --results: a
JSON file of rows, to which those of this run are added; --into: the table of all rows replaces what is between the
lines `<!-- families -->` and `<!-- /families -->` of a Markdown file.

Peers: `bench/peers/install .venv`; PyTorch with spandrel by --torch-python.
ONNX files are made by `enlarge export`; with --authors they come from the authors' module, by authors.py with
--torch-python into FOLDER (kept there: making them takes minutes), and OpenVINO runs both what it traced itself and
the ONNX file, the faster of which counts."""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy

HERE = pathlib.Path(__file__).resolve().parent
PEERS = ("onnxruntime", "openvino", "torch")
BEGIN, END = "<!-- families -->", "<!-- /families -->"


def run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
    return done


def write_pfm(path, picture):
    picture = numpy.asarray(picture, numpy.float32)
    channels, height, width = picture.shape
    with open(path, "wb") as file:
        file.write(f"{'PF' if channels == 3 else 'Pf'}\n{width} {height}\n-1\n".encode())
        file.write(numpy.ascontiguousarray(picture.transpose(1, 2, 0)[::-1]).astype("<f4").tobytes())


def read_pfm(path):
    kind, size, order, data = pathlib.Path(path).read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    channels = 3 if kind == b"PF" else 1
    numbers = numpy.frombuffer(data, "<f4" if float(order) < 0 else ">f4").reshape(height, width, channels)
    return numbers[::-1].transpose(2, 0, 1)


def check(options, weights, folder, scratch):
    """The largest error over the folder's pictures, in parts of the largest value where that is above 1, and whether a
    picture in small tiles has the same bits."""
    worst, same = 0.0, True
    for source in sorted(folder.glob("input_?.npy")):
        picture, expected = numpy.load(source), numpy.load(source.with_name(source.name.replace("input", "output")))
        write_pfm(scratch / "in.pfm", picture)
        made = []
        for extra in ([], ["--tile", "16"]):
            run([options.enlarge, scratch / "in.pfm", "-m", weights, "-o", scratch / "out.pfm", "--force",
                 "--precision", "fp32", "--device", "cpu", *extra])
            made.append(read_pfm(scratch / "out.pfm"))
        worst = max(worst, float(numpy.abs(made[0] - expected).max() / max(1, numpy.abs(expected).max())))
        same = same and made[0].tobytes() == made[1].tobytes()
    return worst, same


def contenders(options, weights, size, channels, scratch):
    width, height = size.split("x")

    def ours():
        done = run([options.enlarge, "bench", "-m", weights, "--size", size, "--precision", "fp32",
                    "--threads", options.threads, "--runs", options.runs, "--device", "cpu", "--json"])
        result = json.loads(done.stdout)
        return result["min_ms"], result["peak_memory_bytes"]

    def peer(name, file):
        def measure():
            python = options.torch_python if name == "torch" else options.python
            done = run([python, HERE / "peer.py", name, file, width, height, options.threads, options.runs, channels])
            return min(map(float, done.stdout.split())), int(re.search(r"maxrss (\d+)", done.stderr).group(1))
        return measure

    made = networks(options, weights, size, scratch)
    openvino = [peer("openvino", file) for file in made]
    return {"enlarge": ours, "onnxruntime": peer("onnxruntime", made[0]), "torch": peer("torch", weights),
            "openvino": lambda: min(once() for once in openvino)}


def networks(options, weights, size, scratch):
    """What peers run: an ONNX file, and of the authors' module what OpenVINO traced as well."""
    if not options.authors:
        run([options.enlarge, "export", weights, "-o", scratch / "network.onnx", "--force"])
        return [scratch / "network.onnx"]
    folder = options.authors / f"{pathlib.Path(weights).stem}-{size}"
    made = [folder / "network.onnx", folder / "network.xml"]
    if not all(file.exists() for file in made):
        folder.mkdir(parents=True, exist_ok=True)
        run([options.torch_python, HERE / "authors.py", weights, *size.split("x"), folder])
    return made


def measure(options, weights, size, channels, scratch):
    found = {}
    all_of_them = contenders(options, weights, size, channels, scratch)
    for _ in range(options.rounds):
        for name, once in list(all_of_them.items()):
            try:
                milliseconds, peak = once()
            except (RuntimeError, FileNotFoundError) as error:
                print(f"left out: {name} on {weights}: {error}", file=sys.stderr)
                del all_of_them[name]
                continue
            before = found.get(name, (milliseconds, 0))
            found[name] = (min(milliseconds, before[0]), max(peak, before[1]))
    return {name: [round(ms, 1), round(peak / 1048576)] for name, (ms, peak) in found.items()}


def row_of(options, weights, size, folder):
    info = json.loads(run([options.enlarge, "models", "info", weights, "--json"]).stdout)
    name = f"{folder.parent.name}/{folder.name}" if folder else weights.stem
    row = {"family": info["family"], "file": name, "size": size}
    with tempfile.TemporaryDirectory() as made:
        scratch = pathlib.Path(made)
        if folder:
            row["error"], row["same"] = check(options, weights, folder, scratch)
        row["speed"] = measure(options, weights, size, info["channels"], scratch) if options.rounds else {}
    return row


def table(rows):
    head = "| Family | File | Picture | Largest error | Tiles | " + " | ".join(
        f"{name}, ms (MiB)" for name in ("enlarge", "ONNX Runtime", "OpenVINO", "PyTorch")) + " | Against the fastest |"
    lines = [head, "|---" * 10 + "|"]
    for row in sorted(rows, key=lambda row: (row["family"], row["file"])):
        speed = row["speed"]
        cells = [f"{speed[name][0]:.1f} ({speed[name][1]})" if name in speed else "–" for name in ("enlarge", *PEERS)]
        peers = [speed[name][0] for name in PEERS if name in speed]
        ratio = f"{min(peers) / speed['enlarge'][0]:.2f}" if peers and "enlarge" in speed else "–"
        error = f"{row['error']:.1e}" if "error" in row else "–"
        tiles = {True: "same bits", False: "differ", None: "–"}[row.get("same")]
        lines.append("| " + " | ".join([row["family"], row["file"], row["size"], error, tiles, *cells, ratio]) + " |")
    return "\n".join(lines)


def write_into(path, text):
    before, found, rest = path.read_text().partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not found or not ends:
        sys.exit(f"{path} has no lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*")
    parser.add_argument("--enlarge", default="build/release/bin/enlarge")
    parser.add_argument("--golden", type=pathlib.Path)
    parser.add_argument("--only", nargs="*", help="folders of --golden")
    parser.add_argument("--rounds", type=int, default=2, help="0: errors alone")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--python", default=".venv/bin/python")
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--authors", type=pathlib.Path, help="peers run the authors' module, kept in this folder")
    parser.add_argument("--into", type=pathlib.Path)
    options = parser.parse_args()
    rows = json.loads(options.results.read_text()) if options.results and options.results.exists() else []
    named = [file.partition(":") for file in options.files]
    wanted = [(pathlib.Path(name), size or "64x64", None) for name, _, size in named]
    for weights in sorted(options.golden.glob("*/*/weights.*")) if options.golden else []:
        if not options.only or weights.parent.parent.name in options.only:
            wanted.append((weights, "64x64", weights.parent))
    for weights, size, folder in wanted:
        try:
            row = row_of(options, weights, size, folder)
        except RuntimeError as error:
            print(f"{weights}: {error}", file=sys.stderr)
            continue
        rows = [old for old in rows if (old["file"], old["size"]) != (row["file"], row["size"])] + [row]
        print(table([row]).splitlines()[-1], flush=True)
        if options.results:
            options.results.write_text(json.dumps(rows, indent=1))
    if options.into:
        write_into(options.into, table(rows))


main()
