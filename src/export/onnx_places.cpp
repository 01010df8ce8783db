// SPDX-License-Identifier: Apache-2.0
// What samples, moves or orders, and the shapes that are computed from the picture's.
#include <algorithm>
#include <utility>

#include "export/onnx_operation.hpp"

namespace enlarge::onnx_export {

// ---- what nodes are made of ----

std::string OnnxOperation::along(const std::string& suffix, const Values& values, int of_graph) {
    Integers shape(static_cast<std::size_t>(rank()), 1);
    shape[static_cast<std::size_t>(of_graph < 0 ? of_graph + rank() : of_graph + 1)] = values.count();
    return constant(suffix, shape, *values);
}

std::string OnnxOperation::counted(const Side& side) {
    return side.computed.empty() ? number_everywhere(side.fixed) : side.computed;
}

std::string OnnxOperation::slice(const std::string& from, std::int64_t axis, const Side& begin, const Side& end,
                                 std::int64_t by) {
    return step("Slice", {from, counted(begin), counted(end), number_everywhere(axis), number_everywhere(by)});
}

std::string OnnxOperation::sizes(const std::vector<Side>& sides) {
    Integers fixed;
    std::vector<std::string> parts;
    const auto close = [&] {
        if (fixed.empty()) return;
        parts.push_back(whole("sides" + std::to_string(steps++), fixed));
        fixed.clear();
    };
    for (const Side& side : sides) {
        if (side.computed.empty()) {
            fixed.push_back(side.fixed);
            continue;
        }
        close();
        parts.push_back(side.computed);
    }
    close();
    return parts.size() == 1 ? parts[0] : step("Concat", parts, {integer("axis", 0)});
}

std::string OnnxOperation::shaped(const std::string& from, const std::vector<Side>& sides) {
    return step("Reshape", {from, sizes(sides)});
}

std::string OnnxOperation::size_of(const Extent& side) {
    if (side.constant()) return number_everywhere(side.fixed);
    const std::string rows = to.picture_side(2), columns = to.picture_side(3);
    std::string total = number_everywhere(side.rest + (side.floor ? 0 : side.fixed * side.den));
    const std::pair<std::int64_t, std::string> terms[] = {
        {side.h, rows}, {side.w, columns}, {side.area, side.area ? step("Mul", {rows, columns}) : ""}};
    for (const auto& [factor, term] : terms)
        if (factor != 0) total = step("Add", {total, step("Mul", {term, number_everywhere(factor)})});
    total = step("Div", {total, number_everywhere(side.den)});
    if (side.times != 1) total = step("Mul", {total, number_everywhere(side.times)});
    return side.floor ? step("Add", {total, number_everywhere(side.fixed)}) : total;
}

// The end comes before the beginning.
std::string OnnxOperation::rolled(const std::string& picture, std::int64_t rows, std::int64_t columns) {
    std::string from = picture;
    for (const auto& [side, by] : {std::pair{std::int64_t{2}, rows}, {std::int64_t{3}, columns}}) {
        if (by == 0) continue;
        const std::string tail = slice(from, side, -by, kAll), head = slice(from, side, 0, -by);
        from = step("Concat", {tail, head}, {integer("axis", side)});
    }
    return from;
}

// Of equal numbers TopK gives the first one first.
std::string OnnxOperation::sorted_places(const std::string& from, std::int64_t axis, bool descending) {
    const std::string places = name + "_places" + std::to_string(steps++);
    to.node("TopK", {from, side_of(from, axis)}, {places + "_values", places},
            {integer("axis", axis), integer("largest", descending ? 1 : 0), integer("sorted", 1)});
    return places;
}

std::string OnnxOperation::taken(const std::string& from, const std::string& places, std::int64_t wide) {
    const std::string each = step("Unsqueeze", {places, number_everywhere(2)});
    return step("GatherElements", {from, step("Expand", {each, whole("wide" + std::to_string(steps++), {1, 1, wide})})},
                {integer("axis", 1)});
}

void OnnxOperation::level() {
    const std::size_t most = std::max(shape_of(0).size(), shape_of(1).size());
    for (std::size_t k = 0; k < 2; ++k) {
        Integers missing;
        for (std::size_t i = shape_of(k).size(); i < most; ++i)
            missing.push_back(static_cast<std::int64_t>(missing.size()) + 1);
        if (!missing.empty()) in[k] = step("Unsqueeze", {in[k], whole("missing" + std::to_string(k), missing)});
    }
}

// ---- places ----

void OnnxOperation::operator()(const op::Resize& op) {
    using Mode = op::Resize::Mode;
    const bool nearest = op.mode == Mode::nearest;
    std::vector<Attribute> how{text("mode", nearest                     ? "nearest"
                                            : op.mode == Mode::bilinear ? "linear"
                                                                        : "cubic"),
                               text("coordinate_transformation_mode", nearest            ? "asymmetric"
                                                                      : op.align_corners ? "align_corners"
                                                                                         : "half_pixel")};
    if (nearest) how.push_back(text("nearest_mode", "floor"));
    if (op.mode == Mode::bicubic) how.push_back(number("cubic_coeff_a", op.cubic));
    if (n.inputs.size() > 1) {  // to the rows and columns of another tensor
        const std::string own = step("Shape", {in[0]}, {integer("start", 0), integer("end", 2)});
        const std::string other = step("Shape", {in[1]}, {integer("start", 2), integer("end", 4)});
        return result("Resize", {in[0], "", "", step("Concat", {own, other}, {integer("axis", 0)})}, how);
    }
    const float factor = static_cast<float>(op.num) / static_cast<float>(op.den);
    result("Resize", {in[0], "", to.constant(name + ".scales", {4}, {1, 1, factor, factor}, false)}, how);
}

// Group by group, as ONNX samples all channels at the same places.
void OnnxOperation::operator()(const op::GridSample& op) {
    const std::int64_t wide = channels_of(0) / op.groups;
    const bool border = op.beyond == op::GridSample::Beyond::border;
    const std::vector<Attribute> how{text("mode", "bilinear"), text("padding_mode", border ? "border" : "zeros"),
                                     integer("align_corners", op.align_corners && !op.offsets ? 1 : 0)};
    std::vector<std::string> parts;
    std::string places = op.offsets ? places_of_offsets(op.groups) : in[1];
    places = turned(places, {0, 2, 3, 1});
    for (std::int64_t g = 0; g < op.groups; ++g) {
        const bool all = op.groups == 1;
        const std::string from = all ? in[0] : slice(in[0], 1, g * wide, (g + 1) * wide);
        const std::string at = all ? places : slice(places, 3, 2 * g, 2 * g + 2);
        parts.push_back(step("GridSample", {from, at}, how));
    }
    if (parts.size() == 1) return result("Identity", parts);
    result("Concat", parts, {integer("axis", 1)});
}

// Offsets in pixels as -1 ... 1 between the picture's edges: (2 * (own place + offset) + 1) / side - 1, where a pixel's
// own place is floor(place in the result * side / result's side).
std::string OnnxOperation::places_of_offsets(std::int64_t groups) {
    std::vector<std::string> halves;
    for (const std::int64_t side : {3, 2}) {
        const std::string from = side_of(in[0], side), size = side_of(in[1], side);
        const std::string scalar = step("Squeeze", {size});
        const std::string count =
            step("Range", {to.once("number.zero", [&] { return to.whole_number("number.zero", 0); }), scalar,
                           to.once("number.one", [&] { return to.whole_number("number.one", 1); })});
        const std::string own =
            step("Cast", {step("Div", {step("Mul", {count, from}), size})}, {integer("to", kTypeFloat)});
        const std::string line = step(
            "Reshape",
            {own, whole("line" + std::to_string(side), side == 3 ? Integers{1, 1, 1, -1} : Integers{1, 1, -1, 1})});
        const std::string offset = slice(in[1], 1, side == 3 ? 0 : 1, kAll, 2);
        const std::string twice =
            step("Mul", {step("Add", {line, offset}), number_of("two" + std::to_string(side), 2)});
        const std::string middle = step("Add", {twice, number_of("one" + std::to_string(side), 1)});
        const std::string share = step("Div", {middle, step("Cast", {from}, {integer("to", kTypeFloat)})});
        halves.push_back(step("Sub", {share, number_of("edge" + std::to_string(side), 1)}));
    }
    if (groups == 1) return step("Concat", halves, {integer("axis", 1)});
    // Column and row of each group side by side.
    for (std::string& half_of : halves) half_of = step("Unsqueeze", {half_of, number_everywhere(2)});
    const std::string pairs = step("Concat", halves, {integer("axis", 2)});
    return shaped(pairs, {0, 2 * groups, side_of(in[1], 2), side_of(in[1], 3)});
}

void OnnxOperation::operator()(const op::Pad& op) {
    result("Pad", {in[0], whole("pads", {0, 0, op.top, op.left, 0, 0, op.bottom, op.right})},
           {text("mode", op.mode == op::Pad::Mode::reflect  ? "reflect"
                         : op.mode == op::Pad::Mode::repeat ? "edge"
                                                            : "constant")});
}

void OnnxOperation::operator()(const op::Crop& op) {
    result("Slice", {in[0], whole("begin", {op.top, op.left}),
                     whole("end", {op.bottom ? -op.bottom : kAll, op.right ? -op.right : kAll}), whole("axes", {2, 3}),
                     whole("step", {1, 1})});
}

void OnnxOperation::operator()(const op::Roll& op) { result("Identity", {rolled(in[0], op.rows, op.columns)}); }

void OnnxOperation::operator()(const op::Slice& op) {
    result("Slice", {in[0], number_everywhere(op.begin), number_everywhere(op.end == op::Slice::kEnd ? kAll : op.end),
                     number_everywhere(axis(op.axis)), number_everywhere(op.step)});
}

// ---- order ----

void OnnxOperation::operator()(const op::Argmax& op) {
    result("Cast", {step("ArgMax", {in[0]}, {integer("axis", axis(op.axis)), integer("keepdims", 1)})},
           {integer("to", kTypeFloat)});
}

void OnnxOperation::operator()(const op::Argsort& op) {
    const std::int64_t along = op.axis < 0 ? op.axis + rank() : op.axis + 1;
    result("Cast", {sorted_places(in[0], along, op.descending)}, {integer("to", kTypeFloat)});
}

void OnnxOperation::operator()(const op::Gather& op) {
    const std::int64_t along = op.axis < 0 ? op.axis + rank() : op.axis + 1;
    std::string places = step("Cast", {in[1]}, {integer("to", kTypeInt64)});
    if (shape_of(1).size() == 1 && shape_of(0).size() > 1) {  // whole slices: each place again and again
        std::vector<Side> narrow{0}, wide{side_of(in[0], 0)};
        for (std::int64_t i = 1; i < rank(); ++i) {
            narrow.emplace_back(i == along ? -1 : 1);
            wide.push_back(i == along ? Side(1) : Side(side_of(in[0], i)));
        }
        places = step("Expand", {shaped(places, narrow), sizes(wide)});
    }
    result("GatherElements", {in[0], places}, {integer("axis", along)});
}

// ---- tensors as other tensors ----

void OnnxOperation::operator()(const op::Reshape& op) {
    std::vector<Side> sides{0};  // the batch as it is
    const auto open =
        std::count_if(op.sides.begin(), op.sides.end(), [](const Extent& side) { return !side.constant(); });
    for (const Extent& side : op.sides)
        sides.push_back(side.constant() ? Side(side.fixed) : open == 1 ? Side(-1) : Side(size_of(side)));
    result("Reshape", {in[0], sizes(sides)});
}

void OnnxOperation::operator()(const op::Transpose& op) {
    Integers order{0};
    for (const int from : op.order) order.push_back(from + 1);
    same({integers("perm", order)});
}

}  // namespace enlarge::onnx_export
