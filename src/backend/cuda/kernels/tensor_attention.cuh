// SPDX-License-Identifier: Apache-2.0
// Attention on whole tensors: a thread answers one query of one head at a time. The softmax is kept as it goes (the
// largest score so far and the sum relative to it), so that no scores are stored.
#pragma once

#include "../params.hpp"
#include "tensors.cuh"

namespace enlarge::cuda {

// A key of a query's group: where it is, whether there is one, and whether it lies within the picture.
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

// Queries by the groups that read the same keys. Windows may reach beyond the picture, and the last run of an order
// beyond its end.
struct QueryOrder {
    int top = 0, left = 0, across = 1;  // the first window, and how many there are in a row
    std::int64_t groups = 1, size = 0;  // and the queries of each

    ENLARGE_MEMBER explicit QueryOrder(const Attend& p) {
        const std::int64_t plane = static_cast<std::int64_t>(p.height) * p.width;
        if (p.kind == kAttendAll || p.kind == kAttendCategory) {
            size = p.kind == kAttendAll ? plane : p.group;
            groups = (plane + size - 1) / size;
            return;
        }
        size = static_cast<std::int64_t>(p.window_h) * p.window_w;
        groups = static_cast<std::int64_t>(p.height / p.window_h) * (p.width / p.window_w);
        if (p.kind == kAttendGrid) return;
        top = window_before(0, p.shift_h, p.window_h);
        left = window_before(0, p.shift_w, p.window_w);
        across = window_before(p.width - 1, p.shift_w, p.window_w) - left + 1;
        groups = static_cast<std::int64_t>(window_before(p.height - 1, p.shift_h, p.window_h) - top + 1) * across;
    }
    // The place of a query: of its pixel or, of category attention, in the order. False: there is none.
    ENLARGE_MEMBER bool place(const Attend& p, std::int64_t group, std::int64_t within, int& y, int& x) const {
        if (p.kind == kAttendAll || p.kind == kAttendCategory) {
            const std::int64_t i = group * size + within;
            y = static_cast<int>(i / p.width);
            x = static_cast<int>(i % p.width);
            return within < size && y < p.height;
        }
        const int row = static_cast<int>(within) / p.window_w, column = static_cast<int>(within) % p.window_w;
        if (p.kind == kAttendGrid) {
            const int step_y = p.height / p.window_h, step_x = p.width / p.window_w;
            y = row * step_y + static_cast<int>(group) / step_x;
            x = column * step_x + static_cast<int>(group) % step_x;
            return within < size;
        }
        y = (top + static_cast<int>(group) / across) * p.window_h + p.shift_h + row;
        x = (left + static_cast<int>(group) % across) * p.window_w + p.shift_w + column;
        return within < size && y >= 0 && x >= 0 && y < p.height && x < p.width;
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
        return static_cast<std::int64_t>(head * (p.window_h + p.key_h - 1) + g.row + p.key_h - 1) *
                   (p.window_w + p.key_w - 1) +
               g.column + p.key_w - 1;
    return (static_cast<std::int64_t>(head * p.window_h + g.row) * p.window_w + g.column) * p.key_h * p.key_w;
}

ENLARGE_DEVICE float bias_of(const Attend& p, std::int64_t first, int row, int column) {
    if (!p.bias) return 0.f;
    return floats(p.bias)[p.table ? first - row * (p.window_w + p.key_w - 1) - column : first + row * p.key_w + column];
}

// Keys of a group, 32 at a time, in shared memory: their channels in rows of MOST, filled up with zeros, those of
// values behind them; then how far the bias of each is from the first, and what it is.
template <int MOST>
struct KeyChunk {
    static constexpr int kKeys = kKeysOfChunk, kPitch = MOST + 4;
    enum : int { kNone, kOutside, kInside };
    float k[kKeys][kPitch], v[kKeys][kPitch];
    int bias[kKeys], state[kKeys];

