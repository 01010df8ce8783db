// SPDX-License-Identifier: Apache-2.0
// The committed weights of the built-in models: small enough, and harmless on pictures that show every mistake.
// The bounds are those of models/README.md; `training/measure.py guard` prints the like from PyTorch.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "enlarge/enlarge.hpp"

namespace {

using namespace enlarge;

// What a model may cost (multiplications per input pixel, as a share of realesr-general-x4v3's; bytes in half precision), and
// what it may do to pictures that show every mistake, in steps of 255. A model that is replaced brings its own bounds.
struct Bounds {
    const char* name;
    double share_of_teacher;
    std::int64_t bytes;
    const char* licence;  // those that began with the teacher's weights are under its licence too
    double flat = 0.5;    // mean error of a picture of one colour, and difference of places within an enlarged pixel
    double edge = 0.5;    // mean error beside a black and white edge
    double moved = 45;    // the mean of 3x3 input pixels of a hard picture
};
constexpr const char* kBegunAsTeacher = "Apache-2.0 AND BSD-3-Clause";
constexpr std::array kModels = {
    Bounds{"fine-x4", 0.74, 1'800'000, kBegunAsTeacher},  Bounds{"fine-x2", 0.74, 1'800'000, kBegunAsTeacher},
    Bounds{"fine-wdn-x4", 0.74, 1'800'000, kBegunAsTeacher, 0.7},  // blended, never alone unless asked for
    Bounds{"fine-wdn-x2", 0.74, 1'800'000, kBegunAsTeacher, 0.7},
    Bounds{"drawing-x4", 0.21, 520'000, kBegunAsTeacher}, Bounds{"drawing-x2", 0.21, 520'000, kBegunAsTeacher},
    Bounds{"swift-x4", 0.08, 200'000, kBegunAsTeacher},   Bounds{"swift-x2", 0.08, 200'000, kBegunAsTeacher},
    Bounds{"faithful-x4", 0.08, 200'000, "Apache-2.0"},   Bounds{"faithful-x2", 0.08, 200'000, "Apache-2.0"},
};
constexpr double kTeacherMacs = 1'209'024;
constexpr int kSide = 40, kHardSide = 48;

using Colour = std::array<std::uint8_t, 3>;

struct Runner {
    Upscaler upscaler;
    int scale;
};

Runner open(const std::string& name) {
    auto model = Model::open(name);
    EXPECT_TRUE(model.ok()) << (model.ok() ? "" : model.error().message);
    auto upscaler = Upscaler::create(*model, {.threads = 1});
    EXPECT_TRUE(upscaler.ok()) << (upscaler.ok() ? "" : upscaler.error().message);
    return {std::move(*upscaler), model->info().scale};
}

// The picture whose pixel (x, y) is colour_at(x), enlarged; as floats, so that rounding hides nothing.
template <class ColourAt>
Image enlarged(Runner& runner, ColourAt colour_at) {
    Image in({kSide, kSide}, kRgbF32);
    const MutableImageView view = in.view();
    for (int y = 0; y < kSide; ++y) {
        auto* row = reinterpret_cast<float*>(view.row(0, y));
        for (int x = 0; x < kSide; ++x) {
            const Colour c = colour_at(x);
            for (int k = 0; k < 3; ++k) row[3 * x + k] = static_cast<float>(c[static_cast<std::size_t>(k)]) / 255.0F;
        }
    }
    auto out = runner.upscaler.upscale(in.view());
    EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message);
    return std::move(*out);
}

// What a screen would show, 0..255.
double sample(const Image& image, int x, int y, int channel) {
    const auto* row = reinterpret_cast<const float*>(image.view().row(0, y));
    return std::clamp(static_cast<double>(row[3 * x + channel]), 0.0, 1.0) * 255.0;
}

std::vector<Colour> colours() {
    std::vector<Colour> list;
    for (int grey = 0; grey <= 255; grey += 15) {
        const auto g = static_cast<std::uint8_t>(grey);
        list.push_back({g, g, g});
    }
    for (int i = 1; i < 7; ++i) {  // the primaries and their sums, full and half
        for (const int level : {255, 128}) {
            const auto part = [&](int bit) { return static_cast<std::uint8_t>((i & bit) != 0 ? level : 0); };
            list.push_back({part(1), part(2), part(4)});
        }
    }
    list.insert(list.end(), {{252, 252, 252}, {200, 140, 110}, {30, 60, 120}, {250, 250, 245}, {254, 254, 254}, {1, 1, 1}, {3, 3, 8}});
    return list;
}

class BuiltInModel : public ::testing::TestWithParam<Bounds> {};

TEST(built_in_models, are_those_that_have_bounds_here) {
    std::vector<std::string> names;
    for (const Bounds& bounds : kModels) names.emplace_back(bounds.name);
    std::sort(names.begin(), names.end());
    EXPECT_EQ(builtin_models(), names);
}

