// SPDX-License-Identifier: Apache-2.0
// ESC-Real: attention in windows once per block, then convolutions that share one large filter, which is the mean of
// its eight turns and flips; beside it a filter per channel that the picture's mean chooses.
#include <algorithm>
#include <cmath>
#include <utility>

#include "arch/builder.hpp"
#include "arch/families.hpp"
#include "arch/tails.hpp"

namespace enlarge {
namespace {

using std::to_string;

constexpr float kEpsilon = 1e-6F;

std::vector<float> mean_of_turns(const std::vector<float>& filters, int side) {
    std::vector<float> mean(filters.size());
    const auto n = static_cast<std::size_t>(side);
    for (std::size_t first = 0; first + n * n <= filters.size(); first += n * n)
        for (std::size_t y = 0; y < n; ++y)
            for (std::size_t x = 0; x < n; ++x) {
                const std::size_t v = n - 1 - y, u = n - 1 - x;
                double sum = 0;
                for (const auto& [a, b] : {std::pair{y, x}, {y, u}, {v, x}, {v, u}, {x, y}, {x, v}, {u, y}, {u, v}})
                    sum += filters[first + a * n + b];
                mean[first + y * n + x] = static_cast<float>(sum / 8);
            }
    return mean;
}

int window_attention(Builder& b, int x, const std::string& name) {
    const std::string table = name + "relative_position_bias";
    const int features = b.channels(x), heads = b.dim(table, 0), entries = b.dim(table, 1);
    int side = 1;
    while (side < 64 && (2 * side - 1) * (2 * side - 1) < entries) ++side;
    if (heads < 1 || (2 * side - 1) * (2 * side - 1) != entries || features % heads != 0) {
        b.fail(Errc::format, "tensor '" + table + "' is " + to_string(heads) + "x" + to_string(entries) +
                                 "; expected a divisor of " + to_string(features) + " times an odd number squared");
        return -1;
    }
    // Offsets are counted from the query here, not to it.
    const std::vector<float> values = b.take(table, {heads, entries});
    std::vector<float> turned(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t head = i / static_cast<std::size_t>(entries), at = i % static_cast<std::size_t>(entries);
        turned[head * static_cast<std::size_t>(entries) + static_cast<std::size_t>(entries) - 1 - at] = values[i];
    }
    op::WindowAttention op{.heads = heads, .window_h = side, .window_w = side};
    op.scale = 1 / std::sqrt(static_cast<float>(features / heads));
    op.bias = make_values(std::move(turned));
    op.beyond = op::WindowAttention::Beyond::reflect;
    op.unit = side;
    const int qkv = b.conv(x, name + "to_qkv", 3 * features, 1);
    return b.conv(b.append(std::move(op), {qkv}), name + "to_out", features, 1);
}

int convolutions(Builder& b, int x, const std::string& name) {
    const int features = b.channels(x), wide = b.dim(name + "proj.weight", 0);
    x = b.gelu(b.conv(x, name + "proj", wide, 1));
    x = b.add(b.gelu(b.depthwise(x, name + "dwc", b.dim(name + "dwc.weight", 2))), x);
    return b.conv(x, name + "aggr", features, 1);
}

struct Shared {
    std::vector<float> filter;
    int part = 0, side = 0;
};

int shared_filter(Builder& b, int x, const std::string& name, const Shared& shared) {
    const int features = b.channels(x), part = b.channels_of(x, 0, shared.part);
    const std::string choice = name + "plk.dwc_proj.";
    int kernels = b.gelu(b.conv(b.global_mean(part), choice + "1", b.dim(choice + "1.weight", 0), 1));
    kernels = b.conv(kernels, choice + "3", 9 * shared.part, 1);
    const int fixed =
        b.conv(part, shared.filter, std::vector<float>(static_cast<std::size_t>(shared.part)), shared.side);
    const int seen = b.add(fixed, b.append(op::DynamicConv2d{.kernel = 3}, {part, kernels}));
    if (shared.part < features)
        x = b.concat({seen, b.channels_of(x, shared.part, features - shared.part)});
    else
        x = seen;
    return b.conv(x, name + "aggr", features, 1);
}

int block(Builder& b, int x, const std::string& name, const Shared& shared) {
    const int features = b.channels(x);
    int y = convolutions(b, b.layer_norm(x, name + "ln_proj", kEpsilon), name + "proj.");
    y = b.add(y, window_attention(b, b.layer_norm(y, name + "ln_attn", kEpsilon), name + "attn."));
    for (int i = 0; b.has(name + "lns." + to_string(i) + ".weight"); ++i) {
        int z = convolutions(b, b.layer_norm(y, name + "lns." + to_string(i), kEpsilon),
                             name + "convffns." + to_string(i) + ".");
        y = b.add(y, shared_filter(b, z, name + "pconvs." + to_string(i) + ".", shared));
    }
    return b.add(b.conv(b.layer_norm(y, name + "ln_out", kEpsilon), name + "conv_out", features), x);
}

// What the pixels become by a shorter way.
int shortcut(Builder& b, int x, int first, int features) {
    const auto key = [&](int index) { return "skip." + to_string(first + index); };
    x = b.conv(x, key(0), b.dim(key(0) + ".weight", 0), 1);
    const int side = b.dim(key(1) + ".weight", 2), by = side / 2;
    x = b.append(op::Pad{.mode = op::Pad::Mode::reflect, .top = by, .left = by, .bottom = by, .right = by}, {x});
    x = b.conv(x, key(1), b.channels(x),
               {.kernel_h = side, .kernel_w = side, .pad_h = 0, .pad_w = 0, .groups = std::max(b.channels(x), 1)});
    return b.conv(b.leaky_relu(x, 0.2F), key(3), features, 1);
}

}  // namespace

bool is_esc(const StateDict& weights) { return has(weights, "plk_filter") && has(weights, "blocks.0.ln_proj.weight"); }

Result<Network> build_esc(const StateDict& weights) {
    const bool folded = !has(weights, "proj.weight");
    const std::string first = folded ? "proj.1" : "proj";
    const int features = dimension(weights, first + ".weight", 0), inputs = dimension(weights, first + ".weight", 1);
    const int unshuffle = whole_scale(inputs, 3), blocks = count_blocks(weights, "blocks.", ".ln_proj.weight");
    if (unshuffle < 1 || (unshuffle > 1) != folded)
        return misfit(weights, "an ESC network for " + to_string(inputs) + " values per pixel", {first + ".weight"});
    Builder b(weights, 3);
    const MetaTail tail = read_meta_tail(b, "to_img.");
    if (!b.failed() && (tail.out != 3 || tail.scale % unshuffle != 0))
        return misfit(weights, "an ESC network from " + to_string(inputs) + " to " + to_string(tail.out) + " channels",
                      {first + ".weight", "to_img.MetaUpsample"});
    Shared shared;
    shared.part = dimension(weights, "plk_filter", 0);
    shared.side = dimension(weights, "plk_filter", 2);
    shared.filter = b.take("plk_filter", {shared.part, shared.part, shared.side, shared.side});
    shared.filter = mean_of_turns(shared.filter, std::max(shared.side, 1));
    const int folds = b.pixel_unshuffle(0, unshuffle);
    const int start = b.conv(folds, first, features);
    if (shared.part > features)
        b.fail(Errc::format,
               "tensor 'plk_filter' is for " + to_string(shared.part) + " of " + to_string(features) + " channels");
    int x = start;
    for (int i = 0; i < blocks; ++i) {
        if (!b.expand(static_cast<std::int64_t>(shared.filter.size()))) break;
        x = block(b, x, "blocks." + to_string(i) + ".", shared);
    }
    x = b.add(b.add(b.conv(x, "last", features), start), shortcut(b, folds, folded ? 1 : 0, features));
    meta_tail(b, x, "to_img.", tail);
    std::string variant = tail.name;
    if (unshuffle > 1) variant += ", pixel unshuffle " + to_string(unshuffle);
    return b.network(
        "ESC", variant,
        {{"features", features}, {"blocks", blocks}, {"channels of the filter", shared.part}, {"kernel", shared.side}});
}

}  // namespace enlarge
