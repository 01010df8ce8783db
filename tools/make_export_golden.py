#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes small networks as their authors' modules are exported to ONNX, and what ONNX Runtime computes from them:
make_export_golden.py [FOLDER]: tests/golden/data/export_*. Wants torch, spandrel, onnx and onnxruntime."""
import importlib
import pathlib
import sys

import numpy
import onnx
import onnxruntime
import torch

# name: module, class, settings, picture (columns, rows), scale
CASES = {
    "swinir": ("SwinIR.__arch.SwinIR", "SwinIR",
               dict(embed_dim=8, depths=[2], num_heads=[2], window_size=4, mlp_ratio=2.0, upscale=2,
                    upsampler="pixelshuffledirect"), (12, 8), 2),
    "dat": ("DAT.__arch.DAT", "DAT",
            dict(embed_dim=32, split_size=[2, 4], depth=[2], num_heads=[2], expansion_factor=1.0, upscale=2,
                 upsampler="pixelshuffledirect", resi_connection="1conv"), (12, 8), 2),
    "plksr": ("PLKSR.__arch.PLKSR", "PLKSR",
              dict(dim=8, n_blocks=2, upscaling_factor=2, ccm_type="DCCM", kernel_size=5, split_ratio=0.25,
                   use_ea=True), (11, 9), 2),
    "realplksr": ("PLKSR.__arch.RealPLKSR", "RealPLKSR",
                  dict(dim=8, n_blocks=2, upscaling_factor=3, kernel_size=5, split_ratio=0.25, dysample=False,
                       layer_norm=False), (11, 9), 3),
    "omnisr": ("OmniSR.__arch.OmniSR", "OmniSR",
               dict(num_feat=16, block_num=1, res_num=1, window_size=8, up_scale=2), (32, 16), 2),
    "hat": ("HAT.__arch.HAT", "HAT",
            dict(embed_dim=12, depths=[2], num_heads=[2], window_size=4, compress_ratio=3, squeeze_factor=3,
                 overlap_ratio=0.5, mlp_ratio=2.0, upscale=1, upsampler="pixelshuffle"), (12, 8), 1),
    "dysample": ("PLKSR.__arch.RealPLKSR", "RealPLKSR",
                 dict(dim=8, n_blocks=2, upscaling_factor=2, kernel_size=5, split_ratio=0.25, dysample=True,
                      layer_norm=True), (11, 9), 2),
}


# Exported for the picture's size alone.
FIXED = {name: CASES[name] for name in ("swinir", "dat", "dysample")} | {
    "ditn": ("DITN.__arch.DITN_Real", "DITN_Real",
             dict(dim=12, ITL_blocks=1, SAL_blocks=1, UFONE_blocks=1, upscale=2), (24, 16), 2),
}


def shorten(graph):
    """Numbers for names, which are most of a small file."""
    short = {"": "", "input": "input", "output": "output"}
    for node in graph.node:
        node.ClearField("doc_string")
        node.ClearField("name")
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                names[i] = short.setdefault(name, f"{len(short):x}")
    for tensor in graph.initializer:
        tensor.name = short[tensor.name]
    graph.ClearField("value_info")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                          pathlib.Path(__file__).resolve().parent.parent / "tests/golden/data")
    lines = []
    cases = [(number, name, *case) for number, (name, case) in enumerate(CASES.items())]
    cases += [(100 + number, name + "_fixed", *case) for number, (name, case) in enumerate(FIXED.items())]
    for number, name, module, kind, settings, (width, height), scale in cases:
        torch.manual_seed(100 + number)
        network = getattr(importlib.import_module("spandrel.architectures." + module), kind)(**settings).eval()
        with torch.no_grad():
            for value in network.parameters():  # away from the zeros and ones that layers begin with
                value.add_(torch.randn_like(value) * 0.02)
        pixels = numpy.random.default_rng(number).integers(0, 256, (height, width, 3), numpy.uint8)
        picture = numpy.ascontiguousarray(pixels.transpose(2, 0, 1)[None], numpy.float32) / numpy.float32(255)
        path = folder / f"export_{name}.onnx"
        sides = {0: "batch", 2: "height", 3: "width"}
        any_size = None if name.endswith("_fixed") else {"input": sides, "output": sides}
        torch.onnx.export(network, (torch.from_numpy(picture),), str(path), opset_version=17, dynamo=False,
                          input_names=["input"], output_names=["output"],
                          dynamic_axes=any_size)
        model = onnx.load(path)
        shorten(model.graph)
        onnx.save(model, path)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        result = session.run(None, {"input": picture})[0][0]
        (folder / f"export_{name}.u8").write_bytes(pixels.tobytes())
        (folder / f"export_{name}.f32").write_bytes(result.astype("<f4").tobytes())
        lines.append(f"export_{name}.onnx export_{name}.u8 {width} {height} 3 export_{name}.f32 {scale}\n")
    (folder / "export_cases.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
