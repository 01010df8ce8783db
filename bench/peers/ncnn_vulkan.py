#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What ncnn (the Python index's wheel) makes of an ncnn network on a Vulkan device: milliseconds, one run a line.

    python3 bench/peers/ncnn_vulkan.py MODEL.param WIDTH HEIGHT RUNS [fp32] [DEVICE]

The picture is random, from and to the processor's memory. Without fp32, with what ncnn takes by itself (fp16).
"""
import pathlib
import sys

from timing import report

try:
    import ncnn
    import numpy
except ImportError:
    sys.exit("ncnn or NumPy is not installed")


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    model, (width, height, runs) = pathlib.Path(sys.argv[1]), map(int, sys.argv[2:5])
    more = sys.argv[5:]
    net = ncnn.Net()
    net.opt.use_vulkan_compute = True
    if "fp32" in more:
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    for number in filter(str.isdigit, more):
        net.set_vulkan_device(int(number))
    if net.load_param(str(model)) or net.load_model(str(model.with_suffix(".bin"))):
        sys.exit(f"{model}: ncnn does not read it, or {model.stem}.bin")
    picture = numpy.random.default_rng(1).random((3, height, width), dtype=numpy.float32)

    def once():
        extractor = net.create_extractor()
        extractor.input(net.input_names()[0], ncnn.Mat(picture))
        return numpy.array(extractor.extract(net.output_names()[0])[1])

    report(once, runs)


if __name__ == "__main__":
    main()
