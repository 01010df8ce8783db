// SPDX-License-Identifier: Apache-2.0
#include "weights/elements.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <memory>
#include <vector>

#include "weights/floats.hpp"

namespace enlarge {
namespace {

TEST(elements, many_halves_become_the_floats_that_each_becomes) {
    std::vector<std::uint16_t> halves(65536 + 3);
    for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
    std::vector<float> floats(halves.size());
    halves_to_floats(reinterpret_cast<const std::byte*>(halves.data()), halves.size(), floats.data());
    for (std::size_t i = 0; i < halves.size(); ++i)
        ASSERT_EQ(std::bit_cast<std::uint32_t>(floats[i]), std::bit_cast<std::uint32_t>(half_to_float(halves[i]))) << i;
}

TEST(floats, are_shared_until_they_are_changed) {
    Floats first{1, 2, 3};
    const Floats second = first;
    EXPECT_EQ(second.data(), first.data());
    const auto kept = first.shared();
    first.edit()[1] = 5;
    EXPECT_EQ(first, (Floats{1, 5, 3}));
    EXPECT_EQ(second, (Floats{1, 2, 3}));
    EXPECT_EQ(kept->data(), second.data());
    const float* const at = first.data();
    first.edit()[2] = 7;  // nobody else has them
    EXPECT_EQ(first.data(), at);
    const auto constant = std::make_shared<const std::vector<float>>(2, 1.0F);
    Floats of_others(constant);
    of_others.edit().push_back(2);
    EXPECT_EQ(constant->size(), 2U);
    EXPECT_EQ(of_others, (Floats{1, 1, 2}));
    EXPECT_TRUE(Floats().empty());
    EXPECT_TRUE(Floats().shared()->empty());
}

TEST(half, every_value_survives_the_way_to_float_and_back) {
    for (std::uint32_t bits = 0; bits < 65536; ++bits) {
        const auto half = static_cast<std::uint16_t>(bits);
        const float value = half_to_float(half);
        if (std::isnan(value)) {
            EXPECT_TRUE(std::isnan(half_to_float(float_to_half(value))));
        } else {
            ASSERT_EQ(float_to_half(value), half) << bits;
        }
    }
}

TEST(half, conversion_agrees_with_arithmetic_on_the_fields) {
    for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {
        const int exponent = static_cast<int>(bits >> 10);
        const double fraction = bits & 0x3ff;
        const double expected = exponent ? std::ldexp(1 + fraction / 1024, exponent - 15) : std::ldexp(fraction, -24);
        ASSERT_EQ(half_to_float(static_cast<std::uint16_t>(bits)), static_cast<float>(expected)) << bits;
        ASSERT_EQ(half_to_float(static_cast<std::uint16_t>(bits | 0x8000)), static_cast<float>(-expected)) << bits;
    }
}

TEST(half, rounds_to_the_nearest_and_ties_to_even) {
    for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {
        const float low = half_to_float(static_cast<std::uint16_t>(bits)), high = half_to_float(static_cast<std::uint16_t>(bits + 1));
        const float middle = low + (high - low) / 2;
        const auto even = static_cast<std::uint16_t>(bits & 1 ? bits + 1 : bits);
        ASSERT_EQ(float_to_half(middle), even) << bits;
        ASSERT_EQ(float_to_half(std::nextafter(middle, 0.0F)), bits) << bits;
        ASSERT_EQ(float_to_half(std::nextafter(middle, 1e9F)), bits + 1) << bits;
    }
    EXPECT_EQ(float_to_half(65519.996F), 0x7bff);
    EXPECT_EQ(float_to_half(65520.0F), 0x7c00);
    EXPECT_EQ(float_to_half(INFINITY), 0x7c00);
    EXPECT_EQ(float_to_half(1e-10F), 0);
}

TEST(bfloat16, rounds_to_the_nearest_and_ties_to_even) {
    EXPECT_EQ(bfloat16_to_float(0x3f80), 1.0F);
    EXPECT_EQ(float_to_bfloat16(1.0F + 0x1p-8F), 0x3f80);           // tie, even below
    EXPECT_EQ(float_to_bfloat16(1.0F + 0x1p-7F + 0x1p-8F), 0x3f82);  // tie, even above
    EXPECT_EQ(float_to_bfloat16(1.0F + 0x1p-8F + 0x1p-20F), 0x3f81);
    EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(NAN))));
}

TEST(budget, counts_tensors_and_elements_and_the_size_of_the_file) {
    Limits limits;
    limits.tensors = 2;
    Budget few(limits, 1000);
    EXPECT_TRUE(few.take({1}, "a").ok());
    EXPECT_TRUE(few.take({1}, "b").ok());
    EXPECT_EQ(few.take({1}, "c").error().code, Errc::limit);
    Budget small({}, 10);
    EXPECT_TRUE(small.take({600}, "a").ok());
    EXPECT_FALSE(small.take({41}, "b").ok());
    EXPECT_TRUE(small.take({40}, "b").ok());
    EXPECT_FALSE(small.take({1}, "c").ok());
}

}  // namespace
}  // namespace enlarge
