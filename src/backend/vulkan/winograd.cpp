// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/winograd.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <optional>
#include <vector>

#include "backend/backend.hpp"
#include "base/half.hpp"
#include "graph/traits.hpp"

namespace enlarge::vulkan {
namespace {

constexpr int kBlock = 4, kPlaces = 36;
constexpr int kLeastIn = 16, kLeastOut = 24;  // channels: with fewer, transforms cost more than they save
constexpr int kWidestHalo = 160;
constexpr int kMostAlignment = 64;
constexpr int kMatrix = 16;                // channels of a matrix of weights, either way
constexpr std::uint32_t kProducts = 8;  // in a sum in half precision

// Of a work group's 16 blocks: `chunk` channels of pixels and weights, at least the sums of eight channels.
std::uint32_t shared_bytes(const WinogradShape& shape, Numbers numbers) {
    // Transformed pixels of 16 channels as halves, and sums of six places.
    if (numbers == Numbers::matrix) return 2 * kPlaces * shape.chunk * 16 + 4 * 6 * shape.outs * 16;
    const std::uint32_t four = numbers == Numbers::fp16 ? 8 : 16;  // bytes of four numbers; sums are in fp32
    return kPlaces * std::max(four * shape.chunk * (4 + shape.outs / 4), 16 * 32U);
}

bool suits(const Node& node) {
    const auto* conv = node.as<op::Conv2d>();
    if (!conv || conv->same_kernel() != 3 || !conv->weights) return false;
    const auto out = static_cast<std::int64_t>(node.channels);
    const auto in = static_cast<std::int64_t>(conv->weights->size()) / (9 * std::max<std::int64_t>(out, 1));
    return in >= kLeastIn && out >= kLeastOut;
}

// The least multiple of `step` pixels of the picture that are whole blocks of the node's; 0: too many.
int alignment_of(const Node& node, int step) {
    const Extent& rows = node.shape[1];
    const Extent& columns = node.shape[2];
    if (rows.h <= 0 || rows.h != columns.w || rows.den != columns.den || rows.w != 0 || rows.area != 0 || rows.floor)
        return 0;
    for (int pixels = step; pixels <= kMostAlignment; pixels += step)
        if (rows.h * pixels % (kBlock * rows.den) == 0) return pixels;
    return 0;
}

// As Graph::receptive_radius(), with nodes that compute whole blocks.
std::int64_t reach_of(const Graph& graph, const std::vector<bool>& blocks, std::int64_t pixel, bool rows) {
    const std::vector<Node>& nodes = graph.nodes();
    std::vector<Interval> need(nodes.size());
    need.back() = {pixel * graph.scale(), (pixel + 1) * graph.scale() - 1};
    std::int64_t reach = 0;
    for (std::size_t i = nodes.size(); i-- > 0;) {
        if (need[i].empty()) continue;
        if (nodes[i].is<op::Input>()) reach = std::max({reach, pixel - need[i].first, need[i].last - pixel});
        for (std::size_t k = 0; k < nodes[i].inputs.size(); ++k) {
            const auto from = static_cast<std::size_t>(nodes[i].inputs[k]);
            if (nodes[from].shape.size() != 3) continue;
            const Reads reads = traits(nodes[i].op).reads(nodes[i].op, k);
            ReadWindow window = rows ? reads.rows : reads.columns;
            if (blocks[i]) window.block = kBlock;
            need[from].add(read(need[i], window));
        }
    }
    return reach;
}

// G g G transposed, in double precision. `near` and `wide` as in the shader: where polynomials are taken.
std::array<float, kPlaces> transformed(const float* g, double near, double wide) {
    const double n = near * near, w = wide * wide, by_n = 2 * n * (n - w), by_w = 2 * w * (w - n);
    const double to[6][3] = {{1 / (n * w), 0, 0},           {1 / by_n, near / by_n, n / by_n},
                             {1 / by_n, -near / by_n, n / by_n}, {1 / by_w, wide / by_w, w / by_w},
                             {1 / by_w, -wide / by_w, w / by_w}, {0, 0, 1}};
    std::array<float, kPlaces> all{};
    for (int v = 0; v < 6; ++v)
        for (int u = 0; u < 6; ++u) {
            double sum = 0;
            for (int i = 0; i < 3; ++i)
                for (int k = 0; k < 3; ++k) sum += to[v][i] * to[u][k] * static_cast<double>(g[3 * i + k]);
            all[static_cast<std::size_t>(6 * v + u)] = static_cast<float>(sum);
        }
    return all;
}

// A number where each is `bytes` long: 4 or 2.
void put(std::byte* at, std::size_t bytes, float value) {
    const std::uint16_t half = float_to_half(value);
    std::memcpy(at, bytes == 2 ? static_cast<const void*>(&half) : &value, bytes);
}

// Fours of outputs x inputs x 36 places x the four; for sums in half precision they are halves. For matrices: 16
// outputs x 16 inputs x 36 places x the 16x16, all halves, from a multiple of 16 bytes on.
void append(const Values& weights, std::size_t out, Numbers numbers, std::vector<float>& values) {
    const bool matrix = numbers == Numbers::matrix, halves = matrix || numbers == Numbers::fp16;
    const std::size_t in = weights->size() / (9 * out), each = halves ? 2 : 4, m = kMatrix;
    const std::size_t padded = matrix ? (in + m - 1) / m * ((out + m - 1) / m) * m * m : (out + 3) / 4 * 4 * in;
    const std::size_t first = values.size();
    values.resize(first + padded * kPlaces * each / sizeof(float));
    auto* const bytes = reinterpret_cast<std::byte*>(values.data() + first);
    for (std::size_t o = 0; o < out; ++o)
        for (std::size_t c = 0; c < in; ++c) {
            const float* const kernel = weights->data() + (o * in + c) * 9;
            const auto places = halves ? transformed(kernel, 0.75, 1.5) : transformed(kernel, 1, 2);
            const std::size_t tile = o / m * ((in + m - 1) / m) + c / m;
            for (std::size_t k = 0; k < kPlaces; ++k) {
                const std::size_t at = matrix ? ((tile * kPlaces + k) * m + o % m) * m + c % m
                                              : ((o / 4 * in + c) * kPlaces + k) * 4 + o % 4;
                put(bytes + at * each, each, places[k]);
            }
        }
}

// Which nodes run so, and what follows for tiles; nothing where none does.
struct Layout {
    std::vector<bool> blocks;
    int halo = 0, alignment = 1;
};
std::optional<Layout> layout_of(const Graph& graph, const Facts& facts, Numbers numbers) {
    if (winograd_shape(facts, numbers).threads == 0) return {};
    const std::vector<Node>& nodes = graph.nodes();
    const bool tiles = graph.receptive_radius().has_value();
    std::vector<bool> blocks(nodes.size());
    int alignment = graph.size_multiple();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (!suits(nodes[i])) continue;
        const int own = tiles ? alignment_of(nodes[i], graph.size_multiple()) : alignment;
        const int together = own ? std::lcm(alignment, own) : kMostAlignment + 1;
        if (together > kMostAlignment) return {};
        blocks[i] = true;
        alignment = together;
    }
    std::int64_t halo = 0;
    for (std::int64_t pixel = 0; tiles && pixel < alignment; ++pixel)
        for (const bool rows : {true, false}) halo = std::max(halo, reach_of(graph, blocks, pixel, rows));
    if (halo > kWidestHalo || std::none_of(blocks.begin(), blocks.end(), [](bool b) { return b; })) return {};
    const int whole = static_cast<int>((halo + alignment - 1) / alignment * alignment);
    return Layout{std::move(blocks), tiles ? whole : kWholePicture, alignment};
}

// 16 outputs x 16 inputs x 9 taps x the 16x16, halves, from a multiple of 16 bytes on.
void append_direct(const Values& weights, std::size_t out, std::vector<float>& values) {
    constexpr std::size_t taps = 9, m = kMatrix;
    const std::size_t in = weights->size() / (taps * out), deep = (in + m - 1) / m, first = values.size();
    values.resize(first + (out + m - 1) / m * deep * taps * m * m / 2);
    auto* const bytes = reinterpret_cast<std::byte*>(values.data() + first);
    for (std::size_t o = 0; o < out; ++o)
        for (std::size_t c = 0; c < in; ++c)
            for (std::size_t k = 0; k < taps; ++k) {
                const std::size_t at = (((o / m * deep + c / m) * taps + k) * m + o % m) * m + c % m;
                put(bytes + at * 2, 2, (*weights)[(o * in + c) * taps + k]);
            }
}

// Of one node's weights, behind the constants. Matrices are read sixteen bytes at a time.
std::uint64_t next_place(tensors::Constants& constants) {
    constants.values.resize((constants.values.size() + 3) / 4 * 4);
    return constants.values.size() * sizeof(float);
}

bool fits_matrices(const Facts& facts, std::uint32_t threads, std::uint32_t shared) {
    const VkPhysicalDeviceLimits& limits = facts.limits;
    const std::uint32_t most = std::min(limits.maxComputeWorkGroupInvocations, limits.maxComputeWorkGroupSize[0]);
    return facts.matrix.rows && threads <= std::min(most, facts.most_of_subgroups) && threads % facts.subgroup == 0 &&
           shared <= limits.maxComputeSharedMemorySize;
}

}  // namespace

