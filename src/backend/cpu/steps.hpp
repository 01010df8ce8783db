// SPDX-License-Identifier: Apache-2.0
// A graph as the CPU runs it: steps that each produce rows of one tensor. Activations, residuals and gates are part of
// the convolution before them; concatenations are buffers that several steps fill side by side; nearest upsampling
// before a convolution is a way of reading; the end of the picture (depth to space, the input added, rounding) is part
// of the last step.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.hpp"
#include "backend/cpu/memory.hpp"
#include "base/thread_pool.hpp"
#include "graph/graph.hpp"
#include "kernels/table.hpp"

namespace enlarge::cpu {

enum class Element : std::uint8_t { f32, f16 };
inline int element_bytes(Element e) { return e == Element::f32 ? 4 : 2; }

// Rows of channel-last pixels: `stride` elements each.
struct Buffer {
    int stride = 0;
    int num = 1, den = 1;  // resolution relative to the input
    Element element = Element::f32;
};

// Some channels of a buffer. map[c] says which of the node's channels sits at offset + c; -1 is padding, always zero.
struct Tensor {
    int buffer = 0;
    int offset = 0;
    std::vector<int> map;
    std::vector<int> where;  // the inverse: where[c] is the physical channel of the node's channel c
    [[nodiscard]] int channels() const { return static_cast<int>(map.size()); }
};

// Which rows (and columns) of an input a step needs for its own rows y0 <= y < y1:
// from floor((y0 * mul - reach) / div) to floor((y1 * mul - 1 + reach) / div).
struct Input {
    int tensor = 0;
    int mul = 1, div = 1, reach = 0;
};

// Output channels computed together: 1 to 3 blocks.
struct Group {
    int channel = 0;           // first
    int blocks = 1;
    std::size_t weights = 0;   // elements into the packed weights
};

enum class Kind : std::uint8_t {
    load,      // the picture to floats
    direct,    // convolution, output by output
    winograd,  // convolution F(4x4,3x3) or F(6x6,3x3)
    map,       // any other operation, plain loops
    store,     // rows to the picture
};

// Calls body(first channel, blocks) for the groups of so many channels: of two blocks, with one of three or one where
// the number is odd, which runs best in 16 registers.
template <class Body>
void for_groups(int channels, int lanes, const Body& body) {
    for (int at = 0; at < channels;) {
        const int left = (channels - at) / lanes, take = left == 1 || left == 3 ? left : 2;
        body(at, take);
        at += take * lanes;
    }
}

// The same as a list. A channel has so many weights, those of a group lie together.
inline std::vector<Group> make_groups(int channels, int lanes, std::size_t weights_per_channel) {
    std::vector<Group> groups;
    for_groups(channels, lanes, [&](int first, int blocks) {
        groups.push_back({first, blocks, static_cast<std::size_t>(first) * weights_per_channel});
    });
    return groups;
}

// Positions of Winograd blocks of so many pixels down and across.
inline constexpr int positions_of(int block) { return (block + 2) * (block + 2); }

// Whether a Winograd convolution multiplies position by position for all groups of outputs, not group by group: of
// terms, where groups are alike. Weights are packed in that order.
inline bool are_together(const std::vector<Group>& groups, int terms) {
    return terms > 0 && groups.front().blocks == groups.back().blocks;
}

// Of a Winograd convolution, with so many inputs and terms of its weights; 0: floats.
inline std::vector<Group> winograd_groups(int channels, int lanes, std::size_t in, int terms, int block) {
    const std::size_t row = terms > 0 ? static_cast<std::size_t>(term_row(static_cast<int>(in), terms)) : in;
    std::vector<Group> groups = make_groups(channels, lanes, row);
    if (!are_together(groups, terms))
        for (Group& group : groups) group.weights *= static_cast<std::size_t>(positions_of(block));
    return groups;
}

// Packed weights of a step: a part of one block of all steps.
struct Packed {
    std::shared_ptr<const Block> all;
    std::size_t offset = 0, bytes = 0;
    template <class T>
    [[nodiscard]] T* as() const {
        return reinterpret_cast<T*>(all->as<std::byte>() + offset);
    }
};

struct Step {
    Kind kind = Kind::map;
    std::vector<Input> inputs;  // a convolution's own input first, then its residuals (or the gate's)
    int output = -1;            // tensor; -1 when the picture is written
    int num = 1, den = 1;       // resolution of what it makes, before depth to space
    int align = 1;              // rows and columns come in multiples of this

