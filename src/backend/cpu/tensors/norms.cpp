// SPDX-License-Identifier: Apache-2.0
// Norms and means.
#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/tensors/session.hpp"

namespace enlarge::cpu::tensors {
namespace {

void across_channels(const Compute& c, Norm norm, float epsilon) {
    c.spans([&](int y, int x, int n) {
        c.kernels().norm_f32(norm, c.a().pixel(y, x), c.a().padded(), n, c.out.channels(), epsilon, c.step.scale.data(),
                             c.step.shift.data(), c.out.pixel(y, x), c.out.padded());
    });
}

// For each channel the sum over all pixels, or that of the squares of what they are off `mean`.
std::vector<double> sums(const Compute& c, const double* mean = nullptr) {
    const Tensor& x = c.a();
    RowSums rows(c.kernels(), x.height(), x.padded());
    c.parallel(x.height(), [&](std::int64_t y, Scratch&) {
        rows.add(static_cast<int>(y), x.row(static_cast<int>(y)), x.width(), mean);
    });
    return rows.total();
}

// (x - mean) / sqrt(variance + epsilon) * scale + shift over `groups` groups of channels and all pixels.
void across_pixels(const Compute& c, int groups, float epsilon) {
    const auto channels = static_cast<std::size_t>(c.out.channels()), each = channels / static_cast<std::size_t>(groups);
    const double count = static_cast<double>(each) * c.out.width() * c.out.height();
    const auto gather = [&](const std::vector<double>& of) {
        std::vector<double> group(static_cast<std::size_t>(groups), 0.0);
        for (std::size_t k = 0; k < channels; ++k) group[k / each] += of[k] / count;
        return group;
    };
    const auto padded = static_cast<std::size_t>(c.out.padded());
    const std::vector<double> mean = gather(sums(c));
    std::vector<double> of_channel(padded, 0.0);
    for (std::size_t k = 0; k < channels; ++k) of_channel[k] = mean[k / each];
    const std::vector<double> variance = gather(sums(c, of_channel.data()));
    std::vector<float> scale(padded, 0.0F), shift(padded, 0.0F);
    for (std::size_t k = 0; k < channels; ++k) {
        const double by = c.step.scale[k] / std::sqrt(variance[k / each] + double{epsilon});
        scale[k] = static_cast<float>(by);
        shift[k] = static_cast<float>(c.step.shift[k] - mean[k / each] * by);
    }
    c.rows([&](int y) {
        for (int x = 0; x < c.out.width(); ++x) {
            const float* from = c.a().pixel(y, x);
            float* to = c.out.pixel(y, x);
            for (std::size_t k = 0; k < padded; ++k) to[k] = from[k] * scale[k] + shift[k];
        }
    });
}

}  // namespace

void Compute::operator()(const op::LayerNorm& op) const { return across_channels(*this, Norm::layer, op.epsilon); }
void Compute::operator()(const op::RmsNorm& op) const { return across_channels(*this, Norm::rms, op.epsilon); }
void Compute::operator()(const op::L2Norm& op) const { return across_channels(*this, Norm::l2, op.epsilon); }
void Compute::operator()(const op::GroupNorm& op) const { return across_pixels(*this, op.groups, op.epsilon); }
void Compute::operator()(const op::InstanceNorm& op) const { return across_pixels(*this, out.channels(), op.epsilon); }

void Compute::operator()(const op::GlobalMean&) const {
    put_mean(sums(*this), std::int64_t{a().width()} * a().height(), out);
}

void put_mean(const std::vector<double>& sums, std::int64_t pixels, const Tensor& to) {
    float* const numbers = to.row(0);
    std::fill(numbers, numbers + to.padded(), 0.0F);
    for (std::size_t k = 0; k < static_cast<std::size_t>(to.channels()); ++k) numbers[k] = static_cast<float>(sums[k] / static_cast<double>(pixels));
}

}  // namespace enlarge::cpu::tensors
