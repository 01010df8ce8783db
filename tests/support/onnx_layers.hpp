// SPDX-License-Identifier: Apache-2.0
// A file of ONNX's nodes, written node by node.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "weights/state_dict.hpp"

namespace enlarge::test {

class OnnxLayers {
public:
    OnnxLayers() { file_.format = WeightFormat::onnx; }

protected:
    StateDict file_;
    Layer& node(const std::string& type, std::vector<std::string> in, const std::string& out) {
        Layer layer;
        layer.type = type;
        layer.name = out;
        layer.outputs = {out};
        for (std::size_t i = 0; i < in.size(); ++i) {
            if (in[i].empty()) continue;
            layer.inputs.push_back(in[i]);
            layer.input_slots.push_back(static_cast<int>(i));
        }
        file_.layers.push_back(std::move(layer));
        return file_.layers.back();
    }
    static Layer& constant(Layer& layer, int slot, std::vector<std::int64_t> shape, std::vector<float> values,
                           bool integers = true) {
        layer.tensors.push_back({std::move(shape), std::move(values), integers});
        layer.slots.push_back(slot);
        return layer;
    }
    void reshape(const std::string& in, const std::string& out, std::vector<float> sides) {
        const auto count = static_cast<std::int64_t>(sides.size());
        constant(node("Reshape", {in}, out), 1, {count}, std::move(sides));
    }
    void conv(const std::string& in, const std::string& out, std::int64_t from, std::int64_t to) {
        constant(node("Conv", {in}, out), 1, {to, from, 1, 1},
                 std::vector<float>(static_cast<std::size_t>(from * to), 0.1F), false);
    }
};

}  // namespace enlarge::test
