// SPDX-License-Identifier: Apache-2.0
// Attend of backend/tensors/params.hpp: a thread answers one query of one head. The softmax is kept as it goes (the
// largest score so far and the sum relative to it), so that no scores are stored; the result is summed where it stays.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"
#include "edge.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 q_at, k_at, v_at, out_at, bias_at, order_at;
    int heads, size, to_size;
    int height, width;
    int key_height, key_width;
    int window_h, window_w, key_h, key_w;
    int shift_h, shift_w, key_shift_h, key_shift_w;
    int full_height, full_width;
    int kind, mirrored, table;
    uvec2 group;
    float scale;
} p;
TENSOR(1, queries)
TENSOR(2, keys)
TENSOR(3, values)
TENSOR(4, result)
TENSOR(5, bias)
TENSOR(6, order)

const int kWindows = 0, kGrid = 1, kOverlap = 2, kAll = 3, kCategory = 4;

// Key j of a query's group: whether there is one, whether it lies within the picture, and where biases are looked up.
struct Key {
    int y, x, place;
    bool there, inside;
};

// The group of a query: where its window begins among queries and keys, and its place within.
struct QueryGroup {
    int top, left, key_top, key_left, place, first;
};

int window_before(int at, int shift, int window) { return at >= shift ? (at - shift) / window : -1; }

QueryGroup group_of(int query) {
    const int y = query / p.width, x = query - y * p.width;
    QueryGroup g = QueryGroup(0, 0, 0, 0, query, 0);
    if (p.kind == kGrid) {
        const int step_y = p.height / p.window_h, step_x = p.width / p.window_w;
        g.key_top = y % step_y;
        g.key_left = x % step_x;
        g.place = y / step_y * p.window_w + x / step_x;
    } else if (p.kind != kAll && p.kind != kCategory) {
        const int down = window_before(y, p.shift_h, p.window_h), across = window_before(x, p.shift_w, p.window_w);
        g.top = down * p.window_h + p.shift_h;
        g.left = across * p.window_w + p.shift_w;
        const int beyond = p.kind == kOverlap ? (p.key_h - p.window_h) / 2 : 0;
        g.key_top = p.kind == kOverlap ? g.top - beyond : down * p.key_h + p.key_shift_h;
        g.key_left = p.kind == kOverlap ? g.left - beyond : across * p.key_w + p.key_shift_w;
        g.place = (y - g.top) * p.window_w + x - g.left;
    }
    return g;
}

int mirror_once(int i, int n) { return n == 1 ? 0 : edge_place(i, n, kEdgeReflect); }

Key key_of(QueryGroup g, int j) {
    const int row = j / p.key_w, column = j - row * p.key_w;
    Key key = Key(g.key_top + row, g.key_left + column, j, true, true);
    if (p.kind == kGrid) {
        key.y = row * (p.height / p.window_h) + g.key_top;
        key.x = column * (p.width / p.window_w) + g.key_left;
    } else if (p.kind == kCategory) {
        const int pixels = p.height * p.width, at = g.first + j;
        const int pixel = int(order[p.order_at.x + uint(at < pixels ? at : 2 * pixels - 1 - at)]);
        key.y = pixel / p.width;
        key.x = pixel - key.y * p.width;
    } else if (p.kind == kOverlap) {
        key.inside = key.y >= 0 && key.x >= 0 && key.y < p.key_height && key.x < p.key_width;
    } else {
        key.there = key.y >= 0 && key.x >= 0 && key.y < p.full_height && key.x < p.full_width;
        const bool real = key.y < p.key_height && key.x < p.key_width;
        key.inside = key.there && (real || p.mirrored != 0);
        if (key.there && !real) {
            key.y = mirror_once(key.y, p.key_height);
            key.x = mirror_once(key.x, p.key_width);
        }
    }
    return key;
}

float bias_of(int head, QueryGroup g, Key key, int count) {
    if (p.bias_at.y == 0) return 0.0;
    if (p.table == 0)
        return bias[p.bias_at.x + uint((head * p.window_h * p.window_w + g.place) * count + key.place)];
    const int row = g.place / p.window_w - key.place / p.key_w + p.key_h - 1;
    const int column = g.place % p.window_w - key.place % p.key_w + p.key_w - 1;
    return bias[p.bias_at.x +
                uint((head * (p.window_h + p.key_h - 1) + row) * (p.window_w + p.key_w - 1) + column)];
}

void main() {
    const int plane = p.height * p.width, key_plane = p.key_height * p.key_width;
    const int count = p.kind == kCategory ? int(p.group.x) : p.key_h * p.key_w;
    ITEMS(item) {
        const int head = int(item) / plane;
        int query = int(item) - head * plane;
        QueryGroup g = group_of(query);
        if (p.kind == kCategory) {  // the query is a place in the order
            g.first = query / count * count;
            query = int(order[p.order_at.x + uint(query)]);
        }
        const uint q = p.q_at.x + uint(head * p.size * plane + query), k = p.k_at.x + uint(head * p.size * key_plane),
                   v = p.v_at.x + uint(head * p.to_size * key_plane),
                   to = p.out_at.x + uint(head * p.to_size * plane + query);
        float largest = -3.0e38, sum = 0.0;  // not infinite: drivers need not know infinity
        for (int c = 0; c < p.to_size; ++c) result[to + uint(c * plane)] = 0.0;
        for (int j = 0; j < count; ++j) {
            const Key key = key_of(g, j);
            if (!key.there) continue;
            const uint at = uint(key.y * p.key_width + key.x);
            float score = 0.0;
            if (key.inside)
                for (int c = 0; c < p.size; ++c)
                    score += queries[q + uint(c * plane)] * keys[k + uint(c * key_plane) + at];
            score = score * p.scale + bias_of(head, g, key, count);
            const float before = largest;
            largest = score > largest ? score : largest;
            const float shrink = before == largest ? 1.0 : exp(before - largest), share = exp(score - largest);
            sum = sum * shrink + share;
            for (int c = 0; c < p.to_size; ++c) {
                const uint place = to + uint(c * plane);
                result[place] =
                    result[place] * shrink + (key.inside ? share * values[v + uint(c * key_plane) + at] : 0.0);
            }
        }
        for (int c = 0; c < p.to_size; ++c) result[to + uint(c * plane)] /= sum;
    }
}
