# SPDX-License-Identifier: Apache-2.0
"""Writes the tiny Compact networks of the video tests, and one of the program's.

identity-x1: the last convolution is zero, so the output is the input. nearest-x2: the same at scale 2: each pixel becomes
four. Both run all layers, so nothing is skipped; they only make the result known in advance.
shifted-x1: 60 is added to every pixel and taken away again, which leaves little of it in half precision.
"""
import json
import pathlib
import random
import struct


def write(path, scale, features=4):
    rng = random.Random(scale)
    tensors = {}

    def add(name, shape, value):
        count = 1
        for n in shape:
            count *= n
        tensors[name] = (shape, [value() for _ in range(count)])

    small = lambda: rng.uniform(-0.2, 0.2)
    zero = lambda: 0.0
    add("body.0.weight", [features, 3, 3, 3], small)
    add("body.0.bias", [features], small)
    add("body.1.weight", [features], lambda: 0.1)
    add("body.2.weight", [features, features, 3, 3], small)
    add("body.2.bias", [features], small)
    add("body.3.weight", [features], lambda: 0.1)
    add("body.4.weight", [3 * scale * scale, features, 3, 3], zero)
    add("body.4.bias", [3 * scale * scale], zero)
    write_tensors(path, tensors)


def write_shifted(path, shift):
    # One channel of each colour, whose middle is passed on.
    middle = [float(tap == 4 and out == of) for out in range(3) for of in range(3) for tap in range(9)]
    tensors = {}
    for layer, bias in ((0, shift), (2, 0), (4, -shift)):
        tensors[f"body.{layer}.weight"] = ([3, 3, 3, 3], middle)
        tensors[f"body.{layer}.bias"] = ([3], 3 * [float(bias)])
        if layer < 4:
            tensors[f"body.{layer + 1}.weight"] = ([3], 3 * [1.0])
    write_tensors(path, tensors)


def write_tensors(path, tensors):
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        blob = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(blob)]}
        data += blob
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


folder = pathlib.Path(__file__).parent / "data"
folder.mkdir(exist_ok=True)
write(folder / "identity-x1.safetensors", 1)
write(folder / "nearest-x2.safetensors", 2)
write_shifted(folder / "shifted-x1.safetensors", 60)
