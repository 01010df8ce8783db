// SPDX-License-Identifier: Apache-2.0
#include "kernel_check.hpp"

namespace enlarge::test {
namespace {

KERNEL_CHECK(leaky_relu_f32) {
    Random random(1);
    for (const std::size_t n : sizes()) {
        const auto values = floats(random, n, -2, 2, {-0.0F, 0.0F, kNan, kInf, -kInf, 1e-40F});
        Guarded<float> want(values), got(values, n % 5);
        ref.leaky_relu_f32(want.data(), n, 0.2F);
        isa.leaky_relu_f32(got.data(), n, 0.2F);
        expect_same_bits(want.values(), got.values(), std::to_string(n));
        got.check("leaky_relu_f32");
    }
}

KERNEL_CHECK(quantise_u8) {
    Random random(2);
    for (const std::size_t n : sizes()) {
        auto values = floats(random, n, -0.2F, 1.2F, {-0.0F, 0.0F, 1.0F, kNan, kInf, -kInf, 1e-40F, 1e30F});
        for (std::size_t i = 0; i < n; i += 3) values[i] = (static_cast<float>(random.integer(0, 254)) + 0.5F) / 255.0F;  // ties
        Guarded<std::uint8_t> want(n), got(n, n % 7);
        ref.quantise_u8(values.data(), n, want.data());
        isa.quantise_u8(values.data(), n, got.data());
        expect_same_bits(want.values(), got.values(), std::to_string(n));
        got.check("quantise_u8");
    }
}

KERNEL_CHECK(quantise_u16) {
    Random random(3);
    for (const float most : {1023.0F, 65535.0F})
        for (const std::size_t n : sizes()) {
            const auto values = floats(random, n, -0.2F, 1.2F, {-0.0F, 1.0F, kNan, kInf, -kInf, 0.5F});
            Guarded<std::uint16_t> want(n), got(n, n % 7);
            ref.quantise_u16(values.data(), n, most, want.data());
            isa.quantise_u16(values.data(), n, most, got.data());
            expect_same_bits(want.values(), got.values(), std::to_string(n));
            got.check("quantise_u16");
        }
}

KERNEL_CHECK(all_finite_f32) {
    Random random(4);
    for (const std::size_t n : sizes()) {
        auto values = floats(random, n, -1e30F, 1e30F, {0.0F, -0.0F, 3.4e38F, -3.4e38F, 1e-40F});
        EXPECT_TRUE(isa.all_finite_f32(values.data(), n)) << n;
        for (const float bad : {kNan, kInf, -kInf})
            for (const std::size_t at : {std::size_t{0}, n / 2, n ? n - 1 : 0}) {
                if (at >= n) continue;
                auto spoiled = values;
                spoiled[at] = bad;
                EXPECT_FALSE(isa.all_finite_f32(spoiled.data(), n)) << n << " " << at;
            }
    }
}

KERNEL_CHECK(half_precision_both_ways) {
    std::vector<Half> all(65536);
    for (std::size_t h = 0; h < all.size(); ++h) all[h] = static_cast<Half>(h);
    std::vector<float> want(all.size()), got(all.size());
    ref.from_half(all.data(), all.size(), want.data());
    isa.from_half(all.data(), all.size(), got.data());
    expect_same_bits(want, got, "from_half");
    // Every half, what lies between it and the next, and the neighbours of that.
    std::vector<float> values;
    for (std::size_t h = 0; h + 1 < all.size(); ++h) {
        if (std::isnan(want[h]) || std::isnan(want[h + 1])) continue;
        const float middle = (want[h] + want[h + 1]) / 2;
        for (const float v : {want[h], middle, std::nextafter(middle, 0.0F), std::nextafter(middle, 1e30F)}) values.push_back(v);
    }
    values.insert(values.end(), {65519.99F, 65520.0F, 1e30F, -1e30F, kInf, -kInf, 1e-45F});
    Guarded<Half> a(values.size()), b(values.size(), 3);
    ref.to_half(values.data(), values.size(), a.data());
    isa.to_half(values.data(), values.size(), b.data());
    expect_same_bits(a.values(), b.values(), "to_half");
    b.check("to_half");
    Half nan = 0;
    isa.to_half(&kNan, 1, &nan);
    EXPECT_TRUE(std::isnan(half_to_float(nan)));
}

KERNEL_CHECK(shuffle_line_f32) {
    Random random(5);
    for (const int channels : {1, 2, 3, 4})
        for (const int factor : {1, 2, 3, 4, 8})
            for (const int pixels : {1, 2, 3, 7, 16, 64})
                for (const bool with_base : {false, true}) {
                    const int run = channels * factor, stride = run * factor + 5;
                    const auto count = static_cast<std::size_t>(pixels);
                    const auto x = floats(random, count * static_cast<std::size_t>(stride), -1, 1, {-0.0F, kNan});
                    const auto base = floats(random, count * 4, -1, 1);
                    Guarded<float> want(count * static_cast<std::size_t>(run)), got(count * static_cast<std::size_t>(run), 1);
                    ref.shuffle_line_f32(x.data(), stride, pixels, run, channels, with_base ? base.data() : nullptr, want.data());
                    isa.shuffle_line_f32(x.data(), stride, pixels, run, channels, with_base ? base.data() : nullptr, got.data());
                    expect_same_bits(want.values(), got.values(), std::to_string(channels) + " x" + std::to_string(factor));
                    got.check("shuffle_line_f32");
                }
}

}  // namespace
}  // namespace enlarge::test
