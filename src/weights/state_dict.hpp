// SPDX-License-Identifier: Apache-2.0
// What a weight file holds, whatever its format: named float tensors, or a list of layers when names say nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "weights/floats.hpp"

namespace enlarge {

struct Tensor {
    std::vector<std::int64_t> shape;  // row-major
    Floats values;                    // converted from half, bfloat16, double or integers
    bool integers = false;            // the file held integers (counters, sizes, quantised weights)
};

enum class WeightFormat { pth_zip, pth_legacy, safetensors, ncnn, onnx };

// One layer of a file that carries its own graph (ncnn, ONNX).
struct Layer {
    std::string type;                        // the file's own word: "Convolution", "Conv", "PRelu"
    std::string name;
    std::vector<std::string> inputs, outputs; // blob names; what is constant is in `tensors` and not here
    std::map<std::string, double> numbers;   // scalar attributes: "0" (ncnn), "blocksize" (ONNX)
    std::map<std::string, std::vector<double>> lists;
    std::map<std::string, std::string> texts; // ONNX string attributes: "mode"
    std::vector<Tensor> tensors;             // weights, bias, slopes, in the file's order (constants resolved for ONNX)
    std::vector<int> slots;                  // ONNX: which input of the node each tensor is (Conv: 1 weight, 2 bias;
                                             // Resize: 2 scales, 3 sizes); ncnn: 0, 1, ...
    std::vector<int> input_slots = {};       // ONNX: the same of `inputs`
};

// What messages call a layer of an ONNX file: by its name, or else by what it computes.
std::string node_label(const Layer& layer);

// An input or output that an ONNX file declares.
struct Port {
    std::string name;
    std::vector<std::int64_t> shape = {};  // -1: any size
};

struct StateDict {
    WeightFormat format = WeightFormat::pth_zip;
    std::map<std::string, Tensor> tensors;    // wrapper keys ("params_ema") and prefixes ("module.") removed
    std::vector<Layer> layers;                // ncnn and ONNX only, in file order
    std::vector<Port> inputs, outputs;        // ONNX only, without those that are constants
    int opset = 0;                            // ONNX only: the version of its operators; 0: not told
    std::map<std::string, std::string> metadata;  // safetensors __metadata__
};

// Reads a weight file; the format is told by content, not by name. For ncnn give either the .param or the .bin: its
// partner is looked for beside it. Fails with Errc::format, ::limit, ::unsupported, ::not_found or ::io.
Result<StateDict> read_weights(const std::string& path, const Limits& limits = {});

// The same from memory (any format but ncnn).
Result<StateDict> read_weights(std::span<const std::byte> bytes, const Limits& limits = {});

// ncnn from memory: the text of .param and the bytes of .bin.
Result<StateDict> read_ncnn(std::string_view param, std::span<const std::byte> bin, const Limits& limits = {});

}  // namespace enlarge
