// SPDX-License-Identifier: Apache-2.0
// What works number by number, and how pixels move. Padding channels hold whatever is finite; nobody reads them but
// kernels, whose weights there are zero.
#include <algorithm>
#include <cstring>

#include "backend/cpu/tensors/session.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu::tensors {
namespace {

// out[i] = of(x[i]) for all numbers of a tensor of the same layout.
template <class Of>
void each(const Compute& c, Of of) {
    c.spans([&](int y, int x, int n) {
        const float* from = c.a().pixel(y, x);
        float* to = c.out.pixel(y, x);
        for (std::ptrdiff_t i = 0; i < std::ptrdiff_t{n} * c.out.padded(); ++i) to[i] = of(from[i]);
    });
}

void map(const Compute& c, Map f) {
    const auto padded = static_cast<std::size_t>(c.out.padded());
    c.spans([&](int y, int x, int n) {
        c.kernels().map_f32(f, c.a().pixel(y, x), static_cast<std::size_t>(n) * padded, c.out.pixel(y, x));
    });
}

// How an operand of a sum or product is read for each pixel of the result.
struct Operand {
    const Tensor* tensor;
    bool one_row, one_column, one_channel;
    [[nodiscard]] const float* pixel(int y, int x) const { return tensor->pixel(one_row ? 0 : y, one_column ? 0 : x); }
};

Operand operand(const Tensor& t, const Tensor& out) {
    return {&t, t.height() == 1 && out.height() > 1, t.width() == 1 && out.width() > 1, t.channels() == 1 && out.channels() > 1};
}

// out = of(a, b), where a side of 1 stands for as many equal numbers as there are.
template <class Of>
void pairs(const Compute& c, Of of) {
    const Operand a = operand(c.a(), c.out), b = operand(c.b(), c.out);
    const bool plain = !a.one_row && !b.one_row && !a.one_column && !b.one_column && !a.one_channel && !b.one_channel;
    const int padded = c.out.padded();
    c.spans([&](int y, int first, int n) {
        if (plain) {
            const float *p = c.a().pixel(y, first), *q = c.b().pixel(y, first);
            float* to = c.out.pixel(y, first);
            for (std::ptrdiff_t i = 0; i < std::ptrdiff_t{n} * padded; ++i) to[i] = of(p[i], q[i]);
            return;
        }
        for (int x = first; x < first + n; ++x) {
            const float *p = a.pixel(y, x), *q = b.pixel(y, x);
            float* to = c.out.pixel(y, x);
            if (a.one_channel && b.one_channel)
                for (int i = 0; i < padded; ++i) to[i] = of(p[0], q[0]);
            else if (a.one_channel)
                for (int i = 0; i < padded; ++i) to[i] = of(p[0], q[i]);
            else if (b.one_channel)
                for (int i = 0; i < padded; ++i) to[i] = of(p[i], q[0]);
            else
                for (int i = 0; i < padded; ++i) to[i] = of(p[i], q[i]);
        }
    });
}

void copy_channels(const float* from, int channels, float* to) {
    std::memcpy(to, from, static_cast<std::size_t>(channels) * sizeof(float));
}

void clear_padding(const Tensor& out, float* pixel) { std::fill(pixel + out.channels(), pixel + out.padded(), 0.0F); }

}  // namespace

void Compute::operator()(const op::Prelu&) const {
    spans([&](int y, int first_pixel, int n) {
        for (int x = first_pixel; x < first_pixel + n; ++x) {
            const float* from = a().pixel(y, x);
            float* to = out.pixel(y, x);
            for (int c = 0; c < out.padded(); ++c)
                to[c] = from[c] < 0 ? step.scale[static_cast<std::size_t>(c)] * from[c] : from[c];
        }
    });
}
void Compute::operator()(const op::LeakyRelu& op) const {
    return each(*this, [slope = op.slope](float x) { return x < 0 ? slope * x : x; });
}
void Compute::operator()(const op::Silu&) const { return map(*this, Map::silu); }
void Compute::operator()(const op::Gelu& op) const { return map(*this, op.tanh_form ? Map::gelu_tanh : Map::gelu); }
void Compute::operator()(const op::Mish&) const { return map(*this, Map::mish); }
void Compute::operator()(const op::Sigmoid&) const { return map(*this, Map::sigmoid); }
void Compute::operator()(const op::Tanh&) const { return map(*this, Map::tanh); }
void Compute::operator()(const op::HardSwish&) const {
    return each(*this, [](float x) { return x * std::clamp(x + 3, 0.0F, 6.0F) / 6; });
}
void Compute::operator()(const op::Clamp& op) const {
    return each(*this, [low = op.low, high = op.high](float x) { return x < low ? low : x > high ? high : x; });
}

void Compute::operator()(const op::Add& op) const {
    if (op.alpha == 1 && op.beta == 1) return pairs(*this, [](float x, float y) { return x + y; });
    return pairs(*this, [p = op.alpha, q = op.beta](float x, float y) { return p * x + q * y; });
}
void Compute::operator()(const op::Multiply&) const {
    return pairs(*this, [](float x, float y) { return x * y; });
}
void Compute::operator()(const op::Maximum&) const {
    return pairs(*this, [](float x, float y) { return x > y || x != x ? x : y; });
}
void Compute::operator()(const op::SpanGate&) const {
    spans([&](int y, int first, int pixels) {
        const auto n = static_cast<std::size_t>(pixels) * static_cast<std::size_t>(out.padded());
        const float *o = a().pixel(y, first), *x = b().pixel(y, first);
        float* to = out.pixel(y, first);
        kernels().map_f32(Map::sigmoid, o, n, to);
        for (std::size_t i = 0; i < n; ++i) to[i] = (o[i] + x[i]) * (to[i] - 0.5F);
    });
}
void Compute::operator()(const op::ScaleShift&) const {
    spans([&](int y, int first_pixel, int n) {
        for (int x = first_pixel; x < first_pixel + n; ++x) {
            const float* from = a().pixel(y, x);
            float* to = out.pixel(y, x);
            for (std::size_t c = 0; c < step.scale.size(); ++c) to[c] = step.scale[c] * from[c] + step.shift[c];
        }
    });
}

