#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden files of tests/golden/data: small random networks, and what PyTorch says they do to a small picture.

Usage: make_golden.py OUT_DIR [--real WEIGHTS_DIR]
       make_golden.py SEEDS_DIR --seeds    the smallest networks of each kind, as seeds of fuzz/arch.cpp

Needs PyTorch and numpy. Everything is seeded: the same files come out again. Weights are rounded to the type they are
stored in before the network runs; the network runs in double precision, whole picture, no tiles. With --real the
published networks in WEIGHTS_DIR are run on a synthetic picture as well; only those results are stored.

cases.txt has one line per case: weight file, picture file, width, height, channels, expected file, scale;
graph_cases.txt the same for files that carry their own graph (ncnn, ONNX).
Pictures are packed 8-bit samples; expected files are planar little-endian float32, channels x height x width.
"""
import argparse
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

import golden_formats as formats


class Tape:
    """Runs a network op by op and remembers the ops, so that it can be written as a graph."""

    def __init__(self, weights, x):
        self.weights, self.values, self.ops = weights, [x], []

    def _push(self, kind, inputs, value, **more):
        self.values.append(value)
        self.ops.append(dict(kind=kind, inputs=inputs, output=len(self.values) - 1, **more))
        return len(self.values) - 1

    def conv(self, x, name, w=None, b=None):
        w = self.weights[name + ".weight"].double() if w is None else w
        b = self.weights[name + ".bias"].double() if b is None and name + ".bias" in self.weights else b
        y = F.conv2d(self.values[x], w, b, padding=w.shape[2] // 2)
        return self._push("conv", [x], y, name=name, w=w, b=torch.zeros(w.shape[0]).double() if b is None else b)

    def prelu(self, x, name):
        slope = self.weights[name + ".weight"].double()
        return self._push("prelu", [x], F.prelu(self.values[x], slope), name=name, w=slope)

    def leaky_relu(self, x):
        return self._push("leaky_relu", [x], F.leaky_relu(self.values[x], 0.2))

    def silu(self, x):
        return self._push("silu", [x], F.silu(self.values[x]))

    def add(self, a, b, factor=1.0):
        return self._push("add", [a, b], self.values[a] * factor + self.values[b], factor=factor)

    def concat(self, parts):
        return self._push("concat", parts, torch.cat([self.values[p] for p in parts], 1))

    def shuffle(self, x, factor):
        return x if factor == 1 else self._push("shuffle", [x], F.pixel_shuffle(self.values[x], factor), factor=factor)

    def unshuffle(self, x, factor):
        return x if factor == 1 else self._push("unshuffle", [x], F.pixel_unshuffle(self.values[x], factor), factor=factor)

    def nearest(self, x, factor):
        if factor == 1:
            return x
        y = F.interpolate(self.values[x], scale_factor=factor, mode="nearest")
        return self._push("nearest", [x], y, factor=factor)

    def normalise(self, x, mean, factor):
        m = torch.tensor(mean, dtype=torch.float64).view(1, -1, 1, 1)
        return self._push("normalise", [x], (self.values[x] - m) * factor, mean=mean, factor=factor)

    def gate(self, o, x):
        return self._push("gate", [o, x], (self.values[o] + self.values[x]) * (torch.sigmoid(self.values[o]) - 0.5))


def compact(t):
    last = max(int(k.split(".")[1]) for k in t.weights)
    outputs, channels = t.weights[f"body.{last}.weight"].shape[0], t.values[0].shape[1]
    scale = round((outputs / channels) ** 0.5)
    x = 0
    for i in range(0, last, 2):
        x = t.prelu(t.conv(x, f"body.{i}"), f"body.{i + 1}")
    return t.add(t.shuffle(t.conv(x, f"body.{last}"), scale), t.nearest(0, scale))


class RrdbNames:
    """The names of an RRDB network's layers in the four styles."""

    def __init__(self, style, blocks, ups):
        self.style, self.blocks, self.ups = style, blocks, ups
        self.old = style in ("esrgan", "plus")

    def dense(self, block, dense, conv):
        if self.old:
            return f"model.1.sub.{block}.RDB{dense}.conv{conv}.0"
        return f"RRDB_trunk.{block}.RDB{dense}.conv{conv}" if self.style == "bsrgan" else f"body.{block}.rdb{dense}.conv{conv}"

    def shortcut(self, block, dense):
        return f"model.1.sub.{block}.RDB{dense}.conv1x1"

    def layer(self, which, up=0):
        if self.old:
            return {"first": "model.0", "body": f"model.1.sub.{self.blocks}", "up": f"model.{3 * up}",
                    "hr": f"model.{3 * self.ups + 2}", "last": f"model.{3 * self.ups + 4}"}[which]
        if self.style == "bsrgan":
            return {"first": "conv_first", "body": "trunk_conv", "up": f"upconv{up}", "hr": "HRconv", "last": "conv_last"}[which]
        return {"first": "conv_first", "body": "conv_body", "up": f"conv_up{up}", "hr": "conv_hr", "last": "conv_last"}[which]


