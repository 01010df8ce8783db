// SPDX-License-Identifier: Apache-2.0
// From a graph to a list of kernel launches: what is fused with what, which kernel computes it, where tensors live.
//
// Fused: activations, scaled residual sums and SPAN's gate into the convolution before them; nearest upsampling into the
// one after; the picture's conversion into the first layer; pixel shuffle, residual and conversion into the last.
// Concatenations of whole slices are no operations at all: their parts are written next to each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backend/cuda/params.hpp"
#include "base/result.hpp"
#include "graph/graph.hpp"

namespace enlarge::cuda {

// A tensor: a run of slices of a buffer. Sides are num / den of the input's.
struct View {
    int buffer = -1;
    int first_slice = 0;
    int channels = 0;
    int num = 1, den = 1;
    [[nodiscard]] int slices() const { return (channels + kSlice - 1) / kSlice; }
};

struct BufferInfo {
    int slices = 0;
    int num = 1, den = 1;
    int first_step = -1, last_step = -1;  // where it is live
    int slice_bytes_per_pixel = 16;       // 16 for half and 8-bit, 32 for float
};

// One launch, before sizes are known. Offsets are into Lowered::constants.
struct Step {
    enum class Kind { first, rows, hopper, rows_s8, hopper_s8, last, stream, conv_plain, pointwise, move, load, store };
    Kind kind = Kind::pointwise;
    std::string kernel;
    int node = 0;                // the graph's node whose value this computes
    int conv = -1;               // the convolution in it
    View in, in2, out;           // in2: second operand of pointwise
    View residual[2];
    float alpha = 1, beta[2] = {0, 0};
    int activation = kPrelu;
    int up = 0;                  // log2 of the upsampling before a convolution
    int chunks = 0, warps = 0, tiles = 0, taps = 9;
    int op = 0;                  // PointOp, MoveOp
    int factor = 1;
    int out_first = 0;           // move: first channel written
    bool with_residual = false;  // last: the picture is added
    bool s8_out = false;         // 8-bit activations come out
    bool upwards = false;        // Hopper: the lowest row first
    float scale[3] = {1, 1, 1}, shift[3] = {0, 0, 0};  // first
    std::size_t weights = 0, bias = 0;                 // also scale and shift of pointwise
    std::size_t factors = 0;                           // 8 bits
    int in_channels = 0, out_channels = 0, kernel_size = 3;
};

struct Lowered {
    std::vector<Step> steps;
    std::vector<BufferInfo> buffers;
    std::vector<std::byte> constants;  // weights of all steps
    int channels = 3;                  // of the picture, in and out
};

// Steps of 8-bit activations: q * step[c] stands for the value of channel c.
struct Quantisation {
    std::vector<int> nodes;                 // quantisable()
    std::vector<std::vector<float>> steps;  // of the input of each of these convolutions, 64 each
};

struct LowerOptions {
    bool half = true;                 // false: plain kernels in float
    bool half_accumulation = false;   // 64 -> 64: sum each row in half precision
    bool hopper = false;              // wgmma kernels for 64 -> 64
    bool plain = false;               // plain kernels only, in half precision (tests)
    const Quantisation* quantisation = nullptr;  // 8-bit body
};

// Fails with Errc::unsupported naming the op when something cannot be run at all (more than 4 channels of picture).
Result<Lowered> lower(const Graph& graph, const LowerOptions& options);

// The convolutions that 8-bit kernels can compute: the body of a Compact network of 64 features, each fed by the one
// before and the first of them by the first layer. Node indices; empty for other networks.
std::vector<int> quantisable(const Graph& graph);

}  // namespace enlarge::cuda
