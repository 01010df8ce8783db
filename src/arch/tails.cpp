// SPDX-License-Identifier: Apache-2.0
#include "arch/tails.hpp"

#include <cmath>
#include <iterator>
#include <utility>

namespace enlarge {
namespace {

constexpr float kDefaultSlope = 0.01F;  // of a LeakyReLU whose slope nobody gave

std::string at(const std::string& prefix, int index) { return prefix + std::to_string(index); }

// Numbers whose first half are columns and second half are rows of every place of every group, put so
// that columns and rows of a group are neighbours.
std::vector<float> by_group(const std::vector<float>& values, int groups) {
    std::vector<float> result;
    result.reserve(values.size());
    const std::size_t half = values.size() / 2, group = half / static_cast<std::size_t>(groups);
    for (int g = 0; g < groups; ++g)
        for (const std::size_t side : {std::size_t{0}, half})
            for (std::size_t i = 0; i < group; ++i)
                result.push_back(values[side + static_cast<std::size_t>(g) * group + i]);
    return result;
}

}  // namespace

int dysample(Builder& b, int from, const std::string& prefix, int scale, int groups, int out) {
    const int in = b.channels(from), places = b.dim(prefix + "offset.weight", 0);
    if (groups == 0) groups = places / (2 * scale * scale);
    if (groups < 1 || places != 2 * groups * scale * scale) {
        b.fail(Errc::format, "tensor '" + prefix + "offset.weight' chooses " + std::to_string(places) +
                                 " numbers per pixel; expected " + std::to_string(2 * scale * scale) +
                                 " times a number of groups");
        return -1;
    }
    const auto turned = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
        const std::vector<float> values = b.take(prefix + name, shape);
        return values.empty() ? values : by_group(values, groups);
    };
    std::vector<float> start = turned("init_pos", {1, places, 1, 1});
    std::vector<float> weights = turned("offset.weight", {places, in, 1, 1}), bias = turned("offset.bias", {places});
    std::vector<float> scope = turned("scope.weight", {places, in, 1, 1});
    if (b.failed()) return -1;
    const int move = b.conv(from, std::move(weights), std::move(bias), 1);
    const int reach =
        b.sigmoid(b.conv(from, std::move(scope), std::vector<float>(static_cast<std::size_t>(places)), 1));
    const int offset = b.scale_shift(b.multiply(move, reach),
                                     std::vector<float>(static_cast<std::size_t>(places), 0.5F), std::move(start));
    const int sampled =
        b.append(op::GridSample{.beyond = op::GridSample::Beyond::border, .groups = groups, .offsets = true},
                 {from, b.pixel_shuffle(offset, scale)});
    if (!b.has(prefix + "end_conv.weight")) return sampled;
    return b.conv(sampled, prefix + "end_conv", out, square(b.dim(prefix + "end_conv.weight", 2)));
}

int shuffle_chain(Builder& b, int from, const std::string& prefix, int& scale) {
    for (int index = 0; b.has(at(prefix, index) + ".weight"); index += 2) {
        const int out = b.dim(at(prefix, index) + ".weight", 0), factor = whole_scale(out, b.channels(from));
        if (factor < 2 || scale > 64) {
            b.fail(Errc::unsupported, "tensor '" + at(prefix, index) + ".weight' makes " + std::to_string(out) +
                                          " of " + std::to_string(b.channels(from)) +
                                          " channels; expected 4 or 9 times as many");
            return -1;
        }
        from = b.pixel_shuffle(b.conv(from, at(prefix, index), out), factor);
        scale *= factor;
    }
    return from;
}

MetaTail read_meta_tail(Builder& b, const std::string& prefix) {
    static constexpr const char* kMethods[] = {"conv",     "pixelshuffledirect", "pixelshuffle", "nearest+conv",
                                               "dysample", "transpose+conv",     "lda",          "pa_up"};
    const std::vector<int> numbers = b.take_list(prefix + "MetaUpsample", 7);
    if (numbers.size() != 7) return {};
    MetaTail tail{numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], {}};
    const int known = tail.version == 1 ? 5 : static_cast<int>(std::size(kMethods));
    if (tail.version < 1 || tail.version > 3 || tail.method >= known || tail.scale < 1 || tail.scale > 8) {
        b.fail(Errc::unsupported, "'" + prefix + "MetaUpsample' of version " + std::to_string(tail.version) +
                                      ", method " + std::to_string(tail.method) + ", scale " +
                                      std::to_string(tail.scale) + "; versions 1 to 3, methods 0 to " +
                                      std::to_string(known - 1) + " and scales 1 to 8 are known");
        return {};
    }
    tail.name = tail.scale == 1 ? "conv" : kMethods[tail.method];
    return tail;
}

