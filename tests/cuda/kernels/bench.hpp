// SPDX-License-Identifier: Apache-2.0
// Tensors in device layout with guard zones, plain truths, and the ways every kernel is run.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "backend/cuda/launch.hpp"
#include "backend/cuda/pack.hpp"
#include "base/half.hpp"
#include "kernels.hpp"
#include "support/networks.hpp"

namespace enlarge::cuda::test {

using enlarge::test::Random;

inline constexpr std::size_t kGuard = 64;  // elements on either side

// A tensor in memory as kernels see it; T is a half (uint16_t), float or int8_t, `lanes` channels per slice.
template <class T>
struct Tensor {
    int channels, height, width, lanes;
    std::vector<T> storage;

    Tensor(int c, int h, int w, int channel_lanes = 8)
        : channels(c), height(h), width(w), lanes(channel_lanes),
          storage(static_cast<std::size_t>((c + lanes - 1) / lanes * lanes) * static_cast<std::size_t>(h * w) + 2 * kGuard) {
        std::memset(storage.data(), 0xFF, storage.size() * sizeof(T));
    }
    [[nodiscard]] std::size_t index(int c, int y, int x) const {
        return kGuard + ((static_cast<std::size_t>(c / lanes) * static_cast<std::size_t>(height) + static_cast<std::size_t>(y)) *
                             static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) * static_cast<std::size_t>(lanes) +
               static_cast<std::size_t>(c % lanes);
    }
    T& at(int c, int y, int x) { return storage[index(c, y, x)]; }
    [[nodiscard]] double value(int c, int y, int x) const {
        const T v = storage[index(c, y, x)];
        if constexpr (sizeof(T) == 2)
            return enlarge::half_to_float(v);
        else
            return static_cast<double>(v);
    }
    [[nodiscard]] std::uint64_t address() const { return reinterpret_cast<std::uint64_t>(storage.data() + kGuard); }
    [[nodiscard]] bool guards_hold() const {
        for (std::size_t i = 0; i < kGuard * sizeof(T); ++i) {
            const auto* bytes = reinterpret_cast<const unsigned char*>(storage.data());
            if (bytes[i] != 0xFF || bytes[storage.size() * sizeof(T) - 1 - i] != 0xFF) return false;
        }
        return true;
    }
    void poison() { std::memset(storage.data(), 0xFF, storage.size() * sizeof(T)); }
};

// Small whole numbers: all sums are exact in half precision, so results must agree bit for bit.
inline Tensor<std::uint16_t> integer_halves(std::uint64_t seed, int c, int h, int w) {
    Random random(seed);
    Tensor<std::uint16_t> t(c, h, w);
    for (int i = 0; i < (c + 7) / 8 * 8; ++i)
        for (int y = 0; y < h; ++y)
            for (int x = 0; x < w; ++x)
                t.at(i, y, x) = i < c ? enlarge::float_to_half(static_cast<float>(random.integer(-1, 1))) : std::uint16_t{0};
    return t;
}

struct Conv {
    int in, out, kernel;
    std::vector<float> weights, bias, slope;
    [[nodiscard]] ConvWeights view() const { return {weights, bias, in, out, kernel}; }
};
inline Conv integer_conv(std::uint64_t seed, int in, int out, int kernel = 3) {
    Random random(seed);
    Conv conv{in, out, kernel, {}, {}, {}};
    for (int i = 0; i < in * out * kernel * kernel; ++i) conv.weights.push_back(static_cast<float>(random.integer(-1, 1)));
    for (int i = 0; i < out; ++i) {
        conv.bias.push_back(static_cast<float>(random.integer(-8, 8)));
        conv.slope.push_back(0.25F * static_cast<float>(random.integer(-2, 6)));
    }
    return conv;
}

using Reader = std::function<double(int c, int y, int x)>;  // zero outside

// The convolution at one place, without activation.
inline double convolve(const Conv& conv, int o, int y, int x, const Reader& in) {
    double sum = conv.bias[static_cast<std::size_t>(o)];
    const int k = conv.kernel;
    for (int c = 0; c < conv.in; ++c)
        for (int dy = 0; dy < k; ++dy)
            for (int dx = 0; dx < k; ++dx)
                sum += static_cast<double>(conv.weights[static_cast<std::size_t>(((o * conv.in + c) * k + dy) * k + dx)]) *
                       in(c, y + dy - k / 2, x + dx - k / 2);
    return sum;
}
inline double prelu(double v, double slope) { return v < 0 ? slope * v : v; }

template <class T>
Reader reader(const Tensor<T>& t) {
    return [&t](int c, int y, int x) { return y < 0 || y >= t.height || x < 0 || x >= t.width ? 0.0 : t.value(c, y, x); };
}

// Both schedules, several orders.
struct Way {
    emu::Schedule schedule;
    std::uint64_t seed;
};
inline const std::vector<Way>& ways() {
    static const std::vector<Way> all{{emu::Schedule::eager, 1}, {emu::Schedule::lazy, 1}, {emu::Schedule::lazy, 2}};
    return all;
}

inline emu::Launch launch_of(const Shape& shape, const Way& way) {
    return {shape.blocks, shape.threads, static_cast<std::size_t>(shape.shared_bytes), way.schedule, way.seed, emu::Fault::none, 0};
}

}  // namespace enlarge::cuda::test
