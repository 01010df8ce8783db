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
        Node node;
        node.op = Op::prelu;
        node.inputs = {from};
        node.weights = make_values(random_.floats(static_cast<std::size_t>(channels(from)), -0.2F, 0.5F));
        return must(graph.add(std::move(node)));
    }
    int leaky_relu(int from, float alpha = 0.2F) {
        Node node;
        node.op = Op::leaky_relu;
        node.inputs = {from};
        node.alpha = alpha;
        return must(graph.add(std::move(node)));
    }
    int silu(int from) { return simple(Op::silu, {from}); }
    int concat(std::vector<int> from) { return simple(Op::concat, std::move(from)); }
    int span_gate(int o, int x) { return simple(Op::span_gate, {o, x}); }
    int resample(Op op, int from, int factor) {
        Node node;
        node.op = op;
        node.inputs = {from};
        node.factor = factor;
        return must(graph.add(std::move(node)));
    }
    int add(int a, int b, float alpha = 1.0F, float beta = 1.0F) {
        Node node;
        node.op = Op::add;
        node.inputs = {a, b};
        node.alpha = alpha;
        node.beta = beta;
        return must(graph.add(std::move(node)));
    }
    int scale_shift(int from, std::vector<float> scale, std::vector<float> shift) {
        Node node;
        node.op = Op::scale_shift;
        node.inputs = {from};
        node.weights = make_values(std::move(scale));
        node.bias = make_values(std::move(shift));
        return must(graph.add(std::move(node)));
    }
    [[nodiscard]] int channels(int node) const { return graph.nodes()[static_cast<std::size_t>(node)].channels; }

    Graph finish() {
        must(graph.validate());
        return std::move(graph);
    }

    Graph graph;

private:
    int simple(Op op, std::vector<int> from) {
        Node node;
        node.op = op;
        node.inputs = std::move(from);
        return must(graph.add(std::move(node)));
    }
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
        x = b.resample(Op::pixel_shuffle, x, spec.scale);
        base = b.resample(Op::upsample_nearest, 0, spec.scale);
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
    if (spec.unshuffle > 1) x = b.resample(Op::pixel_unshuffle, x, spec.unshuffle);
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
    for (int i = 0; i < spec.upconvs; ++i)
        y = b.leaky_relu(b.conv(b.resample(Op::upsample_nearest, y, 2), spec.features));
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
    if (spec.scale > 1) b.resample(Op::pixel_shuffle, x, spec.scale);
    return b.finish();
}

}  // namespace enlarge::test
