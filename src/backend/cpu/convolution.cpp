// SPDX-License-Identifier: Apache-2.0
// A thread's share of a convolution.
#include <algorithm>
#include <cmath>

#include "backend/cpu/session.hpp"
#include "backend/cpu/stopwatch.hpp"

namespace enlarge::cpu {
namespace {

int floor_div(int a, int b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

Epilogue epilogue_of(const Step& step, const Group& group, int lanes) {
    Epilogue e = step.epilogue;
    e.bias = step.bias.data() + group.channel;
    e.slope = step.slope.data() + group.channel;
    if (step.integer) {
        e.scale = step.scale.data() + std::ptrdiff_t{36} * group.channel;
        e.scale_stride = std::ptrdiff_t{group.blocks} * lanes;
    }
    return e;
}

int residual_count(const Step& step) { return step.epilogue.activation == Activation::gate ? 1 : step.epilogue.residuals; }

}  // namespace

template <class In, class Out, class Conv>
void Runner::direct_as(const Context& context, const Step& step, const Share& share, Conv conv) {
    const Stopwatch watch(timing_);
    const Tensor& in = tensor(step.inputs[0].tensor);
    const int reach = step.kernel / 2;
    Taps<In> taps;
    taps.step = buffer(step.inputs[0].tensor).stride;
    taps.height = step.kernel;
    const bool whole = in.channels() == taps.step;  // the kernel's pixels follow each other without a gap
    taps.runs = whole ? 1 : step.kernel;
    taps.length = whole ? step.kernel * in.channels() : in.channels();
    taps.run_step = taps.step;
    Target<Out> to;
    to.height = 1;
    for (int y = share.rows.begin; y < share.rows.end; ++y) {
        for (int x = share.columns.begin; x < share.columns.end;) {
            const bool end = step.output < 0;
            const int n = end ? std::min(kEndPixels, share.columns.size() - (x - share.columns.begin)) : share.columns.size();
            for (int k = 0; k < step.kernel; ++k)
                taps.rows[k] = pixels<const In>(step.inputs[0].tensor, y + k - reach) + (x - reach) * taps.step;
            to.width = n;
            for (const Group& group : step.groups) {
                if (end) {
                    to.out[0] = context.scratch->end.as<Out>() + group.channel;
                    to.stride = step.out_channels;
                } else {
                    to.stride = buffer(step.output).stride;
                    to.out[0] = pixels<Out>(step.output, y) + x * to.stride + group.channel;
                }
                for (int r = 0; r < residual_count(step); ++r) {
                    const int from = step.inputs[static_cast<std::size_t>(r) + 1].tensor;
                    to.residual_stride[r] = buffer(from).stride;
                    to.residual[r][0] = pixels<const Out>(from, y) + x * to.residual_stride[r] + group.channel;
                }
                conv(taps, step.weights.as<const float>() + group.weights, group.blocks, epilogue_of(step, group, kernels_.lanes), to);
            }
            watch.add(context.scratch->times.direct);
            if constexpr (std::is_same_v<Out, float>) {
                if (end) {
                    store(context, step, context.scratch->end.as<float>(), step.out_channels, x, y, n);
                    watch.add(context.scratch->times.picture);
                }
            }
            x += n;
        }
    }
}

void Runner::direct(const Context& context, const Step& step, const Share& share) {
    const Element in = buffer(step.inputs[0].tensor).element;
    const Element out = step.output < 0 ? Element::f32 : buffer(step.output).element;
    if (in == Element::f32 && out == Element::f32) return direct_as<float, float>(context, step, share, kernels_.conv_f32);
    if (in == Element::f32 && out == Element::f16) return direct_as<float, Half>(context, step, share, kernels_.conv_f32_f16);
    if (out == Element::f16) return direct_as<Half, Half>(context, step, share, kernels_.conv_f16);
    direct_as<Half, float>(context, step, share, kernels_.conv_f16_f32);
}

// Batches of blocks: all of a batch are transformed, multiplied position by position, and transformed back, one group
// of output channels after the other, so that V stays in the second-level cache and M almost in the first.
template <class In, class V, class Sum, class Out, class Input, class Product, class Output>
void Runner::winograd_as(const Context& context, const Step& step, const Share& share, const V* packed, Input input,
                         Product product, Output output) {
    const Stopwatch watch(timing_);
    ThreadTimes& times = context.scratch->times;
    const int source = step.inputs[0].tensor;
    const int channels = tensor(source).channels();
    const int div = step.inputs[0].div;
    const std::ptrdiff_t stride = buffer(source).stride;
    const BlockSizes sizes = block_sizes_of(step);
    const int most = sizes.blocks;
    const auto v_stride = static_cast<std::ptrdiff_t>(sizes.v_position / sizeof(V));
    const auto m_stride = static_cast<std::ptrdiff_t>(sizes.m_position / sizeof(Sum));
    auto* const memory = context.scratch->products.as<std::byte>();
    V* const v = reinterpret_cast<V*>(memory + sizes.v);
    Sum* const m = reinterpret_cast<Sum*>(memory + sizes.m);
    const bool end = step.output < 0;
    const int block = step.block;

    const int across = (share.columns.size() + block - 1) / block, down = (share.rows.size() + block - 1) / block;
    const int end_block = std::min(across * down, share.blocks.end);
    // Blocks [first, first + count) as runs beside each other: body(x, y, number of blocks, index of the first).
    const auto for_runs = [&](int first, int count, const auto& body) {
        for (int b = first; b < first + count;) {
            const int bx = b % across, by = b / across;
            const int n = std::min(across - bx, first + count - b);
            body(share.columns.begin + block * bx, share.rows.begin + block * by, n, b - first);
            b += n;
        }
    };
    for (int first = share.blocks.begin; first < end_block; first += most) {
        const int count = std::min(most, end_block - first);
        for_runs(first, count, [&](int x, int y, int n, int index) {
            Window<In> window;
            window.step = block / div * stride;
            for (int i = 0; i < block + 2; ++i) {
                window.rows[i] = pixels<const In>(source, floor_div(y - 1 + i, div));
                window.column[i] = floor_div(x - 1 + i, div) * stride;
            }
            input(window, n, channels, v + index * sizes.v_row, v_stride, context.scratch->unit + index);
        });
        watch.add(times.input);
        if constexpr (!std::is_same_v<V, BFloat>)
            if (observing_ && block == 4) learn(context, step, v, v_stride, count, channels);
        for (const Group& group : sizes.in_turn(step.groups)) {
            const int width = group.blocks * kernels_.lanes;
            product(v, v_stride, count, packed + group.weights, group.blocks, m, m_stride);
            watch.add(times.products);
            Epilogue epilogue = epilogue_of(step, group, kernels_.lanes);
            for_runs(first, count, [&](int x, int y, int n, int index) {
                Target<Out> to;
                to.width = std::min(block * n, share.columns.end - x);
                to.height = std::min(block, share.rows.end - y);
                to.stride = end ? step.out_channels : buffer(step.output).stride;
                for (int i = 0; i < to.height; ++i) {
                    if (end)  // rows of this run, one after the other
                        to.out[i] = context.scratch->end.as<Out>() +
                                    std::ptrdiff_t{index * block + i * n} * block * to.stride + group.channel;
                    else
                        to.out[i] = pixels<Out>(step.output, y + i) + x * to.stride + group.channel;
                    for (int r = 0; r < residual_count(step); ++r) {
                        const int from = step.inputs[static_cast<std::size_t>(r) + 1].tensor;
                        to.residual_stride[r] = buffer(from).stride;
                        to.residual[r][i] = pixels<const Out>(from, y + i) + x * to.residual_stride[r] + group.channel;
                    }
                }
                if constexpr (std::is_same_v<V, std::int16_t>) epilogue.unit = context.scratch->unit + index;
                output(m + std::ptrdiff_t{index} * width, m_stride, n, group.blocks, epilogue, to);
            });
            watch.add(times.output);
        }
        if constexpr (std::is_same_v<Out, float>) {
            if (!end) continue;
            for_runs(first, count, [&](int x, int y, int n, int index) {
                const int columns = std::min(block * n, share.columns.end - x);
                for (int i = 0; i < block && y + i < share.rows.end; ++i)
                    store(context, step,
                          context.scratch->end.as<float>() +
                              std::ptrdiff_t{index * block + i * n} * block * step.out_channels,
                          step.out_channels, x, y + i, columns);
            });
            watch.add(times.picture);
        }
    }
}

// Keeps the largest magnitude of each position and channel. Integers count in units of their scale and block.
template <class V>
void Runner::learn(const Context& context, const Step& step, const V* v, std::ptrdiff_t v_stride, int blocks,
                   int channels) {
    TransformAbsMax& seen = context.scratch->transform_abs_max;
    seen.resize(network_->steps.size());
    std::vector<float>& most = seen[static_cast<std::size_t>(&step - network_->steps.data())];
    most.resize(static_cast<std::size_t>(36 * channels), 0.0F);
    for (int p = 0; p < 36; ++p) {
        float* const m = most.data() + p * channels;
        for (int b = 0; b < blocks; ++b) {
            const V* const from = v + p * v_stride + b * channels;
            for (int c = 0; c < channels; ++c) {
                float value = static_cast<float>(from[c]);
                if constexpr (std::is_integral_v<V>)
                    value *= context.scratch->unit[b] / step.v_scale[static_cast<std::size_t>(p * channels + c)];
                m[c] = std::max(m[c], std::fabs(value));
            }
        }
    }
}

// Floats, or terms of floats: winograd_as for the types of rows.
template <class V, class InputF32, class InputF16, class Product>
void Runner::winograd_floats(const Context& context, const Step& step, const Share& share, const V* weights,
                             InputF32 input_f32, InputF16 input_f16, Product product) {
    const Element in = buffer(step.inputs[0].tensor).element;
    const Element out = step.output < 0 ? Element::f32 : buffer(step.output).element;
    const bool six = step.block == 6;
    const auto output_f32 = six ? kernels_.winograd6_output_f32 : kernels_.winograd_output_f32;
    const auto output_f16 = six ? kernels_.winograd6_output_f16 : kernels_.winograd_output_f16;
    if (in == Element::f32 && out == Element::f32)
        return winograd_as<float, V, float, float>(context, step, share, weights, input_f32, product, output_f32);
    if (in == Element::f32)
        return winograd_as<float, V, float, Half>(context, step, share, weights, input_f32, product, output_f16);
    if (out == Element::f32)
        return winograd_as<Half, V, float, float>(context, step, share, weights, input_f16, product, output_f32);
    winograd_as<Half, V, float, Half>(context, step, share, weights, input_f16, product, output_f16);
}

void Runner::winograd_terms(const Context& context, const Step& step, const Share& share, const BFloat* weights) {
    const int in = tensor(step.inputs[0].tensor).channels(), terms = step.terms;
    const auto input = [&](auto kernel) {
        return [kernel, terms](const auto& window, int blocks, int channels, BFloat* v, std::ptrdiff_t stride, float*) {
            kernel(window, blocks, channels, terms, v, stride);
        };
    };
    const auto product = [&](const BFloat* v, std::ptrdiff_t v_stride, int blocks, const BFloat* w, int group, float* m,
                             std::ptrdiff_t m_stride) {
        kernels_.product_terms(
            winograd_product(in, terms, step.block, v, v_stride, blocks, w, group, m, m_stride, kernels_));
    };
    const bool six = step.block == 6;
    winograd_floats(context, step, share, weights,
                    input(six ? kernels_.winograd6_input_f32_terms : kernels_.winograd_input_f32_terms),
                    input(six ? kernels_.winograd6_input_f16_terms : kernels_.winograd_input_f16_terms), product);
}

void Runner::winograd(const Context& context, const Step& step, const Share& share, int packed) {
    const KernelTable& k = kernels_;
    const std::byte* const weights =
        step.unpacked ? packed_[packed].as<const std::byte>() : step.weights.as<const std::byte>();
    if (step.terms > 0) return winograd_terms(context, step, share, reinterpret_cast<const BFloat*>(weights));
    const int in = tensor(step.inputs[0].tensor).channels();
    const auto by_position = [in, lanes = k.lanes, positions = positions_of(step.block)](auto gemm) {
        return [=](const auto* v, std::ptrdiff_t v_stride, int blocks, const auto* w, int group, auto* m,
                   std::ptrdiff_t m_stride) {
            for (std::ptrdiff_t p = 0; p < positions; ++p)
                gemm(v + p * v_stride, blocks, in, w + p * in * group * lanes, group, m + p * m_stride);
        };
    };
    if (step.integer) {
        const auto input = [&](const Window<Half>& window, int blocks, int channels, std::int16_t* v, std::ptrdiff_t stride, float* unit) {
            k.winograd_input_f16_i16(window, blocks, channels, step.v_scale.data(), v, stride, unit);
        };
        const auto* const ints = reinterpret_cast<const std::int16_t*>(weights);
        if (step.output >= 0 && buffer(step.output).element == Element::f16)
            return winograd_as<Half, std::int16_t, std::int32_t, Half>(
                context, step, share, ints, input, by_position(k.gemm_i16), k.winograd_output_i32_f16);
        return winograd_as<Half, std::int16_t, std::int32_t, float>(context, step, share, ints, input,
                                                                    by_position(k.gemm_i16), k.winograd_output_i32_f32);
    }
    const auto input = [](auto kernel) {
        return [kernel](const auto& window, int blocks, int channels, float* v, std::ptrdiff_t stride, float*) {
            kernel(window, blocks, channels, v, stride);
        };
    };
    const auto* const floats = reinterpret_cast<const float*>(weights);
    if (step.block == 6)
        return winograd_as<float, float, float, float>(context, step, share, floats, input(k.winograd6_input_f32),
                                                       by_position(k.gemm_f32), k.winograd6_output_f32);
    winograd_floats(context, step, share, floats, input(k.winograd_input_f32), input(k.winograd_input_f16),
                    by_position(k.gemm_f32));
}

}  // namespace enlarge::cpu
