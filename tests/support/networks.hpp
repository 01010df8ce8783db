// SPDX-License-Identifier: Apache-2.0
// Small random networks, made without weight files: Compact, RRDB and SPAN graphs as `arch` builds them. The same seed
// gives the same weights on every machine. Activations keep a size of about 1, outputs stay near 0..1.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <utility>
#include <vector>

#include "graph/graph.hpp"

namespace enlarge::test {

// A small generator with the same numbers everywhere (std distributions differ between libraries).
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 0x1234567ULL) {}
    std::uint32_t bits() {
        state_ += 0x9E3779B97F4A7C15ULL;  // splitmix64
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        return static_cast<std::uint32_t>((z ^ (z >> 31)) >> 32);
    }
    // [low, high)
    float uniform(float low, float high) {
        return low + (high - low) * (static_cast<float>(bits() >> 8) * (1.0F / 16777216.0F));
    }
    // [low, high]
    int integer(int low, int high) {
        return low + static_cast<int>(bits() % static_cast<std::uint32_t>(high - low + 1));
    }
    std::vector<float> floats(std::size_t n, float low, float high) {
        std::vector<float> values(n);
        for (float& value : values) value = uniform(low, high);
        return values;
    }

private:
    std::uint64_t state_;
};

// The value, or the end of the test program with the message: for builders that cannot fail on right input.
template <class T>
T must(Result<T> result) {
    if (!result.ok()) {
        std::cerr << "unexpected failure: " << result.error().message << std::endl;
        std::abort();
    }
    return std::move(result).value();
}
inline void must(const Result<void>& result) {
    if (result.ok()) return;
    std::cerr << "unexpected failure: " << result.error().message << std::endl;
    std::abort();
}

// Appends random layers to a graph.
class NetworkBuilder {
public:
    NetworkBuilder(std::uint64_t seed, int channels) : random_(seed) { must(graph.input(channels)); }

    int conv(int from, int out, int kernel = 3, float gain = 1.0F) {
        const int in = channels(from);
        const auto taps = static_cast<std::size_t>(in) * static_cast<std::size_t>(kernel * kernel);
        const float bound = gain * std::sqrt(6.0F / static_cast<float>(taps));  // variance 2 / taps
        return must(graph.conv2d(from, out, kernel, random_.floats(taps * static_cast<std::size_t>(out), -bound, bound),
                                 random_.floats(static_cast<std::size_t>(out), -0.05F, 0.05F)));
    }
    int prelu(int from) {
        return append(op::Prelu{make_values(random_.floats(static_cast<std::size_t>(channels(from)), -0.2F, 0.5F))},
                      {from});
    }
    int leaky_relu(int from, float alpha = 0.2F) { return append(op::LeakyRelu{alpha}, {from}); }
    int silu(int from) { return append(op::Silu{}, {from}); }
    int concat(std::vector<int> from) { return append(op::Concat{}, std::move(from)); }
    int span_gate(int o, int x) { return append(op::SpanGate{}, {o, x}); }
    int pixel_shuffle(int from, int factor) { return append(op::PixelShuffle{factor}, {from}); }
    int pixel_unshuffle(int from, int factor) { return append(op::PixelUnshuffle{factor}, {from}); }
    int upsample_nearest(int from, int factor) { return append(op::UpsampleNearest{factor}, {from}); }
    int add(int a, int b, float alpha = 1.0F, float beta = 1.0F) { return append(op::Add{alpha, beta}, {a, b}); }
    int scale_shift(int from, std::vector<float> scale, std::vector<float> shift) {
        return append(op::ScaleShift{make_values(std::move(scale)), make_values(std::move(shift))}, {from});
    }
    int append(Operation op, std::vector<int> from) { return must(graph.add({std::move(op), std::move(from)})); }
    [[nodiscard]] int channels(int node) const { return graph.nodes()[static_cast<std::size_t>(node)].channels; }

    Graph finish() {
        must(graph.validate());
        return std::move(graph);
    }

    Graph graph;

private:
    Random random_;
};

struct CompactSpec {
    int features = 16, convs = 2, scale = 2, channels = 3;  // convs: between the first and the last
};

