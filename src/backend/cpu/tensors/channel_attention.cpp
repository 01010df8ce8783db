// SPDX-License-Identifier: Apache-2.0
// Attention between channels, over groups of pixels: all of them, those of a window, or those at the same place of
// every window.
#include <algorithm>
#include <cmath>

#include "backend/cpu/steps.hpp"
#include "backend/cpu/tensors/session.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu::tensors {
namespace {

struct Pixel {
    const float* in;  // queries, keys and values of all heads, one after another
    float* out;
};

// Sums over pixels for one head: of each query channel c with each key channel d at [c * wide + d], then the squares of
// the queries and of the keys, `wide` each.
class HeadSums {
public:
    HeadSums(int size, int lanes) : size_(size), lanes_(lanes), wide_(round_up(size, lanes)) {}
    [[nodiscard]] std::ptrdiff_t count() const { return std::ptrdiff_t{size_} * wide_ + 2 * std::ptrdiff_t{wide_}; }
    [[nodiscard]] int wide() const { return wide_; }

    // Memory that add() wants.
    [[nodiscard]] std::int64_t scratch_floats(std::size_t pixels) const {
        return static_cast<std::int64_t>(pixels) * (size_ + wide_);
    }

    // Fills `sums` from so many pixels. Keys begin at `key` from a query.
    void make(const KernelTable& kernels, std::span<const Pixel> pixels, std::ptrdiff_t query, std::ptrdiff_t key,
              float* scratch, float* sums) const {
        const auto n = static_cast<int>(pixels.size());
        float* const queries = scratch;
        float* const keys = scratch + std::ptrdiff_t{n} * size_;
        float* const squares = sums + std::ptrdiff_t{size_} * wide_;
        std::fill_n(squares, 2 * wide_, 0.0F);
        for (int p = 0; p < n; ++p) {
            const float* const q = pixels[static_cast<std::size_t>(p)].in + query;
            const float* const k = q + key;
            for (int c = 0; c < size_; ++c) queries[std::ptrdiff_t{c} * n + p] = q[c];
            for (int c = 0; c < size_; ++c) squares[c] += q[c] * q[c];
            for (int c = 0; c < size_; ++c) squares[wide_ + c] += k[c] * k[c];
        }
        for_groups(wide_, lanes_, [&](int first, int blocks) {
            const int width = blocks * lanes_, real = std::min(width, size_ - first);
            float* to = keys + std::ptrdiff_t{first} * n;
            for (int p = 0; p < n; ++p, to += width) {
                const float* const k = pixels[static_cast<std::size_t>(p)].in + query + key + first;
                std::copy_n(k, real, to);
                std::fill(to + real, to + width, 0.0F);
            }
            kernels.product_f32(queries, n, size_, n, keys + std::ptrdiff_t{first} * n, blocks, sums + first, wide_);
        });
    }

    // What each query channel takes of the value channels, as weights of a product over these.
    void shares(const double* sums, double temperature, float least, double* share, float* weights) const {
        const double* const squares = sums + std::ptrdiff_t{size_} * wide_;
        const auto length = [&](double square) { return std::max(std::sqrt(square), double{least}); };
        std::fill_n(weights, std::ptrdiff_t{size_} * wide_, 0.0F);
        for (int c = 0; c < size_; ++c) {
            double largest = -INFINITY, sum = 0;
            for (int d = 0; d < size_; ++d) {
                share[d] = sums[std::ptrdiff_t{c} * wide_ + d] / (length(squares[c]) * length(squares[wide_ + d])) *
                           temperature;
                largest = std::max(largest, share[d]);
            }
            for (int d = 0; d < size_; ++d) sum += share[d] = std::exp(share[d] - largest);
            for_groups(wide_, lanes_, [&](int first, int blocks) {
                const int width = blocks * lanes_;
                if (c < first || c >= first + width) return;
                float* const to = weights + std::ptrdiff_t{first} * size_ + (c - first);
                for (int d = 0; d < size_; ++d) to[std::ptrdiff_t{d} * width] = static_cast<float>(share[d] / sum);
            });
        }
    }