WinogradShape direct_shape(const Facts& facts, int out_channels) {
    constexpr WinogradShape wide{256, 64, kMatrix}, narrow{128, 32, kMatrix};
    // 18x18 pixels of 16 channels as halves, sums of 16x16 pixels of 16 channels.
    constexpr std::uint32_t shared = 2 * 18 * 18 * kMatrix + 4 * 16 * 16 * kMatrix;
    if (fits_matrices(facts, wide.threads, shared) && out_channels > static_cast<int>(narrow.outs)) return wide;
    return fits_matrices(facts, narrow.threads, shared) ? narrow : WinogradShape{};
}

WinogradShape winograd_shape(const Facts& facts, Numbers numbers, int out_channels) {
    const VkPhysicalDeviceLimits& limits = facts.limits;
    const std::uint32_t most = std::min(limits.maxComputeWorkGroupInvocations, limits.maxComputeWorkGroupSize[0]);
    const auto fits = [&](const WinogradShape& shape) {
        if (numbers == Numbers::matrix) return fits_matrices(facts, shape.threads, shared_bytes(shape, numbers));
        return shape.threads <= most && shared_bytes(shape, numbers) <= limits.maxComputeSharedMemorySize;
    };
    if (numbers == Numbers::matrix) {
        constexpr WinogradShape wide{384, 64, kMatrix}, narrow{192, 32, kMatrix};
        if (fits(wide) && out_channels > static_cast<int>(narrow.outs)) return wide;
        return fits(narrow) ? narrow : WinogradShape{};
    }
    if (numbers == Numbers::fp16) {
        for (const WinogradShape& shape : {WinogradShape{288, 32, kProducts}, WinogradShape{144, 16, kProducts}})
            if (fits(shape)) return shape;
        return {};
    }
    for (const WinogradShape& shape :
         {WinogradShape{288, 32, 6}, WinogradShape{288, 32, 4}, WinogradShape{144, 16, 6}, WinogradShape{144, 16, 4}})
        if (fits(shape)) return shape;
    return {};
}

