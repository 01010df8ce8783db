// SPDX-License-Identifier: Apache-2.0
// Attention of pixels to the pixels of their group, and of channels to channels.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "backend/reference/run.hpp"

namespace enlarge::reference {
namespace {

// A pixel, or nothing beyond the picture; and its place within the group, where biases are looked up.
struct Token {
    std::int64_t y = 0, x = 0;
    std::int64_t place = 0;
    bool inside = true;
};

// Channels of one head: of the queries, keys and values, counted in the tensors that hold them, and of the result.
struct Head {
    const Tensor& queries;
    const Tensor& keys;
    const Tensor& values;
    std::int64_t q = 0, k = 0, v = 0, size = 0;
    std::int64_t to = 0, to_size = 0;
};

// The same size of all, and queries where the result goes.
Head plain_head(const Tensor& queries, const Tensor& others, std::int64_t q, std::int64_t k, std::int64_t v,
                std::int64_t size) {
    return {queries, others, others, q, k, v, size, q, size};
}

float channel(const Tensor& picture, std::int64_t c, const Token& token) {
    return token.inside ? picture.at(c, token.y, token.x) : 0;
}

// Writes channels head.to ... of the queries' pixels. bias(i, j) is added to the score of query place i and key place j.
template <class Bias>
void attend(const Head& head, const std::vector<Token>& queries, const std::vector<Token>& keys, double scale,
            Bias bias, Tensor& out) {
    std::vector<double> share(keys.size());
    for (const Token& query : queries) {
        double largest = -INFINITY, sum = 0;
        for (std::size_t j = 0; j < keys.size(); ++j) {
            double product = 0;
            for (std::int64_t c = 0; c < head.size; ++c)
                product += double{channel(head.queries, head.q + c, query)} * channel(head.keys, head.k + c, keys[j]);
            share[j] = product * scale + bias(query.place, keys[j].place);
            largest = std::max(largest, share[j]);
        }
        for (double& s : share) sum += s = std::exp(s - largest);
        for (std::int64_t c = 0; c < head.to_size; ++c) {
            double value = 0;
            for (std::size_t j = 0; j < keys.size(); ++j) value += share[j] * channel(head.values, head.v + c, keys[j]);
            out.row(head.to + c, query.y)[query.x] = static_cast<float>(value / sum);
        }
    }
}

// Place i of a side of n, which is mirrored beyond its ends without repeating them.
std::int64_t mirrored(std::int64_t i, std::int64_t n) {
    if (n == 1) return 0;
    i %= 2 * (n - 1);
    return i < n ? i : 2 * (n - 1) - i;
}

// Calls body(head, tokens) for every group of tokens and every head, in parallel. qkv: queries, keys, values.
template <class Tokens, class Body>
void for_groups(const Run& run, std::int64_t groups, int heads, Tokens tokens, Body body) {
    const std::int64_t channels = run.out.sides[0], size = channels / heads;
    for_each(groups * heads, run.pool, [&](std::int64_t i) {
        const std::int64_t head = i % heads;
        body(head, plain_head(run.a(), run.a(), head * size, channels + head * size, 2 * channels + head * size, size),
             tokens(i / heads));
    });
}

// Pixels of the window whose top left is (top, left), those beyond the picture left out.
std::vector<Token> window_tokens(const Tensor& picture, std::int64_t top, std::int64_t left, int height, int width) {
    std::vector<Token> tokens;
    for (int i = 0; i < height; ++i)
        for (int j = 0; j < width; ++j)
            if (top + i >= 0 && left + j >= 0 && top + i < picture.sides[1] && left + j < picture.sides[2])
                tokens.push_back({top + i, left + j, std::int64_t{i} * width + j});
    return tokens;
}

}  // namespace

void Run::operator()(const op::WindowAttention& op) const {
    using Beyond = op::WindowAttention::Beyond;
    const std::int64_t h = op.window_h, w = op.window_w, tokens = h * w;
    const bool shifted_h = op.shift_h != 0, shifted_w = op.shift_w != 0;
    const std::int64_t unit = op.beyond == Beyond::nothing ? 1 : op.unit;
    const std::int64_t height = (out.sides[1] + unit - 1) / unit * unit, width = (out.sides[2] + unit - 1) / unit * unit;
    const std::int64_t down = height / h + (shifted_h ? 1 : 0), across = width / w + (shifted_w ? 1 : 0);
    const auto inside = [&](std::int64_t y, std::int64_t x) { return y < out.sides[1] && x < out.sides[2]; };
    const auto group = [&](std::int64_t i) {
        const std::int64_t top = (i / across - (shifted_h ? 1 : 0)) * h + op.shift_h,
                           left = (i % across - (shifted_w ? 1 : 0)) * w + op.shift_w;
        std::vector<Token> pixels;
        for (std::int64_t k = 0; k < tokens; ++k) {
            const std::int64_t y = top + k / w, x = left + k % w;
            if (y < 0 || x < 0 || y >= height || x >= width) continue;
            Token token{y, x, k, op.beyond == Beyond::reflect || inside(y, x)};
            if (!inside(y, x)) token.y = mirrored(y, out.sides[1]), token.x = mirrored(x, out.sides[2]);
            pixels.push_back(token);
        }
        return pixels;
    };
    // Pixels that are there: the only ones that ask.
    const auto real = [&](std::int64_t i, const std::vector<Token>& pixels) {
        const std::int64_t top = (i / across - (shifted_h ? 1 : 0)) * h + op.shift_h,
                           left = (i % across - (shifted_w ? 1 : 0)) * w + op.shift_w;
        std::vector<Token> those;
        for (const Token& pixel : pixels)
            if (inside(top + pixel.place / w, left + pixel.place % w)) those.push_back(pixel);
        return those;
    };
    const bool full = op.bias.count() == op.heads * tokens * tokens;
    for_groups(*this, down * across, op.heads, [&](std::int64_t i) { return std::pair(i, group(i)); },
               [&](std::int64_t head, const Head& channels, const std::pair<std::int64_t, std::vector<Token>>& window) {
                   const auto bias = [&](std::int64_t i, std::int64_t j) -> double {
                       if (!op.bias) return 0;
                       if (full) return (*op.bias)[static_cast<std::size_t>((head * tokens + i) * tokens + j)];
                       const std::int64_t row = i / w - j / w + h - 1, column = i % w - j % w + w - 1;
                       return (*op.bias)[static_cast<std::size_t>((head * (2 * h - 1) + row) * (2 * w - 1) + column)];
                   };
                   attend(channels, real(window.first, window.second), window.second, op.scale, bias, out);
               });
}

void Run::operator()(const op::GridAttention& op) const {
    const std::int64_t h = op.window_h, w = op.window_w, tokens = h * w, step_y = out.sides[1] / h,
                       step_x = out.sides[2] / w;
    const auto group = [&](std::int64_t index) {
        std::vector<Token> pixels;
        for (std::int64_t i = 0; i < h; ++i)
            for (std::int64_t j = 0; j < w; ++j)
                pixels.push_back({i * step_y + index / step_x, j * step_x + index % step_x, i * w + j});
        return pixels;
    };
    for_groups(*this, step_y * step_x, op.heads, group,
               [&](std::int64_t head, const Head& channels, const std::vector<Token>& pixels) {
                   const auto bias = [&](std::int64_t i, std::int64_t j) -> double {
                       return op.bias ? (*op.bias)[static_cast<std::size_t>((head * tokens + i) * tokens + j)] : 0.0F;
                   };
                   attend(channels, pixels, pixels, op.scale, bias, out);
               });
}

void Run::operator()(const op::OverlapAttention& op) const {
    const std::int64_t w = op.window, o = op.overlap, beyond = (o - w) / 2, across = out.sides[2] / w;
    const std::int64_t channels = out.sides[0], size = channels / op.heads;
    for_each(out.sides[1] / w * across * op.heads, pool, [&](std::int64_t index) {
        const std::int64_t head = index % op.heads, top = index / op.heads / across * w,
                           left = index / op.heads % across * w;
        std::vector<Token> keys;
        for (std::int64_t i = 0; i < o; ++i)
            for (std::int64_t j = 0; j < o; ++j) {
                const std::int64_t y = top + i - beyond, x = left + j - beyond;
                keys.push_back({y, x, i * o + j, y >= 0 && x >= 0 && y < out.sides[1] && x < out.sides[2]});
            }
        const auto bias = [&](std::int64_t i, std::int64_t j) -> double {
            return op.bias ? (*op.bias)[static_cast<std::size_t>((head * w * w + i) * o * o + j)] : 0.0F;
        };
        attend(plain_head(a(), b(), head * size, head * size, channels + head * size, size),
               window_tokens(out, top, left, op.window, op.window), keys, op.scale, bias, out);
    });
}

void Run::operator()(const op::CrossAttention& op) const {
    const bool whole = op.window_h == 0;
    const auto side = [&](int window, const Tensor& of, std::size_t axis) {
        return whole ? of.sides[axis] : std::int64_t{window};
    };
    const std::int64_t h = side(op.window_h, a(), 1), w = side(op.window_w, a(), 2), kh = side(op.key_h, b(), 1),
                       kw = side(op.key_w, b(), 2), size = a().sides[0] / op.heads, to_size = out.sides[0] / op.heads;
    const std::int64_t early_h = op.shift_h ? 1 : 0, early_w = op.shift_w ? 1 : 0;
    const std::int64_t across = a().sides[2] / w + early_w, windows = (a().sides[1] / h + early_h) * across;
    const bool full = op.bias.count() == op.heads * h * w * kh * kw;
    const auto tokens = [&](const Tensor& of, std::int64_t i, std::int64_t height, std::int64_t width) {
        const std::int64_t top = (i / across - early_h) * height + (op.shift_h * height + h - 1) / h,
                           left = (i % across - early_w) * width + (op.shift_w * width + w - 1) / w;
        return window_tokens(of, top, left, static_cast<int>(height), static_cast<int>(width));
    };
    for_each(windows * op.heads, pool, [&](std::int64_t index) {
        const std::int64_t head = index % op.heads, i = index / op.heads;
        const auto bias = [&](std::int64_t q, std::int64_t k) -> double {
            if (!op.bias) return 0;
            if (full) return (*op.bias)[static_cast<std::size_t>((head * h * w + q) * kh * kw + k)];
            const std::int64_t row = q / w - k / kw + kh - 1, column = q % w - k % kw + kw - 1;
            return (*op.bias)[static_cast<std::size_t>((head * (h + kh - 1) + row) * (w + kw - 1) + column)];
        };
        attend(Head{a(), b(), c(), head * size, head * size, head * to_size, size, head * to_size, to_size},
               tokens(a(), i, h, w), tokens(b(), i, kh, kw), op.scale, bias, out);
    });
}

void Run::operator()(const op::CategoryAttention& op) const {
    const std::int64_t width = out.sides[2], pixels = out.sides[1] * width, size = std::min<std::int64_t>(op.size, pixels);
    std::vector<std::int64_t> order(static_cast<std::size_t>(pixels));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) { return b().at(i) < b().at(j); });
    const auto token = [&](std::int64_t place) {
        const std::int64_t pixel = order[static_cast<std::size_t>(place < pixels ? place : 2 * pixels - 1 - place)];
        return Token{pixel / width, pixel % width, 0};
    };
    const auto group = [&](std::int64_t i) {
        std::vector<Token> keys;
        for (std::int64_t k = 0; k < size; ++k) keys.push_back(token(i * size + k));
        return std::pair(std::vector<Token>(keys.begin(), keys.begin() + std::min(size, pixels - i * size)), keys);
    };
    for_groups(*this, (pixels + size - 1) / size, op.heads, group,
               [&](std::int64_t, const Head& channels, const auto& of) {
                   attend(channels, of.first, of.second, op.scale, [](std::int64_t, std::int64_t) { return 0.0; }, out);
               });
}

