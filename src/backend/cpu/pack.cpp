// SPDX-License-Identifier: Apache-2.0
// Weights in the order the kernels read them.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "backend/cpu/steps.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu {
namespace {

struct Source {
    const float* weights;
    int logical_in, kernel;
    [[nodiscard]] const float* taps(int out, int in) const {
        return weights + (static_cast<std::size_t>(out) * static_cast<std::size_t>(logical_in) + static_cast<std::size_t>(in)) *
                             static_cast<std::size_t>(kernel * kernel);
    }
};

// Output channels of a group, at most.
constexpr std::size_t kWidest = 64;
// Inputs of a piece of work.
constexpr std::size_t kInputsOfPiece = 8;

// The transformed weights from input channel `in` to outs[n]; zero where one of them is padding (-1).
void transform_weights(const Source& source, int in, const int* outs, int blocks, int block, const KernelTable& kernels,
                       float* u, std::ptrdiff_t pos_stride) {
    static constexpr float kNothing[9] = {};
    const float* taps[kWidest];
    for (int n = 0; n < blocks * kernels.lanes; ++n)
        taps[n] = in >= 0 && outs[n] >= 0 ? source.taps(outs[n], in) : kNothing;
    (block == 6 ? kernels.winograd6_weights_f32 : kernels.winograd_weights_f32)(taps, blocks, u, pos_stride);
}

// Half to even, |x| < 2^15: what is added leaves no room for fractions.
std::int16_t rounded(float x) { return static_cast<std::int16_t>(std::bit_cast<std::int32_t>(x + 0x1.8p23F) & 0xFFFF); }

}  // namespace

std::size_t packed_bytes(const Step& step, std::size_t in, std::size_t out, const KernelTable& kernels) {
    std::size_t bytes = static_cast<std::size_t>(step.kernel * step.kernel) * in * out * sizeof(float);
    // Winograd: one more position than there is, because kernels fetch the next one ahead.
    if (step.kind == Kind::winograd)
        bytes = (static_cast<std::size_t>(positions_of(step.block)) * out +
                 kMaxGroup * static_cast<std::size_t>(kernels.lanes)) *
                in * (step.integer ? sizeof(std::int16_t) : sizeof(float));
    if (step.terms > 0)
        bytes = static_cast<std::size_t>(positions_of(step.block)) * out *
                static_cast<std::size_t>(term_row(static_cast<int>(in), step.terms)) * sizeof(BFloat);
    return (bytes + 63) / 64 * 64;
}

std::vector<int> in_places(const std::vector<int>& in_map, int terms) {
    if (terms == 0) return in_map;
    std::vector<int> places(static_cast<std::size_t>(round_up(static_cast<int>(in_map.size()), kTermBlock)), -1);
    for (std::size_t p = 0; p < places.size(); ++p)
        if (const auto c = static_cast<std::size_t>(term_channel(static_cast<int>(p))); c < in_map.size())
            places[p] = in_map[c];
    return places;
}

std::size_t pieces_to_pack(const WinogradWeights& from) {
    return from.groups.size() * ((from.in_map.size() + kInputsOfPiece - 1) / kInputsOfPiece);
}

void pack_piece(const WinogradWeights& from, const KernelTable& kernels, std::size_t piece, std::byte* packed) {
    static_assert(kMaxGroup * 16 <= kWidest);
    const Source source{from.weights, from.logical_in, 3};
    const std::vector<int>&in_map = from.in_map, &out_map = from.out_map;
    const std::size_t in = in_map.size(), pieces = (in + kInputsOfPiece - 1) / kInputsOfPiece;
    const Group& group = from.groups[piece / pieces];
    const auto width = static_cast<std::size_t>(group.blocks * kernels.lanes);
    const std::size_t begin = piece % pieces * kInputsOfPiece, count = std::min(kInputsOfPiece, in - begin);
    // A few lines of each output's weights, far apart: asked for all at once, as no processor guesses them.
    const auto [first_in, last_in] = std::minmax_element(in_map.begin() + static_cast<std::ptrdiff_t>(begin),
                                                         in_map.begin() + static_cast<std::ptrdiff_t>(begin + count));
    if (*first_in >= 0)
        for (std::size_t n = 0; n < width; ++n)
            if (const int out = out_map[static_cast<std::size_t>(group.channel) + n]; out >= 0)
                for (const float* at = source.taps(out, *first_in); at < source.taps(out, *last_in) + 9; at += 16)
                    __builtin_prefetch(at);
    // Positions lie powers of two apart, on the same cache sets: first into the first-level cache, where they do not.
    constexpr std::size_t kApart = kInputsOfPiece * kWidest + 16;
    alignas(64) float u[positions_of(kMostBlockRows) * kApart];
    const auto terms = static_cast<std::size_t>(from.terms);
    const std::size_t beside = are_together(from.groups, from.terms) ? out_map.size() : width;
    for (std::size_t i = 0; i < count; ++i)
        transform_weights(source, in_map[begin + i], out_map.data() + group.channel, group.blocks, from.block, kernels,
                          u + i * width, kApart);
    for (std::size_t p = 0; p < static_cast<std::size_t>(positions_of(from.block)); ++p) {
        const float* const made = u + p * kApart;
        if (terms > 0)
            kernels.weights_to_terms(made, static_cast<std::ptrdiff_t>(width), static_cast<int>(begin),
                                     static_cast<int>(count), group.blocks, from.terms,
                                     reinterpret_cast<BFloat*>(packed) + group.weights + p * in * beside * terms);
        else
            std::memcpy(reinterpret_cast<float*>(packed) + group.weights + (p * in + begin) * width, made,
                        count * width * sizeof(float));
    }
}

