// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "backend/cpu/session.hpp"
#include "backend/cpu/tensors/session.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu::tensors {
namespace {

constexpr int kBlock = 4;  // pixels of a Winograd block, down and across
constexpr int kRun = 96;  // pixels of a row that a thread takes: a multiple of what kernels hold beside each other

int residual_count(const Convolution& c) { return c.epilogue.activation == Activation::gate ? 1 : c.epilogue.residuals; }

// What a convolution reads for row y of its result from column x on.
template <class ZeroRow>
Taps<float> taps_of(const Convolution& c, const Tensor& in, int y, int x, int channel, int length, ZeroRow zero_row) {
    Taps<float> taps;
    taps.step = std::ptrdiff_t{c.op.stride_w} * in.padded();
    taps.run_step = std::ptrdiff_t{c.op.dilation_w} * in.padded();
    taps.height = c.op.kernel_h;
    const bool whole = length == in.padded() && c.op.dilation_w == 1;
    taps.runs = whole ? 1 : c.op.kernel_w;
    taps.length = whole ? c.op.kernel_w * length : length;
    const std::ptrdiff_t column = (std::ptrdiff_t{x} * c.op.stride_w - c.op.pad_left) * in.padded() + channel;
    for (int k = 0; k < c.op.kernel_h; ++k) {
        const int row = y * c.op.stride_h + k * c.op.dilation_h - c.op.pad_top;
        taps.rows[k] = (row >= 0 && row < in.height() ? in.row(row) : zero_row()) + column;
    }
    return taps;
}

}  // namespace

std::int64_t term_floats(const Convolution& c, int channels, int n, const KernelTable& kernels) {
    if (c.terms == 0) return 0;
    const std::int64_t terms = term_row(channels, c.terms) * std::int64_t{sizeof(BFloat)} / std::int64_t{sizeof(float)};
    return round_up(n, 2 * kTermRows) * (terms + std::int64_t{kMaxGroup} * kernels.lanes);
}

std::int64_t scratch_floats(const Convolution& c, int channels, const KernelTable& kernels) {
    switch (c.kind) {
        case Convolution::Kind::direct: return term_floats(c, channels, kRun, kernels);
        case Convolution::Kind::parts: return parts_floats(c, channels, kernels);
        case Convolution::Kind::winograd: {
            const BlockSizes sizes = block_sizes(channels, c.groups, sizeof(float), c.terms, kBlock, kernels);
            return static_cast<std::int64_t>(sizes.bytes / sizeof(float));
        }
        case Convolution::Kind::depthwise:
        case Convolution::Kind::grouped: break;
    }
    return 0;
}

void Compute::convolve() const {
    const Convolution& c = *step.convolution;
    switch (c.kind) {
        case Convolution::Kind::direct: return direct(c);
        case Convolution::Kind::winograd: return winograd(c);
        case Convolution::Kind::parts: return parts(c);
        case Convolution::Kind::depthwise: return depthwise(c);
        case Convolution::Kind::grouped: return grouped(c);
    }
}

void Compute::direct(const Convolution& c) const {
    const float* const zeros = zero_row();
    const int runs = (out.width() + kRun - 1) / kRun;
    const auto map = [&](int y, int x, int n) {
        if (!c.map) return;
        float* const made = out.pixel(y, x);
        kernels().map_f32(*c.map, made, static_cast<std::size_t>(n) * static_cast<std::size_t>(out.padded()), made);
    };
    const auto pixels = [&](int y, int x, int n, float* memory) {
        if (c.terms > 0) {
            direct_of_terms(c, y, x, n, memory);
            return map(y, x, n);
        }
        const Taps<float> taps = taps_of(c, a(), y, x, 0, c.in_group, [&] { return zeros; });
        for (const Group& group : c.groups)
            kernels().conv_f32(taps, c.weights.as<const float>() + group.weights, group.blocks,
                               c.epilogue_at(group.channel), pixels_of(c, group, y, x, n));
        map(y, x, n);
    };
    if (only) return pixels(only->y, only->x, only->n, only_memory);
    const std::int64_t terms = term_floats(c, a().padded(), kRun, kernels());
    parallel(std::int64_t{out.height()} * runs, [&](std::int64_t i, Scratch& scratch) {
        const int x = static_cast<int>(i % runs) * kRun;
        pixels(static_cast<int>(i / runs), x, std::min(kRun, out.width() - x), scratch.floats(terms));
    });
}