void Run::operator()(const op::ChannelAttention& op) const {
    const std::int64_t h = op.window ? op.window : out.sides[1], w = op.window ? op.window : out.sides[2],
                       across = out.sides[2] / w;
    const auto group = [&](std::int64_t i) {
        return window_tokens(out, i / across * h, i % across * w, static_cast<int>(h), static_cast<int>(w));
    };
    for_groups(
        *this, out.sides[1] / h * across, op.heads, group,
        [&](std::int64_t head, const Head& channels, const std::vector<Token>& pixels) {
            const auto product = [&](std::int64_t c, std::int64_t d) {
                double sum = 0;
                for (const Token& pixel : pixels) sum += double{channel(a(), c, pixel)} * channel(a(), d, pixel);
                return sum;
            };
            const auto length = [&](std::int64_t c) { return std::max(std::sqrt(product(c, c)), double{op.epsilon}); };
            std::vector<double> share(static_cast<std::size_t>(channels.size));
            for (std::int64_t c = 0; c < channels.size; ++c) {
                double largest = -INFINITY, sum = 0;
                for (std::int64_t d = 0; d < channels.size; ++d) {
                    double& s = share[static_cast<std::size_t>(d)];
                    s = product(channels.q + c, channels.k + d) / (length(channels.q + c) * length(channels.k + d)) *
                        (*op.temperature)[static_cast<std::size_t>(head)];
                    largest = std::max(largest, s);
                }
                for (double& s : share) sum += s = std::exp(s - largest);
                for (const Token& pixel : pixels) {
                    double value = 0;
                    for (std::int64_t d = 0; d < channels.size; ++d)
                        value += share[static_cast<std::size_t>(d)] * channel(a(), channels.v + d, pixel);
                    out.row(channels.q + c, pixel.y)[pixel.x] = static_cast<float>(value / sum);
                }
            }
        });
}

}  // namespace enlarge::reference
