// SPDX-License-Identifier: Apache-2.0
// Attention as two products with a softmax between them, for a few dozen queries at a time: scores never leave the
// caches.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/tensors/session.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu::tensors {
namespace {

constexpr int kQueries = 48;  // at a time: a multiple of what kernels hold beside each other

// Pixels that attend to each other.
struct Group {
    struct Query {
        const float* pixel;
        float* out;
        int place;  // within the group, where biases are looked up
    };
    struct Key {
        const float* pixel;  // null: zeros
        int place;
    };
    std::vector<Query> queries;
    std::vector<Key> keys;
};

// What all groups of an attention have in common. Channels of a head begin at head * size, those of keys and values
// after `key` and `value` more.
struct Shape {
    int heads, size;
    std::ptrdiff_t key, value;
    float scale;
    int places;               // of keys
    const std::vector<float>* bias;  // (heads, places of queries, places of keys, padded)
};

class Attention {
public:
    Attention(const KernelTable& kernels, const Shape& shape)
        : kernels_(kernels), shape_(shape), lanes_(kernels.lanes), wide_(round_up(shape.size, lanes_)),
          bias_stride_(round_up(shape.places, lanes_)) {}

    // All heads of one group.
    void run(const Group& group, Scratch& scratch) const {
        const int keys = static_cast<int>(group.keys.size()), padded = round_up(keys, lanes_);
        Memory memory;
        const std::int64_t q = std::int64_t{kQueries} * shape_.size, k = std::int64_t{padded} * shape_.size, v = std::int64_t{keys} * wide_,
                           s = std::int64_t{kQueries} * padded, o = std::int64_t{kQueries} * wide_;
        float* at = scratch.floats(q + k + v + 2 * s + o + 64);
        for (const auto& [to, floats] : {std::pair{&memory.q, q}, {&memory.k, k}, {&memory.v, v}, {&memory.s, s}, {&memory.bias, s}, {&memory.o, o}}) {
            *to = at;
            at += floats;
        }
        for (int head = 0; head < shape_.heads; ++head) {
            pack_keys(group, head, padded, memory);
            for (std::size_t first = 0; first < group.queries.size(); first += kQueries)
                attend(group, head, first, std::min<std::size_t>(kQueries, group.queries.size() - first), padded, memory);
        }
    }

private:
    struct Memory {
        float *q, *k, *v, *s, *bias, *o;
    };

    // Keys as weights of a product over a head's channels, values as weights of one over the keys.
    void pack_keys(const Group& group, int head, int padded, const Memory& memory) const {
        const int keys = static_cast<int>(group.keys.size()), size = shape_.size;
        const std::ptrdiff_t from_k = std::ptrdiff_t{head} * size + shape_.key, from_v = std::ptrdiff_t{head} * size + shape_.value;
        for_groups(padded, lanes_, [&](int first, int blocks) {
            const int width = blocks * lanes_;
            float* const to = memory.k + std::ptrdiff_t{first} * size;
            for (int j = 0; j < width; ++j) {
                const float* pixel = first + j < keys ? group.keys[static_cast<std::size_t>(first + j)].pixel : nullptr;
                for (int c = 0; c < size; ++c) to[c * width + j] = pixel ? pixel[from_k + c] : 0.0F;
            }
        });
        for_groups(wide_, lanes_, [&](int first, int blocks) {
            const int width = blocks * lanes_, real = std::min(width, size - first);
            float* to = memory.v + std::ptrdiff_t{first} * keys;
            for (int j = 0; j < keys; ++j, to += width) {
                const float* pixel = group.keys[static_cast<std::size_t>(j)].pixel;
                for (int c = 0; c < real; ++c) to[c] = pixel ? pixel[from_v + first + c] : 0.0F;
                for (int c = std::max(real, 0); c < width; ++c) to[c] = 0;
            }
        });
    }

