// SPDX-License-Identifier: Apache-2.0
// One operation of a graph as nodes of ONNX. Graphs have no batch; ONNX counts it, so axis 0 of a tensor is axis 1
// here.
#pragma once

#include <string>
#include <vector>

#include "export/onnx_writer.hpp"
#include "graph/fields.hpp"
#include "graph/traits.hpp"

namespace enlarge::onnx_export {

// Heads of an attention over windows of one picture: what is needed to take it apart into tokens and put it together.
// A window of 0 x 0 is the whole picture.
struct Windows {
    std::string rows, columns;  // of the picture, as whole numbers
    std::string down, across;   // windows
    std::int64_t height = 0, width = 0;
    bool scattered = false;  // their pixels lie `down` rows and `across` columns apart
    [[nodiscard]] bool whole() const { return height == 0; }
};

// "To the end" of a slice.
inline constexpr std::int64_t kAll = std::int64_t{1} << 40;

// One overload per operation that has fields, or is more than one operator: without one it does not compile. Operands
// are in the precision of the result, but places, which are floats.
struct OnnxOperation {
    OnnxWriter& to;
    const Node& n;
    std::vector<std::string> in;
    std::string name, out;
    bool half;
    int steps = 0;

    // A side of a shape: fixed, or a whole number that is computed. 0: as it is there; -1: what is left.
    struct Side {
        std::int64_t fixed = 0;
        std::string computed;
        Side(std::int64_t number) : fixed(number) {}               // NOLINT: numbers are sides
        Side(std::string result) : computed(std::move(result)) {}  // NOLINT
    };

    // ---- what nodes are made of ----

    [[nodiscard]] std::int64_t in_channels() const { return to.node_at(n.inputs[0]).channels; }
    [[nodiscard]] std::int64_t channels() const { return n.channels; }
    [[nodiscard]] std::string onnx() const { return std::string(traits(n.op).onnx); }
    [[nodiscard]] std::int64_t rank() const { return static_cast<std::int64_t>(n.shape.size()) + 1; }  // with the batch
    static std::int64_t axis(int of_graph) { return of_graph < 0 ? of_graph : of_graph + 1; }
    [[nodiscard]] const Shape& shape_of(std::size_t input) const { return to.node_at(n.inputs[input]).shape; }
    [[nodiscard]] std::int64_t channels_of(std::size_t input) const { return shape_of(input)[0].fixed; }

    std::string constant(const std::string& suffix, const Integers& shape, const std::vector<float>& values) {
        return to.constant(name + "." + suffix, shape, values, half);
    }
    // Another node on the way to the result; its name.
    std::string step(const std::string& type, const std::vector<std::string>& inputs,
                     const std::vector<Attribute>& attributes = {}) {
        const std::string result = name + "_" + std::to_string(steps++);
        to.node(type, inputs, result, attributes);
        return result;
    }
    // The last one.
    void result(const std::string& type, const std::vector<std::string>& inputs,
                const std::vector<Attribute>& attributes = {}) {
        to.node(type, inputs, out, attributes);
    }
    void same(const std::vector<Attribute>& attributes = {}) { result(onnx(), in, attributes); }
    std::string number_of(const std::string& suffix, double value) {
        return constant(suffix, {}, {static_cast<float>(value)});
    }
    std::string whole(const std::string& suffix, const Integers& numbers) {
        return to.whole_numbers(name + "." + suffix, numbers);
    }
    // The same, without a name of its own: written once for all operations.
    std::string number_everywhere(std::int64_t number) {
        const std::string key = "number." + std::to_string(number);
        return to.once(key, [&] { return to.whole_numbers(key, {number}); });
    }
    // 1 x ... x count x ... x 1, for arithmetic along an axis.
    std::string along(const std::string& suffix, const Values& values, int of_graph);
    std::string slice(const std::string& from, std::int64_t axis, const Side& begin, const Side& end,
                      std::int64_t by = 1);
    std::string turned(const std::string& from, Integers order) {
        return step("Transpose", {from}, {integers("perm", std::move(order))});
    }
    std::string side_of(const std::string& from, std::int64_t axis) {
        return step("Shape", {from}, {integer("start", axis), integer("end", axis + 1)});
    }
    std::string counted(const Side& side);  // as the name of a whole number
    std::string shaped(const std::string& from, const std::vector<Side>& sides);
    std::string sizes(const std::vector<Side>& sides);
    // A side as a number that is computed from the picture's.
    std::string size_of(const Extent& side);
    std::string rolled(const std::string& from, std::int64_t rows, std::int64_t columns);
    // Places in ascending order, equals as they are, as 64-bit whole numbers.
    std::string sorted_places(const std::string& from, std::int64_t axis, bool descending);
    // from's slices along `axis` (B, n, ...) at the places (B, n), from as wide as it is.
    std::string taken(const std::string& from, const std::string& places, std::int64_t channels);
    std::string places_of_offsets(std::int64_t groups);
    // Operands of the same rank: missing outer sides would be taken for the batch.
    void level();

