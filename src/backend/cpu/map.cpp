// SPDX-License-Identifier: Apache-2.0
// Every operation that is not part of a convolution, as plain loops over rows of floats.
#include <algorithm>
#include <cmath>

#include "backend/cpu/session.hpp"
#include "backend/cpu/stopwatch.hpp"

namespace enlarge::cpu {
namespace {

// result(op, in, y, x, c) is channel c of pixel (x, y); in(k, row, column, channel) reads input k, in.channels(k) says
// how many channels it has. An operation is a map when it has an overload here.
template <class In>
float result(const op::Prelu& op, In& in, int y, int x, int c) {
    const float v = in(0, y, x, c);
    return v < 0 ? (*op.slopes)[static_cast<std::size_t>(c)] * v : v;
}

template <class In>
float result(const op::LeakyRelu& op, In& in, int y, int x, int c) {
    const float v = in(0, y, x, c);
    return v < 0 ? op.slope * v : v;
}

template <class In>
float result(const op::Silu&, In& in, int y, int x, int c) {
    const float v = in(0, y, x, c);
    return v / (1 + std::exp(-v));
}

template <class In>
float result(const op::HardSwish&, In& in, int y, int x, int c) {
    const float v = in(0, y, x, c);
    return v * std::clamp(v + 3, 0.0F, 6.0F) / 6;
}

template <class In>
float result(const op::Add& op, In& in, int y, int x, int c) {
    return op.alpha * in(0, y, x, c) + op.beta * in(1, y, x, c);
}

template <class In>
float result(const op::SpanGate&, In& in, int y, int x, int c) {
    const float o = in(0, y, x, c);
    return (o + in(1, y, x, c)) * (1 / (1 + std::exp(-o)) - 0.5F);
}

template <class In>
float result(const op::ScaleShift& op, In& in, int y, int x, int c) {
    return in(0, y, x, c) * (*op.scale)[static_cast<std::size_t>(c)] + (*op.shift)[static_cast<std::size_t>(c)];
}

template <class In>
float result(const op::Concat&, In& in, int y, int x, int c) {
    std::size_t part = 0;
    for (; c >= in.channels(part); ++part) c -= in.channels(part);
    return in(part, y, x, c);
}

template <class In>
float result(const op::PixelShuffle& op, In& in, int y, int x, int c) {
    const int f = op.factor;
    return in(0, y / f, x / f, c * f * f + y % f * f + x % f);
}

template <class In>
float result(const op::PixelUnshuffle& op, In& in, int y, int x, int c) {
    const int f = op.factor;
    return in(0, y * f + c % (f * f) / f, x * f + c % f, c / (f * f));
}

template <class In>
float result(const op::UpsampleNearest& op, In& in, int y, int x, int c) {
    return in(0, y / op.factor, x / op.factor, c);
}

struct NoInputs {
    float operator()(std::size_t, int, int, int) const { return 0; }
    [[nodiscard]] int channels(std::size_t) const { return 0; }
};

template <class T>
concept Mapped = requires(const T& op, NoInputs& in) {
    result(op, in, 0, 0, 0);
};

}  // namespace

bool is_map(const Operation& op) {
    return std::visit([]<class T>(const T&) { return Mapped<T>; }, op);
}

template <class T>
void Runner::map_as(const T& op, const Step& step, const Share& share) {
    struct Inputs {
        const Runner& runner;
        const Step& step;
        float operator()(std::size_t k, int row, int column, int c) const {
            const int t = step.inputs[k].tensor;
            return runner.pixels<const float>(t, row)[std::ptrdiff_t{column} * runner.buffer(t).stride +
                                                      runner.tensor(t).where[static_cast<std::size_t>(c)]];
        }
        [[nodiscard]] int channels(std::size_t k) const {
            return static_cast<int>(runner.tensor(step.inputs[k].tensor).where.size());
        }
    } in{*this, step};
    const Tensor& out = tensor(step.output);
    const std::ptrdiff_t out_stride = buffer(step.output).stride;
    for (int y = share.rows.begin; y < share.rows.end; ++y) {
        float* const to_row = pixels<float>(step.output, y);
        for (int x = share.columns.begin; x < share.columns.end; ++x) {
            float* const to = to_row + x * out_stride;
            for (int physical = 0; physical < out.channels(); ++physical) {
                const int c = out.map[static_cast<std::size_t>(physical)];
                to[physical] = c < 0 ? 0 : result(op, in, y, x, c);
            }
        }
    }
}

void Runner::map(const Context& context, const Step& step, const Share& share) {
    const Stopwatch watch(timing_);
    std::visit(
        [&]<class T>(const T& op) {
            if constexpr (Mapped<T>) map_as(op, step, share);
        },
        step.op);
    watch.add(context.scratch->times.map);
}

}  // namespace enlarge::cpu