void pack_convolution(Step& step, const float* weights, int logical_in, const std::vector<int>& in_map,
                      const std::vector<int>& out_map, const KernelTable& kernels, ThreadPool* pool,
                      const std::vector<float>* transform_abs_max) {
    const Source source{weights, logical_in, step.kernel};
    const std::size_t in = in_map.size(), out = out_map.size();
    const auto lanes = static_cast<std::size_t>(kernels.lanes);

    if (step.kind == Kind::direct) {
        const auto taps = static_cast<std::size_t>(step.kernel * step.kernel);
        step.groups = make_groups(static_cast<int>(out), kernels.lanes, taps * in);
        auto* packed = step.weights.as<float>();
        std::memset(packed, 0, step.weights.bytes);
        for (const Group& group : step.groups) {
            const std::size_t width = static_cast<std::size_t>(group.blocks) * lanes;
            for (std::size_t k = 0; k < taps; ++k)
                for (std::size_t i = 0; i < in; ++i)
                    for (std::size_t n = 0; n < width; ++n) {
                        const std::size_t o = static_cast<std::size_t>(group.channel) + n;
                        if (in_map[i] < 0 || out_map[o] < 0) continue;
                        packed[group.weights + (k * in + i) * width + n] =
                            source.taps(out_map[o], in_map[i])[k];
                    }
        }
        return;
    }

    step.groups = winograd_groups(static_cast<int>(out), kernels.lanes, in, step.terms, step.block);
    const auto width_of = [&](const Group& group) { return static_cast<std::size_t>(group.blocks) * lanes; };
    if (!step.integer) {
        const std::vector<int> places = in_places(in_map, step.terms);
        const WinogradWeights from{step.groups, weights, logical_in, places, out_map, step.terms, step.block};
        for_all(pool, pieces_to_pack(from),
                [&](std::size_t piece) { pack_piece(from, kernels, piece, step.weights.as<std::byte>()); });
        return;
    }

    step.v_scale.resize(36 * in);
    for (std::size_t k = 0; k < 36 * in; ++k) step.v_scale[k] = 32767.0F / (*transform_abs_max)[k];
    step.scale.assign(36 * out, 0);
    auto* packed = step.weights.as<std::int16_t>();
    // The transformed weights of an input are made twice rather than kept, which takes fresh memory for each step.
    for_all(pool, step.groups.size(), [&](std::size_t g) {
        const Group& group = step.groups[g];
        const std::size_t width = width_of(group), numbers = 36 * width;
        float u[2][36 * kWidest], sum[36 * kWidest] = {}, largest[36 * kWidest] = {};
        const auto transform = [&](std::size_t i, float* to) {  // in units of the input's own scale
            transform_weights(source, in_map[i], out_map.data() + group.channel, group.blocks, 4, kernels, to,
                              static_cast<std::ptrdiff_t>(width));
            for (std::size_t p = 0; p < 36; ++p) {
                const float by = 1 / step.v_scale[p * in + i];
                for (std::size_t k = p * width; k < (p + 1) * width; ++k) to[k] *= by;
            }
        };
        for (std::size_t i = 0; i < in; ++i) {
            transform(i, u[0]);
            for (std::size_t k = 0; k < numbers; ++k) {
                const float size = std::fabs(u[0][k]);
                sum[k] += size;
                largest[k] = largest[k] < size ? size : largest[k];
            }
        }
        float* const units = step.scale.data() + static_cast<std::size_t>(group.channel) * 36;
        for (std::size_t k = 0; k < numbers; ++k) {
            // No sum can leave 32 bits: |V| <= 32768 and the weights of a sum add up to less than 65520.
            units[k] = std::max(largest[k] / 32767.0F, sum[k] / (65520.0F - static_cast<float>(in)));
            sum[k] = units[k] > 0 ? 1 / units[k] : 0;
        }
        for (std::size_t i = 0; i < in; i += 2) {
            transform(i, u[0]);
            transform(i + 1, u[1]);
            for (std::size_t p = 0; p < 36; ++p) {
                std::int16_t* const to = packed + group.weights + p * in * width + i * width;
                for (std::size_t n = 0; n < width; ++n) {
                    to[2 * n] = rounded(u[0][p * width + n] * sum[p * width + n]);
                    to[2 * n + 1] = rounded(u[1][p * width + n] * sum[p * width + n]);
                }
            }
        }
    });
}

}  // namespace enlarge::cpu