bool has_winograd(const Graph& graph, const Facts& facts, Numbers numbers) {
    return layout_of(graph, facts, numbers).has_value();
}

bool has_direct(const Graph& graph, const Facts& facts, Numbers numbers) {
    const std::vector<Node>& nodes = graph.nodes();
    return numbers == Numbers::matrix && direct_shape(facts).threads > 0 && !has_winograd(graph, facts, numbers) &&
           std::any_of(nodes.begin(), nodes.end(), suits);
}

Winograd add_winograd(const Graph& graph, const Facts& facts, tensors::Constants& constants, Numbers numbers) {
    Winograd made;
    const auto layout = layout_of(graph, facts, numbers);
    if (!layout && has_direct(graph, facts, numbers))
        for (const Node& node : graph.nodes()) {
            if (!suits(node)) continue;
            const Values& weights = node.as<op::Conv2d>()->weights;
            if (made.direct.emplace(constants.places.at(weights->data()), next_place(constants)).second)
                append_direct(weights, static_cast<std::size_t>(node.channels), constants.values);
        }
    if (!layout) return made;
    made.halo = layout->halo;
    made.alignment = layout->alignment;
    const std::vector<Node>& nodes = graph.nodes();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (!layout->blocks[i]) continue;
        const Values& weights = nodes[i].as<op::Conv2d>()->weights;
        if (made.weights.emplace(constants.places.at(weights->data()), next_place(constants)).second)
            append(weights, static_cast<std::size_t>(nodes[i].channels), numbers, constants.values);
    }
    return made;
}

}  // namespace enlarge::vulkan
