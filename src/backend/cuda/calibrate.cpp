// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/calibrate.hpp"

#include <algorithm>
#include <cmath>

#include "base/half.hpp"

namespace enlarge::cuda {
namespace {

constexpr int kScenes = 4;
// The largest values are cut off: finer steps for all others are worth more. Of animevideov3 on real pictures: with the
// largest value 43.3 dB, with this share 45.4 dB (means of 10 crops).
constexpr double kCutShare = 0.0005;
// A channel's step lies between what it needs itself (0) and what the layer's largest needs (1): small channels keep some
// precision, and their weights, multiplied by the step, do not vanish beside the others'. 0.25: 43.0 dB, 0.4: 43.7, 0.5: 43.3,
// 0.6: 42.3.
constexpr float kTowardsLargest = 0.35F;
// Of colour and contrast, what is left: full ones stretch the steps for what pictures hardly have (42.5 dB instead of 45).
constexpr double kColour = 0.6, kContrast = 0.9;

class Random {
public:
    explicit Random(std::uint32_t seed) : state_(seed * 7919u + 1u) {}
    double next() { return static_cast<double>((state_ = state_ * 1664525u + 1013904223u) >> 8) / 16777216.0; }

private:
    std::uint32_t state_;
};

// The largest magnitudes of one channel met so far, as many as will be cut off and one more.
struct Largest {
    std::vector<float> values;
    void add(std::vector<float>& fresh, std::size_t keep) {
        values.insert(values.end(), fresh.begin(), fresh.end());
        if (values.size() <= keep) return;
        std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(keep - 1), values.end(), std::greater<>());
        values.resize(keep);
    }
    [[nodiscard]] float smallest() const { return *std::min_element(values.begin(), values.end()); }
};

}  // namespace

Image made_up_scene(Size size, int channels, std::uint32_t seed) {
    Image image(size, {SampleType::f32, 32, static_cast<std::uint8_t>(channels), true});
    const auto count = static_cast<std::size_t>(size.width) * static_cast<std::size_t>(size.height);
    Random random(seed);
    std::array<std::array<double, 3>, 2> ends{};
    for (auto& colour : ends)
        for (double& c : colour) c = random.next();
    std::vector<std::array<double, 3>> pixels(count);
    const double side = std::max(size.width, size.height);
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t c = 0; c < 3; ++c) {
            const double way = static_cast<double>(i % static_cast<std::size_t>(size.width) + i / static_cast<std::size_t>(size.width)) / (2 * side);
            pixels[i][c] = ends[0][c] + (ends[1][c] - ends[0][c]) * way;
        }
    for (int shape = 0; shape < 24; ++shape) {
        const double cx = random.next() * side, cy = random.next() * side, radius = side * (0.03 + 0.25 * random.next());
        const double aspect = 0.3 + random.next(), angle = 3.1416 * random.next(), soft = shape % 3 ? 1 : 6;
        std::array<double, 3> colour{random.next(), random.next(), random.next()};
        const double texture = shape % 5 == 0 ? 0.12 * random.next() : 0, fx = 0.3 + 2 * random.next(), fy = 0.3 + 2 * random.next();
        for (std::size_t i = 0; i < count; ++i) {
            const double x = static_cast<double>(i % static_cast<std::size_t>(size.width)), y = static_cast<double>(i / static_cast<std::size_t>(size.width));
            const double u = (x - cx) * std::cos(angle) + (y - cy) * std::sin(angle), v = ((y - cy) * std::cos(angle) - (x - cx) * std::sin(angle)) / aspect;
            const double distance = shape % 2 ? std::max(std::fabs(u), std::fabs(v)) : std::sqrt(u * u + v * v);
            double cover = std::clamp((radius - distance) / soft + 0.5, 0.0, 1.0);
            if (shape % 4 == 3) cover *= std::clamp((distance - radius + 3) / 1.5, 0.0, 1.0);  // an outline only
            for (std::size_t c = 0; c < 3; ++c) pixels[i][c] += cover * (colour[c] + texture * std::sin(x * fx + y * fy) - pixels[i][c]);
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        const double noise = 0.04 * (random.next() - 0.5) * static_cast<double>(i % static_cast<std::size_t>(size.width)) / size.width;
        const auto x = i % static_cast<std::size_t>(size.width);
        const double grey = (pixels[i][0] + pixels[i][1] + pixels[i][2]) / 3;
        for (double& c : pixels[i]) c = 0.5 + kContrast * (grey + kColour * (c - grey) - 0.5);
        for (int c = 0; c < channels; ++c)
            reinterpret_cast<float*>(image.view().row(c, static_cast<int>(i / static_cast<std::size_t>(size.width))))[x] =
                static_cast<float>(std::clamp(pixels[i][static_cast<std::size_t>(c)] + noise, 0.0, 1.0));
    }
    return image;
}

Result<Quantisation> calibrate(const CudaProgram& half, const std::vector<int>& nodes, Size size) {
    std::vector<std::vector<Largest>> largest(nodes.size(), std::vector<Largest>(64));
    const double all = static_cast<double>(size.width) * size.height * kScenes;
    const auto keep = static_cast<std::size_t>(all * kCutShare) + 1;
    for (std::uint32_t seed = 1; seed <= kScenes; ++seed) {
        const Image scene = made_up_scene(size, half.info().channels, seed);
        TRY(observe(half, scene.view(), nodes, [&](std::size_t which, const std::uint16_t* values, int channels, std::size_t pixels) {
            std::vector<float> magnitudes(pixels);
            for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
                for (std::size_t p = 0; p < pixels; ++p) magnitudes[p] = std::fabs(half_to_float(values[(c / 8 * pixels + p) * 8 + c % 8]));
                largest[which][c].add(magnitudes, keep);
            }
        }));
    }
    Quantisation quantisation;
    quantisation.nodes = nodes;
    for (const auto& channels : largest) {
        std::vector<float> reach;
        for (const Largest& channel : channels) reach.push_back(channel.smallest());
        const float most = std::max(1e-6F, *std::max_element(reach.begin(), reach.end()));
        std::vector<float> steps;
        for (const float v : reach) steps.push_back(std::pow(std::max(v, 1e-3F * most), 1 - kTowardsLargest) * std::pow(most, kTowardsLargest) / 127);
        quantisation.steps.push_back(std::move(steps));
    }
    return quantisation;
}

}  // namespace enlarge::cuda
