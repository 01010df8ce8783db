// SPDX-License-Identifier: Apache-2.0
// Attention for a few queries at a time, which lie beside each other in vectors: scores never leave the caches.
#include <algorithm>
#include <cstring>

#include "backend/cpu/tensors/session.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu::tensors {
namespace {

// Pixels that attend to each other.
struct Group {
    struct Query {
        const float* pixel = nullptr;  // null: there is none at this place
        float* out = nullptr;
    };
    struct Key {
        const float* pixel;  // null: zeros
        int place;           // where biases are looked up
    };
    std::vector<Query> queries;  // by place
    std::vector<Key> keys;
};

// What all groups of an attention have in common. Channels of a head begin at head * size, those of keys `key` further
// on, and those of values heads * size after these.
struct Shape {
    int heads, size;
    std::ptrdiff_t key;
    float scale;
    const AttentionBias* bias;
};

class Attention {
public:
    Attention(const KernelTable& kernels, const Shape& shape)
        : kernels_(kernels), shape_(shape), strip_(attention_strip(kernels)) {}

    // All heads of one group.
    void run(const Group& group, Scratch& scratch) const {
        const int channels = shape_.heads * shape_.size;
        const auto keys = static_cast<std::int64_t>(group.keys.size());
        // Keys and values of all heads at once where a cache holds them.
        const bool together = keys * 2 * channels <= kTogether;
        const int of = together ? channels : shape_.size;
        const std::int64_t rows = keys * 2 * of, strip = std::int64_t{shape_.size} * strip_;
        Memory memory;
        memory.rows = scratch.floats(rows + keys * strip_ + 2 * strip + 2 * std::int64_t{shape_.size});
        memory.scores = memory.rows + rows;
        memory.q = memory.scores + keys * strip_;
        memory.out = memory.q + strip;
        memory.zeros = memory.out + strip;
        memory.nowhere = memory.zeros + shape_.size;
        std::fill_n(memory.zeros, shape_.size, 0.0F);
        memory.bias.resize(static_cast<std::size_t>(keys));
        memory.rows_of_queries.resize(at(strip_));
        memory.results_of_queries.resize(at(strip_));
        memory.rows_of_channels.resize(at(shape_.size));
        memory.results.resize(at(shape_.size));
        if (together) copy_keys(group, 0, channels, memory.rows);
        for (int head = 0; head < shape_.heads; ++head) {
            if (!together) copy_keys(group, std::ptrdiff_t{head} * shape_.size, shape_.size, memory.rows);
            const float* const keys_of_head = memory.rows + (together ? head * shape_.size : 0);
            attend(group, head, keys_of_head, keys_of_head + keys * of, of, memory);
        }
    }

private:
    static constexpr std::int64_t kTogether = 24 << 10;  // floats: a fifth of a second-level cache

    struct Memory {
        float *rows, *scores, *q, *out;
        float *zeros, *nowhere;  // for queries that are none
        std::vector<const float*> bias;  // by key
        // What is transposed: of queries and by channel, to and from the strip.
        std::vector<const float*> rows_of_queries, results;
        std::vector<float*> rows_of_channels, results_of_queries;
    };

    // Of each key `count` channels from `first` on; after all of them as many of each value.
    void copy_keys(const Group& group, std::ptrdiff_t first, int count, float* to) const {
        const auto bytes = static_cast<std::size_t>(count) * sizeof(float);
        float* values = to + static_cast<std::ptrdiff_t>(group.keys.size()) * count;
        const std::ptrdiff_t channels = std::ptrdiff_t{shape_.heads} * shape_.size;
        for (const Group::Key& key : group.keys) {
            if (key.pixel) {
                std::memcpy(to, key.pixel + shape_.key + first, bytes);
                std::memcpy(values, key.pixel + shape_.key + channels + first, bytes);
            } else {
                std::memset(to, 0, bytes);
                std::memset(values, 0, bytes);
            }
            to += count;
            values += count;
        }
    }

    void attend(const Group& group, int head, const float* keys, const float* values, int of, Memory& memory) const {
        const AttentionBias& bias = *shape_.bias;
        const float* const table = bias.values.data() + head * bias.head_floats;
        for (std::size_t j = 0; j < group.keys.size(); ++j)
            memory.bias[j] = table + bias.key[static_cast<std::size_t>(group.keys[j].place)];
        for (std::size_t strip = 0; strip < bias.strip.size(); ++strip) {
            const int first = static_cast<int>(strip) * strip_;
            if (!take(group, head, first, memory)) continue;
            kernels_.attention_f32(memory.q, keys, values, of, static_cast<int>(group.keys.size()), shape_.size,
                                   memory.bias.data(), bias.strip[strip], memory.scores, memory.out);
            put(group, head, first, memory);
        }
    }

    // A strip of queries, scaled; whether there are any.
    bool take(const Group& group, int head, int first, Memory& memory) const {
        bool any = false;
        for (int i = 0; i < strip_; ++i) {
            const float* const pixel = query(group, first + i).pixel;
            any = any || pixel;
            memory.rows_of_queries[at(i)] = pixel ? pixel + std::ptrdiff_t{head} * shape_.size : memory.zeros;
        }
        for (int c = 0; c < shape_.size; ++c) memory.rows_of_channels[at(c)] = memory.q + std::ptrdiff_t{c} * strip_;
        if (any)
            kernels_.transpose_f32(memory.rows_of_queries.data(), strip_, shape_.size, shape_.scale,
                                   memory.rows_of_channels.data());
        return any;
    }

