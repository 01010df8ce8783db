// SPDX-License-Identifier: Apache-2.0
// A network as a list of operations: what `arch` makes from weights and every backend runs.
//
// Nodes are in topological order: inputs of node i come before i. The graph's inputs come first, the last node is the
// output. Shapes are functions of the picture's size (graph/shape.hpp), so a graph runs at any size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "graph/operations.hpp"

namespace enlarge {

struct Node {
    Operation op;
    std::vector<int> inputs;  // indices of earlier nodes
    Shape shape;              // of the result; filled by Graph::add, as is what follows

    // Of results that are pictures (picture() holds): channels, and the size relative to the graph's own, num / den for
    // rows and columns alike. Of others channels is the outermost side where that is constant, else 0; num is 0.
    int channels = 0;
    int num = 1, den = 1;

    Node() = default;
    Node(Operation what, std::vector<int> from) : op(std::move(what)), inputs(std::move(from)) {}

    // A side of its input that must be so long: slices at places of their own.
    Extent read_side;
    std::int64_t read_least = 0;

    [[nodiscard]] bool picture() const { return num != 0; }
    template <class T>
    [[nodiscard]] bool is() const {
        return std::holds_alternative<T>(op);
    }
    // The operation, or null when it is another.
    template <class T>
    [[nodiscard]] const T* as() const {
        return std::get_if<T>(&op);
    }
    template <class T>
    [[nodiscard]] T* as() {
        return std::get_if<T>(&op);
    }
    [[nodiscard]] std::string_view name() const;  // "conv2d"
};

// How a picture goes on to the right and at the bottom until its sides are multiples of what a network needs: mirrored
// without its edge, by the edge's pixels again and again, by zeros, mirrored with its edge, or by zeros where one mirror
// without the edge would not reach far enough.
enum class Continuation { reflect, repeat, zeros, mirror, reflect_or_zeros };

class Graph {
public:
    // Appends a node and infers its shape. Fails when inputs, sizes or parameters do not fit together, naming the op.
    Result<int> add(Node node);

    // Conveniences for builders; the same failures.
    Result<int> input(int channels);
    // A square kernel of odd side at every pixel, padded with zeros so that the size stays.
    Result<int> conv2d(int from, int out_channels, int kernel, std::vector<float> weights, std::vector<float> bias);

    [[nodiscard]] const std::vector<Node>& nodes() const { return nodes_; }
    [[nodiscard]] const Node& output() const { return nodes_.back(); }
    // How many pictures and numbers it takes: nodes 0 ... inputs() - 1.
    [[nodiscard]] int inputs() const;
    // Of the first input.
    [[nodiscard]] int input_channels() const { return nodes_.front().channels; }
    // Output pixels per input pixel along one side. Fails in validate() unless a whole number >= 1.
    [[nodiscard]] int scale() const { return output().num / output().den; }
    // Input sides must be a multiple of this (pixel_unshuffle, windows); 1 for most.
    [[nodiscard]] int size_multiple() const { return static_cast<int>(multiple_); }
    // For families whose sides are multiples of more than their operations ask for: 2 to 1024.
    Result<void> need_multiple(int multiple);
    // How whoever runs the graph makes other pictures fit; what is computed there is cut off.
    [[nodiscard]] Continuation continuation() const { return continuation_; }
    void continue_by(Continuation how) { continuation_ = how; }
    // Pixels that it always goes on by at least, to the right and at the bottom: 0 for most.
    [[nodiscard]] int spare() const { return spare_; }
    void need_spare(int pixels) { spare_ = pixels; }
    // Of a file whose own program computes something else, or nothing, where sides are no such multiples.
    [[nodiscard]] bool expects_multiples() const { return expects_multiples_; }
    void expect_multiples() { expects_multiples_ = multiple_ > 1; }
    // The longest side of a picture, beyond which the family's network is another one; 0: none.
    [[nodiscard]] int longest_side() const { return longest_side_; }
    void allow_sides_up_to(int pixels) { longest_side_ = pixels; }
    // The only size of picture that it is for, as files for one size are; nothing for most. Whoever runs the graph cuts
    // larger pictures into tiles of it (backend/own_size.hpp).
    [[nodiscard]] std::optional<Size> own_size() const { return own_; }
    // How many input pixels away from a pixel can still change any output pixel of its block. Exact. Nothing when some
    // operation reads the whole picture, or places that depend on it.
    [[nodiscard]] std::optional<int> receptive_radius() const;
    // Multiplications per input pixel; of networks with operations that read whole pictures, at 256 x 256 or about
    // that.
    [[nodiscard]] double macs_per_pixel() const;
    // Trained numbers in weights, biases, slopes.
    [[nodiscard]] std::int64_t parameters() const;

    // Checks the whole: every node used, the output a picture of 1 to 4 channels and of a whole multiple of the size.
    [[nodiscard]] Result<void> validate() const;

private:
    std::vector<Node> nodes_;
    std::int64_t multiple_ = 1;
    Continuation continuation_ = Continuation::reflect;
    int spare_ = 0, longest_side_ = 0;
    std::optional<Size> own_;
    bool expects_multiples_ = false;
};

// The sides of a node's result for a picture of this size; nothing where that is too small.
std::optional<std::vector<std::int64_t>> at(const Node& node, Size picture);

// Whether each node's result depends on the picture's pixels.
std::vector<bool> depends_on_pixels(const std::vector<Node>& nodes);

// Whether two nodes compute the same from the same inputs.
inline bool same_operation(const Node& a, const Node& b) { return a.op == b.op && a.inputs == b.inputs; }

}  // namespace enlarge
