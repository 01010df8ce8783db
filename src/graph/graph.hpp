// SPDX-License-Identifier: Apache-2.0
// A network as a list of operations: what `arch` makes from weights and every backend runs.
//
// Tensors are channels x height x width. Heights and widths are a fixed multiple of the input's, so a graph holds
// channel counts and a resolution ratio per node and runs at any size. Nodes are in topological order: inputs of node i
// come before i. Node 0 is the input; the last node is the output.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace enlarge {

enum class Op {
    input,             // RGB (or grey), 0..1
    conv2d,            // cross-correlation, stride 1, zero padding kernel/2; weights (out, in, k, k), bias (out)
    prelu,             // x < 0 ? slope[c] * x : x; one slope per channel
    leaky_relu,        // x < 0 ? alpha * x : x; alpha 0 is ReLU
    silu,              // x / (1 + exp(-x))
    add,               // alpha * a + beta * b
    concat,            // channels of all inputs, in order
    pixel_shuffle,     // depth to space by `factor`: channel c * f * f + i * f + j -> pixel (i, j) of channel c
    pixel_unshuffle,   // the inverse
    upsample_nearest,  // each pixel `factor` x `factor` times
    scale_shift,       // x * scale[c] + shift[c]
    span_gate,         // inputs (o, x): (o + x) * (1 / (1 + exp(-o)) - 0.5)
};

std::string_view op_name(Op op);

using Values = std::shared_ptr<const std::vector<float>>;
inline Values make_values(std::vector<float> values) {
    return std::make_shared<const std::vector<float>>(std::move(values));
}

struct Node {
    Op op = Op::input;
    std::vector<int> inputs;  // indices of earlier nodes
    int channels = 0;         // of the output; filled by Graph::add
    int num = 1, den = 1;     // resolution relative to the input: num/den; filled by Graph::add

    int kernel = 0;           // conv2d: 1 or 3
    int factor = 0;           // pixel_shuffle, pixel_unshuffle, upsample_nearest: 2 or more
    float alpha = 0, beta = 0;
    Values weights;           // conv2d weights, prelu slopes, scale_shift scale
    Values bias;              // conv2d bias (never null for conv2d), scale_shift shift
};

class Graph {
public:
    // Appends a node and infers its shape. Fails when inputs, sizes or parameters do not fit together, naming the op.
    Result<int> add(Node node);

    // Conveniences for builders; the same failures.
    Result<int> input(int channels);
    Result<int> conv2d(int from, int out_channels, int kernel, std::vector<float> weights, std::vector<float> bias);

    [[nodiscard]] const std::vector<Node>& nodes() const { return nodes_; }
    [[nodiscard]] const Node& output() const { return nodes_.back(); }
    [[nodiscard]] int input_channels() const { return nodes_.front().channels; }
    // Output pixels per input pixel along one side. Fails in validate() unless a whole number >= 1.
    [[nodiscard]] int scale() const { return output().num / output().den; }
    // Input sides must be a multiple of this (pixel_unshuffle); 1 for most.
    [[nodiscard]] int size_multiple() const;
    // How many input pixels away from a pixel can still change any output pixel of its block. Exact.
    [[nodiscard]] int receptive_radius() const;
    // Multiplications of convolutions per input pixel.
    [[nodiscard]] double macs_per_pixel() const;
    // Trained numbers in weights, biases, slopes.
    [[nodiscard]] std::int64_t parameters() const;

    // Checks the whole: one input, every node used, output channels equal input channels or 3, integral scale.
    [[nodiscard]] Result<void> validate() const;

private:
    std::vector<Node> nodes_;
};

}  // namespace enlarge
