#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the small weight files that tests and fuzzers start from. Needs PyTorch (Debian: python3-torch).

Usage: make_weight_fixtures.py [SOURCE_DIR]

tests/unit/weights/data/  files made by torch.save, as real ones are
fuzz/seeds/<target>/      those, and small valid files of the other formats (what is refused: fuzz/regressions)
"""
import collections
import io
import json
import pathlib
import pickle
import shutil
import struct
import sys
import zipfile

import torch


def values(*shape, start=0):
    """Numbers that a test can compute again: ((start + i) * 7 % 23 - 11) / 8, exact in half precision."""
    count = 1
    for side in shape:
        count *= side
    return ((torch.arange(start, start + count) * 7 % 23 - 11).float() / 8).reshape(shape)


def compact():
    """A Compact network of 4 features, 1 inner convolution, x2."""
    state = collections.OrderedDict()
    state["body.0.weight"], state["body.0.bias"] = values(4, 3, 3, 3), values(4, start=1)
    state["body.1.weight"] = values(4, start=2)
    state["body.2.weight"], state["body.2.bias"] = values(4, 4, 3, 3, start=3), values(4, start=4)
    state["body.3.weight"] = values(4, start=5)
    state["body.4.weight"], state["body.4.bias"] = values(12, 4, 3, 3, start=6), values(12, start=7)
    return state


def views():
    """Shared storages, offsets and strides."""
    base = values(24)
    state = collections.OrderedDict()
    state["whole"] = base
    state["middle"] = base[6:18]
    state["transposed"] = base.reshape(4, 6).t()
    state["every_second"] = base[::2]
    state["part"] = base.reshape(2, 3, 4)[:, 1:, 1:3]
    state["scalar"] = base[5]
    state["empty"] = base[:0]
    return state


def types():
    state = collections.OrderedDict()
    base = values(2, 3)
    state["double"], state["float"], state["half"], state["bfloat16"] = base.double(), base, base.half(), base.bfloat16()
    whole = torch.arange(-3, 3).reshape(2, 3)
    state["long"], state["int"], state["short"], state["char"] = whole, whole.int(), whole.short(), whole.to(torch.int8)
    state["byte"], state["bool"] = (whole + 3).to(torch.uint8), whole > 0
    return state


def checkpoint():
    """What a training program leaves: wrappers, an optimizer, numbers, strings, None; the wanted weights are params_ema."""
    weights = torch.nn.Parameter(values(2, 2))
    optimizer = torch.optim.Adam([weights], lr=0.01)
    weights.sum().backward()
    optimizer.step()
    return {
        "iter": 5000, "best": 28.25, "name": "net", "nothing": None, "flags": [True, False, (1, 2)], "seed": 2**70,
        "optimizers": [optimizer.state_dict()],
        "params": {"module.a": values(2, 2), "module.b": values(3)},
        "params_ema": {"module.a": values(2, 2, start=10), "module.b": values(3, start=10)},
    }


class Compact(torch.nn.Module):
    """compact() as a module, with what state_dict() leaves out: a buffer that is not saved, a child that is None."""

    def __init__(self):
        super().__init__()
        layers = [torch.nn.Conv2d(3, 4, 3, 1, 1), torch.nn.PReLU(4), torch.nn.Conv2d(4, 4, 3, 1, 1), torch.nn.PReLU(4),
                  torch.nn.Conv2d(4, 12, 3, 1, 1)]
        self.body = torch.nn.ModuleList(layers)
        self.upsampler = torch.nn.PixelShuffle(2)
        self.register_module("unused", None)
        self.load_state_dict(compact())

    def forward(self, x):
        y = x
        for layer in self.body:
            y = layer(y)
        return self.upsampler(y) + torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def make_programs(folder):
    """Whole modules and TorchScript programs."""
    net = Compact().eval()
    net.register_buffer("cache", values(3), persistent=False)
    save(torch.nn.DataParallel(net), folder / "module.pth")
    small = torch.nn.PReLU(4)  # older files hold the source of every class
    small.weight.data = values(4)
    save({"epoch": 3, "model": small}, folder / "module_legacy.pth", _use_new_zipfile_serialization=False)
    net = Compact().eval()
    programs = {"scripted": torch.jit.script(net), "traced": torch.jit.trace(net, torch.zeros(1, 3, 8, 8)),
                "frozen": torch.jit.freeze(torch.jit.script(net))}
    for name, program in programs.items():
        plain = io.BytesIO()
        torch.jit.save(program, plain)
        recompressed(plain, folder / f"{name}.pt")


def make_clutter(folder):
    """What training leaves beside weights, as PyTorch and NumPy write it."""
    import numpy
    average = torch.optim.swa_utils.AveragedModel(Compact())
    save({"params_ema": average.state_dict(), "best": numpy.float64(28.5), "seen": {"a", "b"}, "means": numpy.ones(3),
          "when": pathlib.PurePosixPath("runs/1"), "device": torch.device("cpu"), "act": torch.nn.functional.gelu}, folder / "clutter.pth")
    state = collections.OrderedDict((f"net_g._orig_mod.{k}", v) for k, v in compact().items())
    state["net_d.conv0.weight"] = values(4)
    save({"callbacks": {torch.optim.Adam: {"best_score": torch.tensor(1.0)}}, "state_dict": state,
          "optimizer_states": [torch.optim.Adam([torch.nn.Parameter(values(2))]).state_dict()]}, folder / "lightning.pth")


def save(what, path, **options):
    torch.save(what, path, **options)


def bomb(path):
    """A file whose storage is 16 MiB of zeros in 16 KiB."""
    plain = io.BytesIO()
    torch.save({"a": torch.zeros(4 << 20)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED)


def recompressed(source, path):
    """The same content with deflated entries, as some tools repack files."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if not name.endswith(".debug_pkl"):  # TorchScript's notes on its source
                new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)


