// SPDX-License-Identifier: Apache-2.0
// How far a network really sees: what a tile's core differs by when only `halo` pixels around it are known.
//
//     build/release/bench/bench_halo MODEL [PICTURE]
//
// The truth is the network over a picture of 256x256 (waves and noise without PICTURE, else its middle) in one piece, as
// floats in fp32. Against it: cores of 32x32, each computed from its own surroundings of `halo` pixels alone. Differences are
// in 1/255 of the range of the truth. docs/numerics.md shows the result.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "enlarge/enlarge.hpp"
#include "enlarge/picture.hpp"

namespace {

using namespace enlarge;

constexpr int kSide = 256, kCore = 32;
constexpr int kHalos[] = {4, 8, 16, 24, 32, 48, 64, 96};
constexpr Rect kCores[] = {{112, 112, kCore, kCore}, {128, 96, kCore, kCore}};
constexpr PixelFormat kFloatRgb{SampleType::f32, 32, 3, false};

float* pixel(Image& image, int x, int y) { return reinterpret_cast<float*>(image.view().row(0, y)) + 3 * x; }

Image waves_and_noise() {
    Image image({kSide, kSide}, kFloatRgb);
    std::uint32_t state = 1;
    for (int y = 0; y < kSide; ++y)
        for (int x = 0; x < kSide; ++x)
            for (int c = 0; c < 3; ++c) {
                state = state * 1664525U + 1013904223U;
                const float noise = static_cast<float>(state >> 8) / static_cast<float>(1 << 24) - 0.5F;
                const float wave = std::sin(0.11F * static_cast<float>(x) + static_cast<float>(c)) * std::cos(0.07F * static_cast<float>(y));
                pixel(image, x, y)[c] = std::clamp(0.5F + 0.3F * wave + 0.2F * noise, 0.0F, 1.0F);
            }
    return image;
}

Result<Image> middle_of(const std::string& path) {
    auto picture = Picture::open(path);
    if (!picture) return std::move(picture).error();
    const Size size = picture->info().size;
    const PixelFormat format = picture->info().format;
    if (format.sample != SampleType::u8 || format.channels < 3 || size.width < kSide || size.height < kSide)
        return Error{Errc::argument, path + ": expected 8-bit RGB of at least 256x256 pixels"};
    auto whole = picture->load();
    if (!whole) return std::move(whole).error();
    Image image({kSide, kSide}, kFloatRgb);
    for (int y = 0; y < kSide; ++y)
        for (int x = 0; x < kSide; ++x)
            for (int c = 0; c < 3; ++c) {
                const std::byte* from = whole->view().row(0, y + (size.height - kSide) / 2) + (x + (size.width - kSide) / 2) * format.channels;
                pixel(image, x, y)[c] = static_cast<float>(from[c]) / 255.0F;
            }
    return image;
}

int fail(const Error& error) {
    std::fprintf(stderr, "bench_halo: %s\n", error.message.c_str());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) return fail({Errc::argument, "say bench_halo MODEL [PICTURE]"});
    const auto model = Model::open(argv[1]);
    if (!model) return fail(model.error());
    if (model->info().channels != 3) return fail({Errc::unsupported, "expected a network for RGB"});
    auto picture = argc > 2 ? middle_of(argv[2]) : Result<Image>(waves_and_noise());
    if (!picture) return fail(picture.error());
    EngineOptions options;
    options.precision = Precision::fp32;
    options.memory_bytes = std::int64_t{1} << 40;  // one piece, whatever it takes
    auto upscaler = Upscaler::create(*model, options);
    if (!upscaler) return fail(upscaler.error());
    const ImageView whole = std::as_const(*picture).view();
    auto truth = upscaler->upscale(whole);
    if (!truth) return fail(truth.error());
    float low = 1e30F, high = -1e30F;
    const int s = model->info().scale;
    for (int y = 0; y < kSide * s; ++y)
        for (int i = 0; i < kSide * s * 3; ++i) {
            const float v = pixel(*truth, 0, y)[i];
            low = std::min(low, v), high = std::max(high, v);
        }
    const ModelInfo& info = model->info();
    std::printf("%s: %s %s/%s, x%d, receptive radius %d, output %.3g..%.3g\n", argv[1], info.family.c_str(),
                info.fact("features").c_str(), info.fact("blocks").c_str(), s, info.receptive_radius,
                static_cast<double>(low), static_cast<double>(high));
    std::printf("halo  largest    rms  (1/255 of the output's range)\n");
    for (const int halo : kHalos) {
        double largest = 0, sum = 0;
        std::int64_t count = 0;
        for (const Rect& core : kCores) {
            const int left = core.x - halo, top = core.y - halo;
            if (left < 0 || top < 0 || core.right() + halo > kSide || core.bottom() + halo > kSide)
                return fail({Errc::internal, "a core is too near to the edge"});
            auto part = upscaler->upscale(whole.part({left, top, core.width + 2 * halo, core.height + 2 * halo}));
            if (!part) return fail(part.error());
            for (int y = 0; y < core.height * s; ++y)
                for (int i = 0; i < core.width * s * 3; ++i) {
                    const double d = std::fabs(pixel(*part, halo * s, halo * s + y)[i] - pixel(*truth, core.x * s, core.y * s + y)[i]) * 255 / (high - low);
                    largest = std::max(largest, d), sum += d * d, ++count;
                }
        }
        std::printf("%4d  %7.2g  %7.2g\n", halo, largest, std::sqrt(sum / static_cast<double>(count)));
        std::fflush(stdout);
    }
    return 0;
}
