// SPDX-License-Identifier: Apache-2.0
// What samples: resizing, given places, the largest of some pixels. All channels of a pixel at once.
#include <algorithm>
#include <cmath>

#include "backend/cpu/tensors/session.hpp"
#include "backend/reference/resize_taps.hpp"

namespace enlarge::cpu::tensors {
namespace {

void add_pixel(const float* from, float weight, int channels, float* to) {
    for (int c = 0; c < channels; ++c) to[c] += weight * from[c];
}

// Bilinear sample of some channels; NaN where the place is.
void sample(const Tensor& x, double column, double row, int first, int channels, float* to) {
    std::fill_n(to, channels, std::isnan(column) || std::isnan(row) ? NAN : 0.0F);
    if (std::isnan(column) || std::isnan(row)) return;
    const int left = static_cast<int>(std::floor(column)), top = static_cast<int>(std::floor(row));
    const double right_share = column - left, bottom_share = row - top;
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) {
            if (top + i < 0 || left + j < 0 || top + i >= x.height() || left + j >= x.width()) continue;
            const double share = (i ? bottom_share : 1 - bottom_share) * (j ? right_share : 1 - right_share);
            add_pixel(x.pixel(top + i, left + j) + first, static_cast<float>(share), channels, to);
        }
}

}  // namespace

void Compute::operator()(const op::Resize& op) const {
    std::vector<reference::ResizeTaps> across;
    for (int x = 0; x < out.width(); ++x) across.push_back(reference::taps_at(op, x, a().width(), out.width()));
    rows([&](int y) {
        const reference::ResizeTaps down = reference::taps_at(op, y, a().height(), out.height());
        for (int x = 0; x < out.width(); ++x) {
            const reference::ResizeTaps& taps = across[static_cast<std::size_t>(x)];
            float* const to = out.pixel(y, x);
            std::fill_n(to, out.padded(), 0.0F);
            for (int i = 0; i < down.count; ++i)
                for (int j = 0; j < taps.count; ++j) {
                    const auto row = static_cast<int>(std::clamp<std::int64_t>(down.first + i, 0, a().height() - 1)),
                               column = static_cast<int>(std::clamp<std::int64_t>(taps.first + j, 0, a().width() - 1));
                    add_pixel(a().pixel(row, column), static_cast<float>(down.weight[i] * taps.weight[j]),
                              out.channels(), to);
                }
        }
    });
}

void Compute::operator()(const op::GridSample& op) const {
    const int channels = out.channels() / op.groups;
    rows([&](int y) {
        for (int x = 0; x < out.width(); ++x) {
            const float* const place = b().pixel(y, x);
            float* const to = out.pixel(y, x);
            for (int g = 0; g < op.groups; ++g)
                sample(a(), reference::sample_place(op, place[2 * g], a().width(), x, out.width()),
                       reference::sample_place(op, place[2 * g + 1], a().height(), y, out.height()), g * channels,
                       channels, to + std::ptrdiff_t{g} * channels);
            std::fill(to + out.channels(), to + out.padded(), 0.0F);
        }
    });
}

namespace {

// Calls body(result, pixel) for every pixel of the input that a window holds. Returns how many.
template <class Op, class Body>
int in_window(const Compute& c, const Op& op, int y, int x, const Body& body) {
    const int top = y * op.stride - op.pad, left = x * op.stride - op.pad;
    int count = 0;
    for (int i = std::max(0, top); i < std::min(c.a().height(), top + op.kernel); ++i)
        for (int j = std::max(0, left); j < std::min(c.a().width(), left + op.kernel); ++j, ++count)
            body(c.a().pixel(i, j));
    return count;
}

}  // namespace

// Beyond the edges there is nothing; what is no number is never the largest, as the reference has it.
void Compute::operator()(const op::MaxPool& op) const {
    rows([&](int y) {
        for (int x = 0; x < out.width(); ++x) {
            float* const to = out.pixel(y, x);
            std::fill_n(to, out.channels(), -INFINITY);
            std::fill(to + out.channels(), to + out.padded(), 0.0F);
            in_window(*this, op, y, x, [&](const float* from) {
                for (int c = 0; c < out.channels(); ++c) to[c] = std::max(to[c], from[c]);
            });
        }
    });
}

void Compute::operator()(const op::AveragePool& op) const {
    rows([&](int y) {
        for (int x = 0; x < out.width(); ++x) {
            float* const to = out.pixel(y, x);
            std::fill_n(to, out.padded(), 0.0F);
            const int count =
                in_window(*this, op, y, x, [&](const float* from) { add_pixel(from, 1, out.channels(), to); });
            const float share = 1 / static_cast<float>(op.count_padding ? op.kernel * op.kernel : count);
            for (int c = 0; c < out.channels(); ++c) to[c] *= share;
        }
    });
}

}  // namespace enlarge::cpu::tensors