void Compute::operator()(const op::Concat&) const {
    spans([&](int y, int first_pixel, int n) {
        for (int x = first_pixel; x < first_pixel + n; ++x) {
            float* to = out.pixel(y, x);
            for (const Tensor& part : in) {
                copy_channels(part.pixel(y, x), part.channels(), to);
                to += part.channels();
            }
            clear_padding(out, out.pixel(y, x));
        }
    });
}

void Compute::operator()(const op::Slice& op) const {
    const int first = op.begin < 0 ? op.begin + a().channels() : op.begin;
    spans([&](int y, int first_pixel, int n) {
        for (int x = first_pixel; x < first_pixel + n; ++x) {
            copy_channels(a().pixel(y, x) + first, out.channels(), out.pixel(y, x));
            clear_padding(out, out.pixel(y, x));
        }
    });
}

void Compute::operator()(const op::PixelShuffle& op) const {
    const int f = op.factor;
    rows([&](int y) {
        for (int x = 0; x < out.width(); ++x) {
            const float* from = a().pixel(y / f, x / f) + y % f * f + x % f;
            float* to = out.pixel(y, x);
            for (int c = 0; c < out.channels(); ++c) to[c] = from[c * f * f];
            clear_padding(out, to);
        }
    });
}

void Compute::operator()(const op::PixelUnshuffle& op) const {
    const int f = op.factor;
    rows([&](int y) {
        for (int x = 0; x < out.width(); ++x) {
            float* to = out.pixel(y, x);
            for (int i = 0; i < f; ++i)
                for (int j = 0; j < f; ++j) {
                    const float* from = a().pixel(y * f + i, x * f + j);
                    for (int c = 0; c < a().channels(); ++c) to[c * f * f + i * f + j] = from[c];
                }
            clear_padding(out, to);
        }
    });
}

void Compute::operator()(const op::UpsampleNearest& op) const {
    rows([&](int y) {
        for (int x = 0; x < out.width(); ++x) copy_channels(a().pixel(y / op.factor, x / op.factor), out.padded(), out.pixel(y, x));
    });
}

void Compute::operator()(const op::Crop& op) const {
    rows([&](int y) { copy_channels(a().pixel(y + op.top, op.left), out.width() * out.padded(), out.row(y)); });
}

// The picture itself is mirrored, not what it goes on with to a multiple.
void Compute::operator()(const op::Pad& op) const {
    using Mode = op::Pad::Mode;
    const bool itself = step.inputs[0] == 0 && op.mode != Mode::zeros;
    const int width = a().width() - (itself ? continued.width : 0), height = a().height() - (itself ? continued.height : 0);
    const auto from = [&](int i, int n) {
        if (i >= 0 && i < n) return i;
        return op.mode == Mode::zeros ? -1 : op.mode == Mode::repeat ? std::clamp(i, 0, n - 1) : reflect(i, n);
    };
    rows([&](int y) {
        const int row = from(y - op.top, height);
        if (row < 0) {
            std::fill_n(out.row(y), std::ptrdiff_t{out.width()} * out.padded(), 0.0F);
            return;
        }
        for (int x = 0; x < out.width(); ++x) {
            const int column = from(x - op.left, width);
            if (column < 0)
                std::fill_n(out.pixel(y, x), out.padded(), 0.0F);
            else
                copy_channels(a().pixel(row, column), out.padded(), out.pixel(y, x));
        }
    });
}

void Compute::operator()(const op::Roll& op) const {
    const auto around = [](int i, int n) { return (i % n + n) % n; };
    rows([&](int y) {
        const int from = around(y - op.rows, out.height());
        for (int x = 0; x < out.width(); ++x)
            copy_channels(a().pixel(from, around(x - op.columns, out.width())), out.padded(), out.pixel(y, x));
    });
}

void Compute::operator()(const op::DynamicConv2d& op) const {
    const int k = op.kernel, kernels = b().channels() / (k * k), each = a().channels() / kernels;
    const bool one_row = b().height() == 1, one_column = b().width() == 1;
    rows([&](int y) {
        for (int x = 0; x < out.width(); ++x) {
            const float* weights = b().pixel(one_row ? 0 : y, one_column ? 0 : x);
            float* to = out.pixel(y, x);
            std::fill(to, to + out.padded(), 0.0F);
            for (int i = 0; i < k; ++i)
                for (int j = 0; j < k; ++j) {
                    const int row = y + i - k / 2, column = x + j - k / 2;
                    if (row < 0 || column < 0 || row >= a().height() || column >= a().width()) continue;
                    const float* from = a().pixel(row, column);
                    if (each == 1) {
                        const int stride = k * k, at = i * k + j;
                        for (int c = 0; c < out.channels(); ++c) to[c] += weights[c * stride + at] * from[c];
                    } else {
                        for (int c = 0; c < out.channels(); ++c) to[c] += weights[(c / each * k + i) * k + j] * from[c];
                    }
                }
        }
    });
}

}  // namespace enlarge::cpu::tensors