    void attend(const Group& group, int head, std::size_t first, std::size_t count, int padded, const Memory& memory) const {
        const int n = static_cast<int>(count), size = shape_.size;
        for (std::size_t i = 0; i < count; ++i)
            std::memcpy(memory.q + i * static_cast<std::size_t>(size), group.queries[first + i].pixel + std::ptrdiff_t{head} * size,
                        static_cast<std::size_t>(size) * sizeof(float));
        for_groups(padded, lanes_, [&](int channel, int blocks) {
            kernels_.product_f32(memory.q, size, n, size, memory.k + std::ptrdiff_t{channel} * size, blocks, memory.s + channel, padded);
        });
        const auto [bias, bias_stride] = bias_of(group, head, first, count, padded, memory);
        kernels_.softmax_f32(memory.s, n, padded, padded, shape_.scale, bias, bias_stride);
        const int keys = static_cast<int>(group.keys.size());
        for_groups(wide_, lanes_, [&](int channel, int blocks) {
            kernels_.product_f32(memory.s, padded, n, keys, memory.v + std::ptrdiff_t{channel} * keys, blocks, memory.o + channel, wide_);
        });
        for (std::size_t i = 0; i < count; ++i)
            std::memcpy(group.queries[first + i].out + std::ptrdiff_t{head} * size, memory.o + i * static_cast<std::size_t>(wide_),
                        static_cast<std::size_t>(size) * sizeof(float));
    }

    // The rows of the bias for these queries: those that are there, or, of a group that lacks some places, a copy.
    [[nodiscard]] std::pair<const float*, std::ptrdiff_t> bias_of(const Group& group, int head, std::size_t first, std::size_t count,
                                                                  int padded, const Memory& memory) const {
        const auto places = static_cast<std::ptrdiff_t>(shape_.bias->size()) / (std::ptrdiff_t{shape_.heads} * bias_stride_);
        const float* const all = shape_.bias->data() + head * places * bias_stride_;
        if (static_cast<int>(group.keys.size()) == shape_.places && static_cast<std::ptrdiff_t>(group.queries.size()) == places)
            return {all + static_cast<std::ptrdiff_t>(first) * bias_stride_, bias_stride_};
        for (std::size_t i = 0; i < count; ++i) {
            const float* const row = all + group.queries[first + i].place * std::ptrdiff_t{bias_stride_};
            float* const to = memory.bias + i * static_cast<std::size_t>(padded);
            std::size_t j = 0;
            for (; j < group.keys.size(); ++j) to[j] = row[group.keys[j].place];
            for (; j < static_cast<std::size_t>(padded); ++j) to[j] = -1e30F;
        }
        return {memory.bias, padded};
    }

    const KernelTable& kernels_;
    Shape shape_;
    int lanes_, wide_, bias_stride_;
};

// Place i of a side of n, which is mirrored beyond its ends without repeating them.
int mirrored(int i, int n) {
    if (n == 1) return 0;
    i %= 2 * (n - 1);
    return i < n ? i : 2 * (n - 1) - i;
}

void clear_padding(const Tensor& out, int y, int x) { std::fill(out.pixel(y, x) + out.channels(), out.pixel(y, x) + out.padded(), 0.0F); }

// Queries, keys and values are channels of one picture, one third each.
Shape thirds(const Compute& c, int heads, float scale, int places) {
    const int channels = c.out.channels();
    return {heads, channels / heads, channels, 2 * std::ptrdiff_t{channels}, scale, places, &c.step.bias};
}

// The products of each query channel with the key channels of its head, over all pixels, and the lengths of both.
class ChannelProducts {
public:
    ChannelProducts(const Compute& compute, int heads) : x_(compute.a()), channels_(compute.out.channels()), size_(channels_ / heads) {
        const int lanes = compute.kernels().lanes, wide = round_up(size_, lanes), strips = (x_.height() + kStrip - 1) / kStrip;
        const std::ptrdiff_t products = std::ptrdiff_t{channels_} * wide, of_strip = products + 2 * std::ptrdiff_t{channels_};
        std::vector<float> partial(static_cast<std::size_t>(strips * of_strip), 0.0F);
        compute.parallel(strips, [&](std::int64_t strip, Scratch& scratch) {
            float* const sums = partial.data() + strip * of_strip;
            const int top = static_cast<int>(strip) * kStrip, bottom = std::min(x_.height(), top + kStrip), pixels = (bottom - top) * x_.width();
            float* const queries = scratch.floats(std::int64_t{pixels} * (size_ + wide));
            float* const keys = queries + std::ptrdiff_t{pixels} * size_;
            for (int head = 0; head < heads; ++head) {
                pack(top, bottom, head, lanes, queries, keys);
                for_groups(wide, lanes, [&](int first, int blocks) {
                    compute.kernels().product_f32(queries, pixels, size_, pixels, keys + std::ptrdiff_t{first} * pixels, blocks,
                                                  sums + std::ptrdiff_t{head} * size_ * wide + first, wide);
                });
            }
            for (int y = top; y < bottom; ++y)
                for (int x = 0; x < x_.width(); ++x) {
                    const float* pixel = x_.pixel(y, x);
                    for (int c = 0; c < 2 * channels_; ++c) sums[products + c] += pixel[c] * pixel[c];
                }
        });
        wide_ = wide;
        all_.assign(static_cast<std::size_t>(of_strip), 0.0);
        for (int strip = 0; strip < strips; ++strip)
            for (std::size_t i = 0; i < all_.size(); ++i) all_[i] += partial[static_cast<std::size_t>(strip * of_strip) + i];
    }
    // Of query channel c and key d of its head.
    [[nodiscard]] double of(int c, int d) const { return all_[static_cast<std::size_t>(c * wide_ + d)]; }
    [[nodiscard]] double length(int c, float least) const {
        return std::max(std::sqrt(all_[static_cast<std::size_t>(channels_ * wide_ + c)]), double{least});
    }

private:
    static constexpr int kStrip = 8;