// The input's pixels as terms, once for all groups of outputs.
void Compute::direct_of_terms(const Convolution& c, int y, int x, int n, float* memory) const {
    const int channels = a().padded(), lanes = kernels().lanes;
    auto* const v = reinterpret_cast<BFloat*>(memory);
    kernels().to_terms_f32(a().pixel(y, x), channels, n, channels, c.terms, v);
    TermProduct product;
    product.a = v;
    product.a_stride = term_row(channels, c.terms);
    product.m = memory + round_up(n, 2 * kTermRows) * product.a_stride * std::ptrdiff_t{sizeof(BFloat)} /
                             std::ptrdiff_t{sizeof(float)};
    product.rows = n;
    product.channels = round_up(channels, kTermBlock);
    product.terms = c.terms;
    for (const Group& group : c.groups) {
        product.w = c.weights.as<const BFloat>() + group.weights;
        product.m_stride = std::ptrdiff_t{group.blocks} * lanes;
        product.group = group.blocks;
        kernels().product_terms(product);
        kernels().finish_f32(product.m, group.blocks, c.epilogue_at(group.channel), pixels_of(c, group, y, x, n));
    }
}

Target<float> Compute::pixels_of(const Convolution& c, const Group& group, int y, int x, int n) const {
    Target<float> to;
    to.stride = out.padded();
    to.width = n;
    to.height = 1;
    to.out[0] = out.pixel(y, x) + group.channel;
    for (int r = 0; r < residual_count(c); ++r) {
        const Tensor& from = in[static_cast<std::size_t>(r) + 1];
        to.residual[r][0] = from.pixel(y, x) + group.channel;
        to.residual_stride[r] = from.padded();
    }
    return to;
}

Target<float> Compute::blocks_of(const Convolution& c, const Group& group, int x, int y, int n) const {
    Target<float> to;
    to.width = std::min(4 * n, out.width() - x);
    to.height = std::min(4, out.height() - y);
    to.stride = out.padded();
    for (int i = 0; i < to.height; ++i) {
        to.out[i] = out.pixel(y + i, x) + group.channel;
        for (int r = 0; r < residual_count(c); ++r) {
            const Tensor& from = in[static_cast<std::size_t>(r) + 1];
            to.residual[r][i] = from.pixel(y + i, x) + group.channel;
            to.residual_stride[r] = from.padded();
        }
    }
    return to;
}

void Compute::map_blocks(const Convolution& c, int x, int y, int n) const {
    if (!c.map) return;
    const auto floats = static_cast<std::size_t>(std::min(4 * n, out.width() - x)) * static_cast<std::size_t>(out.padded());
    for (int i = 0; i < 4 && y + i < out.height(); ++i)
        kernels().map_f32(*c.map, out.pixel(y + i, x), floats, out.pixel(y + i, x));
}

