// SPDX-License-Identifier: Apache-2.0
// One plain kernel for each kind of operation on whole tensors in float, for networks that are no chains of
// convolutions. A thread computes a number, or a line of them; launches are of any size. Sums are in float, but over
// whole channels.
#pragma once

#include "../../tensors/params.hpp"
#include "items.cuh"

namespace enlarge::cuda {

using namespace tensors;

ENLARGE_DEVICE const float* floats(std::uint64_t address) { return reinterpret_cast<const float*>(address); }
ENLARGE_DEVICE float* result_floats(std::uint64_t address) { return reinterpret_cast<float*>(address); }
ENLARGE_DEVICE float sigmoid_of(float x) { return 1.f / (1.f + expf(-x)); }

ENLARGE_DEVICE float mapped(const MapNumbers& p, float x, std::int64_t i) {
    switch (p.kind) {
        case kMapLeakyRelu:
            return x < 0.f ? p.low * x : x;
        case kMapSilu:
            return x * sigmoid_of(x);
        case kMapGelu:
            return x * 0.5f * (1.f + erff(x * 0.70710678f));
        case kMapGeluTanh:
            return x * 0.5f * (1.f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
        case kMapMish:
            return x * tanhf(x > 30.f ? x : log1pf(expf(x)));
        case kMapSigmoid:
            return sigmoid_of(x);
        case kMapHardSwish:
            return x * fminf(fmaxf(x + 3.f, 0.f), 6.f) / 6.f;
        case kMapTanh:
            return tanhf(x);
        case kMapExp:
            return expf(x);
        case kMapSqrt:
            return sqrtf(x);
        case kMapAbs:
            return fabsf(x);
        case kMapClamp:
            return x < p.low ? p.low : x > p.high ? p.high : x;
        case kMapPrelu:
            return x < 0.f ? floats(p.scale)[i / p.plane] * x : x;
        default:
            return x * floats(p.scale)[i / p.plane] + floats(p.shift)[i / p.plane];
    }
}

ENLARGE_KERNEL(tensor_map, MapNumbers, 256, 1) {
    for (std::int64_t i = first_item(); i < p.count; i += item_step())
        result_floats(p.out)[i] = mapped(p, floats(p.in)[i], i);
}

ENLARGE_KERNEL(tensor_pair, PairNumbers, 256, 1) {
    for (std::int64_t i = first_item(); i < p.count; i += item_step()) {
        std::int64_t rest = i, from_a = 0, from_b = 0;
        for (int k = p.rank; k-- > 1; rest /= p.sides[k]) {
            from_a += rest % p.sides[k] * p.step_a[k];
            from_b += rest % p.sides[k] * p.step_b[k];
        }
        from_a += rest * p.step_a[0];
        from_b += rest * p.step_b[0];
        const float a = floats(p.a)[from_a], b = floats(p.b)[from_b];
        float result = p.alpha * a + p.beta * b;
        if (p.kind == kPairMultiply) result = a * b;
        if (p.kind == kPairMaximum) result = a > b || a != a ? a : b;
        if (p.kind == kPairSpanGate) result = (a + b) * (sigmoid_of(a) - 0.5f);
        result_floats(p.out)[i] = result;
    }
}

ENLARGE_KERNEL(tensor_move, MoveNumbers, 256, 1) {
    for (std::int64_t i = first_item(); i < p.count; i += item_step()) {
        std::int64_t rest = i, from = 0, to = 0;
        for (int k = p.rank; k-- > 1; rest /= p.sides[k]) {
            from += rest % p.sides[k] * p.from[k];
            to += rest % p.sides[k] * p.to[k];
        }
        from += rest * p.from[0];
        to += rest * p.to[0];
        result_floats(p.out)[to] = floats(p.in)[from];
    }
}

// What one output number sums: of a transposed convolution the taps that fall onto it.
ENLARGE_KERNEL(tensor_conv, ConvTensor, 256, 1) {
    const std::int64_t plane = static_cast<std::int64_t>(p.out_height) * p.out_width;
    const int in_group = p.channels / p.groups, out_group = p.out_channels / p.groups, taps = p.kernel_h * p.kernel_w;
    for (std::int64_t i = first_item(); i < plane * p.out_channels; i += item_step()) {
        const int o = static_cast<int>(i / plane), y = static_cast<int>(i % plane / p.out_width),
                  x = static_cast<int>(i % p.out_width);
        const int first = o / out_group * in_group;
        float sum = floats(p.bias)[o];
        for (int tap = 0; tap < taps; ++tap) {
            int yy = y * p.stride_h + tap / p.kernel_w * p.dilation_h - p.top;
            int xx = x * p.stride_w + tap % p.kernel_w * p.dilation_w - p.left;
            if (p.transposed) {
                yy = y + p.top - tap / p.kernel_w * p.dilation_h;
                xx = x + p.left - tap % p.kernel_w * p.dilation_w;
                if (yy < 0 || xx < 0 || yy % p.stride_h != 0 || xx % p.stride_w != 0) continue;
                yy /= p.stride_h;
                xx /= p.stride_w;
            }
            if (yy < 0 || xx < 0 || yy >= p.height || xx >= p.width) continue;
            for (int c = 0; c < in_group; ++c) {
                const std::int64_t weight =
                    p.transposed ? (static_cast<std::int64_t>(first + c) * out_group + o % out_group) * taps + tap
                                 : (static_cast<std::int64_t>(o) * in_group + c) * taps + tap;
                sum += floats(p.weights)[weight] *
                       floats(p.in)[(static_cast<std::int64_t>(first + c) * p.height + yy) * p.width + xx];
            }
        }
        result_floats(p.out)[i] = sum;
    }
}

ENLARGE_KERNEL(tensor_dynamic_conv, DynamicConv, 256, 1) {
    const std::int64_t plane = static_cast<std::int64_t>(p.height) * p.width;
    const std::int64_t kernel_plane = static_cast<std::int64_t>(p.kernel_rows) * p.kernel_columns;
    const int taps = p.kernel * p.kernel, wide = p.channels / p.groups;
    for (std::int64_t i = first_item(); i < plane * p.channels; i += item_step()) {
        const int c = static_cast<int>(i / plane), y = static_cast<int>(i % plane / p.width),
                  x = static_cast<int>(i % p.width);
        const std::int64_t place =
            static_cast<std::int64_t>(p.kernel_rows == 1 ? 0 : y) * p.kernel_columns + (p.kernel_columns == 1 ? 0 : x);
        float sum = 0.f;
        for (int tap = 0; tap < taps; ++tap) {
            const int yy = y + tap / p.kernel - p.kernel / 2, xx = x + tap % p.kernel - p.kernel / 2;
            if (yy < 0 || xx < 0 || yy >= p.height || xx >= p.width) continue;
            sum += floats(p.kernels)[(c / wide * taps + tap) * kernel_plane + place] *
                   floats(p.in)[c * plane + static_cast<std::int64_t>(yy) * p.width + xx];
        }
        result_floats(p.out)[i] = sum;
    }
}

ENLARGE_KERNEL(tensor_product, MatrixProduct, 256, 1) {
    for (std::int64_t i = first_item(); i < p.batch * p.m * p.n; i += item_step()) {
        const std::int64_t row = i / p.n, column = i % p.n;
        const float* a = floats(p.a) + row * p.k;
        const float* b = floats(p.b) + (p.one_b ? 0 : row / p.m * p.k * p.n) + (p.transpose_b ? column * p.k : column);
        const std::int64_t step = p.transpose_b ? 1 : p.n;
        float sum = 0.f;
        for (std::int64_t k = 0; k < p.k; ++k) sum += a[k] * b[k * step];
        result_floats(p.out)[i] = p.scale * sum + (p.bias ? floats(p.bias)[column] : 0.f);
    }
}

// ---- along lines ----

ENLARGE_KERNEL(tensor_lines, Lines, 256, 1) {
    const float count = static_cast<float>(p.side);
    for (std::int64_t line = first_item(); line < p.lines; line += item_step()) {
        const std::int64_t start = line / p.inner * p.side * p.inner + line % p.inner;
        const float* in = floats(p.in) + start;
        float* out = result_floats(p.out) + start;
        float sum = 0.f, squares = 0.f, largest = in[0];
        std::int64_t best = 0;
        for (std::int64_t i = 0; i < p.side; ++i) {
            const float v = in[i * p.inner];
            sum += v;
            squares += v * v;
            if (v > largest) {
                largest = v;
                best = i;
            }
        }
        if (p.kind == kLineArgmax) {
            result_floats(p.out)[line] = static_cast<float>(best);
            continue;
        }
        float mean = 0.f, factor = 1.f;
        if (p.kind == kLineLayerNorm) {
            mean = sum / count;
            float variance = 0.f;
            for (std::int64_t i = 0; i < p.side; ++i) variance += (in[i * p.inner] - mean) * (in[i * p.inner] - mean);
            factor = 1.f / sqrtf(variance / count + p.epsilon);
        }
        if (p.kind == kLineRmsNorm) factor = 1.f / sqrtf(squares / count + p.epsilon);
        if (p.kind == kLineL2Norm) factor = 1.f / fmaxf(sqrtf(squares), p.epsilon);
        if (p.kind == kLineSoftmax) {
            sum = 0.f;
            for (std::int64_t i = 0; i < p.side; ++i) sum += expf(in[i * p.inner] - largest);
        }
        for (std::int64_t i = 0; i < p.side; ++i) {
            float v =
                p.kind == kLineSoftmax ? expf(in[i * p.inner] - largest) / sum : (in[i * p.inner] - mean) * factor;
            if (p.scale) v *= floats(p.scale)[i];
            if (p.shift) v += floats(p.shift)[i];
            out[i * p.inner] = v;
        }
    }
}

// How many come before it is a number's place; equals stay in order.
ENLARGE_KERNEL(tensor_sort, SortLines, 256, 1) {
    for (std::int64_t item = first_item(); item < p.lines * p.side; item += item_step()) {
        const std::int64_t line = item / p.side, own = item % p.side;
        const std::int64_t start = line / p.inner * p.side * p.inner + line % p.inner;
        const float* in = floats(p.in) + start;
        const float mine = in[own * p.inner];
        std::int64_t before = 0;
        for (std::int64_t i = 0; i < p.side; ++i) {
            const float other = in[i * p.inner];
            before += other == mine ? i < own : p.descending ? other > mine : other < mine;
        }
        result_floats(p.out)[start + before * p.inner] = static_cast<float>(own);
    }
}

ENLARGE_KERNEL(tensor_gather, GatherNumbers, 256, 1) {
    for (std::int64_t i = first_item(); i < p.count; i += item_step()) {
        const std::int64_t row = i / p.inner;
        const float at = floats(p.places)[p.slices ? row % p.side : i];
        const std::int64_t place = at > 0.f ? min(static_cast<std::int64_t>(fminf(at, 1e9f)), p.from - 1) : 0;
        result_floats(p.out)[i] = floats(p.in)[(row / p.side * p.from + place) * p.inner + i % p.inner];
    }
}

// ---- pictures ----

ENLARGE_KERNEL(tensor_pool, PoolTensor, 256, 1) {
    const std::int64_t plane = static_cast<std::int64_t>(p.out_height) * p.out_width;
    for (std::int64_t i = first_item(); i < plane * p.channels; i += item_step()) {
        const std::int64_t c = i / plane;
        const int y = static_cast<int>(i % plane / p.out_width), x = static_cast<int>(i % p.out_width);
        float sum = 0.f, largest = -INFINITY;
        int count = 0;
        for (int tap = 0; tap < p.kernel * p.kernel; ++tap) {
            const int yy = y * p.stride - p.pad + tap / p.kernel, xx = x * p.stride - p.pad + tap % p.kernel;
            if (yy < 0 || xx < 0 || yy >= p.height || xx >= p.width) continue;
            const float v = floats(p.in)[(c * p.height + yy) * p.width + xx];
            sum += v;
            largest = fmaxf(largest, v);
            ++count;
        }
        const float all = static_cast<float>(p.count_padding ? p.kernel * p.kernel : count);
        result_floats(p.out)[i] = p.largest ? largest : sum / all;
    }
}

ENLARGE_DEVICE float keys_cubic(float x, float a) {
    x = fabsf(x);
    if (x <= 1.f) return ((a + 2.f) * x - (a + 3.f)) * x * x + 1.f;
    return x < 2.f ? ((a * x - 5.f * a) * x + 8.f * a) * x - 4.f * a : 0.f;
}

struct Taps {
    int first, count;
    float weight[4];
};

// The pixels along one axis that number i of a resize sums. The place is kept as a whole number and a rest, so that it
// is exact however large the picture.
ENLARGE_DEVICE Taps taps_at(const ResizeTensor& p, int i, int in, int out) {
    if (p.kind == kResizeNearest)
        return {static_cast<int>(static_cast<std::int64_t>(i) * in / out), 1, {1.f, 0.f, 0.f, 0.f}};
    // place = numerator / denominator
    std::int64_t over = 2 * static_cast<std::int64_t>(i) * in + in - out, under = 2 * static_cast<std::int64_t>(out);
    if (p.align_corners) {
        over = out > 1 ? static_cast<std::int64_t>(i) * (in - 1) : 0;
        under = out > 1 ? out - 1 : 1;
    }
    if (p.kind == kResizeBilinear && over < 0) over = 0;
    std::int64_t whole = over / under;
    if (whole * under > over) --whole;
    const float part = static_cast<float>(over - whole * under) / static_cast<float>(under);
    if (p.kind == kResizeBilinear) return {static_cast<int>(whole), 2, {1.f - part, part, 0.f, 0.f}};
    Taps taps{static_cast<int>(whole) - 1, 4, {}};
    for (int k = 0; k < 4; ++k) taps.weight[k] = keys_cubic(part + 1.f - static_cast<float>(k), p.cubic);
    return taps;
}

ENLARGE_KERNEL(tensor_resize, ResizeTensor, 256, 1) {
    const std::int64_t plane = static_cast<std::int64_t>(p.out_height) * p.out_width;
    for (std::int64_t i = first_item(); i < plane * p.channels; i += item_step()) {
        const std::int64_t c = i / plane;
        const Taps down = taps_at(p, static_cast<int>(i % plane / p.out_width), p.height, p.out_height),
                   across = taps_at(p, static_cast<int>(i % p.out_width), p.width, p.out_width);
        float sum = 0.f;
        for (int a = 0; a < down.count; ++a)
            for (int b = 0; b < across.count; ++b) {
                const int yy = min(max(down.first + a, 0), p.height - 1),
                          xx = min(max(across.first + b, 0), p.width - 1);
                sum += down.weight[a] * across.weight[b] * floats(p.in)[(c * p.height + yy) * p.width + xx];
            }
        result_floats(p.out)[i] = sum;
    }
}

// The pixel before a place and how far beyond it the place is; NaN stays in the share.
ENLARGE_DEVICE void sample_place(const SampleTensor& p, float at, int size, int result, int of, int& first,
                                 float& share) {
    const float n = static_cast<float>(size);
    int base = 0;
    float pixel = p.align_corners ? (at + 1.f) * 0.5f * (n - 1.f) : ((at + 1.f) * n - 1.f) * 0.5f;
    if (p.offsets) {
        base = static_cast<int>(static_cast<std::int64_t>(result) * size / of);
        pixel = at;
    }
    const float low = p.border ? 0.f : -2.f, high = p.border ? n - 1.f : n + 1.f;
    const float from = low - static_cast<float>(base), to = high - static_cast<float>(base);
    if (pixel < from) pixel = from;
    if (pixel > to) pixel = to;
    first = pixel == pixel ? base + static_cast<int>(floorf(pixel)) : 0;
    share = pixel - floorf(pixel);
}

ENLARGE_KERNEL(tensor_sample, SampleTensor, 256, 1) {
    const std::int64_t plane = static_cast<std::int64_t>(p.out_height) * p.out_width;
    for (std::int64_t i = first_item(); i < plane * p.channels; i += item_step()) {
        const std::int64_t c = i / plane, group = c / (p.channels / p.groups);
        const int y = static_cast<int>(i % plane / p.out_width), x = static_cast<int>(i % p.out_width);
        int left = 0, top = 0;
        float right = 0.f, bottom = 0.f;
        sample_place(p, floats(p.places)[2 * group * plane + i % plane], p.width, x, p.out_width, left, right);
        sample_place(p, floats(p.places)[(2 * group + 1) * plane + i % plane], p.height, y, p.out_height, top, bottom);
        float sum = (right + bottom) * 0.f;  // NaN stays
        for (int tap = 0; tap < 4; ++tap) {
            const int yy = top + tap / 2, xx = left + tap % 2;
            if (yy < 0 || xx < 0 || yy >= p.height || xx >= p.width) continue;
            sum += (tap / 2 ? bottom : 1.f - bottom) * (tap % 2 ? right : 1.f - right) *
                   floats(p.in)[(c * p.height + yy) * p.width + xx];
        }
        result_floats(p.out)[i] = sum;
    }
}

ENLARGE_DEVICE int edge_place(int i, int n, int kind) {
    if (kind == kEdgeRepeat) return min(max(i, 0), n - 1);
    if (kind == kEdgeAround) return (i % n + n) % n;
    if (n == 1) return 0;
    const int period = 2 * (n - 1);
    i = (i % period + period) % period;
    return i < n ? i : period - i;
}

ENLARGE_KERNEL(tensor_edge, EdgeTensor, 256, 1) {
    const std::int64_t plane = static_cast<std::int64_t>(p.out_height) * p.out_width;
    for (std::int64_t i = first_item(); i < plane * p.channels; i += item_step()) {
        const std::int64_t c = i / plane;
        const int y = static_cast<int>(i % plane / p.out_width) - p.top, x = static_cast<int>(i % p.out_width) - p.left;
        const bool inside = y >= 0 && x >= 0 && y < p.height && x < p.width;
        float value = 0.f;
        if (inside || p.kind != kEdgeZeros)
            value =
                floats(p.in)[(c * p.rows + edge_place(y, p.height, p.kind)) * p.pitch + edge_place(x, p.width, p.kind)];
        result_floats(p.out)[i] = value;
    }
}

}  // namespace enlarge::cuda
