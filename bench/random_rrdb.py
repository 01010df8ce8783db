#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes an RRDB network with random weights (Real-ESRGAN's keys, .safetensors), for bench_halo and measurements of memory
and speed. Needs no package.

    bench/random_rrdb.py OUT [--features 64] [--blocks 23] [--scale 4] [--gain 0.5] [--seed 1] [--positive]

The gain is that of the dense blocks relative to Kaiming's initialisation: ESRGAN begins training with 0.1, and 1 keeps the
variance through a rectified layer. With --positive all weights are, and the sums over inputs are equal to the gain: a blur, which
passes on from afar more than weights of both signs can."""
import argparse
import json
import math
import random
import struct

arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
arguments.add_argument("out")
arguments.add_argument("--features", type=int, default=64)
arguments.add_argument("--blocks", type=int, default=23)
arguments.add_argument("--scale", type=int, default=4, choices=(1, 2, 4))
arguments.add_argument("--gain", type=float, default=0.5)
arguments.add_argument("--seed", type=int, default=1)
arguments.add_argument("--positive", action="store_true")
o = arguments.parse_args()

tensors = []  # name, shape, deviation


def conv(name, inputs, outputs, gain):
    deviation = math.sqrt(math.pi / 2) / (inputs * 9) if o.positive else math.sqrt(2 / (inputs * 9))
    tensors.append((name + ".weight", [outputs, inputs, 3, 3], gain * deviation))
    tensors.append((name + ".bias", [outputs], 0.0))


f, growth = o.features, o.features // 2
conv("conv_first", 3 * {4: 1, 2: 4, 1: 16}[o.scale], f, 1)
for block in range(o.blocks):
    for dense in (1, 2, 3):
        for k in range(5):
            conv(f"body.{block}.rdb{dense}.conv{k + 1}", f + k * growth, growth if k < 4 else f, o.gain)
conv("conv_body", f, f, o.gain)
for name in ("conv_up1", "conv_up2", "conv_hr"):
    conv(name, f, f, 1)
conv("conv_last", f, 3, 0.5)

header, at = {}, 0
for name, shape, _ in tensors:
    end = at + 4 * math.prod(shape)
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, end]}
    at = end
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)

# Normal deviates are drawn once; each tensor takes pieces of them from random places.
rng = random.Random(o.seed)
deviates = [rng.gauss(0, 1) for _ in range(1 << 16)]
if o.positive:
    deviates = [abs(v) for v in deviates]
scaled = {}
with open(o.out, "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    for name, shape, deviation in tensors:
        left = math.prod(shape)
        if deviation == 0:
            file.write(bytes(4 * left))
            continue
        if deviation not in scaled:
            scaled[deviation] = struct.pack(f"<{len(deviates)}f", *(v * deviation for v in deviates))
        while left:
            start = rng.randrange(len(deviates))
            count = min(left, len(deviates) - start)
            file.write(scaled[deviation][4 * start:4 * (start + count)])
            left -= count
