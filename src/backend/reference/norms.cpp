// SPDX-License-Identifier: Apache-2.0
// Normalisations, softmax and pooling.
#include <cmath>

#include "backend/reference/run.hpp"

namespace enlarge::reference {
namespace {

struct Moments {
    double mean = 0, variance = 0;
};

// Of n numbers, `step` apart; the variance is that of all of them (divided by n).
Moments moments(const float* numbers, std::int64_t n, std::int64_t step) {
    Moments m;
    for (std::int64_t i = 0; i < n; ++i) m.mean += numbers[i * step];
    m.mean /= static_cast<double>(n);
    for (std::int64_t i = 0; i < n; ++i) m.variance += (numbers[i * step] - m.mean) * (numbers[i * step] - m.mean);
    m.variance /= static_cast<double>(n);
    return m;
}

double sum_of_squares(const float* numbers, std::int64_t n, std::int64_t step) {
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += double{numbers[i * step]} * numbers[i * step];
    return sum;
}

// Groups of `channels` neighbouring channels, all of their pixels together.
void normalise_groups(const Run& run, std::int64_t channels, double epsilon, const Values& scale, const Values& shift) {
    const std::int64_t pixels = run.out.product(1, run.out.sides.size()), size = channels * pixels;
    for_each(run.out.sides[0] / channels, run.pool, [&](std::int64_t group) {
        const Moments m = moments(run.a().values.data() + group * size, size, 1);
        const double factor = 1 / std::sqrt(m.variance + epsilon);
        for (std::int64_t i = group * size; i < (group + 1) * size; ++i) {
            const auto c = static_cast<std::size_t>(i / pixels);
            run.out.at(i) = static_cast<float>((run.a().at(i) - m.mean) * factor * (*scale)[c] + (*shift)[c]);
        }
    });
}

}  // namespace

void Run::operator()(const op::LayerNorm& op) const {
    const std::int64_t side = a().side(op.axis);
    lines(a(), op.axis, [&](std::int64_t first, std::int64_t step) {
        const Moments m = moments(a().values.data() + first, side, step);
        const double factor = 1 / std::sqrt(m.variance + op.epsilon);
        for (std::int64_t i = 0; i < side; ++i)
            out.at(first + i * step) = static_cast<float>((a().at(first + i * step) - m.mean) * factor *
                                                              (*op.scale)[static_cast<std::size_t>(i)] +
                                                          (*op.shift)[static_cast<std::size_t>(i)]);
    });
}

void Run::operator()(const op::GroupNorm& op) const {
    normalise_groups(*this, a().sides[0] / op.groups, op.epsilon, op.scale, op.shift);
}

void Run::operator()(const op::InstanceNorm& op) const { normalise_groups(*this, 1, op.epsilon, op.scale, op.shift); }

void Run::operator()(const op::RmsNorm& op) const {
    const std::int64_t side = a().side(op.axis);
    lines(a(), op.axis, [&](std::int64_t first, std::int64_t step) {
        const double factor =
            1 /
            std::sqrt(sum_of_squares(a().values.data() + first, side, step) / static_cast<double>(side) + op.epsilon);
        for (std::int64_t i = 0; i < side; ++i)
            out.at(first + i * step) =
                static_cast<float>(a().at(first + i * step) * factor * (*op.scale)[static_cast<std::size_t>(i)]);
    });
}

void Run::operator()(const op::L2Norm& op) const {
    const std::int64_t side = a().side(op.axis);
    lines(a(), op.axis, [&](std::int64_t first, std::int64_t step) {
        const double length = std::sqrt(sum_of_squares(a().values.data() + first, side, step));
        for (std::int64_t i = 0; i < side; ++i)
            out.at(first + i * step) =
                static_cast<float>(a().at(first + i * step) / std::max(length, double{op.epsilon}));
    });
}

// The largest is taken off first: exp() of it is 1.
void Run::operator()(const op::Softmax& op) const {
    const std::int64_t side = a().side(op.axis);
    lines(a(), op.axis, [&](std::int64_t first, std::int64_t step) {
        double largest = a().at(first), sum = 0;
        for (std::int64_t i = 1; i < side; ++i) largest = std::max(largest, double{a().at(first + i * step)});
        for (std::int64_t i = 0; i < side; ++i) sum += std::exp(a().at(first + i * step) - largest);
        for (std::int64_t i = 0; i < side; ++i)
            out.at(first + i * step) = static_cast<float>(std::exp(a().at(first + i * step) - largest) / sum);
    });
}

void Run::operator()(const op::GlobalMean&) const {
    for_each(a().sides[0], pool,
             [&](std::int64_t c) { out.at(c) = static_cast<float>(moments(a().row(c, 0), a().plane(), 1).mean); });
}

void Run::operator()(const op::AveragePool& op) const {
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        for (int x = 0; x < out.width(); ++x) {
            double sum = 0;
            int count = 0;
            for (std::int64_t from_y = y * op.stride - op.pad, i = 0; i < op.kernel; ++i, ++from_y)
                for (std::int64_t from_x = std::int64_t{x} * op.stride - op.pad, j = 0; j < op.kernel; ++j, ++from_x)
                    if (from_y >= 0 && from_x >= 0 && from_y < a().sides[1] && from_x < a().sides[2]) {
                        sum += a().at(c, from_y, from_x);
                        ++count;
                    }
            to[x] = static_cast<float>(sum / (op.count_padding ? op.kernel * op.kernel : count));
        }
    });
}

void Run::operator()(const op::MaxPool& op) const {
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        for (int x = 0; x < out.width(); ++x) {
            float largest = -INFINITY;
            for (std::int64_t from_y = y * op.stride - op.pad, i = 0; i < op.kernel; ++i, ++from_y)
                for (std::int64_t from_x = std::int64_t{x} * op.stride - op.pad, j = 0; j < op.kernel; ++j, ++from_x)
                    if (from_y >= 0 && from_x >= 0 && from_y < a().sides[1] && from_x < a().sides[2])
                        largest = std::max(largest, a().at(c, from_y, from_x));
            to[x] = largest;
        }
    });
}

}  // namespace enlarge::reference
