// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/calibrate.hpp"

#include <algorithm>
#include <cmath>

#include "image/format.hpp"

namespace enlarge::cpu {
namespace {

// The same numbers on every machine.
class Noise {
public:
    explicit Noise(std::uint32_t seed) : state_(seed * 2654435761U + 1) {}
    float next() {  // -1..1
        state_ ^= state_ << 13;
        state_ ^= state_ >> 17;
        state_ ^= state_ << 5;
        return static_cast<float>(state_ >> 8) * (2.0F / 16777216.0F) - 1.0F;
    }

private:
    std::uint32_t state_;
};

// Sums of octaves of smoothed noise: the spectrum of photographs.
std::vector<float> clouds(int width, int height, std::uint32_t seed) {
    std::vector<float> sum(static_cast<std::size_t>(width) * static_cast<std::size_t>(height), 0.0F);
    Noise noise(seed);
    float gain = 0.5F;
    for (int cell = 16; cell >= 1; cell /= 2, gain *= 0.6F) {
        const int across = width / cell + 2, down = height / cell + 2;
        std::vector<float> grid(static_cast<std::size_t>(across) * static_cast<std::size_t>(down));
        for (float& v : grid) v = noise.next();
        for (int y = 0; y < height; ++y)
            for (int x = 0; x < width; ++x) {
                const int gx = x / cell, gy = y / cell;
                const float fx = static_cast<float>(x % cell) / static_cast<float>(cell), fy = static_cast<float>(y % cell) / static_cast<float>(cell);
                const auto at = [&](int i, int j) { return grid[static_cast<std::size_t>((gy + j) * across + gx + i)]; };
                const float top = at(0, 0) + fx * (at(1, 0) - at(0, 0)), bottom = at(0, 1) + fx * (at(1, 1) - at(0, 1));
                sum[static_cast<std::size_t>(y * width + x)] += gain * (top + fy * (bottom - top));
            }
    }
    return sum;
}

// Kinds of content: 0 texture like a photograph with sharp edges, 1 hard black and white drawing with saturated
// colours, 2 noise over a smooth ramp, 3 noise of full range, 4 texture of high contrast down to the pixel.
float sample(int kind, int x, int y, int c, int width, int height, const std::vector<float>& cloud, Noise& noise) {
    const float u = static_cast<float>(x) / static_cast<float>(width), v = static_cast<float>(y) / static_cast<float>(height);
    const float texture = cloud[static_cast<std::size_t>(y * width + x)];
    if (kind == 0) {
        const bool inside = (u - 0.4F) * (u - 0.4F) + (v - 0.5F) * (v - 0.5F) < 0.08F;
        return 0.5F + 0.5F * texture + (inside ? 0.25F : -0.15F) * (c == 1 ? 1.0F : 0.6F);
    }
    if (kind == 1) {
        const int stripe = x < width / 2 ? (x / (1 + y * 5 / height)) & 1 : ((x / 3) ^ (y / 4)) & 1;
        const bool slanted = ((x + 2 * y) / 7) % 5 == 0;
        const float ink = stripe ? 1.0F : 0.0F;
        return slanted ? (((y / 9) + c) % 3 == 0 ? 1.0F : 0.0F) : ink;
    }
    if (kind == 3) return 0.5F + 0.5F * noise.next();
    if (kind == 4) return 0.5F + 1.6F * texture + 0.3F * noise.next();
    return (c == 0 ? u : c == 1 ? v : 1.0F - u) + 0.12F * noise.next();
}

Image draw(int kind, Size size, int channels) {
    Image image(size, {SampleType::u8, 8, static_cast<std::uint8_t>(channels), false});
    const std::vector<float> cloud = clouds(size.width, size.height, static_cast<std::uint32_t>(kind) + 7);
    Noise noise(static_cast<std::uint32_t>(kind) + 99);
    for (int y = 0; y < size.height; ++y) {
        std::byte* row = image.view().row(0, y);
        for (int x = 0; x < size.width; ++x)
            for (int c = 0; c < channels; ++c) {
                const float value = sample(kind, x, y, c, size.width, size.height, cloud, noise);
                row[x * channels + c] = static_cast<std::byte>(std::lrint(std::clamp(value, 0.0F, 1.0F) * 255.0F));
            }
    }
    return image;
}

constexpr int kKinds = 5;
// Of the picture that is tried again at each start: it has half the others' sides, and takes a fourth of their time.
constexpr int kProbe = 0;

// The range of 16 bits, in parts of the largest seen here. Blocks beyond it are computed in larger units, so this is no
// limit: small makes ordinary blocks exact, too small makes many blocks take a second attempt.
constexpr float kRange = 0.5F;
// The least share of its position's largest that a channel gets: it may sleep here and wake elsewhere.
constexpr float kShare = 0.1F;
// The least range, of a position where everything sleeps.
constexpr float kLeast = 1e-6F;
// Rows hold halves, and a transformed feature is a sum of 36 of them whose weights add up to 10 * 10 at most.
constexpr float kMost = 65504.0F * 100 * kRange;

// From the largest of each position and channel to ranges.
void to_ranges(TransformAbsMax& transform_abs_max) {
    for (std::vector<float>& most : transform_abs_max) {
        const std::size_t channels = most.size() / 36;
        for (std::size_t p = 0; p < 36 && channels > 0; ++p) {
            const auto begin = most.begin() + static_cast<std::ptrdiff_t>(p * channels),
                       end = begin + static_cast<std::ptrdiff_t>(channels);
            const float position = *std::max_element(begin, end);
            for (auto m = begin; m != end; ++m) *m = std::max({*m, position * kShare, kLeast}) * kRange;
        }
    }
}

// Rounding on the way changes the largest values by parts of a hundred at most, next to nothing in large ones.
bool are_alike(const std::vector<float>& expected, const std::vector<float>& seen) {
    constexpr float kOff = 0.1F, kOffOfPosition = 0.02F;
    if (expected.size() != seen.size()) return false;
    const std::size_t channels = seen.size() / 36;
    for (std::size_t p = 0; p < 36 && channels > 0; ++p) {
        const auto begin = seen.begin() + static_cast<std::ptrdiff_t>(p * channels);
        const float position = *std::max_element(begin, begin + static_cast<std::ptrdiff_t>(channels));
        for (std::size_t i = p * channels; i < (p + 1) * channels; ++i)
            if (!(std::fabs(expected[i] - seen[i]) <= kOff * seen[i] + kOffOfPosition * position)) return false;
    }
    return true;
}

// Whether the ranges of all pictures can be these where those of one are `one`.
bool can_include(const std::vector<float>& all, const std::vector<float>& one) {
    constexpr float kMostTimes = 64;  // texture of high contrast has much more at the positions of fine detail
    if (all.size() != one.size()) return false;
    const auto largest = [](const std::vector<float>& of) { return *std::max_element(of.begin(), of.end()); };
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i] < one[i] * 0.999F) return false;
    return all.empty() || largest(all) <= kMostTimes * largest(one);
}

}  // namespace