// Batches of blocks beside each other in a band of four rows, as the streaming engine has them.
void Compute::winograd(const Convolution& c) const {
    const float* const zeros = zero_row();
    const int lanes = kernels().lanes, channels = a().padded();
    const BlockSizes sizes = block_sizes(channels, c.groups, sizeof(float), c.terms, kBlock, kernels());
    const int most = sizes.blocks;
    const auto v_stride = static_cast<std::ptrdiff_t>(sizes.v_position / sizeof(float));  // terms are two to a float
    const auto m_stride = static_cast<std::ptrdiff_t>(sizes.m_position / sizeof(float));
    const std::int64_t floats = scratch_floats(c, channels, kernels());
    const int across = (out.width() + 3) / 4, down = (out.height() + 3) / 4, all = across * down;
    parallel((all + most - 1) / most, [&](std::int64_t batch, Scratch& scratch) {
        float* const memory = scratch.floats(floats);
        float* const v = memory + sizes.v / sizeof(float);
        float* const m = memory + sizes.m / sizeof(float);
        const int first = static_cast<int>(batch) * most, count = std::min(most, all - first);
        // Blocks of the batch as runs beside each other: body(x, y, number of blocks, index of the first).
        const auto for_runs = [&](const auto& body) {
            for (int b = first; b < first + count;) {
                const int bx = b % across, n = std::min(across - bx, first + count - b);
                body(4 * bx, 4 * (b / across), n, b - first);
                b += n;
            }
        };
        for_runs([&](int x, int y, int n, int index) {
            Window<float> window;
            window.step = std::ptrdiff_t{4} * channels;
            for (int i = 0; i < 6; ++i) {
                const int row = y - c.op.pad_top + i;
                window.rows[i] = row >= 0 && row < a().height() ? a().row(row) : zeros;
                window.column[i] = std::ptrdiff_t{x - c.op.pad_left + i} * channels;
            }
            if (c.terms > 0)
                kernels().winograd_input_f32_terms(window, n, channels, c.terms,
                                                   reinterpret_cast<BFloat*>(v) + index * sizes.v_row, 2 * v_stride);
            else
                kernels().winograd_input_f32(window, n, channels, v + index * sizes.v_row, v_stride);
        });
        for (const Group& group : sizes.in_turn(c.groups)) {
            const int width = group.blocks * lanes;
            if (c.terms > 0) {
                kernels().product_terms(winograd_product(
                    channels, c.terms, kBlock, reinterpret_cast<const BFloat*>(v), 2 * v_stride, count,
                    c.weights.as<const BFloat>() + group.weights, group.blocks, m, m_stride, kernels()));
            } else {
                const float* const weights = c.weights.as<const float>() + group.weights;
                for (std::ptrdiff_t p = 0; p < positions_of(kBlock); ++p)
                    kernels().gemm_f32(v + p * v_stride, count, channels, weights + p * channels * width, group.blocks,
                                       m + p * m_stride);
            }
            for_runs([&](int x, int y, int n, int index) {
                const Target<float> to = blocks_of(c, group, x, y, n);
                kernels().winograd_output_f32(m + std::ptrdiff_t{index} * width, m_stride, n, group.blocks,
                                              c.epilogue_at(group.channel), to);
            });
        }
        for_runs([&](int x, int y, int n, int) { map_blocks(c, x, y, n); });
    });
}

void Compute::depthwise(const Convolution& c) const {
    const float* const zeros = zero_row();
    rows([&](int y) {
        Taps<float> taps = taps_of(c, a(), y, 0, 0, a().padded(), [&] { return zeros; });
        taps.runs = c.op.kernel_w;
        taps.length = a().padded();
        kernels().depthwise_f32(taps, c.weights.as<const float>(), c.bias.data(), out.width(), out.row(y), out.padded());
    });
}

// Groups one after another; each ends in a line of its own, because its padding would lie on the next one's channels.
void Compute::grouped(const Convolution& c) const {
    const float* const zeros = zero_row();
    const int real = out.channels() / c.op.groups;
    parallel(out.height(), [&](std::int64_t row, Scratch& scratch) {
        const int y = static_cast<int>(row);
        float* const line = scratch.floats(std::int64_t{out.width()} * c.out_group);
        for (int g = 0; g < c.op.groups; ++g) {
            Taps<float> taps = taps_of(c, a(), y, 0, g * c.in_group, c.in_group, [&] { return zeros; });
            taps.runs = c.op.kernel_w;
            taps.length = c.in_group;
            Target<float> to;
            to.stride = c.out_group;
            to.width = out.width();
            to.height = 1;
            for (const Group& group : c.groups) {
                to.out[0] = line + group.channel;
                kernels().conv_f32(taps, c.weights.as<const float>() + static_cast<std::size_t>(g) * c.group_weights + group.weights,
                                   group.blocks, c.epilogue_at(g * c.out_group + group.channel), to);
            }
            for (int x = 0; x < out.width(); ++x)
                std::copy_n(line + std::ptrdiff_t{x} * c.out_group, real, out.pixel(y, x) + std::ptrdiff_t{g} * real);
        }
        for (int x = 0; x < out.width(); ++x)
            std::fill(out.pixel(y, x) + out.channels(), out.pixel(y, x) + out.padded(), 0.0F);
    });
}

}  // namespace enlarge::cpu::tensors
