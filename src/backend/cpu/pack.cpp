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
                      const std::vector<float>* largest_v) {
    const Source source{weights, logical_in, step.kernel};
    const std::size_t in = in_map.size(), out = out_map.size();
    const auto lanes = static_cast<std::size_t>(kernels.lanes);

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
                            source.taps(out_map[o], in_map[i])[k];
                    }
        }
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

    step.v_scale.resize(36 * in);
    for (std::size_t k = 0; k < 36 * in; ++k) step.v_scale[k] = 32767.0F / (*largest_v)[k];
    step.scale.assign(36 * out, 0);
    Block block((36 * in * out + most) * sizeof(std::int16_t));
    auto* packed = block.as<std::int16_t>();
    for_outputs(pool, out, [&](std::size_t o) {
        const Group& group = group_of(o);
        const std::size_t width = static_cast<std::size_t>(group.granules) * lanes;
        const std::size_t n = o - static_cast<std::size_t>(group.channel);
        std::vector<double> all(36 * in, 0.0);
        for (std::size_t i = 0; i < in; ++i) {
            if (in_map[i] < 0 || out_map[o] < 0) continue;
            double u[36];
            transform_kernel(source.taps(out_map[o], in_map[i]), u);
            for (std::size_t p = 0; p < 36; ++p) all[p * in + i] = u[p] / static_cast<double>(step.v_scale[p * in + i]);
        }
        for (std::size_t p = 0; p < 36; ++p) {
            // No sum can leave 32 bits: |V| <= 32768 and the weights of a sum add up to less than 65520.
            double sum = 0, largest = 0;
            for (std::size_t i = 0; i < in; ++i) {
                sum += std::fabs(all[p * in + i]);
                largest = std::max(largest, std::fabs(all[p * in + i]));
            }
            const double unit = std::max(largest / 32767.0, sum / (65520.0 - static_cast<double>(in)));
            for (std::size_t i = 0; i < in; ++i)
                packed[group.weights + p * in * width + (i / 2 * width + n) * 2 + i % 2] =
                    unit > 0 ? static_cast<std::int16_t>(std::lrint(all[p * in + i] / unit)) : std::int16_t{0};
            step.scale[static_cast<std::size_t>(group.channel) * 36 + p * width + n] = static_cast<float>(unit);
        }
    });
    step.weights = std::make_shared<const Block>(std::move(block));
}

}  // namespace enlarge::cpu
