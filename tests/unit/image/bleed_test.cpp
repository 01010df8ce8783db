// SPDX-License-Identifier: Apache-2.0
#include "image/bleed.hpp"

#include <gtest/gtest.h>

#include "support/images.hpp"

namespace enlarge {
namespace {

using namespace test;

const PixelFormat kRgbaPlanar = format_of(SampleType::u8, 4, true);

int at(const Image& image, int plane, int x, int y) { return std::to_integer<int>(image.view().row(plane, y)[x]); }
void set(Image& image, int x, int y, int r, int g, int b, int a) {
    const int values[4] = {r, g, b, a};
    for (int p = 0; p < 4; ++p) image.view().row(p, y)[x] = std::byte(values[p]);
}

TEST(bleed, spreads_the_colour_of_a_single_pixel_as_far_as_it_reaches) {
    const int side = 2 * kBleedReach + 11, middle = side / 2;
    Image image({side, side}, kRgbaPlanar);
    for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x) set(image, x, y, 255, 0, 255, 0);
    set(image, middle, middle, 10, 200, 30, 128);
    Bleeder bleeder;
    bleeder.run(image.view());
    for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x) {
            const int distance = std::max(std::abs(x - middle), std::abs(y - middle));
            EXPECT_EQ(at(image, 0, x, y), distance <= kBleedReach ? 10 : 255) << x << "," << y;
            EXPECT_EQ(at(image, 1, x, y), distance <= kBleedReach ? 200 : 0);
            EXPECT_EQ(at(image, 3, x, y), distance == 0 ? 128 : 0);
        }
}

// A picture of more than 2^31 pixels takes 2 GiB of a Bleeder's own memory and half a minute: too much for every run.
static_assert(sizeof(Bleeder::Index) == 8, "pixels are counted beyond 2^31");

TEST(bleed, leaves_what_is_visible_alone) {
    for (const SampleType sample : {SampleType::u8, SampleType::u16, SampleType::f16, SampleType::f32})
        for (const int channels : {2, 4}) {
            const Image before = make_picture({40, 33}, format_of(sample, channels, true));
            Image after = copy_of(before.view());
            Bleeder bleeder;
            bleeder.run(after.view());
            std::vector<float> alpha(40), was(40), is(40);
            bool changed = false;
            for (int y = 0; y < 33; ++y) {
                load_row(before.view(), y, channels - 1, alpha.data());
                for (int c = 0; c < channels; ++c) {
                    load_row(before.view(), y, c, was.data());
                    load_row(after.view(), y, c, is.data());
                    for (std::size_t x = 0; x < 40; ++x) {
                        if (alpha[x] > 0 || c == channels - 1) {
                            EXPECT_EQ(was[x], is[x]);
                        } else {
                            changed = changed || was[x] != is[x];
                        }
                    }
                }
            }
            EXPECT_TRUE(changed);
        }
}

TEST(bleed, gives_the_same_in_bands_that_overlap_by_its_reach) {
    const Size size{50, 3 * kBleedReach + 40};
    Image image(size, kRgbaPlanar);
    Random random(2);
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width; ++x)
            set(image, x, y, random.integer(0, 255), random.integer(0, 255), random.integer(0, 255), random.integer(0, 400) == 0 ? 255 : 0);
    Image whole = copy_of(image.view());
    Bleeder bleeder;
    bleeder.run(whole.view());
    for (int y = 0; y < size.height; y += 7) {
        const int begin = std::max(0, y - kBleedReach), end = std::min(size.height, y + 7 + kBleedReach);
        Image band = copy_of(image.view().part({0, begin, size.width, end - begin}));
        bleeder.run(band.view());
        const int rows = std::min(7, size.height - y);
        EXPECT_TRUE(same_bits(band.view().part({0, y - begin, size.width, rows}), whole.view().part({0, y, size.width, rows}))) << y;
    }
}

TEST(bleed, takes_pictures_with_nothing_or_everything_visible) {
    for (const int alpha : {0, 255}) {
        Image image({9, 7}, kRgbaPlanar);
        for (int y = 0; y < 7; ++y)
            for (int x = 0; x < 9; ++x) set(image, x, y, 9 * x, 9 * y, 1, alpha);
        const Image before = copy_of(image.view());
        Bleeder bleeder;
        bleeder.run(image.view());
        EXPECT_TRUE(same_bits(before.view(), image.view()));
    }
}

}  // namespace
}  // namespace enlarge