// conv, PReLU, convs x (conv, PReLU), conv, pixel shuffle, plus the input repeated.
inline Graph compact_graph(std::uint64_t seed, const CompactSpec& spec = {}) {
    NetworkBuilder b(seed, spec.channels);
    int x = 0;
    for (int i = 0; i <= spec.convs; ++i) x = b.prelu(b.conv(x, spec.features));
    x = b.conv(x, spec.channels * spec.scale * spec.scale, 3, 0.1F);
    int base = 0;
    if (spec.scale > 1) {
        x = b.pixel_shuffle(x, spec.scale);
        base = b.upsample_nearest(0, spec.scale);
    }
    b.add(x, base);
    return b.finish();
}

struct RrdbSpec {
    int features = 16, growth = 8, blocks = 1, upconvs = 2, unshuffle = 1, channels = 3;  // scale 2^upconvs / unshuffle
};

// Real-ESRGAN's RRDBNet.
inline Graph rrdb_graph(std::uint64_t seed, const RrdbSpec& spec = {}) {
    NetworkBuilder b(seed, spec.channels);
    int x = 0;
    if (spec.unshuffle > 1) x = b.pixel_unshuffle(x, spec.unshuffle);
    const int first = b.conv(x, spec.features);
    int y = first;
    for (int block = 0; block < spec.blocks; ++block) {
        int z = y;
        for (int dense = 0; dense < 3; ++dense) {
            std::vector<int> parts{z};
            for (int k = 1; k <= 4; ++k)
                parts.push_back(b.leaky_relu(b.conv(k == 1 ? z : b.concat(parts), spec.growth)));
            z = b.add(b.conv(b.concat(parts), spec.features), z, 0.2F, 1.0F);
        }
        y = b.add(z, y, 0.2F, 1.0F);
    }
    y = b.add(first, b.conv(y, spec.features));
    for (int i = 0; i < spec.upconvs; ++i) y = b.leaky_relu(b.conv(b.upsample_nearest(y, 2), spec.features));
    y = b.leaky_relu(b.conv(y, spec.features));
    b.conv(y, spec.channels, 3, 0.3F);
    return b.finish();
}

struct SpanSpec {
    int features = 16, scale = 2;
    bool norm = true;
};

// SPAN with merged convolutions: six blocks, always RGB.
inline Graph span_graph(std::uint64_t seed, const SpanSpec& spec = {}) {
    NetworkBuilder b(seed, 3);
    int x = 0;
    float gain = 1.0F;
    if (spec.norm) {
        constexpr float kRange = 255.0F;
        x = b.scale_shift(0, {kRange, kRange, kRange}, {-0.4488F * kRange, -0.4371F * kRange, -0.4040F * kRange});
        gain = 1.0F / 64;
    }
    const int first = b.conv(x, spec.features, 3, gain);
    int y = first, after_first_block = 0, last_c1 = 0;
    for (int i = 1; i <= 6; ++i) {
        last_c1 = b.silu(b.conv(y, spec.features));
        const int c2 = b.silu(b.conv(last_c1, spec.features));
        y = b.span_gate(b.conv(c2, spec.features), y);
        if (i == 1) after_first_block = y;
    }
    const int conv_2 = b.conv(y, spec.features);
    x = b.conv(b.concat({first, conv_2, after_first_block, last_c1}), spec.features, 1);
    x = b.conv(x, 3 * spec.scale * spec.scale, 3, 0.3F);
    if (spec.scale > 1) b.pixel_shuffle(x, spec.scale);
    return b.finish();
}

// x2: attention in shifted windows and a layer norm; or, unless `local`, a group norm, which reads the whole picture. No
// backend but the reference has kernels for these.
inline Graph attention_graph(std::uint64_t seed, bool local) {
    NetworkBuilder b(seed, 3);
    const auto numbers = [](float value) { return make_values(std::vector<float>(8, value)); };
    const int first = b.conv(0, 8);
    const int normal = local ? b.append(op::LayerNorm{0, 1e-5F, numbers(1), numbers(0)}, {first})
                             : b.append(op::GroupNorm{2, 1e-5F, numbers(1), numbers(0)}, {first});
    const int attended = b.append(op::WindowAttention{2, 4, 4, 2, 2, 0.5F, {}}, {b.conv(normal, 24, 1)});
    b.pixel_shuffle(b.conv(b.add(first, b.append(op::Gelu{}, {attended})), 12), 2);
    return b.finish();
}

}  // namespace enlarge::test