TEST(built_in_models, are_what_the_defaults_name) {
    for (const Use use : {Use::pictures, Use::video}) {
        for (const double factor : {0.0, 0.5, 1.0, 2.0, 2.01, 4.0, 16.0}) {
            auto model = Model::open(default_model(use, factor));
            ASSERT_TRUE(model.ok()) << model.error().message;
            EXPECT_EQ(model->info().scale, factor > 0 && factor <= 2 ? 2 : 4) << factor;
        }
    }
    EXPECT_EQ(default_model(Use::pictures), kDefaultModel);
    EXPECT_NE(default_model(Use::video), default_model(Use::pictures));
}

TEST_P(BuiltInModel, costs_no_more_than_its_kind_may) {
    const Bounds& bounds = GetParam();
    auto model = Model::open(bounds.name);
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_LE(model->info().macs_per_pixel, kTeacherMacs * bounds.share_of_teacher);
    EXPECT_LE(model->info().parameters * 2, bounds.bytes);
    EXPECT_EQ(model->info().licence, bounds.licence);
    const std::string name = bounds.name;
    EXPECT_EQ(std::to_string(model->info().scale), name.substr(name.size() - 1));
}

TEST_P(BuiltInModel, leaves_flat_colours_as_they_are_without_a_checkerboard) {
    Runner runner = open(GetParam().name);
    for (const Colour& c : colours()) {
        const Image out = enlarged(runner, [&](int) { return c; });
        double error = 0;
        double phase_difference = 0;
        for (int k = 0; k < 3; ++k) {
            // The mean of each position within the enlarged pixel, away from the border.
            std::vector<double> phase(static_cast<std::size_t>(runner.scale * runner.scale));
            int pixels = 0;
            for (int y = 0; y < out.size().height; ++y) {
                for (int x = 0; x < out.size().width; ++x) {
                    const double v = sample(out, x, y, k);
                    error += std::abs(v - c[static_cast<std::size_t>(k)]);
                    const int px = x / runner.scale;
                    const int py = y / runner.scale;
                    if (std::min(px, py) < 12 || std::max(px, py) >= kSide - 12) continue;
                    const int at = y % runner.scale * runner.scale + x % runner.scale;
                    phase[static_cast<std::size_t>(at)] += v;
                    ++pixels;
                }
            }
            const auto [low, high] = std::minmax_element(phase.begin(), phase.end());
            phase_difference = std::max(phase_difference, (*high - *low) * static_cast<double>(phase.size()) / pixels);
        }
        error /= 3.0 * out.size().width * out.size().height;
        EXPECT_LT(error, GetParam().flat) << "colour " << int{c[0]} << ' ' << int{c[1]} << ' ' << int{c[2]};
        EXPECT_LT(phase_difference, GetParam().flat) << "colour " << int{c[0]} << ' ' << int{c[1]} << ' ' << int{c[2]};
    }
}

TEST_P(BuiltInModel, does_not_ring_beside_a_black_and_white_edge) {
    Runner runner = open(GetParam().name);
    const Image out = enlarged(runner, [](int x) { return x < kSide / 2 ? Colour{0, 0, 0} : Colour{255, 255, 255}; });
    double error = 0;
    int samples = 0;
    const int edge = out.size().width / 2;
    for (int y = 0; y < out.size().height; ++y) {
        for (int x = 0; x < out.size().width; ++x) {
            if (std::abs(x - edge) < 2 * runner.scale) continue;  // the edge itself
            for (int k = 0; k < 3; ++k) {
                error += std::abs(sample(out, x, y, k) - (x < edge ? 0 : 255));
                ++samples;
            }
        }
    }
    EXPECT_LT(error / samples, GetParam().edge);
}

// What no lens has softened: pixel art, dithering, noise, one-pixel stripes, bands of all of them, in saturated colours.
Image hard_picture(int kind, unsigned seed) {
    std::mt19937 random(seed);
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    std::vector<Colour> palette(static_cast<std::size_t>(2 + below(7)));
    for (Colour& c : palette)
        for (std::uint8_t& v : c) v = static_cast<std::uint8_t>(below(3) ? 255 * below(2) : below(256));
    const int cell = 1 + below(10), a = 1 + below(4), b = 1 + below(4), common = below(10);
    std::vector<Colour> cells(static_cast<std::size_t>(kHardSide * kHardSide));
    for (Colour& c : cells) c = below(10) < common ? palette[0] : palette[static_cast<std::size_t>(below(static_cast<int>(palette.size())))];
    Image image({kHardSide, kHardSide}, kRgb8);
    for (int y = 0; y < kHardSide; ++y)
        for (int x = 0; x < kHardSide; ++x) {
            Colour c = cells[static_cast<std::size_t>(y / cell * kHardSide + x / cell)];
            const int what = kind == 4 ? y / 9 % 4 : kind;
            if (what == 1)
                for (std::uint8_t& v : c) v = static_cast<std::uint8_t>(below(256));
            if (what == 2) c = palette[static_cast<std::size_t>((x / a + y / b) % static_cast<int>(palette.size()))];
            if (what == 3)
                for (std::uint8_t& v : c) v = static_cast<std::uint8_t>(below(kHardSide) < x ? 255 : 0);
            std::memcpy(image.view().row(0, y) + 3 * x, c.data(), 3);
        }
    return image;
}

