// SPDX-License-Identifier: Apache-2.0
// What there is to know about each operation, as one table: traits.cpp has a row per struct of operations.hpp. Shapes,
// the receptive radius, multiplications, trained numbers, hash and equality of a graph follow from it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "graph/operations.hpp"

namespace enlarge {

// What pixel y of a result reads along one axis of an input: first y is widened to its block of `block` pixels (blocks
// begin at multiples of it, plus `origin`), then from floor((first * mul + low) / div) to floor((last * mul + high) /
// div).
struct ReadWindow {
    int mul = 1, div = 1;
    int low = 0, high = 0;
    int block = 1, origin = 0;
};

// Pixels first ... last along one axis; none where last < first.
struct Interval {
    std::int64_t first = 0, last = -1;
    [[nodiscard]] bool empty() const { return last < first; }
    // Grows to hold the other as well.
    void add(const Interval& other);
};

// What these pixels of a result read, as if the input had no ends.
Interval read(Interval own, const ReadWindow& window);

struct Reads {
    enum class Kind {
        window,  // a few pixels around
        whole,   // everything, at known places
        gather,  // places that depend on the values
    };
    Kind kind = Kind::window;
    ReadWindow rows, columns;
};

struct OpTraits {
    std::string_view name;
    std::string_view onnx;  // an operator that it is in ONNX, of several the telling one; empty: an input
    int least_inputs = 1, most_inputs = 1;
    bool trained = true;       // whether its Values count as parameters
    bool commutative = false;  // whether its two inputs can be exchanged
    // The shape of the result. Fails when shapes and numbers do not fit together, saying what was found and expected.
    Result<Shape> (*shape)(const Operation&, std::span<const Shape* const> inputs);
    Reads (*reads)(const Operation&, std::size_t input);
    // Multiplications of its products of matrices and filters, at concrete sizes.
    double (*macs)(const Operation&, std::span<const std::vector<std::int64_t>> inputs,
                   const std::vector<std::int64_t>& output);
    // What both sides of the picture must be a multiple of, beyond what the result's shape asks for.
    std::int64_t (*multiple)(const Operation&, const Shape& output);
};

const OpTraits& traits(const Operation& op);

// Whether the shape is a picture: some channels, of rows and columns that are the graph's own times a ratio.
bool is_picture(const Shape& shape);

// The numbers that training made; zero where they are not trained.
std::int64_t parameters(const Operation& op);

}  // namespace enlarge