def rrdb(t, names, unshuffle=1):
    first = t.conv(t.unshuffle(0, unshuffle), names.layer("first"))
    x = first
    for block in range(names.blocks):
        y = x
        for dense in (1, 2, 3):
            parts = [y]
            for conv in (1, 2, 3, 4):
                z = t.leaky_relu(t.conv(parts[0] if conv == 1 else t.concat(parts), names.dense(block, dense, conv)))
                if names.style == "plus" and conv == 2:
                    z = t.add(z, t.conv(y, names.shortcut(block, dense)))
                if names.style == "plus" and conv == 4:
                    z = t.add(z, parts[2])
                parts = parts + [z]
            y = t.add(t.conv(t.concat(parts), names.dense(block, dense, 5)), y, 0.2)
        x = t.add(y, x, 0.2)
    x = t.add(first, t.conv(x, names.layer("body")))
    for up in range(1, names.ups + 1):
        x = t.leaky_relu(t.conv(t.nearest(x, 2), names.layer("up", up)))
    return t.conv(t.leaky_relu(t.conv(x, names.layer("hr"))), names.layer("last"))


def span(t):
    w = {k: v.double() for k, v in t.weights.items()}

    def conv3xc(x, name):
        if name + ".sk.weight" not in w:
            return t.conv(x, name + ".eval_conv")
        # What the trained chain 1x1, 3x3, 1x1 (one pixel of padding for all) and the 1x1 past it do to unit impulses
        # and to nothing at all is the merged convolution.
        in_channels, nothing = w[name + ".sk.weight"].shape[1], 0

        def chain(v):
            v = F.conv2d(v, w[name + ".conv.0.weight"], w[name + ".conv.0.bias"])
            v = F.conv2d(v, w[name + ".conv.1.weight"], w[name + ".conv.1.bias"])
            return F.conv2d(v, w[name + ".conv.2.weight"], w[name + ".conv.2.bias"])

        nothing = chain(torch.zeros(1, in_channels, 3, 3).double())[0, :, 0, 0]
        kernel = torch.zeros(nothing.shape[0], in_channels, 3, 3).double()
        for c in range(in_channels):
            for i in range(3):
                for j in range(3):
                    impulse = torch.zeros(1, in_channels, 3, 3).double()
                    impulse[0, c, i, j] = 1
                    kernel[:, c, i, j] = chain(impulse)[0, :, 0, 0] - nothing
        kernel[:, :, 1, 1] += w[name + ".sk.weight"][:, :, 0, 0]
        return t.conv(x, name, kernel, nothing + w[name + ".sk.bias"])

    x = 0 if "no_norm" in w else t.normalise(0, (0.4488, 0.4371, 0.4040), 255.0)
    first = conv3xc(x, "conv_1")
    x = first
    for i in range(1, 7):
        c1 = t.silu(conv3xc(x, f"block_{i}.c1_r"))
        c2 = t.silu(conv3xc(c1, f"block_{i}.c2_r"))
        x = t.gate(conv3xc(c2, f"block_{i}.c3_r"), x)
        after_first = x if i == 1 else after_first
    x = t.conv(t.concat([first, conv3xc(x, "conv_2"), after_first, c1]), "conv_cat")
    x = t.conv(x, "upsampler.0")
    return t.shuffle(x, round((t.values[x].shape[1] / 3) ** 0.5))


class Maker:
    """Seeded weights, rounded to the type they will be stored in."""

    def __init__(self, seed, dtype):
        self.g, self.dtype, self.w = torch.Generator().manual_seed(seed), dtype, {}

    def put(self, name, value):
        self.w[name] = value.to(self.dtype)

    def conv(self, name, cin, cout, kernel=3, gain=1.0, bias=True):
        spread = gain * (2.0 / (cin * kernel * kernel)) ** 0.5
        self.put(name + ".weight", torch.randn(cout, cin, kernel, kernel, generator=self.g) * spread)
        if bias:
            self.put(name + ".bias", torch.randn(cout, generator=self.g) * 0.05)


def compact_weights(seed, dtype, scale, features=12, convs=2, channels=3):
    m = Maker(seed, dtype)
    for i in range(convs + 1):
        m.conv(f"body.{2 * i}", channels if i == 0 else features, features)
        m.put(f"body.{2 * i + 1}.weight", torch.rand(features, generator=m.g) * 0.8 - 0.2)
    m.conv(f"body.{2 * convs + 2}", features, channels * scale * scale, gain=0.2)
    return m.w