// Reduced again, an enlarged picture is the one it came from, but for what is smoothed or sharpened: the mean of 3x3 input
// pixels hardly moves. Networks trained on soft pictures alone paint white holes here.
TEST_P(BuiltInModel, does_not_explode_on_hard_pictures) {
    auto model = Model::open(GetParam().name);
    ASSERT_TRUE(model.ok()) << model.error().message;
    const int scale = model->info().scale;
    for (const Precision precision : {Precision::fp32, Precision::automatic}) {
        EngineOptions options;
        options.precision = precision;
        options.threads = 1;
        auto upscaler = Upscaler::create(*model, options);
        ASSERT_TRUE(upscaler.ok()) << upscaler.error().message;
        for (unsigned seed = 0; seed < 60; ++seed) {
            double worst = 0;
            const Image in = hard_picture(static_cast<int>(seed % 5), seed);
            auto out = upscaler->upscale(in.view());
            ASSERT_TRUE(out.ok()) << out.error().message;
            std::vector<double> moved(static_cast<std::size_t>(kHardSide * kHardSide * 3), 0.0);
            for (int y = 0; y < kHardSide * scale; ++y)
                for (int x = 0; x < kHardSide * scale * 3; ++x)
                    moved[static_cast<std::size_t>((y / scale * kHardSide + x / 3 / scale) * 3 + x % 3)] +=
                        static_cast<double>(out->view().row(0, y)[x]) / (scale * scale);
            for (int y = 0; y < kHardSide; ++y)
                for (int x = 0; x < kHardSide * 3; ++x)
                    moved[static_cast<std::size_t>(y * kHardSide * 3 + x)] -= static_cast<double>(in.view().row(0, y)[x]);
            for (int y = 1; y + 1 < kHardSide; ++y)
                for (int x = 3; x + 3 < kHardSide * 3; ++x) {
                    double sum = 0;
                    for (int i = -1; i <= 1; ++i)
                        for (int j = -3; j <= 3; j += 3) sum += moved[static_cast<std::size_t>((y + i) * kHardSide * 3 + x + j)];
                    worst = std::max(worst, std::abs(sum) / 9);
                }
            EXPECT_LT(worst, GetParam().moved) << upscaler->description() << ", picture " << seed << " of kind " << seed % 5;
        }
    }
}

// A picture with noise: half way lies between both ends in how much of it is left, and little is left at 1.
TEST(built_in_models, remove_noise_as_strongly_as_they_are_told) {
    for (const double factor : {4.0, 2.0}) {
        const std::string name = default_model(Use::pictures, factor);
        auto model = Model::open(name), partner = Model::open(*denoise_partner(name));
        ASSERT_TRUE(model.ok() && partner.ok());
        Image in({64, 64}, kRgbF32);
        std::mt19937 random(5);
        for (int y = 0; y < 64; ++y)
            for (int i = 0; i < 3 * 64; ++i)
                reinterpret_cast<float*>(in.view().row(0, y))[i] = 0.5F + static_cast<float>(random() % 64) / 64.0F * 0.2F - 0.1F;
        std::vector<double> left;
        for (const float denoise : {0.0F, 0.25F, 0.5F, 0.75F, 1.0F}) {
            auto mixed = model->blend(*partner, 1 - denoise);
            ASSERT_TRUE(mixed.ok()) << mixed.error().message;
            auto upscaler = Upscaler::create(*mixed, {.threads = 1});
            ASSERT_TRUE(upscaler.ok());
            const auto out = upscaler->upscale(in.view());
            ASSERT_TRUE(out.ok());
            double sum = 0, squares = 0;
            const int width = out->size().width, height = out->size().height;
            for (int y = 0; y < height; ++y)
                for (int x = 0; x < width; ++x) {
                    const double v = sample(*out, x, y, 1);
                    sum += v;
                    squares += v * v;
                }
            const double n = static_cast<double>(width) * height;
            left.push_back(std::sqrt(squares / n - sum / n * sum / n));
        }
        EXPECT_GT(left.front(), 1.2 * left.back()) << name;
        for (std::size_t i = 1; i < left.size(); ++i) EXPECT_LT(left[i], 1.02 * left[i - 1]) << name << ", " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(all, BuiltInModel, ::testing::ValuesIn(kModels), [](const auto& info) {
    std::string name = info.param.name;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

}  // namespace