    // A head's queries by channel, and its keys by pixel in pieces that kernels take.
    void pack(int top, int bottom, int head, int lanes, float* queries, float* keys) const {
        const int pixels = (bottom - top) * x_.width();
        const auto for_pixels = [&](const auto& body) {
            for (int y = top, p = 0; y < bottom; ++y)
                for (int x = 0; x < x_.width(); ++x, ++p) body(p, x_.pixel(y, x));
        };
        for_pixels([&](int p, const float* pixel) {
            for (int c = 0; c < size_; ++c) queries[std::ptrdiff_t{c} * pixels + p] = pixel[head * size_ + c];
        });
        for_groups(round_up(size_, lanes), lanes, [&](int first, int blocks) {
            const int width = blocks * lanes, real = std::min(width, size_ - first);
            float* const to = keys + std::ptrdiff_t{first} * pixels;
            for_pixels([&](int p, const float* pixel) {
                const float* from = pixel + channels_ + head * size_ + first;
                for (int c = 0; c < width; ++c) to[std::ptrdiff_t{p} * width + c] = c < real ? from[c] : 0.0F;
            });
        });
    }

    const Tensor& x_;
    int channels_, size_, wide_ = 0;
    std::vector<double> all_;
};

}  // namespace

void Compute::operator()(const op::WindowAttention& op) const {
    using Beyond = op::WindowAttention::Beyond;
    const int h = op.window_h, w = op.window_w, before_h = op.shift_h != 0 ? 1 : 0, before_w = op.shift_w != 0 ? 1 : 0;
    const int unit = op.beyond == Beyond::nothing ? 1 : op.unit;
    const int height = round_up(out.height(), unit), width = round_up(out.width(), unit);
    const int down = height / h + before_h, across = width / w + before_w;
    const Attention attention(kernels(), thirds(*this, op.heads, op.scale, h * w));
    parallel(std::int64_t{down} * across, [&](std::int64_t i, Scratch& scratch) {
        const int top = (static_cast<int>(i) / across - before_h) * h + op.shift_h,
                  left = (static_cast<int>(i) % across - before_w) * w + op.shift_w;
        Group group;
        for (int place = 0; place < h * w; ++place) {
            const int y = top + place / w, x = left + place % w;
            if (y < 0 || x < 0 || y >= height || x >= width) continue;
            const bool inside = y < out.height() && x < out.width();
            const float* pixel = a().pixel(mirrored(y, out.height()), mirrored(x, out.width()));
            if (inside) {
                group.queries.push_back({pixel, out.pixel(y, x), place});
                clear_padding(out, y, x);
            }
            group.keys.push_back({inside || op.beyond == Beyond::reflect ? pixel : nullptr, place});
        }
        if (!group.queries.empty()) attention.run(group, scratch);
    });
}

