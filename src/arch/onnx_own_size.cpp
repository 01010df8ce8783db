// SPDX-License-Identifier: Apache-2.0
// Files for one size of picture. Pictures stay functions of rows and columns, so that they are computed as such; all
// other tensors have plain numbers as sides, those of the file's own size. Where an operator's operands are of both
// kinds, they are made alike before it.
#include <set>
#include <string_view>

#include "arch/onnx_node.hpp"

namespace enlarge::onnx_import {
namespace {

bool constant(const Shape& shape) {
    return std::all_of(shape.begin(), shape.end(), [](const Extent& side) { return side.constant(); });
}

bool on_pictures(std::string_view type) {
    static const std::set<std::string_view> all{
        "Conv",   "ConvTranspose", "AveragePool",  "MaxPool",    "GlobalAveragePool",
        "Resize", "Upsample",      "DepthToSpace", "SpaceToDepth", "GridSample"};
    return all.contains(type);
}

// Computed number by number, from one tensor or several.
bool by_number(std::string_view type) {
    static const std::set<std::string_view> all{
        "Add",     "Sub",         "Mul",       "Div",  "Max",  "Min",  "Pow",  "Relu", "LeakyRelu", "PRelu",
        "Sigmoid", "HardSigmoid", "HardSwish", "Mish", "Gelu", "Swish", "Tanh", "Exp",  "Sqrt",      "Abs",
        "Neg",     "Erf",         "Softplus",  "Clip", "Cast", "Pad",  "Identity", "Dropout", "Reciprocal"};
    return all.contains(type);
}

bool along_channels(const OnnxNode& n) {
    if (n.type == "Concat" || n.type == "Split") return n.whole("axis", n.type == "Split" ? 0 : 1) == 1;
    if (n.type.starts_with("Reduce") || n.type == "BatchNormalization" || n.type == "InstanceNormalization" ||
        n.type == "GroupNormalization")
        return true;
    if (n.type != "Slice") return false;
    const auto axes = n.integers(3, "axes");
    return axes.ok() && *axes && (*axes)->size() == 1 && (**axes)[0] == 1;
}

}  // namespace

std::optional<Shape> as_picture(const Shape& shape, Size own) {
    const std::size_t rank = shape.size();
    if (rank < 3 || !constant(shape) || (rank == 4 && shape[0] != Extent(1)) || rank > 4) return {};
    const std::int64_t rows = shape[rank - 2].fixed, columns = shape[rank - 1].fixed;
    if ((rows == 1 && columns == 1) || rows * own.width != columns * own.height) return {};
    Shape picture = shape;
    const std::int64_t common = std::gcd(rows, std::int64_t{own.height});
    picture[rank - 2] = Extent::rows(rows / common, own.height / common);
    picture[rank - 1] = Extent::columns(rows / common, own.height / common);
    constexpr std::int64_t kMostRatio = 64;
    if (rows / common > kMostRatio || own.height / common > kMostRatio) return {};
    return picture;
}

Shape as_numbers(const Shape& shape, Size own) {
    Shape numbers;
    for (const Extent& side : shape) numbers.emplace_back(side.at(own));
    return numbers;
}

Result<void> fit_own_size(OnnxNode& n) {
    const Size own = *n.make.own;
    const auto is_node = [&](std::size_t i) { return n.has(i) && n.operand(i).form == Form::node; };
    const auto to_numbers = [&](std::size_t i) { return n.reshape_operand(i, as_numbers(n.shape(i), own)); };
    if (on_pictures(n.type)) {
        const auto picture = is_node(0) ? as_picture(n.shape(0), own) : std::nullopt;
        return picture && picture->size() == 4 ? n.reshape_operand(0, *picture) : Result<void>();
    }
    const bool may_stay = by_number(n.type) || along_channels(n);
    // A map of constants fits plain numbers alone.
    bool pictures = false, fits = may_stay;
    for (std::size_t i = 0; i < n.count(); ++i) {
        if (is_node(i)) pictures = pictures || !constant(n.shape(i));
        if (const Known* numbers = n.constant(i); numbers && by_number(n.type) && n.type != "Pad") {
            const std::size_t rank = numbers->sides.size();
            for (std::size_t k = rank < 2 ? 0 : rank - 2; k < rank; ++k) fits = fits && numbers->sides[k] == 1;
        }
    }
    if (!pictures) return {};
    for (std::size_t i = 0; i < n.count() && fits; ++i) {
        if (!is_node(i) || !constant(n.shape(i))) continue;
        const Shape shape = n.shape(i);
        const std::size_t rank = shape.size();
        if (rank < 2 || (shape[rank - 2] == Extent(1) && shape[rank - 1] == Extent(1))) continue;
        const auto picture = as_picture(shape, own);
        fits = picture && picture->size() == 4;
        if (fits) {
            TRY(n.reshape_operand(i, *picture));
        }
    }
    if (fits) return {};
    for (std::size_t i = 0; i < n.count(); ++i)
        if (is_node(i) && !constant(n.shape(i))) TRY(to_numbers(i));
    return {};
}

}  // namespace enlarge::onnx_import
