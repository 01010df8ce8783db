// SPDX-License-Identifier: Apache-2.0
// Attention as what it is made of: pictures taken apart into windows of tokens, two products of matrices with a softmax
// between them, and put together again. The number of windows is computed from the picture's sides.
#include <bit>
#include <optional>

#include "export/onnx_operation.hpp"

namespace enlarge::onnx_export {

// ---- windows ----

Windows OnnxOperation::windows_of(const std::string& picture, std::int64_t height, std::int64_t width) {
    Windows w;
    w.rows = side_of(picture, 2);
    w.columns = side_of(picture, 3);
    w.height = height;
    w.width = width;
    if (w.whole()) return w;
    w.down = step("Div", {w.rows, number_everywhere(height)});
    w.across = step("Div", {w.columns, number_everywhere(width)});
    return w;
}

std::string OnnxOperation::tokens(const std::string& picture, const Windows& w, std::int64_t heads, std::int64_t size,
                                  bool across) {
    if (w.whole()) {
        const std::string vectors = shaped(picture, {0, heads, size, -1});
        return across ? vectors : turned(vectors, {0, 1, 3, 2});
    }
    const std::string apart = w.scattered ? shaped(picture, {0, heads, size, w.height, w.down, w.width, w.across})
                                          : shaped(picture, {0, heads, size, w.down, w.height, w.across, w.width});
    const std::int64_t down = w.scattered ? 4 : 3, row = 7 - down;
    const std::string groups = across ? turned(apart, {0, down, down + 2, 1, 2, row, row + 2})
                                      : turned(apart, {0, down, down + 2, 1, row, row + 2, 2});
    const Side count = w.height * w.width;
    return across ? shaped(groups, {0, -1, heads, size, count}) : shaped(groups, {0, -1, heads, count, size});
}

std::string OnnxOperation::picture_of(const std::string& tokens, const Windows& w, std::int64_t heads,
                                      std::int64_t size, bool across) {
    const Side all = heads * size;
    if (w.whole()) return shaped(across ? tokens : turned(tokens, {0, 1, 3, 2}), {0, all, w.rows, w.columns});
    const std::string apart = across ? shaped(tokens, {0, w.down, w.across, heads, size, w.height, w.width})
                                     : shaped(tokens, {0, w.down, w.across, heads, w.height, w.width, size});
    const std::int64_t row = across ? 5 : 4, channel = across ? 4 : 6;
    const std::string back = w.scattered ? turned(apart, {0, 3, channel, row, 1, row + 1, 2})
                                         : turned(apart, {0, 3, channel, 1, row, 2, row + 1});
    return shaped(back, {0, all, w.rows, w.columns});
}

// ---- scores ----

std::string OnnxOperation::attended(const std::string& q, const std::string& k, const std::string& v, float scale,
                                    const std::string& bias, const std::string& mask) {
    std::string scores = step("Mul", {step("MatMul", {q, k}), number_of("scale", scale)});
    if (!bias.empty()) scores = step("Add", {scores, bias});
    if (!mask.empty()) scores = step("Add", {scores, mask});
    return step("MatMul", {step("Softmax", {scores}, {integer("axis", -1)}), v});
}

// Biases of all pairs as a table by offset, (heads, rows, columns), where that is what they are: files of HAT and
// OmniSR hold one, and all pairs are up to a thousand times as much.
static std::optional<std::vector<float>> table_of(const std::vector<float>& bias, std::int64_t heads, Size window,
                                                  Size keys) {
    const std::int64_t rows = window.height + keys.height - 1, columns = window.width + keys.width - 1;
    const std::int64_t tokens = window.height * window.width, others = keys.height * keys.width;
    std::vector<float> table(static_cast<std::size_t>(heads * rows * columns));
    std::vector<bool> seen(table.size(), false);
    std::size_t place = 0;
    for (std::int64_t head = 0; head < heads; ++head)
        for (std::int64_t i = 0; i < tokens; ++i)
            for (std::int64_t j = 0; j < others; ++j, ++place) {
                const std::int64_t row = i / window.width - j / keys.width + keys.height - 1,
                                   column = i % window.width - j % keys.width + keys.width - 1;
                const auto at = static_cast<std::size_t>((head * rows + row) * columns + column);
                if (seen[at] && std::bit_cast<std::uint32_t>(table[at]) != std::bit_cast<std::uint32_t>(bias[place]))
                    return {};
                seen[at] = true;
                table[at] = bias[place];
            }
    return table;
}

std::string OnnxOperation::bias(const Values& values, std::int64_t heads, Size window, Size keys) {
    if (!values) return "";
    const std::int64_t tokens = window.height * window.width, others = keys.height * keys.width;
    if (values.count() != heads * tokens * others) return bias_by_offset(*values, heads, window, keys);
    const auto table = table_of(*values, heads, window, keys);
    return table ? bias_by_offset(*table, heads, window, keys) : constant("bias", {heads, tokens, others}, *values);
}

// The table as it is, and for each pair of places the number to be looked up, which windows of one size share: where a
// token is in the table, less where the one is that it is paired with.
std::string OnnxOperation::bias_by_offset(const std::vector<float>& table, std::int64_t heads, Size window, Size keys) {
    const std::int64_t rows = window.height + keys.height - 1, columns = window.width + keys.width - 1;
    const std::string key = "offsets_" + std::to_string(window.height) + "x" + std::to_string(window.width) + "_" +
                            std::to_string(keys.height) + "x" + std::to_string(keys.width);
    const auto places_in = [&](Size size, std::int64_t first) {
        Integers all;
        for (int i = 0; i < size.height * size.width; ++i)
            all.push_back(first + i / size.width * columns + i % size.width);
        return all;
    };
    const std::string places = to.once(key, [&] {
        const std::string own = to.whole_numbers(key + ".own",
                                                 places_in(window, (keys.height - 1) * columns + keys.width - 1)),
                          other = to.whole_numbers(key + ".other", places_in(keys, 0));
        to.node("Unsqueeze", {own, number_everywhere(1)}, key + "_own");
        to.node("Sub", {key + "_own", other}, key);
        return key;
    });
    const std::string flat = constant("table", {heads, rows * columns}, table);
    return step("Gather", {flat, places}, {integer("axis", 1)});
}

// A picture of one channel that says which pixels a roll brought from the opposite edge: 1 more from the top, 2 more
// from the left.
std::string OnnxOperation::labels(const std::string& picture, std::int64_t rows, std::int64_t columns) {
    std::string label = step("Mul", {slice(picture, 1, 0, 1), number_of("nothing" + std::to_string(steps), 0)});
    for (const auto& [side, by] : {std::pair{std::int64_t{2}, rows}, {std::int64_t{3}, columns}}) {
        if (by == 0) continue;
        const std::string brought =
            step("Add", {slice(label, side, -by, kAll),
                         number_of("brought" + std::to_string(steps), static_cast<double>(side - 1))});
        label = step("Concat", {slice(label, side, 0, -by), brought}, {integer("axis", side)});
    }
    return label;
}

// So far below zero between pixels of different labels that exp() of it is nothing.
std::string OnnxOperation::mask(const std::string& own, const Windows& windows, const std::string& of_keys,
                                const Windows& keys) {
    const std::string difference = step("Sub", {tokens(own, windows, 1, 1, false), tokens(of_keys, keys, 1, 1, true)});
    return step("Mul", {step("Abs", {difference}), number_of("apart", half ? -1e4 : -1e9)});
}

std::string OnnxOperation::unit_vectors(const std::string& from, double epsilon) {
    const std::string length = step("ReduceL2", {from}, {integers("axes", {-1}), integer("keepdims", 1)});
    return step("Div", {from, step("Max", {length, number_of("least" + std::to_string(steps), epsilon)})});
}

// ---- the operations ----

void OnnxOperation::operator()(const op::WindowAttention& op) {
    using Beyond = op::WindowAttention::Beyond;
    const std::int64_t all = channels(), size = all / op.heads;
    const Size window{op.window_w, op.window_h};
    std::string from = in[0];
    const std::string rows = side_of(from, 2), columns = side_of(from, 3);
    const bool continued = op.beyond != Beyond::nothing;
    if (continued) {
        const std::string unit = number_everywhere(op.unit);
        const auto missing = [&](const std::string& side) {
            return step("Mod", {step("Sub", {unit, step("Mod", {side, unit})}), unit});
        };
        const std::string down = missing(rows), right = missing(columns);
        from = step("Pad", {from, sizes({0, 0, 0, 0, 0, 0, down, right})},
                    {text("mode", op.beyond == Beyond::reflect ? "reflect" : "constant")});
    }
    const bool shifted = op.shift_h != 0 || op.shift_w != 0;
    if (shifted) from = rolled(from, -op.shift_h, -op.shift_w);
    const Windows windows = windows_of(from, op.window_h, op.window_w);
    std::string masked;
    if (shifted) {
        // The same for all layers of the same windows on pictures of the same size.
        std::string key = "mask " + shape_of(0)[1].text() + " " + shape_of(0)[2].text();
        for (const int number :
             {op.window_h, op.window_w, op.shift_h, op.shift_w, static_cast<int>(op.beyond), op.unit, half ? 1 : 0})
            key += " " + std::to_string(number);
        masked = to.once(key, [&] {
            const std::string label = labels(from, op.shift_h, op.shift_w);
            return mask(label, windows, label, windows);
        });
    }
    const std::string mixed = attended(tokens(slice(from, 1, 0, all), windows, op.heads, size, false),
                                       tokens(slice(from, 1, all, 2 * all), windows, op.heads, size, true),
                                       tokens(slice(from, 1, 2 * all, 3 * all), windows, op.heads, size, false),
                                       op.scale, bias(op.bias, op.heads, window, window), masked);
    std::string made = picture_of(mixed, windows, op.heads, size, false);
    if (shifted) made = rolled(made, op.shift_h, op.shift_w);
    if (continued) made = slice(slice(made, 2, 0, rows), 3, 0, columns);
    result("Identity", {made});
}

void OnnxOperation::operator()(const op::GridAttention& op) {
    const std::int64_t all = channels(), size = all / op.heads;
    const Size window{op.window_w, op.window_h};
    Windows windows = windows_of(in[0], op.window_h, op.window_w);
    windows.scattered = true;
    const std::string mixed = attended(tokens(slice(in[0], 1, 0, all), windows, op.heads, size, false),
                                       tokens(slice(in[0], 1, all, 2 * all), windows, op.heads, size, true),
                                       tokens(slice(in[0], 1, 2 * all, 3 * all), windows, op.heads, size, false),
                                       op.scale, bias(op.bias, op.heads, window, window), "");
    result("Identity", {picture_of(mixed, windows, op.heads, size, false)});
}

// The picture with each window of `window` pixels widened to `overlap`, along rows and then along columns: the windows
// themselves and as many of their neighbours as they reach into, side by side, and cut.
std::string OnnxOperation::overlapping(const std::string& picture, const Windows& w, const op::OverlapAttention& op) {
    const std::int64_t window = op.window, overlap = op.overlap, beyond = (overlap - window) / 2;
    const std::int64_t all = channels_of(1), more = (2 * beyond + window - 1) / window;
    if (beyond == 0) return picture;
    const std::int64_t after = more * window - beyond;
    std::string from = step("Pad", {picture, whole("pads", {0, 0, beyond, beyond, 0, 0, after, after})});
    const std::string columns = side_of(from, 3), wide = number_everywhere(overlap);
    for (const bool down : {true, false}) {
        const std::int64_t axis = down ? 2 : 4;
        const std::string blocks = step("Add", {down ? w.down : w.across, number_everywhere(more)});
        from = down ? shaped(from, {0, all, blocks, window, columns})
                    : shaped(from, {0, all, w.down, overlap, blocks, window});
        std::vector<std::string> parts;
        for (std::int64_t j = 0; j <= more; ++j) {
            std::string part = slice(from, axis, j, j == more ? kAll : j - more);
            if (const std::int64_t rest = overlap - j * window; rest < window) part = slice(part, axis + 1, 0, rest);
            parts.push_back(part);
        }
        from = step("Concat", parts, {integer("axis", axis + 1)});
    }
    return from;
}

void OnnxOperation::operator()(const op::OverlapAttention& op) {
    const std::int64_t all = channels(), size = all / op.heads, w = op.window, o = op.overlap;
    const Windows windows = windows_of(in[0], w, w);
    Windows keys = windows;
    keys.height = keys.width = o;
    const std::string wide = overlapping(in[1], windows, op);
    const std::string mixed = attended(tokens(in[0], windows, op.heads, size, false),
                                       tokens(slice(wide, 1, 0, all), keys, op.heads, size, true),
                                       tokens(slice(wide, 1, all, 2 * all), keys, op.heads, size, false), op.scale,
                                       bias(op.bias, op.heads, {op.window, op.window}, {op.overlap, op.overlap}), "");
    result("Identity", {picture_of(mixed, windows, op.heads, size, false)});
}

void OnnxOperation::operator()(const op::CrossAttention& op) {
    const std::int64_t size = channels_of(0) / op.heads, to_size = channels() / op.heads;
    const bool shifted = op.shift_h != 0 || op.shift_w != 0;
    // As much of the keys' windows, rounded up.
    const auto part = [](std::int64_t shift, std::int64_t window, std::int64_t keys) {
        return shift == 0 ? 0 : (shift * keys + window - 1) / window;
    };
    const std::int64_t key_h = part(op.shift_h, op.window_h, op.key_h), key_w = part(op.shift_w, op.window_w, op.key_w);
    const std::string q = rolled(in[0], -op.shift_h, -op.shift_w), k = rolled(in[1], -key_h, -key_w),
                      v = rolled(in[2], -key_h, -key_w);
    const Windows windows = windows_of(q, op.window_h, op.window_w);
    Windows keys = windows_of(k, op.key_h, op.key_w);
    std::string masked;
    if (shifted) masked = mask(labels(q, op.shift_h, op.shift_w), windows, labels(k, key_h, key_w), keys);
    const std::string mixed =
        attended(tokens(q, windows, op.heads, size, false), tokens(k, keys, op.heads, size, true),
                 tokens(v, keys, op.heads, to_size, false), op.scale,
                 bias(op.bias, op.heads, {op.window_w, op.window_h}, {op.key_w, op.key_h}), masked);
    result("Identity", {rolled(picture_of(mixed, windows, op.heads, to_size, false), op.shift_h, op.shift_w)});
}

// Channels ask channels: vectors of unit length over all pixels.
void OnnxOperation::operator()(const op::ChannelAttention& op) {
    const std::int64_t all = channels(), size = all / op.heads;
    const Windows windows = windows_of(in[0], op.window, op.window);
    const auto vectors = [&](std::int64_t part) {
        return tokens(slice(in[0], 1, part * all, (part + 1) * all), windows, op.heads, size, true);
    };
    const std::string q = unit_vectors(vectors(0), double{op.epsilon}),
                      k = unit_vectors(vectors(1), double{op.epsilon});
    const std::string across = turned(k, windows.whole() ? Integers{0, 1, 3, 2} : Integers{0, 1, 2, 4, 3});
    const std::string scores =
        step("Mul", {step("MatMul", {q, across}), constant("temperature", {op.heads, 1, 1}, *op.temperature)});
    const std::string mixed = step("MatMul", {step("Softmax", {scores}, {integer("axis", -1)}), vectors(2)});
    result("Identity", {picture_of(mixed, windows, op.heads, size, true)});
}

// Pixels in the order of their numbers; what the last group lacks are the pixels before its end, backwards.
void OnnxOperation::operator()(const op::CategoryAttention& op) {
    const std::int64_t all = channels(), size = all / op.heads;
    const Windows picture = windows_of(in[0], 0, 0);
    const std::string places = sorted_places(shaped(in[1], {0, -1}), 1, false);
    const std::string pixels = step("Mul", {picture.rows, picture.columns}), most = number_everywhere(op.size);
    // Less than a group is a group: so the remainder by the whole size first, which is then all pixels there are.
    const std::string rest = step("Mod", {pixels, most}), group = step("Min", {most, pixels});
    const std::string missing = step("Mod", {step("Sub", {group, step("Mod", {rest, group})}), group});
    std::string sorted = taken(turned(shaped(in[0], {0, 3 * all, -1}), {0, 2, 1}), places, 3 * all);
    const std::string end = step("Sub", {number_everywhere(-1), missing});
    sorted = step("Concat", {sorted, slice(sorted, 1, -1, end, -1)}, {integer("axis", 1)});
    const auto part = [&](std::int64_t which, const Integers& order) {
        return turned(shaped(slice(sorted, 2, which * all, (which + 1) * all), {0, -1, group, op.heads, size}), order);
    };
    const std::string mixed =
        attended(part(0, {0, 1, 3, 2, 4}), part(1, {0, 1, 3, 4, 2}), part(2, {0, 1, 3, 2, 4}), op.scale, "", "");
    const std::string answers = slice(shaped(turned(mixed, {0, 1, 3, 2, 4}), {0, -1, all}), 1, 0, pixels);
    const std::string back = sorted_places(step("Cast", {places}, {integer("to", kTypeFloat)}), 1, false);
    result("Reshape", {turned(taken(answers, back, all), {0, 2, 1}), sizes({0, all, picture.rows, picture.columns})});
}

}  // namespace enlarge::onnx_export
