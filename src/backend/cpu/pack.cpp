// SPDX-License-Identifier: Apache-2.0
// Weights in the order the kernels read them.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/steps.hpp"
#include "kernels/winograd.hpp"

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

// Output channels of a group beside each other, so that the compiler widens the loops and whole cache lines are written.
constexpr std::size_t kWidest = 64;

// u[p * width + n]: the transformed kernel from input channel `in` to outs[n]; zero where one of them is padding (-1).
void transform_kernels(const Source& source, int in, const int* outs, std::size_t width, double* u) {
    double g[9][kWidest], t[6][3][kWidest];
    for (std::size_t n = 0; n < width; ++n) {
        const float* taps = in >= 0 && outs[n] >= 0 ? source.taps(outs[n], in) : nullptr;
        for (int k = 0; k < 9; ++k) g[k][n] = taps ? static_cast<double>(taps[k]) : 0.0;
    }
    for (int i = 0; i < 6; ++i)
        for (int c = 0; c < 3; ++c)
            for (std::size_t n = 0; n < width; ++n)
                t[i][c][n] = kWinogradG[i][0] * g[c][n] + kWinogradG[i][1] * g[3 + c][n] + kWinogradG[i][2] * g[6 + c][n];
    for (int i = 0; i < 6; ++i)
        for (int j = 0; j < 6; ++j)
            for (std::size_t n = 0; n < width; ++n)
                u[static_cast<std::size_t>(i * 6 + j) * width + n] =
                    t[i][0][n] * kWinogradG[j][0] + t[i][1][n] * kWinogradG[j][1] + t[i][2][n] * kWinogradG[j][2];
}

// Calls body(0) ... body(n - 1), on all threads where there is a pool.
template <class Body>
void for_all(ThreadPool* pool, std::size_t n, const Body& body) {
    if (pool)
        pool->for_each(static_cast<std::int64_t>(n), 1, [&](std::int64_t i) { body(static_cast<std::size_t>(i)); });
    else
        for (std::size_t i = 0; i < n; ++i) body(i);
}

}  // namespace

std::size_t packed_bytes(const Step& step, std::size_t in, std::size_t out, const KernelTable& kernels) {
    std::size_t bytes = static_cast<std::size_t>(step.kernel * step.kernel) * in * out * sizeof(float);
    // Winograd: one more position than there is, because kernels fetch the next one ahead.
    if (step.kind == Kind::winograd)
        bytes = (36 * out + kMaxGroup * static_cast<std::size_t>(kernels.lanes)) * in * (step.integer ? sizeof(std::int16_t) : sizeof(float));
    return (bytes + 63) / 64 * 64;
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

    step.groups = make_groups(static_cast<int>(out), kernels.lanes, 36 * in);
    static_assert(kMaxGroup * 16 <= kWidest);
    const auto width_of = [&](const Group& group) { return static_cast<std::size_t>(group.blocks) * lanes; };
    if (!step.integer) {
        auto* packed = step.weights.as<float>();
        constexpr std::size_t kInputs = 16;  // of a piece of work
        const std::size_t pieces = (in + kInputs - 1) / kInputs;
        for_all(pool, step.groups.size() * pieces, [&](std::size_t piece) {
            const Group& group = step.groups[piece / pieces];
            const std::size_t width = width_of(group), begin = piece % pieces * kInputs;
            double u[36 * kWidest];
            for (std::size_t i = begin; i < std::min(begin + kInputs, in); ++i) {
                transform_kernels(source, in_map[i], out_map.data() + group.channel, width, u);
                for (std::size_t p = 0; p < 36; ++p) {
                    float* const to = packed + group.weights + (p * in + i) * width;
                    for (std::size_t n = 0; n < width; ++n) to[n] = static_cast<float>(u[p * width + n]);
                }
            }
        });
        return;
    }

    step.v_scale.resize(36 * in);
    for (std::size_t k = 0; k < 36 * in; ++k) step.v_scale[k] = 32767.0F / (*transform_abs_max)[k];
    step.scale.assign(36 * out, 0);
    auto* packed = step.weights.as<std::int16_t>();
    for_all(pool, step.groups.size(), [&](std::size_t g) {
        const Group& group = step.groups[g];
        const std::size_t width = width_of(group);
        std::vector<double> all(36 * in * width);  // by input, position and output
        std::vector<double> sum(36 * width, 0.0), largest(36 * width, 0.0);
        for (std::size_t i = 0; i < in; ++i) {
            double* const u = all.data() + i * 36 * width;
            transform_kernels(source, in_map[i], out_map.data() + group.channel, width, u);
            for (std::size_t p = 0; p < 36; ++p) {
                const double by = 1 / static_cast<double>(step.v_scale[p * in + i]);
                for (std::size_t k = p * width; k < (p + 1) * width; ++k) {
                    u[k] *= by;
                    sum[k] += std::fabs(u[k]);
                    largest[k] = std::max(largest[k], std::fabs(u[k]));
                }
            }
        }
        for (std::size_t k = 0; k < 36 * width; ++k) {
            // No sum can leave 32 bits: |V| <= 32768 and the weights of a sum add up to less than 65520.
            const double unit = std::max(largest[k] / 32767.0, sum[k] / (65520.0 - static_cast<double>(in)));
            step.scale[static_cast<std::size_t>(group.channel) * 36 + k] = static_cast<float>(unit);
            sum[k] = unit > 0 ? 1 / unit : 0;
        }
        for (std::size_t i = 0; i < in; ++i)
            for (std::size_t p = 0; p < 36; ++p)
                for (std::size_t n = 0; n < width; ++n)
                    packed[group.weights + p * in * width + (i / 2 * width + n) * 2 + i % 2] =
                        static_cast<std::int16_t>(std::lrint(all[(i * 36 + p) * width + n] * sum[p * width + n]));
    });
}

}  // namespace enlarge::cpu
