// SPDX-License-Identifier: Apache-2.0
// Runs one hot kernel of the chosen instruction set (ENLARGE_ISA) once, for callgrind.py to count its instructions.
//
//     kernel_counts        names all
//     kernel_counts NAME   runs one
#include <cstdio>
#include <cstring>
#include <functional>
#include <string_view>
#include <vector>

#include "base/aligned.hpp"
#include "base/cpu.hpp"
#include "base/half.hpp"
#include "kernels/table.hpp"

using namespace enlarge;

// What callgrind counts: all that happens in here.
extern "C" __attribute__((noinline)) void measured(const std::function<void()>& run) { run(); }

namespace {

// As in general-x4v3 (64 features), and blocks that AVX2 and AVX-512 divide well into tiles.
constexpr int kChannels = 64, kBlocks = 84, kPositions = 36;
constexpr int kPixels = 4 * kBlocks + 2;
// The same pixels in blocks of F(6x6,3x3).
constexpr int kBlocks6 = kBlocks * 4 / 6, kPositions6 = 64;

// Numbers between -1 and 1, the same ones each time.
template <class T>
std::vector<T> numbers(std::size_t n) {
    std::vector<T> made(n);
    std::uint32_t state = 1;
    for (T& x : made) {
        state = state * 1664525U + 1013904223U;
        const float value = static_cast<float>(state >> 8) / static_cast<float>(1 << 23) - 1;
        if constexpr (std::is_same_v<T, float>)
            x = value;
        else if constexpr (std::is_same_v<T, Half>)
            x = float_to_half(value);
        else
            x = static_cast<T>(value * 100);
    }
    return made;
}

struct Numbers {
    std::vector<float> a = numbers<float>(std::size_t{8} * kPixels * kChannels), weights = numbers<float>(1 << 16);
    std::vector<float> sums = numbers<float>(std::size_t{kPositions6} * kBlocks6 * kChannels), out = sums;
    std::vector<std::int32_t> int_sums = std::vector<std::int32_t>(sums.size(), 1000);
    std::vector<Half> halves = numbers<Half>(a.size()), half_out = numbers<Half>(out.size());
    std::vector<std::int16_t> ints = numbers<std::int16_t>(1 << 16), int_out = numbers<std::int16_t>(sums.size());
    std::vector<std::int32_t> products = std::vector<std::int32_t>(1 << 16);
    std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(1 << 16);
    std::vector<float> unit = std::vector<float>(kBlocks, 1), scale = std::vector<float>(kPositions * kChannels, 50);
};

template <class In>
Window<In> window(const std::vector<In>& from, int block = 4) {
    Window<In> in;
    for (int i = 0; i < block + 2; ++i) {
        in.rows[i] = from.data() + std::ptrdiff_t{i} * kPixels * kChannels;
        in.column[i] = std::ptrdiff_t{i} * kChannels;
    }
    in.step = std::ptrdiff_t{block} * kChannels;
    return in;
}

template <class Out>
Target<Out> target(std::vector<Out>& to, int width, int height, int stride) {
    Target<Out> made;
    for (int i = 0; i < height; ++i) made.out[i] = to.data() + std::ptrdiff_t{i} * width * stride;
    made.stride = stride;
    made.width = width;
    made.height = height;
    return made;
}

// Nine taps of `length` channels, as a 3x3 convolution reads them.
Taps<float> taps(const std::vector<float>& from, int length) {
    Taps<float> in;
    for (int i = 0; i < 3; ++i) in.rows[i] = from.data() + std::ptrdiff_t{i} * kPixels * length;
    in.step = in.run_step = in.length = length;
    in.height = in.runs = 3;
    return in;
}

struct Case {
    std::string_view name;
    std::function<void()> run;
};

std::vector<Case> winograd(const KernelTable& k, Numbers& n) {
    const std::ptrdiff_t pos = std::ptrdiff_t{kBlocks} * kChannels, pos6 = std::ptrdiff_t{kBlocks6} * kChannels;
    const int group = 2, channels = group * k.lanes;
    const Epilogue end{.bias = n.weights.data(), .slope = n.weights.data(), .scale = n.scale.data(),
                       .scale_stride = kChannels, .unit = n.unit.data()};
    return {
        {"winograd_input_f32", [&, pos] { k.winograd_input_f32(window(n.a), kBlocks, kChannels, n.out.data(), pos); }},
        {"winograd_input_f16", [&, pos] {
            k.winograd_input_f16(window(n.halves), kBlocks, kChannels, n.out.data(), pos);
        }},
        {"winograd_input_f16_i16", [&, pos] {
            k.winograd_input_f16_i16(window(n.halves), kBlocks, kChannels, n.scale.data(), n.int_out.data(), pos,
                                     n.unit.data());
        }},
        {"winograd_output_f32", [&, pos, end, channels] {
            k.winograd_output_f32(n.sums.data(), pos, kBlocks, group, end, target(n.out, 4 * kBlocks, 4, channels));
        }},
        {"winograd_output_f16", [&, pos, end, channels] {
            k.winograd_output_f16(n.sums.data(), pos, kBlocks, group, end,
                                  target(n.half_out, 4 * kBlocks, 4, channels));
        }},
        {"winograd_output_i32_f16", [&, pos, end, channels] {
            k.winograd_output_i32_f16(n.int_sums.data(), pos, kBlocks, group, end,
                                      target(n.half_out, 4 * kBlocks, 4, channels));
        }},
        {"winograd6_input_f32", [&, pos6] {
            k.winograd6_input_f32(window(n.a, 6), kBlocks6, kChannels, n.out.data(), pos6);
        }},
        {"winograd6_output_f32", [&, pos6, end, channels] {
            k.winograd6_output_f32(n.sums.data(), pos6, kBlocks6, group, end, target(n.out, 6 * kBlocks6, 6, channels));
        }},
    };
}

std::vector<Case> products(const KernelTable& k, Numbers& n) {
    std::vector<Case> made;
    static constexpr std::string_view kFloat[] = {"gemm_f32_group_1", "gemm_f32_group_2", "gemm_f32_group_3"};
    static constexpr std::string_view kInt[] = {"gemm_i16_group_1", "gemm_i16_group_2", "gemm_i16_group_3"};
    for (int group = 1; group <= kMaxGroup; ++group) {
        made.push_back({kFloat[group - 1], [&, group] {
            k.gemm_f32(n.a.data(), kBlocks, kChannels, n.weights.data(), group, n.out.data());
        }});
        made.push_back({kInt[group - 1], [&, group] {
            k.gemm_i16(n.ints.data(), kBlocks, kChannels, n.ints.data(), group, n.products.data());
        }});
    }
    const int group = 2, channels = group * k.lanes;
    const Epilogue end{.bias = n.weights.data(), .slope = n.weights.data()};
    made.push_back({"conv_f32_3_channels", [&, end, channels] {
        k.conv_f32(taps(n.a, 3), n.weights.data(), group, end, target(n.out, 4 * kBlocks, 1, channels));
    }});
    made.push_back({"conv_f32_one_tap", [&, end, channels] {
        Taps<float> in = taps(n.a, kChannels);
        in.height = in.runs = 1;
        k.conv_f32(in, n.weights.data(), group, end, target(n.out, 4 * kBlocks, 1, channels));
    }});
    made.push_back({"depthwise_f32", [&] {
        k.depthwise_f32(taps(n.a, kChannels), n.weights.data(), n.weights.data(), 4 * kBlocks, n.out.data(),
                        kChannels);
    }});
    return made;
}

std::vector<Case> others(const KernelTable& k, Numbers& n) {
    constexpr int kKeys = 64, kSize = 30;
    static std::vector<const float*> bias(kKeys), taps_at(9);
    for (const float*& at : bias) at = n.weights.data();
    for (std::size_t t = 0; t < taps_at.size(); ++t) taps_at[t] = n.a.data() + t;
    static std::vector<float> scores(std::size_t{kKeys} * 2 * 16);
    return {
        {"attention_f32", [&] {
            k.attention_f32(n.weights.data(), n.a.data(), n.a.data(), kSize, kKeys, kSize, bias.data(), 0,
                            scores.data(), n.out.data());
        }},
        {"planes_f32", [&] {
            const Planes in{taps_at.data(), static_cast<int>(taps_at.size()), 128, 16};
            k.planes_f32(in, 96, n.weights.data(), 16, false, n.out.data(), 128);
        }},
        {"softmax_f32", [&] {
            k.softmax_f32(n.out.data(), kKeys, kKeys, kKeys, 1, n.weights.data(), 0);
        }},
        {"norm_f32_layer", [&] {
            k.norm_f32(Norm::layer, n.a.data(), kChannels, kPixels, kChannels, 1e-5F, n.weights.data(),
                       n.weights.data(), n.out.data(), kChannels);
        }},
        {"map_f32_gelu", [&] { k.map_f32(Map::gelu, n.a.data(), 1 << 14, n.out.data()); }},
        {"leaky_relu_f32", [&] { k.leaky_relu_f32(n.out.data(), 1 << 14, 0.1F); }},
        {"quantise_u8", [&] { k.quantise_u8(n.a.data(), 1 << 14, n.bytes.data()); }},
        {"to_half", [&] { k.to_half(n.a.data(), 1 << 14, n.half_out.data()); }},
        {"from_half", [&] { k.from_half(n.halves.data(), 1 << 14, n.out.data()); }},
    };
}

}  // namespace

int main(int argc, char** argv) {
    const auto isa = chosen_isa();
    if (!isa) {
        std::fprintf(stderr, "%s\n", isa.error().message.c_str());
        return 1;
    }
    const KernelTable& table = kernels(isa.value());
    Numbers numbers;
    for (const auto& cases : {winograd(table, numbers), products(table, numbers), others(table, numbers)})
        for (const Case& one : cases) {
            if (argc < 2) std::printf("%s\n", one.name.data());
            if (argc < 2 || one.name != argv[1]) continue;
            measured(one.run);
            return 0;
        }
    if (argc < 2) return 0;
    std::fprintf(stderr, "no kernel '%s'\n", argv[1]);
    return 1;
}