def rrdb_weights(seed, dtype, names, unshuffle=1, features=8, growth=4):
    m = Maker(seed, dtype)
    m.conv(names.layer("first"), 3 * unshuffle * unshuffle, features)
    for block in range(names.blocks):
        for dense in (1, 2, 3):
            for conv in (1, 2, 3, 4, 5):
                m.conv(names.dense(block, dense, conv), features + (conv - 1) * growth, growth if conv < 5 else features)
            if names.style == "plus":
                m.conv(names.shortcut(block, dense), features, growth, kernel=1, bias=False)
    m.conv(names.layer("body"), features, features)
    for up in range(1, names.ups + 1):
        m.conv(names.layer("up", up), features, features)
    m.conv(names.layer("hr"), features, features)
    m.conv(names.layer("last"), features, 3, gain=0.5)
    return m.w


def span_weights(seed, dtype, scale, slim=False, norm=True, features=6):
    m = Maker(seed, dtype)

    def conv3xc(name, cin, gain=1.0):
        if not slim:
            m.conv(name + ".sk", cin, features, 1, 0.6 * gain)
            m.conv(name + ".conv.0", cin, 2 * cin, 1, 0.6 * gain)
            m.conv(name + ".conv.1", 2 * cin, 2 * features, 3, 0.7)
            m.conv(name + ".conv.2", 2 * features, features, 1, 0.7)
        m.conv(name + ".eval_conv", cin, features, gain=gain)  # in a full file: stale on purpose

    conv3xc("conv_1", 3, 1 / 64 if norm else 1.0)
    for i in range(1, 7):
        for c in (1, 2, 3):
            conv3xc(f"block_{i}.c{c}_r", features)
    m.conv("conv_cat", 4 * features, features, 1)
    conv3xc("conv_2", features)
    m.conv("upsampler.0", features, 3 * scale * scale, gain=0.5)
    if not norm:
        m.w["no_norm"] = torch.zeros(1)
    return m.w


def calibrated(weights, last, run):
    """Scales and shifts the layer `last` so that most results lie between 0 and 1, where 8-bit results can differ."""
    x = torch.from_numpy(picture(99, 24, 24, 3).astype(np.float64) / 255).permute(2, 0, 1)[None]
    tape = Tape(weights, x)
    with torch.no_grad():
        y = tape.values[run(tape)]
    factor, dtype = 0.22 / y.std(), weights[last + ".weight"].dtype
    weights[last + ".bias"] = ((weights[last + ".bias"].double() - y.mean()) * factor + 0.5).to(dtype)
    weights[last + ".weight"] = (weights[last + ".weight"].double() * factor).to(dtype)
    return weights


