// SPDX-License-Identifier: Apache-2.0
// Numbers of an imported graph that are known before it runs: weights, and the arithmetic on sizes with which exporters
// surround reshapes. Sizes stay functions of the picture's rows and columns, so that the graph runs at any size.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "graph/shape.hpp"
#include "graph/values.hpp"
#include "weights/state_dict.hpp"

namespace enlarge {

// A tensor of known numbers, row-major. Either `values` or, where some depend on the picture's size, `sizes` holds
// them.
struct Known {
    std::vector<std::int64_t> sides;
    Values values;
    std::vector<Extent> sizes;
    bool whole = false;  // integers: their quotients are cut to whole numbers
    // What they would be where each side of the picture is one more than the multiples that were assumed: null where
    // that changes nothing, without any numbers where it is not known.
    std::shared_ptr<const Known> beyond;

    [[nodiscard]] bool symbolic() const { return !sizes.empty(); }
    [[nodiscard]] bool is_unknown() const { return sizes.empty() && !values; }
    [[nodiscard]] std::int64_t count() const;
    // Number i, where it does not depend on the picture.
    [[nodiscard]] double value(std::size_t i) const { return static_cast<double>((*values)[i]); }
    // Number i as a size. Fails when it is no whole number.
    [[nodiscard]] Result<Extent> size(std::size_t i) const;
};

// What keeps a small file from making us compute much: numbers of one result, and of all together.
inline constexpr std::int64_t kMostKnown = std::int64_t{1} << 22;

Known known(const Tensor& tensor);
Known known(std::vector<std::int64_t> sides, std::vector<float> values, bool whole = false);
// Whole numbers in a row, or (scalar) a single one.
Known known_sizes(const std::vector<Extent>& sizes, bool scalar = false);
// All of them as sizes, as many as there are.
Result<std::vector<Extent>> sizes_of(const Known& numbers);
// The same of plain whole numbers, saturated to what an int64 holds.
Result<std::vector<std::int64_t>> integers_of(const Known& numbers);

// The operators of ONNX on known numbers, by name; `number` gives an attribute. Nothing for an operator that is not
// among them. `multiple` grows to what both sides of the picture must be a multiple of for what was assumed to hold.
struct FoldInput {
    std::string_view type;
    std::vector<const Known*> operands;  // null: left out
    std::function<double(const char* key, double otherwise)> number;
    std::function<std::optional<std::vector<std::int64_t>>(const char* key)> list;
    bool ragged = false;  // quotients of sizes are rounded down, not taken for whole
    bool beyond = false;  // the picture's sides are one more than the multiples that were assumed
};
// Blocks of a tensor at places whose last side is as many numbers as sides of it they choose from; or with those
// replaced. Plain numbers alone.
Result<Known> gather_nd(const Known& data, const Known& places);
Result<Known> scatter_nd(const Known& data, const Known& places, const Known& updates);

// What folding takes beyond its result's numbers: as many more.
std::int64_t fold_work(const FoldInput& input);
std::optional<Result<Known>> fold(const FoldInput& input, std::int64_t& multiple);

}  // namespace enlarge
