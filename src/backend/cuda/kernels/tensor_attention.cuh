// SPDX-License-Identifier: Apache-2.0
// Attention on whole tensors: a thread answers one query of one head. The softmax is kept as it goes (the largest score
// so far and the sum relative to it), so that no scores are stored.
#pragma once

#include "tensors.cuh"

namespace enlarge::cuda {

// A key of a query's group: whether there is one, and whether it lies within the picture.
struct Key {
    int y, x;
    bool there, inside;
};

// The group of a query: where its keys begin and how far they are apart, and its own place within.
struct QueryGroup {
    int key_top, key_left, step_y, step_x, row, column;
    std::int64_t first;  // of category attention
};

ENLARGE_DEVICE int window_before(int at, int shift, int window) {  // of the grid that begins at `shift`
    const int from = at - shift;
    return from >= 0 ? from / window : -1;
}

// The order in which threads take queries: those of a window or grid one after the other, so that neighbouring threads
// read the same keys. Windows may reach beyond the picture.
struct QueryOrder {
    int top = 0, left = 0;     // the first window
    int down = 1, across = 1;  // how many there are
    std::int64_t count;        // of queries, with those beyond the picture

    ENLARGE_MEMBER explicit QueryOrder(const Attend& p) : count(static_cast<std::int64_t>(p.height) * p.width) {
        if (p.kind != kAttendWindows && p.kind != kAttendOverlap) return;
        top = window_before(0, p.shift_h, p.window_h);
        left = window_before(0, p.shift_w, p.window_w);
        down = window_before(p.height - 1, p.shift_h, p.window_h) - top + 1;
        across = window_before(p.width - 1, p.shift_w, p.window_w) - left + 1;
        count = static_cast<std::int64_t>(down) * across * p.window_h * p.window_w;
    }
    // The pixel of query i; false: there is none.
    ENLARGE_MEMBER bool place(const Attend& p, std::int64_t i, int& y, int& x) const {
        if (p.kind == kAttendAll || p.kind == kAttendCategory) {
            y = static_cast<int>(i / p.width);
            x = static_cast<int>(i % p.width);
            return true;
        }
        const int size = p.window_h * p.window_w, within = static_cast<int>(i % size), window = static_cast<int>(i / size);
        if (p.kind == kAttendGrid) {
            const int step_y = p.height / p.window_h, step_x = p.width / p.window_w;
            y = within / p.window_w * step_y + window / step_x;
            x = within % p.window_w * step_x + window % step_x;
            return true;
        }
        y = (top + window / across) * p.window_h + p.shift_h + within / p.window_w;
        x = (left + window % across) * p.window_w + p.shift_w + within % p.window_w;
        return y >= 0 && x >= 0 && y < p.height && x < p.width;
    }
};

ENLARGE_DEVICE QueryGroup group_of(const Attend& p, int y, int x) {
    QueryGroup g{0, 0, 1, 1, y, x, 0};
    if (p.kind == kAttendGrid) {
        g.step_y = p.height / p.window_h;
        g.step_x = p.width / p.window_w;
        g.key_top = y % g.step_y;
        g.key_left = x % g.step_x;
        g.row = y / g.step_y;
        g.column = x / g.step_x;
    } else if (p.kind != kAttendAll && p.kind != kAttendCategory) {
        const int down = window_before(y, p.shift_h, p.window_h), across = window_before(x, p.shift_w, p.window_w);
        const int top = down * p.window_h + p.shift_h, left = across * p.window_w + p.shift_w;
        const int beyond = p.kind == kAttendOverlap ? (p.key_h - p.window_h) / 2 : 0;
        g.key_top = p.kind == kAttendOverlap ? top - beyond : down * p.key_h + p.key_shift_h;
        g.key_left = p.kind == kAttendOverlap ? left - beyond : across * p.key_w + p.key_shift_w;
        g.row = y - top;
        g.column = x - left;
    }
    return g;
}

ENLARGE_DEVICE int mirror_once(int i, int n) { return n == 1 ? 0 : edge_place(i, n, kEdgeReflect); }

ENLARGE_DEVICE Key key_of(const Attend& p, const QueryGroup& g, int row, int column) {
    Key key{g.key_top + row * g.step_y, g.key_left + column * g.step_x, true, true};
    if (p.kind == kAttendGrid) return key;
    if (p.kind == kAttendCategory) {
        const std::int64_t pixels = static_cast<std::int64_t>(p.height) * p.width, at = g.first + column;
        const std::int64_t pixel = static_cast<std::int64_t>(floats(p.order)[at < pixels ? at : 2 * pixels - 1 - at]);
        key.y = static_cast<int>(pixel / p.width);
        key.x = static_cast<int>(pixel % p.width);
    } else if (p.kind == kAttendOverlap) {
        key.inside = key.y >= 0 && key.x >= 0 && key.y < p.key_height && key.x < p.key_width;
    } else {
        key.there = key.y >= 0 && key.x >= 0 && key.y < p.full_height && key.x < p.full_width;
        const bool real = key.y < p.key_height && key.x < p.key_width;
        key.inside = key.there && (real || p.mirrored);
        if (key.there && !real) {
            key.y = mirror_once(key.y, p.key_height);
            key.x = mirror_once(key.x, p.key_width);
        }
    }
    return key;
}

// Where the biases of a query are, of its first key; those of further ones follow, or with a table, come before it.
ENLARGE_DEVICE std::int64_t first_bias(const Attend& p, int head, const QueryGroup& g) {
    if (p.table)
        return static_cast<std::int64_t>(head * (p.window_h + p.key_h - 1) + g.row + p.key_h - 1) * (p.window_w + p.key_w - 1) +
               g.column + p.key_w - 1;
    return (static_cast<std::int64_t>(head * p.window_h + g.row) * p.window_w + g.column) * p.key_h * p.key_w;
}

ENLARGE_DEVICE float bias_of(const Attend& p, std::int64_t first, int row, int column) {
    if (!p.bias) return 0.f;
    return floats(p.bias)[p.table ? first - row * (p.window_w + p.key_w - 1) - column : first + row * p.key_w + column];
}

// What a thread sums over the keys of a query: in registers, where a head has at most MOST channels, or where the
// result will stay (MOST = 0).
template <int MOST>
struct Answer {
    float sums[MOST], query[MOST];

