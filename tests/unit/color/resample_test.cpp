// SPDX-License-Identifier: Apache-2.0
#include "color/resample.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "support/images.hpp"

namespace enlarge {
namespace {

using namespace test;

Image resample(const Image& in, Size out, ThreadPool* pool = nullptr, int rows_at_once = 0) {
    Resampler resampler(in.size(), out, pool);
    Image result(out, in.format());
    if (!rows_at_once) rows_at_once = out.height;
    for (int y = 0; y < out.height; y += rows_at_once) {
        const int count = std::min(rows_at_once, out.height - y);
        const int top = resampler.first_row(y), end = resampler.end_row(y + count);
        EXPECT_LE(end - top, resampler.rows_for(count));
        resampler.run(in.view().part({0, top, in.size().width, end - top}), top, y, result.view().part({0, y, out.width, count}));
    }
    return result;
}

float at(const Image& image, int c, int x, int y) { return reinterpret_cast<const float*>(image.view().row(c, y))[x]; }

// A picture from a function of position in the unit square, so that it can be sampled at any size.
template <class Function>
Image sampled(Size size, const Function& function) {
    Image image(size, kRgbF32Planar);
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < size.height; ++y)
            for (int x = 0; x < size.width; ++x)
                reinterpret_cast<float*>(image.view().row(c, y))[x] =
                    static_cast<float>(function((x + 0.5) / size.width, (y + 0.5) / size.height));
    return image;
}

TEST(resample, keeps_a_flat_picture_flat_at_every_size) {
    const Image flat = sampled({23, 17}, [](double, double) { return 0.7; });
    for (const Size out : {Size{1, 1}, Size{5, 40}, Size{23, 17}, Size{64, 64}, Size{22, 16}}) {
        const Image result = resample(flat, out);
        for (int y = 0; y < out.height; ++y)
            for (int x = 0; x < out.width; ++x) ASSERT_NEAR(at(result, 1, x, y), 0.7, 1e-6);
    }
}

TEST(resample, does_nothing_when_the_size_stays) {
    const Image picture = make_picture({31, 20}, kRgbF32Planar);
    EXPECT_LT(largest_difference(picture.view(), resample(picture, picture.size()).view()), 1e-6);
}

TEST(resample, keeps_slow_waves_in_place_and_strength) {
    const auto wave = [](double x, double y) {
        return 0.5 + 0.3 * std::sin(2 * std::numbers::pi * 3 * x) * std::cos(2 * std::numbers::pi * 2 * y);
    };
    for (const Size out : {Size{60, 50}, Size{150, 90}, Size{301, 77}}) {
        const Image result = resample(sampled({200, 120}, wave), out), expected = sampled(out, wave);
        for (int y = out.height / 8; y < out.height * 7 / 8; ++y)
            for (int x = out.width / 8; x < out.width * 7 / 8; ++x) ASSERT_NEAR(at(result, 0, x, y), at(expected, 0, x, y), 5e-3) << out.width;
    }
}

// What is finer than the new grid must go to its mean: no moire.
TEST(resample, removes_what_the_smaller_picture_cannot_hold) {
    const Image stripes = sampled({256, 256}, [](double x, double) { return static_cast<int>(x * 256) % 2; });
    const Image half = resample(stripes, {100, 100});
    for (int y = 10; y < 90; ++y)
        for (int x = 10; x < 90; ++x) ASSERT_NEAR(at(half, 0, x, y), 0.5, 0.02);
}

TEST(resample, gives_the_same_bits_in_bands_and_with_threads) {
    const Image picture = make_picture({57, 83}, kRgbF32Planar);
    ThreadPool pool(3);
    for (const Size out : {Size{20, 30}, Size{90, 100}, Size{57, 10}}) {
        const Image whole = resample(picture, out);
        for (const int rows : {1, 3, 8, 29}) EXPECT_TRUE(same_bits(whole.view(), resample(picture, out, nullptr, rows).view())) << rows;
        EXPECT_TRUE(same_bits(whole.view(), resample(picture, out, &pool, 16).view()));
    }
}

TEST(resample, weights_sum_to_one_and_stay_inside) {
    for (const auto& [in, out] : {std::pair{1, 9}, {2, 1}, {3, 7}, {100, 33}, {7, 100}, {5000, 3}}) {
        const FilterTable table = lanczos3(in, out);
        for (int i = 0; i < out; ++i) {
            double sum = 0;
            for (int k = 0; k < table.taps; ++k) sum += table.weights[static_cast<std::size_t>(i * table.taps + k)];
            EXPECT_NEAR(sum, 1, 1e-5);
            EXPECT_GE(table.first[static_cast<std::size_t>(i)], 0);
            EXPECT_LE(table.first[static_cast<std::size_t>(i)] + table.taps, in);
        }
    }
}

}  // namespace
}  // namespace enlarge
