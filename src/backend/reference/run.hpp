// SPDX-License-Identifier: Apache-2.0
// One overload per operation: an operation without one does not compile.
#pragma once

#include <algorithm>
#include <vector>

#include "backend/reference/tensor.hpp"
#include "graph/operations.hpp"

namespace enlarge::reference {

// Computes `out` from `in`.
struct Run {
    const std::vector<const Tensor*>& in;
    Tensor& out;
    ThreadPool* pool;

    [[nodiscard]] const Tensor& a() const { return *in[0]; }
    [[nodiscard]] const Tensor& b() const { return *in[1]; }
    [[nodiscard]] const Tensor& c() const { return *in[2]; }

    // Calls body(channel, y, to) for every row of a picture.
    template <class Body>
    void rows(Body body) const {
        for_each(out.sides[0] * out.sides[1], pool, [&](std::int64_t i) {
            const std::int64_t c = i / out.sides[1], y = i % out.sides[1];
            body(c, y, out.row(c, y));
        });
    }
    // out[i] = of(a[i]) for all numbers of the first input.
    template <class Of>
    void each(Of of) const {
        const std::int64_t inner = out.sides.empty() ? 1 : out.sides.back();
        for_each(static_cast<std::int64_t>(out.values.size()) / inner, pool, [&](std::int64_t row) {
            for (std::int64_t i = row * inner; i < (row + 1) * inner; ++i)
                out.at(i) = static_cast<float>(of(double{a().at(i)}));
        });
    }
    // out = of(a, b), where a side of 1 stands for as many equal numbers as the result has there.
    template <class Of>
    void pairs(Of of) const {
        const std::size_t n = out.sides.size();
        const auto steps = [&](const Tensor& t) {
            std::vector<std::int64_t> step(n, 0);
            std::int64_t size = 1;
            for (std::size_t k = 0; k < t.sides.size(); ++k) {
                const std::int64_t side = t.sides[t.sides.size() - 1 - k];
                if (side != 1) step[n - 1 - k] = size;
                size *= side;
            }
            return step;
        };
        const std::vector<std::int64_t> step_a = steps(a()), step_b = steps(b());
        const std::int64_t inner = n == 0 ? 1 : out.sides[n - 1];
        for_each(static_cast<std::int64_t>(out.values.size()) / inner, pool, [&](std::int64_t row) {
            std::int64_t from_a = 0, from_b = 0, rest = row;
            for (std::size_t k = n < 1 ? 0 : n - 1; k-- > 0; rest /= out.sides[k]) {
                from_a += rest % out.sides[k] * step_a[k];
                from_b += rest % out.sides[k] * step_b[k];
            }
            for (std::int64_t x = 0; x < inner; ++x)
                out.at(row * inner + x) = static_cast<float>(of(double{a().at(from_a + (n ? x * step_a[n - 1] : 0))},
                                                                double{b().at(from_b + (n ? x * step_b[n - 1] : 0))}));
        });
    }
    // Calls body(first, step) for every line of a tensor along `axis`: its numbers are at first + i * step.
    template <class Body>
    void lines(const Tensor& along, int axis, Body body) const {
        const std::size_t k = along.index(axis);
        const std::int64_t inner = along.product(k + 1, along.sides.size()), side = along.sides[k];
        for_each(along.product(0, k) * inner, pool,
                 [&](std::int64_t i) { body(i / inner * side * inner + i % inner, inner); });
    }

    void operator()(const op::Input& op) const;
    void operator()(const op::Conv2d& op) const;
    void operator()(const op::Prelu& op) const;
    void operator()(const op::LeakyRelu& op) const;
    void operator()(const op::Silu& op) const;
    void operator()(const op::Add& op) const;
    void operator()(const op::SpanGate& op) const;
    void operator()(const op::Concat& op) const;
    void operator()(const op::PixelShuffle& op) const;
    void operator()(const op::PixelUnshuffle& op) const;
    void operator()(const op::UpsampleNearest& op) const;
    void operator()(const op::ScaleShift& op) const;
    void operator()(const op::Constant& op) const;
    void operator()(const op::Gelu& op) const;
    void operator()(const op::Mish& op) const;
    void operator()(const op::Sigmoid& op) const;
    void operator()(const op::Tanh& op) const;
    void operator()(const op::HardSwish& op) const;
    void operator()(const op::Exp& op) const;
    void operator()(const op::Sqrt& op) const;
    void operator()(const op::Abs& op) const;
    void operator()(const op::Clamp& op) const;
    void operator()(const op::Multiply& op) const;
    void operator()(const op::Maximum& op) const;
    void operator()(const op::ConvTranspose2d& op) const;
    void operator()(const op::DynamicConv2d& op) const;
    void operator()(const op::Linear& op) const;
    void operator()(const op::MatMul& op) const;
    void operator()(const op::LayerNorm& op) const;
    void operator()(const op::GroupNorm& op) const;
    void operator()(const op::InstanceNorm& op) const;
    void operator()(const op::RmsNorm& op) const;
    void operator()(const op::L2Norm& op) const;
    void operator()(const op::Softmax& op) const;
    void operator()(const op::GlobalMean& op) const;
    void operator()(const op::AveragePool& op) const;
    void operator()(const op::MaxPool& op) const;
    void operator()(const op::WindowAttention& op) const;
    void operator()(const op::GridAttention& op) const;
    void operator()(const op::OverlapAttention& op) const;
    void operator()(const op::ChannelAttention& op) const;
    void operator()(const op::CrossAttention& op) const;
    void operator()(const op::CategoryAttention& op) const;
    void operator()(const op::Resize& op) const;
    void operator()(const op::GridSample& op) const;
    void operator()(const op::Pad& op) const;
    void operator()(const op::Crop& op) const;
    void operator()(const op::Roll& op) const;
    void operator()(const op::Argmax& op) const;
    void operator()(const op::Argsort& op) const;
    void operator()(const op::Gather& op) const;
    void operator()(const op::Reshape& op) const;
    void operator()(const op::Transpose& op) const;
    void operator()(const op::Slice& op) const;
};

}  // namespace enlarge::reference