    ENLARGE_MEMBER void begin(const Attend& p, const float* q, float*, std::int64_t plane) {
#pragma unroll
        for (int c = 0; c < MOST; ++c) {
            query[c] = c < p.size ? q[c * plane] : 0.f;
            sums[c] = 0.f;
        }
    }
    ENLARGE_MEMBER float score(const Attend& p, const float* k, std::int64_t key_plane) const {
        float score = 0.f;
#pragma unroll
        for (int c = 0; c < MOST; ++c)
            if (c < p.size) score += query[c] * k[c * key_plane];
        return score;
    }
    ENLARGE_MEMBER void shrink(const Attend&, float by) {
#pragma unroll
        for (int c = 0; c < MOST; ++c) sums[c] *= by;
    }
    ENLARGE_MEMBER void add(const Attend& p, float share, const float* v, std::int64_t key_plane) {
#pragma unroll
        for (int c = 0; c < MOST; ++c)
            if (c < p.to_size) sums[c] += share * v[c * key_plane];
    }
    ENLARGE_MEMBER void end(const Attend& p, float sum, float* out, std::int64_t plane) const {
#pragma unroll
        for (int c = 0; c < MOST; ++c)
            if (c < p.to_size) out[c * plane] = sums[c] / sum;
    }
};
template <>
struct Answer<0> {
    const float* query;
    float* sums;
    std::int64_t step;