    // ---- attention (onnx_attention.cpp) ----

    Windows windows_of(const std::string& picture, std::int64_t height, std::int64_t width);
    // heads * size channels of a picture as (B, windows, heads, tokens, size), or with `across` (B, windows, heads,
    // size, tokens); without windows where there is one.
    std::string tokens(const std::string& picture, const Windows& windows, std::int64_t heads, std::int64_t size,
                       bool across);
    std::string picture_of(const std::string& tokens, const Windows& windows, std::int64_t heads, std::int64_t size,
                           bool across);
    // softmax(scale * q k + bias + mask) v; empty names: none.
    std::string attended(const std::string& q, const std::string& k, const std::string& v, float scale,
                         const std::string& bias, const std::string& mask);
    // Biases of all pairs, or a table by offset; without any, an empty name. What fits a table is written as one.
    std::string bias(const Values& values, std::int64_t heads, Size window, Size keys);
    std::string bias_by_offset(const std::vector<float>& table, std::int64_t heads, Size window, Size keys);
    std::string labels(const std::string& picture, std::int64_t rows, std::int64_t columns);
    std::string mask(const std::string& labels, const Windows& own, const std::string& of_keys, const Windows& keys);
    std::string unit_vectors(const std::string& from, double epsilon);
    std::string overlapping(const std::string& picture, const Windows& windows, const op::OverlapAttention& op);

    // ---- the operations ----

    // Nothing to say but the name.
    template <class T>
    requires(field_count<T>() == 0) void operator()(const T&) { same(); }

    void operator()(const op::Input&) {}
    void operator()(const op::Conv2d& op);
    void operator()(const op::Prelu& op);
    void operator()(const op::LeakyRelu& op);
    void operator()(const op::Silu& op);
    void operator()(const op::Add& op);
    void operator()(const op::Concat& op);
    void operator()(const op::PixelShuffle& op);
    void operator()(const op::PixelUnshuffle& op);
    void operator()(const op::UpsampleNearest& op);
    void operator()(const op::ScaleShift& op);
    void operator()(const op::SpanGate& op);
    void operator()(const op::Constant& op);
    void operator()(const op::ConvTranspose2d& op);
    void operator()(const op::DynamicConv2d& op);
    void operator()(const op::Linear& op);
    void operator()(const op::MatMul& op);
    void operator()(const op::Gelu& op);
    void operator()(const op::Mish& op);
    void operator()(const op::Clamp& op);
    void operator()(const op::Multiply& op);
    void operator()(const op::Maximum& op);
    void operator()(const op::LayerNorm& op);
    void operator()(const op::GroupNorm& op);
    void operator()(const op::InstanceNorm& op);
    void operator()(const op::RmsNorm& op);
    void operator()(const op::L2Norm& op);
    void operator()(const op::Softmax& op);
    void operator()(const op::AveragePool& op);
    void operator()(const op::MaxPool& op);
    void operator()(const op::WindowAttention& op);
    void operator()(const op::OverlapAttention& op);
    void operator()(const op::GridAttention& op);
    void operator()(const op::ChannelAttention& op);
    void operator()(const op::CrossAttention& op);
    void operator()(const op::CategoryAttention& op);
    void operator()(const op::Resize& op);
    void operator()(const op::GridSample& op);
    void operator()(const op::Pad& op);
    void operator()(const op::Crop& op);
    void operator()(const op::Roll& op);
    void operator()(const op::Argmax& op);
    void operator()(const op::Argsort& op);
    void operator()(const op::Gather& op);
    void operator()(const op::Reshape& op);
    void operator()(const op::Transpose& op);
    void operator()(const op::Slice& op);
};

}  // namespace enlarge::onnx_export
