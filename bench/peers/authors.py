#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The authors' module of a network, as spandrel has it, made ready for peers: authors.py FILE WIDTH HEIGHT FOLDER.

FOLDER gets network.onnx (torch.onnx, for ONNX Runtime and OpenVINO) and network.xml with its .bin (traced by OpenVINO
itself), both in fp32 and of pictures of this size alone, so that whatever depends on the size is computed beforehand.
Wants torch, spandrel, onnx and openvino."""
import pathlib
import sys

from peer import spandrel_network


def main():
    import openvino
    import torch

    weights, (width, height), folder = sys.argv[1], map(int, sys.argv[2:4]), pathlib.Path(sys.argv[4])
    network, channels = spandrel_network(weights)
    picture = torch.rand(1, channels, height, width)
    with torch.inference_mode():
        torch.onnx.export(network, (picture,), str(folder / "network.onnx"), opset_version=18, dynamo=False,
                          input_names=["in"], output_names=["out"])
        traced = openvino.convert_model(network, example_input=picture, input=[1, channels, height, width])
    openvino.save_model(traced, folder / "network.xml", compress_to_fp16=False)


if __name__ == "__main__":
    main()
