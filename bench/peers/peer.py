#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One peer on one network: peer.py ncnn|onnxruntime|openvino|torch FILE WIDTH HEIGHT THREADS RUNS [CHANNELS]; prints
milliseconds, one run a line, after one that warms up. FILE is ONNX, for ncnn a .param with its .bin beside it,
for torch a weight file that spandrel reads.
Floats in and out; conversions are not counted. Settings to each one's advantage: ONNX Runtime with all its rewriting,
OpenVINO with its latency hint and in fp32 (it would take bf16 where a processor has it), PyTorch in inference
mode."""
import sys
import types

import numpy

from timing import report


def onnxruntime_peer(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda picture: session.run(None, {name: picture})[0]


def openvino_peer(path, threads, shape):
    import openvino

    core = openvino.Core()
    core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                              "INFERENCE_PRECISION_HINT": "f32"})
    model = core.read_model(path)
    model.reshape(list(shape))
    request = core.compile_model(model, "CPU").create_infer_request()
    return lambda picture: request.infer({0: picture})[0]


def ncnn_peer(path, threads):
    """As its users run it, fp32 sums of fp16 storage off where that is slower: every option at its default but fp16."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.load_param(path)
    net.load_model(path.removesuffix(".param") + ".bin")
    source, result = net.input_names()[0], net.output_names()[0]

    def run(picture):
        with net.create_extractor() as extractor:
            extractor.input(source, ncnn.Mat(picture[0]))
            return numpy.array(extractor.extract(result)[1])

    return run


def spandrel_network(path):
    """The authors' module with the weights of a file, and how many channels it reads."""
    try:
        import torchvision  # noqa: F401
    except ImportError:  # spandrel wants names of it for networks that are not tried here
        for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional"):
            sys.modules[name] = types.ModuleType(name)
        sys.modules["torchvision.transforms.functional"].InterpolationMode = None
        sys.modules["torchvision.transforms.functional"].rotate = None
    import spandrel

    found = spandrel.ModelLoader("cpu").load_from_file(path)
    return found.model.eval().float(), found.input_channels


def torch_peer(path, threads):
    import torch

    torch.set_num_threads(threads)
    network, _ = spandrel_network(path)

    def run(picture):
        with torch.inference_mode():
            return network(torch.from_numpy(picture)).numpy()

    return run


def main():
    kind, path, (width, height, threads, runs) = sys.argv[1], sys.argv[2], map(int, sys.argv[3:7])
    channels = int(sys.argv[7]) if len(sys.argv) > 7 else 3
    picture = numpy.random.default_rng(1).random((1, channels, height, width), dtype=numpy.float32)
    if kind == "ncnn":
        run = ncnn_peer(path, threads)
    elif kind == "onnxruntime":
        run = onnxruntime_peer(path, threads)
    elif kind == "openvino":
        run = openvino_peer(path, threads, picture.shape)
    else:
        run = torch_peer(path, threads)
    report(lambda: run(picture), runs)


if __name__ == "__main__":
    main()