bool can_be_ranges(const TransformAbsMax& ranges) {
    return std::all_of(ranges.begin(), ranges.end(), [](const std::vector<float>& step) {
        const std::size_t channels = step.size() / 36;
        if (step.size() % 36 != 0) return false;
        for (std::size_t p = 0; p < 36 && channels > 0; ++p) {
            const auto begin = step.begin() + static_cast<std::ptrdiff_t>(p * channels),
                       end = begin + static_cast<std::ptrdiff_t>(channels);
            for (auto m = begin; m != end; ++m)
                if (!(*m >= kLeast * kRange && *m <= kMost)) return false;
            const auto [least, most] = std::minmax_element(begin, end);
            if (*least < *most * kShare * 0.999F) return false;
        }
        return true;
    });
}

Calibration::Calibration(const LoweredNetwork& network, const KernelTable& kernels, ThreadPool* pool, double macs_per_pixel)
    : kernels_(kernels), pool_(pool), channels_(network.in_channels) {
    // About 14 GMAC in all, of pictures between 16 and 64 pixels wide.
    const double pixels = 14e9 / std::max(macs_per_pixel, 1.0) / kKinds;
    const int multiple = std::max(network.size_multiple, 4);
    size_.width = std::clamp(static_cast<int>(std::sqrt(pixels * 4 / 3)), 16, 64) / multiple * multiple;
    size_.height = std::max(size_.width * 3 / 4 / multiple * multiple, multiple);
    const auto half = [&](int side) { return std::max(side / 2 / multiple * multiple, multiple); };
    probe_size_ = {half(size_.width), half(size_.height)};
}

