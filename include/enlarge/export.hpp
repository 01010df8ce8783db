// SPDX-License-Identifier: Apache-2.0
// Networks for other programs: ONNX, for ONNX Runtime, TensorRT, OpenVINO, DirectML.
#pragma once

#include <string>

#include "enlarge/enlarge.hpp"

namespace enlarge {

struct OnnxOptions {
    bool half = false;       // weights and arithmetic in half precision; input and output stay float
    bool overwrite = false;  // replace a file that is there
};

// Writes a model as ONNX (opset 17, IR version 8): one input "input" and one output "output", float32, batch x channels x
// height x width with free batch, height and width, values 0..1 (the output is not clamped). Networks that begin with a
// pixel unshuffle (x2plus) need sides that are a multiple of its factor, and say so in the file's doc string.
// Fails with Errc::exists, ::not_found or ::io when the file cannot be written; nothing half-written stays.
Result<void> export_onnx(const Model& model, const std::string& path, const OnnxOptions& options = {});

}  // namespace enlarge
