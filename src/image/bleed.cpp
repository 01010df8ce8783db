// SPDX-License-Identifier: Apache-2.0
#include "image/bleed.hpp"

#include <algorithm>
#include <utility>

#include "base/half.hpp"
#include "image/format.hpp"

namespace enlarge {
namespace {

constexpr unsigned char kUnknown = 255;

using Index = Bleeder::Index;

struct Grid {
    int width, height;
    [[nodiscard]] int x(Index pixel) const { return static_cast<int>(pixel % width); }
    [[nodiscard]] int y(Index pixel) const { return static_cast<int>(pixel / width); }
    template <class Body>
    void neighbours(Index pixel, Body&& body) const {
        const int px = x(pixel), py = y(pixel);
        for (int v = std::max(0, py - 1); v <= std::min(height - 1, py + 1); ++v)
            for (int u = std::max(0, px - 1); u <= std::min(width - 1, px + 1); ++u)
                if (u != px || v != py) body(Index{v} * width + u);
    }
};

struct Integer {
    template <class T>
    static float get(T v) { return static_cast<float>(v); }
    template <class T>
    static T put(float v) { return static_cast<T>(v + 0.5F); }
};
struct Half {
    static float get(std::uint16_t v) { return half_to_float(v); }
    template <class T>
    static T put(float v) { return float_to_half(v); }
};
struct Float {
    static float get(float v) { return v; }
    template <class T>
    static T put(float v) { return v; }
};

// Colours the pixels of one ring from those of earlier rounds.
template <class T, class Number>
void paint(const MutableImageView& picture, const std::vector<Index>& ring, const std::vector<unsigned char>& round,
           unsigned char now) {
    const Grid grid{picture.size.width, picture.size.height};
    for (int c = 0; c < picture.format.channels - 1; ++c)
        for (const Index pixel : ring) {
            float sum = 0;
            int count = 0;
            grid.neighbours(pixel, [&](Index other) {
                if (round[static_cast<std::size_t>(other)] >= now) return;
                sum += Number::get(reinterpret_cast<const T*>(picture.row(c, grid.y(other)))[grid.x(other)]);
                ++count;
            });
            reinterpret_cast<T*>(picture.row(c, grid.y(pixel)))[grid.x(pixel)] =
                Number::template put<T>(sum / static_cast<float>(count));
        }
}

template <class T>
void find_visible(const MutableImageView& picture, std::vector<unsigned char>& round) {
    const int plane = picture.format.channels - 1;
    for (int y = 0; y < picture.size.height; ++y) {
        const auto* alpha = reinterpret_cast<const T*>(picture.row(plane, y));
        auto* to = round.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(picture.size.width);
        for (int x = 0; x < picture.size.width; ++x) to[x] = alpha[x] > T{0} ? 0 : kUnknown;
    }
}

}  // namespace

void Bleeder::run(const MutableImageView& picture) {
    const Grid grid{picture.size.width, picture.size.height};
    const Index pixels = Index{grid.width} * grid.height;
    round_.resize(static_cast<std::size_t>(pixels));
    const SampleType sample = picture.format.sample;
    if (sample == SampleType::u8) find_visible<std::uint8_t>(picture, round_);
    else if (sample == SampleType::f32) find_visible<float>(picture, round_);
    else if (sample == SampleType::u16) find_visible<std::uint16_t>(picture, round_);
    else find_visible<std::int16_t>(picture, round_);  // halves: positive as floats exactly when positive as integers

    // The first ring: unknown pixels beside visible ones.
    front_.clear();
    for (Index pixel = 0; pixel < pixels; ++pixel) {
        if (round_[static_cast<std::size_t>(pixel)] != kUnknown) continue;
        bool beside = false;
        grid.neighbours(pixel, [&](Index other) { beside = beside || round_[static_cast<std::size_t>(other)] == 0; });
        if (beside) front_.push_back(pixel);
    }
    for (unsigned char now = 1; now <= kBleedReach && !front_.empty(); ++now) {
        for (const Index pixel : front_) round_[static_cast<std::size_t>(pixel)] = now;
        if (sample == SampleType::u8) paint<std::uint8_t, Integer>(picture, front_, round_, now);
        else if (sample == SampleType::u16) paint<std::uint16_t, Integer>(picture, front_, round_, now);
        else if (sample == SampleType::f16) paint<std::uint16_t, Half>(picture, front_, round_, now);
        else paint<float, Float>(picture, front_, round_, now);
        next_.clear();
        for (const Index pixel : front_)
            grid.neighbours(pixel, [&](Index other) {
                unsigned char& when = round_[static_cast<std::size_t>(other)];
                if (when != kUnknown) return;
                when = kUnknown - 1;  // queued
                next_.push_back(other);
            });
        std::swap(front_, next_);
    }
}

}  // namespace enlarge