namespace {

// Doublings for 2, 4, 8; one tripling for 3.
std::vector<int> factors_of(Builder& b, int scale) {
    if (scale == 3) return {3};
    std::vector<int> factors;
    for (int rest = scale; rest > 1; rest /= 2) {
        if (rest % 2 != 0) {
            b.fail(Errc::unsupported, "a network for scale " + std::to_string(scale) + "; expected 2, 3, 4 or 8");
            return {};
        }
        factors.push_back(2);
    }
    return factors;
}

int nearest_tail(Builder& b, int x, const std::string& prefix, const MetaTail& tail) {
    const int width = b.channels(x);
    int index = 0;
    for (const int factor : factors_of(b, tail.scale)) {
        x = b.leaky_relu(b.upsample_nearest(b.conv(x, at(prefix, index), width), factor), 0.2F);
        index += 3;
    }
    x = b.leaky_relu(b.conv(x, at(prefix, index), width), 0.2F);
    return b.conv(x, at(prefix, index + 2), tail.out);
}

int shuffle_tail(Builder& b, int x, const std::string& prefix, const MetaTail& tail) {
    x = b.leaky_relu(b.conv(x, at(prefix, 0), tail.mid), kDefaultSlope);
    int index = 2;
    for (const int factor : factors_of(b, tail.scale)) {
        x = b.pixel_shuffle(b.conv(x, at(prefix, index), factor * factor * tail.mid), factor);
        index += 2;
    }
    return b.conv(x, at(prefix, index), tail.out);
}

int transpose_tail(Builder& b, int x, const std::string& prefix, const MetaTail& tail) {
    int index = 0;
    if (tail.scale == 3) {
        x = b.conv_transpose(x, at(prefix, index), tail.out, 3, 3, 0);
    } else if (tail.scale == 2) {
        x = b.conv_transpose(x, at(prefix, index), tail.out, 4, 2, 1);
    } else {
        x = b.gelu(b.conv_transpose(x, at(prefix, 0), b.channels(x), 4, 2, 1));
        x = b.conv_transpose(x, at(prefix, index = 2), tail.out, 4, 2, 1);
    }
    return b.conv(x, at(prefix, index + 1), tail.out);
}

int attention_tail(Builder& b, int x, const std::string& prefix, const MetaTail& tail) {
    int index = 0;
    for (const int factor : factors_of(b, tail.scale)) {
        x = b.conv(b.upsample_nearest(x, factor), at(prefix, index + 1), tail.mid);
        x = b.multiply(x, b.sigmoid(b.conv(x, at(prefix, index + 2) + ".conv.0", tail.mid, 1)));
        x = b.leaky_relu(b.conv(b.leaky_relu(x, 0.2F), at(prefix, index + 4), tail.mid), 0.2F);
        index += 6;
    }
    return b.conv(x, at(prefix, index), tail.out);
}

}  // namespace

int meta_tail(Builder& b, int x, const std::string& prefix, const MetaTail& tail) {
    if (tail.name == "conv") return b.conv(x, at(prefix, 0), tail.out);
    if (tail.name == "pixelshuffledirect")
        return b.pixel_shuffle(b.conv(x, at(prefix, 0), tail.out * tail.scale * tail.scale), tail.scale);
    if (tail.name == "pixelshuffle") return shuffle_tail(b, x, prefix, tail);
    if (tail.name == "nearest+conv") return nearest_tail(b, x, prefix, tail);
    if (tail.name == "transpose+conv") return transpose_tail(b, x, prefix, tail);
    if (tail.name == "pa_up") return attention_tail(b, x, prefix, tail);
    const bool by_attention = tail.name == "lda";
    if (!by_attention && tail.name != "dysample") return -1;  // read_meta_tail() has failed
    int index = 0;
    if (b.has(at(prefix, 0) + ".weight")) {
        x = b.leaky_relu(b.conv(x, at(prefix, 0), tail.mid), kDefaultSlope);
        index = 2;
    }
    if (by_attention)
        return b.conv(lda(b, x, at(prefix, index) + ".", tail.scale), at(prefix, index + 1), tail.out);
    return dysample(b, x, at(prefix, index) + ".", tail.scale, tail.groups, tail.out);
}

}  // namespace enlarge
