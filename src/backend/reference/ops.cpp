// SPDX-License-Identifier: Apache-2.0
#include "backend/reference/ops.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

namespace enlarge::reference {
namespace {

// Calls body(channel, y) for every row of `out`.
void for_rows(const Planes& out, ThreadPool* pool, const std::function<void(int, int)>& body) {
    const std::int64_t rows = std::int64_t{out.channels} * out.size.height;
    const auto one = [&](std::int64_t i) {
        body(static_cast<int>(i / out.size.height), static_cast<int>(i % out.size.height));
    };
    if (pool) {
        pool->for_each(rows, 8, one);
    } else {
        for (std::int64_t i = 0; i < rows; ++i) one(i);
    }
}

// The sum runs over input channel, kernel row, kernel column in this order, in double; taps outside are zero.
void conv_row(const Node& node, const Planes& in, int channel, int y, float* out) {
    const int width = in.size.width, radius = node.kernel / 2;
    const auto area = static_cast<std::size_t>(node.kernel) * static_cast<std::size_t>(node.kernel);
    const float* weights = node.weights->data() +
                           static_cast<std::size_t>(channel) * static_cast<std::size_t>(in.channels) * area;
    std::vector<double> sum(static_cast<std::size_t>(width), 0.0);
    for (int c = 0; c < in.channels; ++c)
        for (int i = -radius; i <= radius; ++i)
            for (int j = -radius; j <= radius; ++j) {
                const double weight = *weights++;
                if (y + i < 0 || y + i >= in.size.height) continue;
                const float* row = in.row(c, y + i) + j;
                const int end = std::min(width, width - j);
                for (int x = std::max(0, -j); x < end; ++x) sum[static_cast<std::size_t>(x)] += weight * row[x];
            }
    const double bias = (*node.bias)[static_cast<std::size_t>(channel)];
    for (int x = 0; x < width; ++x) out[x] = static_cast<float>(sum[static_cast<std::size_t>(x)] + bias);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

void run_op(const Node& node, const std::vector<const Planes*>& in, Planes& out, ThreadPool* pool) {
    const Planes& a = *in[0];
    const int factor = node.factor, width = out.size.width;
    for_rows(out, pool, [&](int c, int y) {
        float* to = out.row(c, y);
        const auto channel = static_cast<std::size_t>(c);
        switch (node.op) {
            case Op::input:
                break;
            case Op::conv2d:
                conv_row(node, a, c, y, to);
                break;
            case Op::prelu:
            case Op::leaky_relu: {
                const double slope = node.op == Op::prelu ? (*node.weights)[channel] : node.alpha;
                const float* from = a.row(c, y);
                for (int x = 0; x < width; ++x)
                    to[x] = from[x] < 0 ? static_cast<float>(slope * from[x]) : from[x];
                break;
            }
            case Op::silu: {
                const float* from = a.row(c, y);
                for (int x = 0; x < width; ++x) to[x] = static_cast<float>(from[x] * sigmoid(from[x]));
                break;
            }
            case Op::add: {
                const float *p = a.row(c, y), *q = in[1]->row(c, y);
                const double alpha = node.alpha, beta = node.beta;
                for (int x = 0; x < width; ++x) to[x] = static_cast<float>(alpha * p[x] + beta * q[x]);
                break;
            }
            case Op::concat: {
                int part = 0, first = 0;
                while (c - first >= in[static_cast<std::size_t>(part)]->channels)
                    first += in[static_cast<std::size_t>(part++)]->channels;
                std::copy_n(in[static_cast<std::size_t>(part)]->row(c - first, y), width, to);
                break;
            }
            case Op::pixel_shuffle:
                for (int x = 0; x < width; ++x)
                    to[x] = a.row(c * factor * factor + y % factor * factor + x % factor, y / factor)[x / factor];
                break;
            case Op::pixel_unshuffle: {
                const int from_channel = c / (factor * factor), i = c / factor % factor, j = c % factor;
                const float* from = a.row(from_channel, y * factor + i) + j;
                for (int x = 0; x < width; ++x) to[x] = from[std::ptrdiff_t{x} * factor];
                break;
            }
            case Op::upsample_nearest: {
                const float* from = a.row(c, y / factor);
                for (int x = 0; x < width; ++x) to[x] = from[x / factor];
                break;
            }
            case Op::scale_shift: {
                const double scale = (*node.weights)[channel], shift = (*node.bias)[channel];
                const float* from = a.row(c, y);
                for (int x = 0; x < width; ++x) to[x] = static_cast<float>(scale * from[x] + shift);
                break;
            }
            case Op::span_gate: {
                const float *o = a.row(c, y), *x0 = in[1]->row(c, y);
                for (int x = 0; x < width; ++x)
                    to[x] = static_cast<float>((static_cast<double>(o[x]) + x0[x]) * (sigmoid(o[x]) - 0.5));
                break;
            }
        }
    });
}

}  // namespace enlarge::reference