    // By all threads of the block. `first` of `rows` x `columns` keys.
    ENLARGE_MEMBER void load(const Attend& p, const QueryGroup& g, int head, int first, int columns, int count) {
        const std::int64_t plane = static_cast<std::int64_t>(p.key_height) * p.key_width;
        const int own = thread_index() % kKeys, number = first + own, row = number / columns,
                  column = number - row * columns;
        Key key{0, 0, false, false};
        if (number < count) key = key_of(p, g, row, column);
        const float* from = floats(p.k) + head * static_cast<std::int64_t>(p.size) * plane;
        const float* value = floats(p.v) + head * static_cast<std::int64_t>(p.to_size) * plane;
        const std::int64_t at = static_cast<std::int64_t>(key.y) * p.key_width + key.x;
        for (int c = thread_index() / kKeys; c < MOST; c += thread_count() / kKeys) {
            k[own][c] = key.inside && c < p.size ? from[c * plane + at] : 0.f;
            v[own][c] = key.inside && c < p.to_size ? value[c * plane + at] : 0.f;
        }
        if (thread_index() >= kKeys) return;
        bias[own] = p.table ? -(row * (p.window_w + p.key_w - 1) + column) : number;
        state[own] = key.inside ? kInside : key.there ? kOutside : kNone;
    }
};

// Heads of at most MOST channels: a block answers the queries of a group, a thread one of them. What a thread sums
// stays in registers.
template <int MOST>
ENLARGE_DEVICE void attend(const Attend& p, unsigned char* memory) {
    static_assert(sizeof(KeyChunk<MOST>) == kKeyChunkBytes<MOST>);
    auto& chunk = *reinterpret_cast<KeyChunk<MOST>*>(memory);
    const std::int64_t plane = static_cast<std::int64_t>(p.height) * p.width;
    const int rows = p.kind == kAttendCategory ? 1 : p.key_h;
    const int columns = p.kind == kAttendCategory ? static_cast<int>(p.group) : p.key_w;
    const QueryOrder order(p);
    const std::int64_t parts = (order.size + thread_count() - 1) / thread_count();
    for (std::int64_t item = block_index(); item < order.groups * p.heads * parts; item += block_count()) {
        const int head = static_cast<int>(item / parts / order.groups);
        const std::int64_t group = item / parts % order.groups;
        int y = 0, x = 0;
        order.place(p, group, 0, y, x);
        QueryGroup keys = group_of(p, y, x);  // of every thread, also where it has no query
        if (p.kind == kAttendCategory) keys.first = group * p.group;
        const bool mine = order.place(p, group, item % parts * thread_count() + thread_index(), y, x);
        std::int64_t query = static_cast<std::int64_t>(y) * p.width + x;
        if (mine && p.kind == kAttendCategory) query = static_cast<std::int64_t>(floats(p.order)[query]);
        float asked[MOST], sums[MOST], largest = -INFINITY, sum = 0.f;
        const float* q = floats(p.q) + head * static_cast<std::int64_t>(p.size) * plane + query;
#pragma unroll
        for (int c = 0; c < MOST; ++c) {
            asked[c] = mine && c < p.size ? q[c * plane] : 0.f;
            sums[c] = 0.f;
        }
        const std::int64_t biases = first_bias(p, head, group_of(p, y, x));
        for (int first = 0; first < rows * columns; first += KeyChunk<MOST>::kKeys) {
            cta_sync();  // the chunk before has been read
            chunk.load(p, keys, head, first, columns, rows * columns);
            cta_sync();
            if (!mine) continue;
            for (int j = 0; j < KeyChunk<MOST>::kKeys; ++j) {
                if (chunk.state[j] == KeyChunk<MOST>::kNone) continue;
                float product = 0.f;
#pragma unroll
                for (int c = 0; c < MOST; c += 4) {
                    const float4 k = *reinterpret_cast<const float4*>(&chunk.k[j][c]);
                    product += asked[c] * k.x + asked[c + 1] * k.y + asked[c + 2] * k.z + asked[c + 3] * k.w;
                }
                const float bias = p.bias ? floats(p.bias)[biases + chunk.bias[j]] : 0.f;
                const float score = product * p.scale + bias, before = largest;
                largest = fmaxf(largest, score);
                if (before != largest) {
                    const float by = expf(before - largest);
                    sum *= by;
#pragma unroll
                    for (int c = 0; c < MOST; ++c) sums[c] *= by;
                }
                const float share = expf(score - largest);
                sum += share;
                if (chunk.state[j] != KeyChunk<MOST>::kInside) continue;
#pragma unroll
                for (int c = 0; c < MOST; c += 4) {
                    const float4 v = *reinterpret_cast<const float4*>(&chunk.v[j][c]);
                    sums[c] += share * v.x;
                    sums[c + 1] += share * v.y;
                    sums[c + 2] += share * v.z;
                    sums[c + 3] += share * v.w;
                }
            }
        }
        float* out = result_floats(p.out) + head * static_cast<std::int64_t>(p.to_size) * plane + query;
#pragma unroll
        for (int c = 0; c < MOST; ++c)
            if (mine && c < p.to_size) out[c * plane] = sums[c] / sum;
    }
}

// Larger ones: a thread answers a query, and sums where the result will stay.
ENLARGE_KERNEL(tensor_attend, Attend, 256, 1) {
    const std::int64_t plane = static_cast<std::int64_t>(p.height) * p.width;
    const std::int64_t key_plane = static_cast<std::int64_t>(p.key_height) * p.key_width;
    const int rows = p.kind == kAttendCategory ? 1 : p.key_h;
    const int columns = p.kind == kAttendCategory ? static_cast<int>(p.group) : p.key_w;
    const QueryOrder order(p);
    for (std::int64_t i = first_item(); i < order.groups * order.size * p.heads; i += item_step()) {
        const int head = static_cast<int>(i / order.size / order.groups);
        int y = 0, x = 0;
        if (!order.place(p, i / order.size % order.groups, i % order.size, y, x)) continue;
        QueryGroup g = group_of(p, y, x);
        std::int64_t query = static_cast<std::int64_t>(y) * p.width + x;
        if (p.kind == kAttendCategory) {  // the query is a place in the order
            g.first = query / p.group * p.group;
            query = static_cast<std::int64_t>(floats(p.order)[query]);
        }
        const float* q = floats(p.q) + head * static_cast<std::int64_t>(p.size) * plane + query;
        const float* k = floats(p.k) + head * static_cast<std::int64_t>(p.size) * key_plane;
        const float* v = floats(p.v) + head * static_cast<std::int64_t>(p.to_size) * key_plane;
        float* out = result_floats(p.out) + head * static_cast<std::int64_t>(p.to_size) * plane + query;
        float largest = -INFINITY, sum = 0.f;
        for (int c = 0; c < p.to_size; ++c) out[c * plane] = 0.f;
        const std::int64_t biases = first_bias(p, head, g);
        for (int row = 0; row < rows; ++row)
            for (int column = 0; column < columns; ++column) {
                const Key key = key_of(p, g, row, column);
                if (!key.there) continue;
                const std::int64_t at = static_cast<std::int64_t>(key.y) * p.key_width + key.x;
                float product = 0.f;
                if (key.inside)
                    for (int c = 0; c < p.size; ++c) product += q[c * plane] * k[c * key_plane + at];
                const float score = product * p.scale + bias_of(p, biases, row, column), before = largest;
                largest = fmaxf(largest, score);
                const float shrink = before == largest ? 1.f : expf(before - largest), share = expf(score - largest);
                sum = sum * shrink + share;
                for (int c = 0; c < p.to_size; ++c)
                    out[c * plane] = out[c * plane] * shrink + (key.inside ? share * v[c * key_plane + at] : 0.f);
            }
        for (int c = 0; c < p.to_size; ++c) out[c * plane] /= sum;
    }
}

ENLARGE_KERNEL(tensor_attend16, Attend, 64, 8) {
    ENLARGE_SHARED_MEMORY(memory);
    attend<16>(p, memory);
}
ENLARGE_KERNEL(tensor_attend32, Attend, 64, 6) {
    ENLARGE_SHARED_MEMORY(memory);
    attend<32>(p, memory);
}
ENLARGE_KERNEL(tensor_attend64, Attend, 64, 4) {
    ENLARGE_SHARED_MEMORY(memory);
    attend<64>(p, memory);
}

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