def make_pth(folder):
    save({"params": compact()}, folder / "zip.pth")
    save({"params": compact()}, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    save(views(), folder / "views_zip.pth")
    save(views(), folder / "views_legacy.pth", _use_new_zipfile_serialization=False)
    save(types(), folder / "types_zip.pth")
    save(types(), folder / "types_legacy.pth", _use_new_zipfile_serialization=False)
    save(checkpoint(), folder / "checkpoint.pth")
    save(checkpoint(), folder / "checkpoint_legacy.pth", _use_new_zipfile_serialization=False)
    layer = torch.nn.Conv2d(1, 2, 3)
    layer.weight.data, layer.bias.data = values(2, 1, 3, 3), values(2)
    save(collections.OrderedDict(layer.named_parameters()), folder / "parameters.pth")
    save(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1)), folder / "whole_program.pth")
    for protocol in range(1, 6):
        save({"state_dict": {"a": values(2, 3)}}, folder / f"protocol{protocol}_zip.pth", pickle_protocol=protocol)
    for protocol in (1, 3, 4, 5):
        save({"state_dict": {"a": values(2, 3)}}, folder / f"protocol{protocol}_legacy.pth", pickle_protocol=protocol,
             _use_new_zipfile_serialization=False)
    make_programs(folder)
    make_clutter(folder)
    recompressed(folder / "zip.pth", folder / "deflated.pth")
    bomb(folder / "bomb.pth")


def safetensors(tensors, metadata=None):
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def raw(tensor):
    return tensor.contiguous().numpy().tobytes()


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, data):
    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    if isinstance(data, str):
        data = data.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor_proto(name, tensor, kind=1, packed=None):
    dims = b"".join(field(1, side) for side in tensor.shape)
    return dims + field(2, kind) + field(8, name) + (packed if packed is not None else field(9, raw(tensor)))


def node(kind, inputs, outputs, *attributes):
    return field(1, b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) + field(3, kind + "_0") +
                 field(4, kind) + b"".join(field(5, a) for a in attributes))


def onnx():
    graph = node("Constant", [], ["slope"], field(1, "value") + field(5, tensor_proto("", values(4, 1, 1, start=2))) + field(20, 4))
    graph += node("Cast", ["half"], ["w"], field(1, "to") + field(3, 1) + field(20, 2))
    graph += node("Conv", ["x", "w", "b"], ["y"], field(1, "kernel_shape") + field(8, varint(3) + varint(3)) + field(20, 7))
    graph += node("PRelu", ["y", "slope"], ["z"])
    graph += node("DepthToSpace", ["z"], ["out"], field(1, "blocksize") + field(3, 2) + field(20, 2),
                  field(1, "mode") + field(4, "CRD") + field(20, 3))
    graph += field(2, "graph")
    graph += field(5, tensor_proto("half", values(4, 3, 3, 3).half(), 10))
    graph += field(5, tensor_proto("b", values(4, start=1), 1, field(4, raw(values(4, start=1)))))
    graph += field(11, field(1, "x")) + field(12, field(1, "out"))
    return field(1, 8) + field(2, "fixture") + field(7, graph) + field(8, field(2, 17))


