// SPDX-License-Identifier: Apache-2.0
// Every operation that is not part of a convolution, as plain loops over rows of floats.
#include <cmath>

#include "backend/cpu/session.hpp"
#include "backend/cpu/stopwatch.hpp"

namespace enlarge::cpu {

void Runner::map(const Context& context, const Step& step, const Share& share) {
    const Stopwatch watch(timing_);
    const Tensor& out = tensor(step.output);
    const std::ptrdiff_t out_stride = buffer(step.output).stride;
    const int f = step.factor;
    for (int y = share.rows.begin; y < share.rows.end; ++y) {
        float* const to_row = pixels<float>(step.output, y);
        for (int x = share.columns.begin; x < share.columns.end; ++x) {
            float* const to = to_row + x * out_stride;
            // Channel c of input k at a pixel of that input.
            const auto value = [&](std::size_t k, int row, int column, int c) {
                const int t = step.inputs[k].tensor;
                return pixels<const float>(t, row)[std::ptrdiff_t{column} * buffer(t).stride + tensor(t).where[static_cast<std::size_t>(c)]];
            };
            int first = 0;  // of concat's current input
            std::size_t part = 0;
            for (int physical = 0; physical < out.channels(); ++physical) {
                const int c = out.map[static_cast<std::size_t>(physical)];
                if (c < 0) {
                    to[physical] = 0;
                    continue;
                }
                float result = 0;
                switch (step.op) {
                    case Op::prelu: {
                        const float v = value(0, y, x, c);
                        result = v < 0 ? step.a[static_cast<std::size_t>(c)] * v : v;
                        break;
                    }
                    case Op::leaky_relu: {
                        const float v = value(0, y, x, c);
                        result = v < 0 ? step.alpha * v : v;
                        break;
                    }
                    case Op::silu: {
                        const float v = value(0, y, x, c);
                        result = v / (1 + std::exp(-v));
                        break;
                    }
                    case Op::add: result = step.alpha * value(0, y, x, c) + step.beta * value(1, y, x, c); break;
                    case Op::span_gate: {
                        const float o = value(0, y, x, c);
                        result = (o + value(1, y, x, c)) * (1 / (1 + std::exp(-o)) - 0.5F);
                        break;
                    }
                    case Op::scale_shift:
                        result = value(0, y, x, c) * step.a[static_cast<std::size_t>(c)] + step.b[static_cast<std::size_t>(c)];
                        break;
                    case Op::concat: {
                        const auto size = [&] { return static_cast<int>(tensor(step.inputs[part].tensor).where.size()); };
                        while (c - first >= size()) {
                            first += size();
                            ++part;
                        }
                        result = value(part, y, x, c - first);
                        break;
                    }
                    case Op::pixel_shuffle: result = value(0, y / f, x / f, c * f * f + y % f * f + x % f); break;
                    case Op::pixel_unshuffle:
                        result = value(0, y * f + c % (f * f) / f, x * f + c % f, c / (f * f));
                        break;
                    case Op::upsample_nearest: result = value(0, y / f, x / f, c); break;
                    case Op::input:
                    case Op::conv2d: break;  // never a map
                }
                to[physical] = result;
            }
        }
    }
    watch.add(context.scratch->times.map);
}

}  // namespace enlarge::cpu