    void put(const Group& group, int head, int first, Memory& memory) const {
        for (int i = 0; i < strip_; ++i) {
            float* const to = query(group, first + i).out;
            memory.results_of_queries[at(i)] = to ? to + std::ptrdiff_t{head} * shape_.size : memory.nowhere;
        }
        for (int c = 0; c < shape_.size; ++c) memory.results[at(c)] = memory.out + std::ptrdiff_t{c} * strip_;
        kernels_.transpose_f32(memory.results.data(), shape_.size, strip_, 1, memory.results_of_queries.data());
    }

    static std::size_t at(int i) { return static_cast<std::size_t>(i); }
    static Group::Query query(const Group& group, int i) {
        return at(i) < group.queries.size() ? group.queries[at(i)] : Group::Query{};
    }

    const KernelTable& kernels_;
    Shape shape_;
    int strip_;
};

// Place i of a side of n, which is mirrored beyond its ends without repeating them.
int mirrored(int i, int n) {
    if (n == 1) return 0;
    i %= 2 * (n - 1);
    return i < n ? i : 2 * (n - 1) - i;
}

void clear_padding(const Tensor& out, int y, int x) { std::fill(out.pixel(y, x) + out.channels(), out.pixel(y, x) + out.padded(), 0.0F); }

// Queries, keys and values are channels of one picture, one third each.
Shape thirds(const Compute& c, int heads, float scale) {
    const int channels = c.out.channels();
    return {heads, channels / heads, channels, scale, &c.step.bias};
}

}  // namespace

void Compute::operator()(const op::WindowAttention& op) const {
    using Beyond = op::WindowAttention::Beyond;
    const int h = op.window_h, w = op.window_w, before_h = op.shift_h != 0 ? 1 : 0, before_w = op.shift_w != 0 ? 1 : 0;
    const int unit = op.beyond == Beyond::nothing ? 1 : op.unit;
    const int height = round_up(out.height(), unit), width = round_up(out.width(), unit);
    const int down = height / h + before_h, across = width / w + before_w;
    const Attention attention(kernels(), thirds(*this, op.heads, op.scale));
    parallel(std::int64_t{down} * across, [&](std::int64_t i, Scratch& scratch) {
        const int top = (static_cast<int>(i) / across - before_h) * h + op.shift_h,
                  left = (static_cast<int>(i) % across - before_w) * w + op.shift_w;
        Group group;
        group.queries.resize(static_cast<std::size_t>(h) * static_cast<std::size_t>(w));
        bool any = false;
        for (int place = 0; place < h * w; ++place) {
            const int y = top + place / w, x = left + place % w;
            if (y < 0 || x < 0 || y >= height || x >= width) continue;
            const bool inside = y < out.height() && x < out.width();
            const float* pixel = a().pixel(mirrored(y, out.height()), mirrored(x, out.width()));
            if (inside) {
                group.queries[static_cast<std::size_t>(place)] = {pixel, out.pixel(y, x)};
                clear_padding(out, y, x);
                any = true;
            }
            group.keys.push_back({inside || op.beyond == Beyond::reflect ? pixel : nullptr, place});
        }
        if (any) attention.run(group, scratch);
    });
}

void Compute::operator()(const op::GridAttention& op) const {
    const int h = op.window_h, w = op.window_w, step_y = out.height() / h, step_x = out.width() / w;
    const Attention attention(kernels(), thirds(*this, op.heads, op.scale));
    parallel(std::int64_t{step_y} * step_x, [&](std::int64_t i, Scratch& scratch) {
        Group group;
        for (int place = 0; place < h * w; ++place) {
            const int y = place / w * step_y + static_cast<int>(i) / step_x, x = place % w * step_x + static_cast<int>(i) % step_x;
            group.queries.push_back({a().pixel(y, x), out.pixel(y, x)});
            group.keys.push_back({a().pixel(y, x), place});
            clear_padding(out, y, x);
        }
        attention.run(group, scratch);
    });
}

void Compute::operator()(const op::OverlapAttention& op) const {
    const int w = op.window, o = op.overlap, beyond = (o - w) / 2, across = out.width() / w, channels = out.channels();
    const Attention attention(kernels(), {op.heads, channels / op.heads, 0, op.scale, &step.bias});
    parallel(std::int64_t{out.height() / w} * across, [&](std::int64_t i, Scratch& scratch) {
        const int top = static_cast<int>(i) / across * w, left = static_cast<int>(i) % across * w;
        Group group;
        for (int place = 0; place < w * w; ++place) {
            const int y = top + place / w, x = left + place % w;
            group.queries.push_back({a().pixel(y, x), out.pixel(y, x)});
            clear_padding(out, y, x);
        }
        for (int place = 0; place < o * o; ++place) {
            const int y = top + place / o - beyond, x = left + place % o - beyond;
            const bool inside = y >= 0 && x >= 0 && y < out.height() && x < out.width();
            group.keys.push_back({inside ? b().pixel(y, x) : nullptr, place});
        }
        attention.run(group, scratch);
    });
}

}  // namespace enlarge::cpu::tensors