Result<Image> Calibration::output(Runner& runner, const LoweredNetwork& network, int kind, Size size,
                                  bool& finite) const {
    const Image picture = draw(kind, size, channels_);
    Image out({size.width * network.scale, size.height * network.scale},
              {SampleType::f32, 32, static_cast<std::uint8_t>(network.out_channels), false});
    TRY(const TileReport report, runner.run({picture.view(), {0, 0, size.width, size.height}, out.view()}));
    finite = finite && report.finite;
    return out;
}

Result<bool> Calibration::run(const std::shared_ptr<const LoweredNetwork>& exact) {
    bool finite = true;
    Runner runner(exact, kernels_, pool_);
    runner.observe_largest_v(true);
    exact_outputs_.clear();
    TRY(const Image ignored, output(runner, *exact, kProbe, probe_size_, finite));
    probe_ = runner.transform_abs_max();
    for (int kind = 0; kind < kKinds; ++kind) {
        TRY(Image out, output(runner, *exact, kind, size_, finite));
        exact_outputs_.push_back(std::move(out));
    }
    transform_abs_max_ = runner.transform_abs_max();
    to_ranges(probe_);
    to_ranges(transform_abs_max_);
    return finite;
}

Result<bool> Calibration::agrees(const std::shared_ptr<const LoweredNetwork>& integer, const TransformAbsMax& ranges,
                                 const TransformAbsMax& probe) {
    bool finite = true;
    Runner runner(integer, kernels_, pool_);
    runner.observe_largest_v(true);
    TRY(const Image ignored, output(runner, *integer, kProbe, probe_size_, finite));
    if (!finite) return false;
    TransformAbsMax seen = runner.transform_abs_max();
    to_ranges(seen);
    for (std::size_t s = 0; s < integer->steps.size(); ++s) {
        if (!integer->steps[s].integer) continue;
        if (s >= ranges.size() || s >= probe.size() || s >= seen.size()) return false;
        if (!are_alike(probe[s], seen[s]) || !can_include(ranges[s], probe[s])) return false;
    }
    return true;
}

Result<Fidelity> Calibration::fidelity(const std::shared_ptr<const LoweredNetwork>& other) {
    bool finite = true;
    Runner runner(other, kernels_, pool_);
    std::vector<Image> results;
    for (int kind = 0; kind < kKinds; ++kind) {
        TRY(Image result, output(runner, *other, kind, size_, finite));
        results.push_back(std::move(result));
    }
    if (!finite) return Fidelity{0, 256.0F};
    double squares = 0, count = 0;
    Fidelity fidelity;
    for (std::size_t i = 0; i < results.size(); ++i) {
        const Size size = results[i].size();
        const int samples = size.width * results[i].format().channels;
        for (int y = 0; y < size.height; ++y) {
            const auto* a = reinterpret_cast<const float*>(results[i].view().row(0, y));
            const auto* b = reinterpret_cast<const float*>(std::as_const(exact_outputs_[i]).view().row(0, y));
            for (int k = 0; k < samples; ++k) {
                const float x = std::clamp(a[k], 0.0F, 1.0F) * 255.0F, z = std::clamp(b[k], 0.0F, 1.0F) * 255.0F;
                fidelity.largest = std::max(fidelity.largest, std::fabs(x - z));
                const double steps = std::nearbyint(x) - std::nearbyint(z);
                squares += steps * steps;
            }
            count += samples;
        }
    }
    fidelity.psnr = squares > 0 ? 10 * std::log10(255.0 * 255.0 * count / squares) : kSamePsnr;
    return fidelity;
}

}  // namespace enlarge::cpu