    // Convolutions.
    int kernel = 0;
    int out_channels = 0;       // padded
    bool integer = false;       // int16 products: V times v_scale[p * in channels + c], sums times scale
    int terms = 0;              // Winograd products of so many bfloat16 terms, or 0: of floats
    int block = 4;              // pixels of a Winograd block, down and across: 4 or 6
    std::vector<Group> groups;
    Packed weights;             // fp16 programs share those of fp32
    // Winograd weights that are packed each time the step runs, where `weights` is empty: as they are in the graph, and
    // which of its channels each packed one is.
    Values unpacked;
    int unpacked_channels = 0;  // of the graph's input
    std::vector<int> unpacked_in, unpacked_out;
    std::vector<float> bias, slope;
    std::vector<float> v_scale;  // integer: per position and input channel
    std::vector<float> scale;    // integer: group by group, per position and channel of the group
    Epilogue epilogue;          // without pointers
    double macs_per_pixel = 0;  // of a plain convolution, per pixel of this step

    Operation op;  // maps: what is computed

    // The end of the picture: only where output is -1.
    int shuffle = 1;
    bool add_input = false;
    int image_channels = 0;

    std::vector<int> nodes;     // the graph's nodes computed here, for people and for calibration
};

struct LoweredNetwork {
    std::vector<Buffer> buffers;
    std::vector<Tensor> tensors;
    std::vector<Step> steps;  // in an order that can be run
    int scale = 1;
    int in_channels = 3, out_channels = 3;
    int size_multiple = 1;
    int halo = 0, alignment = 1;
    Element element = Element::f32;
    bool integer = false;
    int terms = 0;                 // of Winograd's products in floats; 0: floats as they are
    int block = 4;                 // of Winograd's steps
    std::size_t weight_bytes = 0;  // packed, and held
    // Of the largest step whose weights are packed when it runs; 0: there is none.
    std::size_t unpacked_bytes = 0;
    // Rows of a task. Weights that no cache holds are read once a task, so large networks take more rows at once.
    int rows_per_task = 16;
};

// Per step, the largest magnitude of each position and channel of V that int16 shall hold (36 * input channels); empty
// for steps that are no Winograd convolutions.
using TransformAbsMax = std::vector<std::vector<float>>;

// Whether a network's numbers may be sums of bfloat16 terms: what is less than 2^-126 counts as nothing there, so each
// convolution that has weights must have one of at least 2^-64.
bool fits_terms(const Graph& graph);

// How features are stored and multiplied.
struct LowerOptions {
    Element element = Element::f32;
    const TransformAbsMax* transform_abs_max = nullptr;  // with f16: multiply in int16 where the input is f16
    const LoweredNetwork* packed = nullptr;      // with f16 and float products: the same graph in f32, whose weights are taken
    ThreadPool* pool = nullptr;
    // Winograd products in floats as those of so many bfloat16 terms (KernelTable::fast_terms), where fits_terms.
    int terms = 0;
    // Blocks of F(6x6,3x3), in floats on rows of floats and in terms, where KernelTable::fast_blocks6 and weights that
    // stay packed and near make them faster. Calibration of int16 needs those of F(4x4,3x3).
    bool large_blocks = false;
};

// Whether there is a plain loop for an operation on pictures (map.cpp).
bool is_map(const Operation& op);

// The first node that no step can compute, or -1.
int first_without_kernel(const Graph& graph);

// Fails with Errc::unsupported where the element type cannot carry the network, or an operation has no kernel: it is
// named.
Result<LoweredNetwork> lower(const Graph& graph, const KernelTable& kernels, const LowerOptions& options);

// Bytes of a step's packed weights, in whole cache lines.
std::size_t packed_bytes(const Step& step, std::size_t in, std::size_t out, const KernelTable& kernels);

// Calls body(0) ... body(n - 1), on all threads where there is a pool.
template <class Body>
void for_all(ThreadPool* pool, std::size_t n, const Body& body) {
    if (pool)
        pool->for_each(static_cast<std::int64_t>(n), 1, [&](std::int64_t i) { body(static_cast<std::size_t>(i)); });
    else
        for (std::size_t i = 0; i < n; ++i) body(i);
}

// Winograd products in floats are packed in pieces of work that depend on nothing but the weights.
struct WinogradWeights {
    const std::vector<Group>& groups;
    const float* weights = nullptr;  // (out, in, 3, 3)
    int logical_in = 0;
    const std::vector<int>& in_map;  // of terms: in_places()
    const std::vector<int>& out_map;
    int terms = 0;  // or 0: floats
    int block = 4;
};
std::size_t pieces_to_pack(const WinogradWeights& from);
void pack_piece(const WinogradWeights& from, const KernelTable& kernels, std::size_t piece, std::byte* packed);
// Channels as they come in rows of terms, with padding up to whole blocks.
std::vector<int> in_places(const std::vector<int>& in_map, int terms);

// Fills step.groups and the memory of step.weights; with step.integer also its scales, from the largest V. weights: (out, in, k, k);
// `in_map` and `out_map` say which logical channel each physical one is.
void pack_convolution(Step& step, const float* weights, int logical_in, const std::vector<int>& in_map,
                      const std::vector<int>& out_map, const KernelTable& kernels, ThreadPool* pool,
                      const std::vector<float>* transform_abs_max);

}  // namespace enlarge::cpu
