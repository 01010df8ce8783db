// SPDX-License-Identifier: Apache-2.0
// LDA-AQU: each pixel of the result attends to nine samples around places that the network chose.
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "arch/tails.hpp"

namespace enlarge {
namespace {

constexpr int kTaps = 9, kGroups = 2;  // 3 x 3 samples; halves of the channels choose places of their own
constexpr int kReduction = 4;
constexpr float kReach = 11;  // pixels of the result
constexpr float kEpsilon = 1e-6F;

// The nine pixels around, row first, as files of whole modules have them.
std::vector<float> pixels_around() {
    std::vector<float> all;
    for (int tap = 0; tap < kTaps; ++tap)
        for (const int place : {tap / 3, tap % 3}) all.push_back(static_cast<float>(place - 1));
    return all;
}

// Along one side of the result, 0 in the middle of the first pixel and 2 in the middle of the last one; and how far two
// pixels are apart.
struct Ruler {
    int place, step;
};

Ruler ruler(Builder& b, int like, bool rows) {
    const int ends = b.append(op::Constant{{1, 2, 2}, make_values(rows ? std::vector<float>{0, 0, 2, 2}
                                                                      : std::vector<float>{0, 2, 0, 2})},
                              {});
    const int place = b.append(op::Resize{.align_corners = true}, {ends, like});
    int step = b.append(op::Slice{rows ? 1 : 2, 1, 2, 1}, {place});
    step = b.append(op::Slice{rows ? 2 : 1, 0, 1, 1}, {step});
    return {place, step};
}

// The weights and biases of `name`, for each sample first all columns and then all rows, which lie next to each other
// in the file, row first.
std::pair<std::vector<float>, std::vector<float>> columns_first(Builder& b, const std::string& name, int in) {
    const std::vector<float> weights = b.take(name + ".weight", {2 * kTaps, in, 3, 3}),
                             bias = b.take(name + ".bias", {2 * kTaps});
    std::pair<std::vector<float>, std::vector<float>> turned;
    if (b.failed()) return turned;
    const std::size_t each = weights.size() / (2 * kTaps);
    for (const int side : {1, 0})
        for (int tap = 0; tap < kTaps; ++tap) {
            const auto from = static_cast<std::size_t>(2 * tap + side);
            turned.first.insert(turned.first.end(), weights.begin() + static_cast<std::ptrdiff_t>(from * each),
                                weights.begin() + static_cast<std::ptrdiff_t>((from + 1) * each));
            turned.second.push_back(bias[from]);
        }
    return turned;
}

// Where the nine samples of one half's channels lie, from -1 to 1: nine columns and nine rows.
std::array<int, 2> places_of(Builder& b, int queries, const std::string& prefix, const Ruler& across,
                             const Ruler& down) {
    const int in = b.channels(queries);
    int x = b.depthwise(queries, prefix + "conv_offset.0", 3, false);
    x = b.silu(b.layer_norm(x, prefix + "conv_offset.1", kEpsilon));
    auto [weights, bias] = columns_first(b, prefix + "conv_offset.3", in);
    if (b.failed()) return {-1, -1};
    x = b.tanh(b.conv(x, std::move(weights), std::move(bias)));
    std::vector<float> start;
    for (const bool rows : {false, true})
        for (int tap = 0; tap < kTaps; ++tap) start.push_back(static_cast<float>((rows ? tap / 3 : tap % 3) - 1));
    x = b.scale_shift(x, std::vector<float>(2 * kTaps, kReach), std::move(start));
    const auto side = [&](int first, const Ruler& along) {
        const int moved = b.multiply(b.channels_of(x, first, kTaps), along.step);
        return b.add(moved, b.affine(along.place, 1, -1));
    };
    return {side(0, across), side(kTaps, down)};
}

}  // namespace

int lda(Builder& b, int from, const std::string& prefix, int scale) {
    const int channels = b.channels(from), hidden = channels / kReduction, half = channels / kGroups,
              part = hidden / kGroups;
    if (!b.failed() && channels % (kReduction * kGroups) != 0) {
        b.fail(Errc::unsupported, "'" + prefix + "proj_q' of " + std::to_string(channels) +
                                      " channels; expected a multiple of " + std::to_string(kReduction * kGroups));
        return -1;
    }
    const int normal = b.layer_norm(from, prefix + "layer_norm", kEpsilon);
    int queries = b.conv(normal, prefix + "proj_q", hidden, 1, false);
    const int keys = b.conv(normal, prefix + "proj_k", hidden, 1, false);
    const std::string from_file = prefix + "base_offset";
    if (b.has(from_file) && b.take(from_file, {1, 2 * kTaps, 1, 1}) != pixels_around() && !b.failed())
        b.fail(Errc::unsupported,
               "'" + from_file + "' are other places than the nine pixels around, which were expected");
    const std::vector<float> table =
        b.take(prefix + "relative_position_bias_table", {1, 1, 1, kTaps, hidden});
    if (b.failed()) return -1;
    queries = b.append(op::Resize{.align_corners = true, .num = scale}, {queries});
    const Ruler across = ruler(b, queries, false), down = ruler(b, queries, true);

    std::vector<int> sampled;  // a half's keys, its values, and so on
    std::array<std::array<int, 2>, kGroups> places{};
    for (int g = 0; g < kGroups; ++g) {
        places[static_cast<std::size_t>(g)] =
            places_of(b, b.channels_of(queries, g * part, part), prefix, across, down);
        sampled.push_back(b.channels_of(keys, g * part, part));
        sampled.push_back(b.channels_of(from, g * half, half));
    }
    const int source = b.concat(std::move(sampled));
    // The dot products, and those with the table.
    const float factor = 1 / std::sqrt(static_cast<float>(hidden));
    std::vector<int> scores, values;
    for (int tap = 0; tap < kTaps; ++tap) {
        std::vector<int> at;
        for (const auto& [columns, rows] : places) {
            at.push_back(b.channels_of(columns, tap, 1));
            at.push_back(b.channels_of(rows, tap, 1));
        }
        const int sample = b.append(op::GridSample{.align_corners = true, .groups = kGroups},
                                    {source, b.concat(std::move(at))});
        const auto both = [&](int first, int count) {
            return b.concat({b.channels_of(sample, first, count), b.channels_of(sample, part + half + first, count)});
        };
        const std::vector<float> all(static_cast<std::size_t>(hidden), factor);
        scores.push_back(b.conv(b.multiply(queries, both(0, part)), all, {0}, 1));
        values.push_back(both(part, half));
    }
    std::vector<float> of_table = table;
    for (float& weight : of_table) weight *= factor;
    const int moved = b.conv(queries, std::move(of_table), std::vector<float>(kTaps), 1);
    const int shares = b.append(op::Softmax{0}, {b.add(b.concat(std::move(scores)), moved)});
    int sum = -1;
    for (int tap = 0; tap < kTaps; ++tap) {
        const int share = b.multiply(values[static_cast<std::size_t>(tap)], b.channels_of(shares, tap, 1));
        sum = tap == 0 ? share : b.add(sum, share);
    }
    return sum;
}

}  // namespace enlarge