def external_onnx():
    """A model whose tensor is kept in another file."""
    entries = b"".join(field(13, field(1, key) + field(2, value))
                       for key, value in (("location", "small.data"), ("offset", "8"), ("length", "24")))
    tensor = field(1, 2) + field(1, 3) + field(2, 1) + field(8, "w") + entries + field(14, 1)
    return field(1, 8) + field(2, "fixture") + field(7, node("Mul", ["x", "w"], ["y"]) + field(5, tensor))


NCNN_PARAM = """7767517
4 5
Input            data   0 1 data
Convolution      conv0  1 1 data c0 0=4 1=3 4=1 5=1 6=108 9=2 -23310=1,0.2
PReLU            act0   1 1 c0 a0 0=4
PixelShuffle     up     1 1 a0 output 0=2
"""


def ncnn_bins():
    weight, bias, slope = values(4, 3, 3, 3), raw(values(4, start=1)), raw(values(4, start=2))
    table = raw((torch.arange(256).float() - 128) / 8)
    indices = bytes(((weight.flatten() * 8).int() + 128).tolist())
    return {
        "fp32": struct.pack("<I", 0) + raw(weight) + bias + slope,
        "raw_fp32": struct.pack("<I", 0x0002C056) + raw(weight) + bias + slope,
        "fp16": struct.pack("<I", 0x01306B47) + raw(weight.half()) + bias + slope,
        "codebook": struct.pack("<I", 1) + table + indices + bias + slope,
    }


def make_seeds(folder, pth):
    for target in ("pth_zip", "pth_legacy", "pickle", "safetensors", "ncnn", "onnx"):
        (folder / target).mkdir(parents=True, exist_ok=True)
    for path in sorted(pth.glob("*.p*t*")):
        if path.name == "bomb.pth":
            continue
        data = path.read_bytes()
        if data.startswith(b"PK"):
            # A seed must be read; what wants to run code is refused, and need only do no harm.
            to = folder.parent / "regressions" if path.name == "whole_program.pth" else folder
            for target in ("pth_zip", "pickle"):
                (to / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to / "pth_zip" / path.name)
            with zipfile.ZipFile(path) as archive:
                name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
                (to / "pickle" / path.with_suffix(".pkl").name).write_bytes(archive.read(name))
        else:
            shutil.copy(path, folder / "pth_legacy" / path.name)
    sample = {"a": [1, -2, 2**40, 2**80, 1.5, True, None, "text", (1, 2), []], "empty": ()}
    for protocol in range(6):
        (folder / "pickle" / f"plain{protocol}.pkl").write_bytes(pickle.dumps(sample, protocol))
    for protocol in (4, 5):
        (folder / "pickle" / f"sets{protocol}.pkl").write_bytes(pickle.dumps((b"bytes", {3}, frozenset({4})), protocol))
    first = values(2, 3)
    (folder / "safetensors" / "types.safetensors").write_bytes(safetensors({
        "f32": ("F32", [2, 3], raw(first)), "f16": ("F16", [2, 3], raw(first.half())),
        "bf16": ("BF16", [6], raw(first.bfloat16().view(torch.int16))), "f64": ("F64", [3, 2], raw(first.double())),
        "i8": ("I8", [4], b"\x01\x02\xff\x7f"), "scalar": ("I64", [], struct.pack("<q", -5)), "empty": ("F32", [0, 4], b""),
    }, {"format": "pt"}))
    for name, data in ncnn_bins().items():
        (folder / "ncnn" / name).write_bytes(NCNN_PARAM.encode() + b"\0" + data)
    (folder / "onnx" / "small.onnx").write_bytes(onnx())
    (folder / "onnx" / "external.onnx").write_bytes(external_onnx())


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    data = root / "tests" / "unit" / "weights" / "data"
    data.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    make_pth(data)
    make_seeds(root / "fuzz" / "seeds", data)


if __name__ == "__main__":
    main()
