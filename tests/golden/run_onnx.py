# SPDX-License-Identifier: Apache-2.0
"""python run_onnx.py MODEL IN CHANNELS HEIGHT WIDTH OUT: runs MODEL with ONNX Runtime on planar float32 pixels.
Needs the packages onnxruntime and numpy."""
import sys

import numpy
import onnxruntime

model, source, channels, height, width, target = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
picture = numpy.fromfile(source, "<f4").reshape(1, int(channels), int(height), int(width))
session.run(["output"], {"input": picture})[0].astype("<f4").tofile(target)