    ENLARGE_MEMBER void begin(const Attend& p, const float* q, float* out, std::int64_t plane) {
        query = q;
        sums = out;
        step = plane;
        for (int c = 0; c < p.to_size; ++c) sums[c * step] = 0.f;
    }
    ENLARGE_MEMBER float score(const Attend& p, const float* k, std::int64_t key_plane) const {
        float score = 0.f;
        for (int c = 0; c < p.size; ++c) score += query[c * step] * k[c * key_plane];
        return score;
    }
    ENLARGE_MEMBER void shrink(const Attend& p, float by) {
        for (int c = 0; c < p.to_size; ++c) sums[c * step] *= by;
    }
    ENLARGE_MEMBER void add(const Attend& p, float share, const float* v, std::int64_t key_plane) {
        for (int c = 0; c < p.to_size; ++c) sums[c * step] += share * v[c * key_plane];
    }
    ENLARGE_MEMBER void end(const Attend& p, float sum, float*, std::int64_t) const {
        for (int c = 0; c < p.to_size; ++c) sums[c * step] /= sum;
    }
};

template <int MOST>
ENLARGE_DEVICE void attend(const Attend& p) {
    const std::int64_t plane = static_cast<std::int64_t>(p.height) * p.width;
    const std::int64_t key_plane = static_cast<std::int64_t>(p.key_height) * p.key_width;
    const int rows = p.kind == kAttendCategory ? 1 : p.key_h;
    const int columns = p.kind == kAttendCategory ? static_cast<int>(p.group) : p.key_w;
    const QueryOrder order(p);
    for (std::int64_t i = first_item(); i < order.count * p.heads; i += item_step()) {
        const int head = static_cast<int>(i / order.count);
        int y = 0, x = 0;
        if (!order.place(p, i % order.count, y, x)) continue;
        std::int64_t query = static_cast<std::int64_t>(y) * p.width + x;
        QueryGroup g = group_of(p, y, x);
        if (p.kind == kAttendCategory) {  // the query is a place in the order
            g.first = query / p.group * p.group;
            query = static_cast<std::int64_t>(floats(p.order)[query]);
        }
        const float* k = floats(p.k) + head * static_cast<std::int64_t>(p.size) * key_plane;
        const float* v = floats(p.v) + head * static_cast<std::int64_t>(p.to_size) * key_plane;
        float* out = result_floats(p.out) + head * static_cast<std::int64_t>(p.to_size) * plane + query;
        float largest = -INFINITY, sum = 0.f;
        Answer<MOST> answer;
        answer.begin(p, floats(p.q) + head * static_cast<std::int64_t>(p.size) * plane + query, out, plane);
        const std::int64_t biases = first_bias(p, head, g);
        for (int row = 0; row < rows; ++row)
            for (int column = 0; column < columns; ++column) {
                const Key key = key_of(p, g, row, column);
                if (!key.there) continue;
                const std::int64_t at = static_cast<std::int64_t>(key.y) * p.key_width + key.x;
                const float product = key.inside ? answer.score(p, k + at, key_plane) : 0.f;
                const float score = product * p.scale + bias_of(p, biases, row, column), before = largest;
                largest = fmaxf(largest, score);
                if (before != largest) {
                    const float by = expf(before - largest);
                    sum *= by;
                    answer.shrink(p, by);
                }
                const float share = expf(score - largest);
                sum += share;
                if (key.inside) answer.add(p, share, v + at, key_plane);
            }
        answer.end(p, sum, out, plane);
    }
}

ENLARGE_KERNEL(tensor_attend, Attend, 256, 1) { attend<0>(p); }
ENLARGE_KERNEL(tensor_attend16, Attend, 128, 4) { attend<16>(p); }
ENLARGE_KERNEL(tensor_attend32, Attend, 128, 3) { attend<32>(p); }
ENLARGE_KERNEL(tensor_attend64, Attend, 128, 2) { attend<64>(p); }

// A thread for each pair of channels of each head and window.
ENLARGE_KERNEL(tensor_channel_scores, ChannelScores, 256, 1) {
    const std::int64_t plane = static_cast<std::int64_t>(p.height) * p.width;
    const int size = p.channels / p.heads, across = p.width / p.window_w;
    const std::int64_t windows = static_cast<std::int64_t>(p.height / p.window_h) * across;
    for (std::int64_t i = first_item(); i < windows * p.channels * size; i += item_step()) {
        const int d = static_cast<int>(i % size), c = static_cast<int>(i / size % p.channels), head = c / size;
        const std::int64_t window = i / size / p.channels;
        const std::int64_t corner = window / across * p.window_h * p.width + window % across * p.window_w;
        const float* q = floats(p.in) + c * plane + corner;
        const float* k = floats(p.in) + (static_cast<std::int64_t>(p.channels) + head * size + d) * plane + corner;
        float product = 0.f, q_length = 0.f, k_length = 0.f;
        for (int y = 0; y < p.window_h; ++y)
            for (int x = 0; x < p.window_w; ++x) {
                const float a = q[static_cast<std::int64_t>(y) * p.width + x],
                            b = k[static_cast<std::int64_t>(y) * p.width + x];
                product += a * b;
                q_length += a * a;
                k_length += b * b;
            }
        const float lengths = fmaxf(sqrtf(q_length), p.epsilon) * fmaxf(sqrtf(k_length), p.epsilon);
        result_floats(p.scores)[i] = product / lengths * floats(p.temperature)[head];
    }
}

ENLARGE_KERNEL(tensor_channel_mix, ChannelMix, 256, 1) {
    const std::int64_t plane = static_cast<std::int64_t>(p.height) * p.width;
    const int size = p.channels / p.heads, across = p.width / p.window_w;
    for (std::int64_t i = first_item(); i < plane * p.channels; i += item_step()) {
        const int c = static_cast<int>(i / plane), head = c / size;
        const std::int64_t pixel = i % plane,
                           window = pixel / p.width / p.window_h * across + pixel % p.width / p.window_w;
        const float* shares = floats(p.scores) + (window * p.channels + c) * size;
        const float* v = floats(p.in) + (2 * static_cast<std::int64_t>(p.channels) + head * size) * plane + pixel;
        float sum = 0.f;
        for (int d = 0; d < size; ++d) sum += shares[d] * v[d * plane];
        result_floats(p.out)[i] = sum;
    }
}

}  // namespace enlarge::cuda