def picture(seed, width, height, channels):
    """Waves, a hard edge and some noise, 8 bit."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for _ in range(channels):
        fx, fy, phase = rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.6), rng.uniform(0, 6)
        p = 0.5 + 0.35 * np.sin(fx * x + fy * y + phase) + rng.uniform(-0.08, 0.08, (height, width))
        p[(x - width * 0.6) * 0.8 + (y - height * 0.4) > 0] += rng.uniform(-0.3, 0.3)
        planes.append(p)
    return np.round(np.clip(np.stack(planes, -1), 0, 1) * 255).astype(np.uint8)


def write_seeds(out):
    names = RrdbNames("bsrgan", 1, 1)
    networks = {"compact": (compact_weights(1, torch.float32, 2, features=2, convs=1), compact),
                "rrdb": (rrdb_weights(2, torch.float32, names, features=2, growth=1), lambda t: rrdb(t, names)),
                "span": (span_weights(3, torch.float32, 2, features=1), span)}
    for name, (weights, run) in networks.items():
        tape = Tape(weights, torch.zeros(1, 3, 4, 4).double())
        run(tape)
        formats.write_safetensors(out / f"{name}.safetensors", weights)
        formats.write_onnx(out / f"{name}.onnx", tape.ops, False, numbered=True)
        formats.write_ncnn(out / name, tape.ops, False)
        param, data = out / f"{name}.param", out / f"{name}.bin"
        (out / f"{name}.ncnn").write_bytes(param.read_bytes() + b"\0" + data.read_bytes())
        param.unlink()
        data.unlink()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--real", type=pathlib.Path)
    parser.add_argument("--seeds", action="store_true")
    options = parser.parse_args()
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    if options.seeds:
        return write_seeds(out)
    lines = []
    half, single, brain = torch.float16, torch.float32, torch.bfloat16

    def case(name, weights, run, save, width=16, height=12, channels=3):
        pixels = picture(len(lines) + 1, width, height, channels)
        x = torch.from_numpy(pixels.astype(np.float64) / 255).permute(2, 0, 1)[None]
        tape = Tape(weights, x)
        with torch.no_grad():
            y = tape.values[run(tape)][0].numpy().astype(np.float32)
        scale = y.shape[1] // height
        (out / f"{name}.u8").write_bytes(pixels.tobytes())
        (out / f"{name}.f32").write_bytes(np.ascontiguousarray(y).tobytes())
        for file in save(name, weights, tape):
            lines.append(f"{file} {name}.u8 {width} {height} {channels} {name}.f32 {scale}")

    def pth(wrapper=None, prefix="", legacy=False):
        def save(name, weights, tape):
            d = {prefix + k: v for k, v in weights.items()}
            torch.save({wrapper: d} if wrapper else d, out / f"{name}.pth", _use_new_zipfile_serialization=not legacy)
            return [f"{name}.pth"]
        return save

    def safetensors(name, weights, tape):
        formats.write_safetensors(out / f"{name}.safetensors", weights)
        return [f"{name}.safetensors"]

    def graph(*kinds, half_precision=False):
        def save(name, weights, tape):
            files = []
            if "ncnn" in kinds:
                formats.write_ncnn(out / name, tape.ops, half_precision)
                files.append(f"{name}.param")
            if "onnx" in kinds:
                formats.write_onnx(out / f"{name}.onnx", tape.ops, half_precision, numbered="numbered" in kinds)
                files.append(f"{name}.onnx")
            return files
        return save

    def both(*saves):
        return lambda *a: [file for save in saves for file in save(*a)]

    def rrdb_case(name, style, dtype, save, blocks=1, ups=2, unshuffle=1, **size):
        names = RrdbNames(style, blocks, ups)
        seed = sum(name.encode())
        run = lambda t: rrdb(t, names, unshuffle)
        case(name, calibrated(rrdb_weights(seed, dtype, names, unshuffle), names.layer("last"), run), run, save, **size)

    def span_case(name, weights, save, **size):
        case(name, calibrated(weights, "upsampler.0", span), span, save, **size)

    case("compact_x4", compact_weights(1, half, 4), compact, both(pth("params"), graph("ncnn", "onnx", half_precision=True)))
    case("compact_x3", compact_weights(2, single, 3), compact, both(pth(legacy=True), graph("ncnn", "onnx", "numbered")))
    case("compact_x2", compact_weights(3, brain, 2), compact, safetensors)
    case("compact_x1", compact_weights(4, half, 1), compact, both(pth("params_ema", "module."), graph("ncnn", "onnx")))
    case("compact_grey_x2", compact_weights(5, half, 2, channels=1), compact, pth("params"), channels=1)
    rrdb_case("rrdb_esrgan_x4", "esrgan", half, both(pth(), graph("ncnn", "onnx", half_precision=True)), width=10, height=9)
    rrdb_case("rrdb_real_x4", "real", half, pth("params_ema"), blocks=2, width=10, height=9)
    rrdb_case("rrdb_bsrgan_x2", "bsrgan", half, pth(legacy=True), ups=1)
    rrdb_case("rrdb_plus_x4", "plus", half, both(pth("state_dict"), graph("onnx", half_precision=True)), width=10, height=9)
    rrdb_case("rrdb_real_x2", "real", half, pth("params_ema"), unshuffle=2, width=16, height=14)
    rrdb_case("rrdb_real_x1", "real", half, safetensors, unshuffle=4, width=24, height=20)
    rrdb_case("rrdb_esrgan_x8", "esrgan", half, safetensors, ups=3, width=6, height=5)
    span_case("span_x2", span_weights(6, half, 2), both(pth("params"), graph("ncnn", "onnx")))
    span_case("span_slim_x4", span_weights(7, single, 4, slim=True), both(safetensors, graph("onnx", "numbered")), width=10, height=9)
    span_case("span_plain_x2", span_weights(8, half, 2, norm=False), both(safetensors, graph("onnx")))
    graphs = [line for line in lines if line.split()[0].endswith((".param", ".onnx"))]
    (out / "cases.txt").write_text("".join(line + "\n" for line in lines if line not in graphs))
    (out / "graph_cases.txt").write_text("".join(line + "\n" for line in graphs))

    if options.real:
        lines = []
        real = {name: formats.load_torch(options.real / path) for name, path in (
            ("general", "pth/realesr-general-x4v3-fp16values.pth"), ("wdn", "pth/realesr-general-wdn-x4v3-fp16values.pth"),
            ("anime", "pth/realesr-animevideov3.pth"), ("span38", "span/team38_span_ch28_slim.pth"),
            ("span46", "span/team46_span.pth"))}
        real["denoise"] = {k: 0.5 * real["general"][k].double() + 0.5 * real["wdn"][k].double() for k in real["general"]}
        for name, weights in real.items():
            case("real_" + name, weights, span if name.startswith("span") else compact,
                 lambda name, weights, tape: [name], width=12, height=10)
        (out / "real_cases.txt").write_text("".join(line + "\n" for line in lines))


if __name__ == "__main__":
    main()
