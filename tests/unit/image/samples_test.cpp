// SPDX-License-Identifier: Apache-2.0
#include "image/samples.hpp"

#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <limits>

#include "support/images.hpp"

namespace enlarge {
namespace {

using namespace test;

TEST(quantise, rounds_half_to_even_and_clamps) {
    EXPECT_EQ(quantise(-0.5F, 255), 0);
    EXPECT_EQ(quantise(1.5F, 255), 255);
    EXPECT_EQ(quantise(std::numeric_limits<float>::quiet_NaN(), 255), 0);
    EXPECT_EQ(quantise(std::numeric_limits<float>::infinity(), 65535), 65535);
    EXPECT_EQ(quantise(-std::numeric_limits<float>::infinity(), 65535), 0);
    EXPECT_EQ(quantise(0.5F / 256, 256), 0);   // 0.5
    EXPECT_EQ(quantise(1.5F / 256, 256), 2);   // 1.5
    EXPECT_EQ(quantise(2.5F / 256, 256), 2);   // 2.5
    Random random(1);
    for (int i = 0; i < 200'000; ++i) {
        const float value = random.uniform(-0.1F, 1.1F);
        for (const float max : {255.0F, 1023.0F, 4095.0F, 65535.0F})
            ASSERT_EQ(quantise(value, max), static_cast<int>(std::nearbyint(std::clamp(value, 0.0F, 1.0F) * max))) << value;
    }
}

TEST(samples, every_integer_survives_the_way_to_float_and_back) {
    for (const int bits : {8, 9, 10, 12, 14, 16}) {
        const auto format = format_of(bits == 8 ? SampleType::u8 : SampleType::u16, 1, false, bits);
        Image line({1 << bits, 1}, format), back({1 << bits, 1}, format);
        for (int x = 0; x < 1 << bits; ++x) {
            if (bits == 8) line.view().row(0, 0)[x] = std::byte(x);
            else reinterpret_cast<std::uint16_t*>(line.view().row(0, 0))[x] = static_cast<std::uint16_t>(x);
        }
        std::vector<float> floats(static_cast<std::size_t>(1) << bits);
        load_row(line.view(), 0, 0, floats.data());
        EXPECT_EQ(floats.front(), 0.0F);
        EXPECT_EQ(floats.back(), 1.0F);
        store_row(floats.data(), back.view(), 0, 0);
        EXPECT_TRUE(same_bits(line.view(), back.view())) << bits;
    }
}

TEST(samples, floats_and_halves_are_not_clamped) {
    const float values[4] = {-2.0F, 0.25F, 7.5F, 65504.0F};
    for (const SampleType sample : {SampleType::f16, SampleType::f32}) {
        Image image({4, 1}, format_of(sample, 1));
        store_row(values, image.view(), 0, 0);
        float back[4];
        load_row(image.view(), 0, 0, back);
        for (int i = 0; i < 4; ++i) EXPECT_EQ(back[i], values[i]);
    }
}

TEST(samples, planar_and_packed_hold_the_same_picture) {
    for (const SampleType sample : {SampleType::u8, SampleType::u16, SampleType::f32})
        for (int channels = 1; channels <= 4; ++channels) {
            const Image packed = make_picture({13, 5}, format_of(sample, channels));
            Image planar({13, 5}, format_of(sample, channels, true)), back({13, 5}, packed.format());
            copy_pixels(packed.view(), planar.view());
            copy_pixels(planar.view(), back.view());
            EXPECT_TRUE(same_bits(packed.view(), back.view()));
            EXPECT_EQ(largest_difference(packed.view(), planar.view()), 0);
        }
}

TEST(image, parts_of_views_begin_where_they_should) {
    const Image picture = make_picture({17, 9}, kRgb16);
    const ImageView part = picture.view().part({3, 2, 5, 4});
    EXPECT_EQ(part.row(0, 1), picture.view().row(0, 3) + 3 * 6);
    const Image planar({17, 9}, kRgbF32Planar);
    EXPECT_EQ(planar.view().part({3, 2, 5, 4}).row(2, 0), planar.view().row(2, 2) + 12);
}

TEST(image, throws_when_a_size_cannot_be_allocated) {
    EXPECT_THROW(Image({1 << 30, 1 << 30}, kRgbF32), std::bad_alloc);
}

}  // namespace
}  // namespace enlarge