void Compute::operator()(const op::GridAttention& op) const {
    const int h = op.window_h, w = op.window_w, step_y = out.height() / h, step_x = out.width() / w;
    const Attention attention(kernels(), thirds(*this, op.heads, op.scale, h * w));
    parallel(std::int64_t{step_y} * step_x, [&](std::int64_t i, Scratch& scratch) {
        Group group;
        for (int place = 0; place < h * w; ++place) {
            const int y = place / w * step_y + static_cast<int>(i) / step_x, x = place % w * step_x + static_cast<int>(i) % step_x;
            group.queries.push_back({a().pixel(y, x), out.pixel(y, x), place});
            group.keys.push_back({a().pixel(y, x), place});
            clear_padding(out, y, x);
        }
        attention.run(group, scratch);
    });
}

void Compute::operator()(const op::OverlapAttention& op) const {
    const int w = op.window, o = op.overlap, beyond = (o - w) / 2, across = out.width() / w, channels = out.channels();
    const Attention attention(kernels(), {op.heads, channels / op.heads, 0, channels, op.scale, o * o, &step.bias});
    parallel(std::int64_t{out.height() / w} * across, [&](std::int64_t i, Scratch& scratch) {
        const int top = static_cast<int>(i) / across * w, left = static_cast<int>(i) % across * w;
        Group group;
        for (int place = 0; place < w * w; ++place) {
            const int y = top + place / w, x = left + place % w;
            group.queries.push_back({a().pixel(y, x), out.pixel(y, x), place});
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

// Products of channels are summed over strips of rows, and then over the strips in order.
void Compute::operator()(const op::ChannelAttention& op) const {
    const int channels = out.channels(), size = channels / op.heads, wide = round_up(size, kernels().lanes);
    const ChannelProducts products(*this, op.heads);
    // The shares as weights of a product over a head's values.
    std::vector<float> weights(static_cast<std::size_t>(channels) * static_cast<std::size_t>(wide), 0.0F);
    std::vector<double> share(static_cast<std::size_t>(size));
    for (int c = 0; c < channels; ++c) {
        const int head = c / size;
        double largest = -INFINITY, sum = 0;
        for (int d = 0; d < size; ++d) {
            double& s = share[static_cast<std::size_t>(d)];
            s = products.of(c, d) / (products.length(c, op.epsilon) * products.length(channels + head * size + d, op.epsilon)) *
                (*op.temperature)[static_cast<std::size_t>(head)];
            largest = std::max(largest, s);
        }
        for (double& s : share) sum += s = std::exp(s - largest);
        for (int d = 0; d < size; ++d)
            weights[static_cast<std::size_t>((head * size + d) * wide + c % size)] = static_cast<float>(share[static_cast<std::size_t>(d)] / sum);
    }
    // Pieces of the weights beside each other, as kernels read them.
    std::vector<float> packed(weights.size());
    for (int head = 0; head < op.heads; ++head)
        for_groups(wide, kernels().lanes, [&](int first, int blocks) {
            const int width = blocks * kernels().lanes;
            for (int d = 0; d < size; ++d)
                std::copy_n(weights.data() + std::ptrdiff_t{head * size + d} * wide + first, width,
                            packed.data() + (std::ptrdiff_t{head} * wide + first) * size + std::ptrdiff_t{d} * width);
        });
    parallel(out.height(), [&](std::int64_t y, Scratch& scratch) {
        float* const line = scratch.floats(std::int64_t{out.width()} * wide);
        const float* const values = a().row(static_cast<int>(y)) + 2 * std::ptrdiff_t{channels};
        for (int head = 0; head < op.heads; ++head) {
            for_groups(wide, kernels().lanes, [&](int first, int blocks) {
                kernels().product_f32(values + head * size, a().padded(), out.width(), size,
                                      packed.data() + (std::ptrdiff_t{head} * wide + first) * size, blocks, line + first, wide);
            });
            for (int x = 0; x < out.width(); ++x)
                std::copy_n(line + std::ptrdiff_t{x} * wide, size, out.pixel(static_cast<int>(y), x) + head * size);
        }
        for (int x = 0; x < out.width(); ++x) clear_padding(out, static_cast<int>(y), x);
    });
}

}  // namespace enlarge::cpu::tensors
