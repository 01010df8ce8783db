// SPDX-License-Identifier: Apache-2.0
// Weights in the order the kernels read them.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/steps.hpp"
#include "kernels/winograd.hpp"

namespace enlarge::cpu {
namespace {

// Groups of two granules, with one of three or one where the number is odd: what runs best in 16 registers.
std::vector<Group> make_groups(int granules, int lanes, std::size_t weights_per_channel) {
    std::vector<Group> groups;
    for (int done = 0; done < granules;) {
        const int left = granules - done;
        const int take = left == 1 || left == 3 ? left : 2;
        groups.push_back({done * lanes, take, static_cast<std::size_t>(done * lanes) * weights_per_channel});
        done += take;
    }
    return groups;
}

struct Source {
    const float* weights;
    int logical_in, kernel;
    [[nodiscard]] const float* taps(int out, int in) const {
        return weights + (static_cast<std::size_t>(out) * static_cast<std::size_t>(logical_in) + static_cast<std::size_t>(in)) *
                             static_cast<std::size_t>(kernel * kernel);
    }
};

void transform_kernel(const float* g, double (&u)[36]) {
    double t[6][3];
    for (int i = 0; i < 6; ++i)
        for (int c = 0; c < 3; ++c)
            t[i][c] = kWinogradG[i][0] * static_cast<double>(g[c]) + kWinogradG[i][1] * static_cast<double>(g[3 + c]) +
                      kWinogradG[i][2] * static_cast<double>(g[6 + c]);
    for (int i = 0; i < 6; ++i)
        for (int j = 0; j < 6; ++j)
            u[i * 6 + j] = t[i][0] * kWinogradG[j][0] + t[i][1] * kWinogradG[j][1] + t[i][2] * kWinogradG[j][2];
}

// Calls body for every output channel, on all threads where there is a pool.
template <class Body>
void for_outputs(ThreadPool* pool, std::size_t n, const Body& body) {
    if (pool)
        pool->for_each(static_cast<std::int64_t>(n), 8, [&](std::int64_t o) { body(static_cast<std::size_t>(o)); });
    else
        for (std::size_t o = 0; o < n; ++o) body(o);
}

}  // namespace

void pack_convolution(Step& step, const float* weights, int logical_in, const std::vector<int>& in_map,
                      const std::vector<int>& out_map, const KernelTable& kernels, ThreadPool* pool,
                      const std::vector<float>* in_max, const std::vector<float>* out_max) {
    const Source source{weights, logical_in, step.kernel};
    const std::size_t in = in_map.size(), out = out_map.size();
    const auto lanes = static_cast<std::size_t>(kernels.lanes);
    const auto feature_scale = [](const std::vector<float>& max, int channel) {  // q = x * scale
        return static_cast<double>(kFeatureMax) / static_cast<double>(max[static_cast<std::size_t>(channel)]);
    };
    // Features of integers are stored times out_scale; everything before rounding is scaled with it.
    const auto out_scale = [&](std::size_t o) { return out_max ? feature_scale(*out_max, out_map[o]) : 1.0; };

    if (step.kind == Kind::direct) {
        const auto taps = static_cast<std::size_t>(step.kernel * step.kernel);
        step.groups = make_groups(static_cast<int>(out / lanes), kernels.lanes, taps * in);
        Block block(taps * in * out * sizeof(float));
        auto* packed = block.as<float>();
        std::memset(packed, 0, block.bytes());
        for (const Group& group : step.groups) {
            const std::size_t width = static_cast<std::size_t>(group.granules) * lanes;
            for (std::size_t k = 0; k < taps; ++k)
                for (std::size_t i = 0; i < in; ++i)
                    for (std::size_t n = 0; n < width; ++n) {
                        const std::size_t o = static_cast<std::size_t>(group.channel) + n;
                        if (in_map[i] < 0 || out_map[o] < 0) continue;
                        packed[group.weights + (k * in + i) * width + n] =
                            static_cast<float>(static_cast<double>(source.taps(out_map[o], in_map[i])[k]) * out_scale(o));
                    }
        }
        for (std::size_t o = 0; o < out; ++o)
            if (out_map[o] >= 0) step.bias[o] = static_cast<float>(static_cast<double>(step.bias[o]) * out_scale(o));
        step.weights = std::make_shared<const Block>(std::move(block));
        return;
    }

    step.groups = make_groups(static_cast<int>(out / lanes), kernels.lanes, 36 * in);
    const auto group_of = [&](std::size_t o) -> const Group& {
        return *std::find_if(step.groups.begin(), step.groups.end(), [&](const Group& g) {
            return o < static_cast<std::size_t>(g.channel) + static_cast<std::size_t>(g.granules) * lanes;
        });
    };
    // One more position than there is: kernels fetch the next one ahead.
    const std::size_t most = kMaxGroup * lanes * in;
    if (!step.integer) {
        Block block((36 * in * out + most) * sizeof(float));
        auto* packed = block.as<float>();
        for_outputs(pool, out, [&](std::size_t o) {
            const Group& group = group_of(o);
            const std::size_t width = static_cast<std::size_t>(group.granules) * lanes;
            float* to = packed + group.weights + (o - static_cast<std::size_t>(group.channel));
            for (std::size_t i = 0; i < in; ++i) {
                double u[36] = {};
                if (in_map[i] >= 0 && out_map[o] >= 0) transform_kernel(source.taps(out_map[o], in_map[i]), u);
                for (std::size_t p = 0; p < 36; ++p) to[(p * in + i) * width] = static_cast<float>(u[p]);
            }
        });
        step.weights = std::make_shared<const Block>(std::move(block));
        return;
    }

    step.scale.assign(out, 0);
    Block block((36 * in * out + most) * sizeof(std::int16_t));
    auto* packed = block.as<std::int16_t>();
    for_outputs(pool, out, [&](std::size_t o) {
        const Group& group = group_of(o);
        const std::size_t width = static_cast<std::size_t>(group.granules) * lanes;
        std::vector<double> all(36 * in, 0.0);
        for (std::size_t i = 0; i < in; ++i) {
            if (in_map[i] < 0 || out_map[o] < 0) continue;
            double u[36];
            transform_kernel(source.taps(out_map[o], in_map[i]), u);
            for (std::size_t p = 0; p < 36; ++p)
                all[p * in + i] = u[p] / (kBalance[p / 6] * kBalance[p % 6]) / feature_scale(*in_max, in_map[i]);
        }
        // No sum can leave 32 bits: |V| <= 32760 and the weights of a position add up to at most 65000.
        double unit = 0;
        for (std::size_t p = 0; p < 36; ++p) {
            double sum = 0;
            for (std::size_t i = 0; i < in; ++i) {
                sum += std::fabs(all[p * in + i]);
                unit = std::max(unit, std::fabs(all[p * in + i]) / 32767.0);
            }
            unit = std::max(unit, sum / (65000.0 - static_cast<double>(in)));
        }
        const std::size_t n = o - static_cast<std::size_t>(group.channel);
        for (std::size_t p = 0; p < 36; ++p)
            for (std::size_t i = 0; i < in; ++i)
                packed[group.weights + p * in * width + (i / 2 * width + n) * 2 + i % 2] =
                    unit > 0 ? static_cast<std::int16_t>(std::lrint(all[p * in + i] / unit)) : std::int16_t{0};
        step.scale[o] = static_cast<float>(unit * out_scale(o));
        if (out_map[o] >= 0) step.bias[o] = static_cast<float>(static_cast<double>(step.bias[o]) * out_scale(o));
    });
    step.weights = std::make_shared<const Block>(std::move(block));
}

}  // namespace enlarge::cpu