    // What the head makes of pixels whose values begin at `value`.
    void apply(const KernelTable& kernels, std::span<const Pixel> pixels, std::ptrdiff_t value, std::ptrdiff_t result,
               const float* weights, float* scratch) const {
        const auto n = static_cast<int>(pixels.size());
        float* const values = scratch;
        float* const made = scratch + std::ptrdiff_t{n} * size_;
        for (int p = 0; p < n; ++p)
            std::copy_n(pixels[static_cast<std::size_t>(p)].in + value, size_, values + std::ptrdiff_t{p} * size_);
        for_groups(wide_, lanes_, [&](int first, int blocks) {
            kernels.product_f32(values, size_, n, size_, weights + std::ptrdiff_t{first} * size_, blocks, made + first,
                                wide_);
        });
        for (int p = 0; p < n; ++p)
            std::copy_n(made + std::ptrdiff_t{p} * wide_, size_, pixels[static_cast<std::size_t>(p)].out + result);
    }

private:
    int size_, lanes_, wide_;
};

constexpr std::size_t kChunk = 512;  // pixels whose products are summed in floats

template <class Body>
void in_chunks(std::span<const Pixel> pixels, const Body& body) {
    for (std::size_t first = 0; first < pixels.size(); first += kChunk)
        body(pixels.subspan(first, std::min(kChunk, pixels.size() - first)));
}

// Groups that one thread each computes: windows, or the pixels at the same place of all windows.
void in_groups(const Compute& c, const op::ChannelAttention& op, int heads, int side, bool grid) {
    const int channels = c.out.channels(), across = c.out.width() / side, down = c.out.height() / side;
    const HeadSums head_sums(channels / heads, c.kernels().lanes);
    const int size = channels / heads, inside = side * side, windows = across * down;
    c.parallel(grid ? inside : windows, [&](std::int64_t group, Scratch& scratch) {
        std::vector<Pixel> pixels;
        for (int k = 0; k < (grid ? windows : inside); ++k) {
            const int window = grid ? k : static_cast<int>(group), place = grid ? static_cast<int>(group) : k;
            const int y = window / across * side + place / side, x = window % across * side + place % side;
            pixels.push_back({c.a().pixel(y, x), c.out.pixel(y, x)});
            std::fill(c.out.pixel(y, x) + channels, c.out.pixel(y, x) + c.out.padded(), 0.0F);
        }
        const std::ptrdiff_t sums = head_sums.count(), weights = std::ptrdiff_t{size} * head_sums.wide();
        float* const memory =
            scratch.floats(sums + weights + head_sums.scratch_floats(std::min(kChunk, pixels.size())));
        float* const rest = memory + sums + weights;
        std::vector<double> all(static_cast<std::size_t>(sums)), share(static_cast<std::size_t>(size));
        for (int head = 0; head < heads; ++head) {
            const std::ptrdiff_t first = std::ptrdiff_t{head} * size;
            std::fill(all.begin(), all.end(), 0.0);
            in_chunks(pixels, [&](std::span<const Pixel> chunk) {
                head_sums.make(c.kernels(), chunk, first, channels, rest, memory);
                for (std::size_t i = 0; i < all.size(); ++i) all[i] += memory[i];
            });
            const auto which = static_cast<std::size_t>((grid ? group * heads : 0) + head);
            head_sums.shares(all.data(), (*op.temperature)[which], op.epsilon, share.data(), memory + sums);
            in_chunks(pixels, [&](std::span<const Pixel> chunk) {
                head_sums.apply(c.kernels(), chunk, first + 2 * std::ptrdiff_t{channels}, first, memory + sums, rest);
            });
        }
    });
}

std::vector<Pixel> row_of(const Compute& c, int y) {
    std::vector<Pixel> pixels;
    for (int x = 0; x < c.out.width(); ++x) pixels.push_back({c.a().pixel(y, x), c.out.pixel(y, x)});
    return pixels;
}

// Over the whole picture: sums over rows, and then over the rows in order.
void over_all(const Compute& c, const op::ChannelAttention& op) {
    constexpr int kRows = 8;
    const int channels = c.out.channels(), heads = op.heads, size = channels / heads, height = c.out.height();
    const HeadSums head_sums(size, c.kernels().lanes);
    const std::ptrdiff_t sums = head_sums.count(), weights = std::ptrdiff_t{size} * head_sums.wide();
    const std::int64_t strips = (height + kRows - 1) / kRows;
    std::vector<double> partial(static_cast<std::size_t>(strips * heads * sums), 0.0);
    c.parallel(strips, [&](std::int64_t strip, Scratch& scratch) {
        float* const memory = scratch.floats(sums + head_sums.scratch_floats(kChunk));
        for (int y = static_cast<int>(strip) * kRows; y < std::min(height, static_cast<int>(strip + 1) * kRows); ++y)
            in_chunks(row_of(c, y), [&](std::span<const Pixel> chunk) {
                for (int head = 0; head < heads; ++head) {
                    head_sums.make(c.kernels(), chunk, std::ptrdiff_t{head} * size, channels, memory + sums, memory);
                    double* const to = partial.data() + (strip * heads + head) * sums;
                    for (std::ptrdiff_t i = 0; i < sums; ++i) to[i] += memory[i];
                }
            });
    });
    std::vector<double> all(static_cast<std::size_t>(heads * sums), 0.0), share(static_cast<std::size_t>(size));
    for (std::int64_t strip = 0; strip < strips; ++strip)
        for (std::size_t i = 0; i < all.size(); ++i)
            all[i] += partial[static_cast<std::size_t>(strip) * all.size() + i];
    std::vector<float> packed(static_cast<std::size_t>(heads * weights));
    for (int head = 0; head < heads; ++head)
        head_sums.shares(all.data() + head * sums, (*op.temperature)[static_cast<std::size_t>(head)], op.epsilon,
                         share.data(), packed.data() + head * weights);
    c.parallel(height, [&](std::int64_t y, Scratch& scratch) {
        float* const memory = scratch.floats(head_sums.scratch_floats(kChunk));
        const std::vector<Pixel> row = row_of(c, static_cast<int>(y));
        for (int head = 0; head < heads; ++head)
            in_chunks(row, [&](std::span<const Pixel> chunk) {
                head_sums.apply(c.kernels(), chunk, std::ptrdiff_t{head} * size + 2 * std::ptrdiff_t{channels},
                                std::ptrdiff_t{head} * size, packed.data() + head * weights, memory);
            });
        for (const Pixel& pixel : row) std::fill(pixel.out + channels, pixel.out + c.out.padded(), 0.0F);
    });
}

}  // namespace

void Compute::operator()(const op::ChannelAttention& op) const {
    if (step.grid > 0) return in_groups(*this, op, op.heads / (step.grid * step.grid), step.grid, true);
    if (op.window > 0) return in_groups(*this, op, op.heads, op.window, false);
    over_all(*this, op);
}

}  // namespace enlarge::cpu::tensors
