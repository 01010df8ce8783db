// SPDX-License-Identifier: Apache-2.0
#include "color/convert.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "color/planes.hpp"
#include "support/images.hpp"

namespace enlarge {
namespace {

using namespace test;

// A frame with planes of its own, none interleaved.
class OwnedFrame {
public:
    OwnedFrame(const FrameFormat& format, Size size) {
        view_.format = format;
        view_.size = size;
        for (int p = 0; p < plane_count(format); ++p) {
            const Size plane = plane_size(format, size, p);
            planes_[p] = Image(plane, {format.bits > 8 ? SampleType::u16 : SampleType::u8, format.bits, 1, true});
            view_.plane[plane_slot(format, p)] = planes_[p].view().plane[0];
            view_.stride_bytes[plane_slot(format, p)] = planes_[p].view().stride_bytes[0];
        }
    }
    MutableFrameView view() { return view_; }

private:
    Image planes_[4];
    MutableFrameView view_;
};

FrameFormat yuv(int bits, int sub_x, int sub_y, int matrix = 1, Range range = Range::limited,
                ChromaSiting siting = ChromaSiting::left) {
    FrameFormat format;
    format.bits = static_cast<std::uint8_t>(bits);
    format.sub_x = static_cast<std::uint8_t>(sub_x);
    format.sub_y = static_cast<std::uint8_t>(sub_y);
    format.tags.matrix = static_cast<std::uint8_t>(matrix);
    format.tags.range = range;
    format.tags.siting = siting;
    return format;
}

int sample(const FrameFormat& format, const FrameView& view, std::size_t slot, int x, int y) {
    const std::byte* row = view.plane[slot] + view.stride_bytes[slot] * y;
    return format.bits > 8 || format.high_bits ? reinterpret_cast<const std::uint16_t*>(row)[x] : std::to_integer<int>(row[x]);
}
void set_sample(const FrameFormat& format, const MutableFrameView& view, std::size_t slot, int x, int y, int value) {
    std::byte* row = view.plane[slot] + view.stride_bytes[slot] * y;
    if (format.bits > 8 || format.high_bits) reinterpret_cast<std::uint16_t*>(row)[x] = static_cast<std::uint16_t>(value);
    else row[x] = std::byte(value);
}

// Fills every plane from a function of slot and position (in samples of the plane).
template <class Value>
void fill(OwnedFrame& frame, const Value& value) {
    const MutableFrameView view = frame.view();
    for (int p = 0; p < plane_count(view.format); ++p) {
        const std::size_t slot = plane_slot(view.format, p);
        const Size size = plane_size(view.format, view.size, p);
        for (int y = 0; y < size.height; ++y)
            for (int x = 0; x < size.width; ++x) set_sample(view.format, view, slot, x, y, value(slot, x, y));
    }
}

float at(const Image& image, int c, int x, int y) { return reinterpret_cast<const float*>(image.view().row(c, y))[x]; }

Image to_float(OwnedFrame& frame, const ConvertOptions& options = {}) {
    const FrameFormat format = frame.view().format;
    const int channels = (format.family == FrameFamily::grey ? 1 : 3) + (format.alpha ? 1 : 0);
    const PixelFormat planar = format_of(SampleType::f32, channels, true);
    auto converter = must(Converter::to_rgb(format, frame.view().size, planar, options));
    Image rgb(frame.view().size, planar);
    must(converter.convert(frame.view(), rgb.view()));
    return rgb;
}

OwnedFrame from_float(const Image& rgb, const FrameFormat& format, const ConvertOptions& options = {}) {
    auto converter = must(Converter::from_rgb(rgb.format(), rgb.size(), format, options));
    OwnedFrame frame(format, rgb.size());
    must(converter.convert(rgb.view(), frame.view()));
    return frame;
}

struct Matrix {
    int number;
    double kr, kb;
};
const Matrix kMatrices[] = {{1, 0.2126, 0.0722}, {4, 0.30, 0.11},      {5, 0.299, 0.114},
                            {6, 0.299, 0.114},   {7, 0.212, 0.087},    {9, 0.2627, 0.0593}};

TEST(convert, gives_the_colours_that_the_matrix_and_range_define) {
    for (const Matrix& m : kMatrices)
        for (const Range range : {Range::limited, Range::full})
            for (const int bits : {8, 10, 12, 16}) {
                const double unit = 1 << (bits - 8), full = (1 << bits) - 1;
                for (int corner = 0; corner < 27; ++corner) {
                    const double r = corner % 3 / 2.0, g = corner / 3 % 3 / 2.0, b = corner / 9 / 2.0;
                    const double y = m.kr * r + (1 - m.kr - m.kb) * g + m.kb * b;
                    const double u = (b - y) / (2 * (1 - m.kb)), v = (r - y) / (2 * (1 - m.kr));
                    const bool limited = range == Range::limited;
                    const double code[3] = {limited ? (16 + 219 * y) * unit : y * full,
                                            (limited ? 224 * unit * u : full * u) + 128 * unit,
                                            (limited ? 224 * unit * v : full * v) + 128 * unit};
                    OwnedFrame frame(yuv(bits, 0, 0, m.number, range), {4, 4});
                    fill(frame, [&](std::size_t slot, int, int) { return std::min(static_cast<int>(std::lround(code[slot])), static_cast<int>(full)); });
                    const Image rgb = to_float(frame);
                    const double half_step = 2.2 / full * (limited ? 1.2 : 1);  // what rounding the codes can do
                    EXPECT_NEAR(at(rgb, 0, 1, 1), r, half_step) << m.number << " " << bits << " corner " << corner;
                    EXPECT_NEAR(at(rgb, 1, 1, 1), g, half_step) << m.number << " " << bits << " corner " << corner;
                    EXPECT_NEAR(at(rgb, 2, 1, 1), b, half_step) << m.number << " " << bits << " corner " << corner;
                }
            }
}

// 4:4:4 at the same depth comes back as it was: floats lose nothing.
TEST(convert, returns_444_frames_exactly) {
    for (const Matrix& m : kMatrices)
        for (const Range range : {Range::limited, Range::full})
            for (const int bits : {8, 10, 12}) {
                const FrameFormat format = yuv(bits, 0, 0, m.number, range);
                OwnedFrame frame(format, {67, 31});
                Random random(7);
                fill(frame, [&](std::size_t, int, int) { return random.integer(0, (1 << bits) - 1); });
                OwnedFrame back = from_float(to_float(frame), format);
                for (std::size_t slot = 0; slot < 3; ++slot)
                    for (int y = 0; y < 31; ++y)
                        for (int x = 0; x < 67; ++x)
                            ASSERT_EQ(sample(format, frame.view(), slot, x, y), sample(format, back.view(), slot, x, y))
                                << m.number << ", " << bits << " bits, plane " << slot;
            }
}

// Smooth chroma survives the way to full resolution and back.
TEST(convert, returns_smooth_420_and_422_frames_within_half_a_step) {
    for (const int sub_y : {0, 1})
        for (const int bits : {8, 10})
            for (const ChromaSiting siting : {ChromaSiting::left, ChromaSiting::center, ChromaSiting::top_left, ChromaSiting::top}) {
                const FrameFormat format = yuv(bits, 1, sub_y, 1, Range::limited, siting);
                const int unit = 1 << (bits - 8);
                OwnedFrame frame(format, {128, 96});
                fill(frame, [&](std::size_t slot, int x, int y) {
                    return static_cast<int>(unit * (128 + 50 * std::sin(0.08 * x + static_cast<double>(slot)) + 30 * std::cos(0.06 * y)));
                });
                OwnedFrame back = from_float(to_float(frame), format);
                double sum = 0, count = 0;
                for (std::size_t slot = 0; slot < 3; ++slot) {
                    const Size size = plane_size(format, {128, 96}, static_cast<int>(slot));
                    for (int y = 0; y < size.height; ++y)
                        for (int x = 0; x < size.width; ++x, ++count)
                            sum += std::abs(sample(format, frame.view(), slot, x, y) - sample(format, back.view(), slot, x, y));
                }
                EXPECT_LT(sum / count, 0.25) << "in steps of " << bits << " bits, 4:2:" << (sub_y ? 0 : 2) << " siting " << static_cast<int>(siting);
            }
}

// A ramp of chroma must lie where the siting says: half a luma sample is 0.5 of the ramp's slope.
TEST(convert, puts_chroma_where_the_siting_says) {
    struct Site { ChromaSiting siting; double x, y; };
    for (const Site& s : {Site{ChromaSiting::left, 0, 0.5}, Site{ChromaSiting::center, 0.5, 0.5}, Site{ChromaSiting::top_left, 0, 0},
                          Site{ChromaSiting::top, 0.5, 0}, Site{ChromaSiting::bottom_left, 0, 1}, Site{ChromaSiting::bottom, 0.5, 1}}) {
        const FrameFormat format = yuv(16, 1, 1, 1, Range::full, s.siting);
        OwnedFrame frame(format, {64, 64});
        fill(frame, [&](std::size_t slot, int x, int y) {
            return slot == 0 ? 32768 : slot == 2 ? 32768 + 400 * (x - 16) + 150 * (y - 16) : 32768;
        });
        const Image rgb = to_float(frame);
        for (int y = 20; y < 44; ++y)
            for (int x = 20; x < 44; ++x) {
                const double v = (400 * ((x - s.x) / 2 - 16) + 150 * ((y - s.y) / 2 - 16)) / 65535;
                EXPECT_NEAR(at(rgb, 0, x, y), 32768 / 65535.0 + 2 * (1 - 0.2126) * v, 2e-4) << static_cast<int>(s.siting) << " at " << x << "," << y;
            }
    }
}

TEST(convert, gives_the_same_bits_with_any_number_of_threads) {
    ThreadPool pool(3);
    for (const bool dither : {false, true})
        for (const int sub : {0, 1}) {
            const FrameFormat format = yuv(10, sub, sub);
            OwnedFrame frame(format, {150, 301});
            Random random(3);
            fill(frame, [&](std::size_t, int, int) { return random.integer(0, 1023); });
            const Image alone = to_float(frame), together = to_float(frame, {false, &pool});
            EXPECT_TRUE(same_bits(alone.view(), together.view())) << "4:" << (sub ? "2:0" : "4:4");
            const FrameFormat target = yuv(8, sub, sub);
            OwnedFrame one = from_float(alone, target, {dither, nullptr}), many = from_float(alone, target, {dither, &pool});
            for (std::size_t slot = 0; slot < 3; ++slot) {
                const Size size = plane_size(target, {150, 301}, static_cast<int>(slot));
                int different = 0;
                for (int y = 0; y < size.height; ++y)
                    for (int x = 0; x < size.width; ++x)
                        different += sample(target, one.view(), slot, x, y) != sample(target, many.view(), slot, x, y);
                EXPECT_EQ(different, 0) << "plane " << slot << (dither ? " dithered" : "") << " sub " << sub;
            }
        }
}

// Slices end at rows 128, 256, ...: a frame made of one slice must give what the middle of a tall frame gives.
TEST(convert, leaves_no_seam_between_slices) {
    const FrameFormat format = yuv(8, 1, 1);
    OwnedFrame tall(format, {64, 256}), part(format, {64, 100});
    Random random(4);
    fill(tall, [&](std::size_t, int, int) { return random.integer(0, 255); });
    fill(part, [&](std::size_t slot, int x, int y) {
        return sample(format, tall.view(), slot, x, y + (slot == 0 ? 78 : 39));  // luma rows 78..177
    });
    const Image whole = to_float(tall), cut = to_float(part);
    for (int c = 0; c < 3; ++c)
        for (int y = 20; y < 80; ++y)
            for (int x = 0; x < 64; ++x) ASSERT_NEAR(at(whole, c, x, y + 78), at(cut, c, x, y), 1e-6) << y + 78;
    OwnedFrame back = from_float(whole, format), back_part = from_float(cut, format);
    for (std::size_t slot = 0; slot < 3; ++slot)
        for (int y = slot == 0 ? 20 : 10; y < (slot == 0 ? 80 : 40); ++y)
            for (int x = 0; x < (slot == 0 ? 64 : 32); ++x)
                EXPECT_NEAR(sample(format, back.view(), slot, x, y + (slot == 0 ? 78 : 39)),
                            sample(format, back_part.view(), slot, x, y), 1) << "plane " << slot << " at " << x << "," << y + (slot == 0 ? 78 : 39);
}

TEST(convert, takes_odd_sizes_and_pads_by_repeating_the_edge) {
    for (const Size size : {Size{1, 1}, Size{5, 3}, Size{33, 17}, Size{64, 31}}) {
        const FrameFormat format = yuv(8, 1, 1);
        OwnedFrame frame(format, size);
        fill(frame, [](std::size_t slot, int, int) { return slot == 0 ? 145 : slot == 1 ? 54 : 34; });  // BT.709 green
        const Image rgb = to_float(frame);
        for (int y = 0; y < size.height; ++y)
            for (int x = 0; x < size.width; ++x) {
                EXPECT_NEAR(at(rgb, 0, x, y), at(rgb, 0, 0, 0), 1e-5);
                EXPECT_GT(at(rgb, 1, x, y), 0.6F);
            }
        OwnedFrame back = from_float(rgb, format);
        for (std::size_t slot = 0; slot < 3; ++slot)
            EXPECT_EQ(sample(format, back.view(), slot, 0, 0), sample(format, frame.view(), slot, 0, 0));
        const Size chroma = plane_size(format, size, 1);
        EXPECT_EQ(sample(format, back.view(), 1, chroma.width - 1, chroma.height - 1), 54);
    }
}

TEST(convert, nv12_and_p010_are_the_planar_formats_in_another_order) {
    for (const int bits : {8, 10}) {
        const Size size{38, 22};
        const FrameFormat planar = yuv(bits, 1, 1);
        OwnedFrame frame(planar, size);
        Random random(5);
        fill(frame, [&](std::size_t, int, int) { return random.integer(0, (1 << bits) - 1); });
        FrameFormat semi = planar;
        semi.semi_planar = true;
        semi.high_bits = bits > 8;
        const int bytes = bits > 8 ? 2 : 1, shift = bits > 8 ? 6 : 0;
        std::vector<std::byte> y_plane(static_cast<std::size_t>(64 * bytes * 22)), uv_plane(static_cast<std::size_t>(64 * bytes * 11));
        MutableFrameView view{semi, size, {y_plane.data(), uv_plane.data(), nullptr, nullptr}, {64 * bytes, 64 * bytes, 0, 0}};
        for (int y = 0; y < 22; ++y)
            for (int x = 0; x < 38; ++x) {
                set_sample(semi, view, 0, x, y, sample(planar, frame.view(), 0, x, y) << shift);
                set_sample(semi, view, 1, x, y / 2, sample(planar, frame.view(), x % 2 ? 2 : 1, x / 2, y / 2) << shift);
            }
        auto converter = must(Converter::to_rgb(semi, size, kRgbF32Planar));
        Image rgb(size, kRgbF32Planar);
        must(converter.convert(view, rgb.view()));
        const Image expected = to_float(frame);
        EXPECT_TRUE(same_bits(rgb.view(), expected.view())) << bits;

        const std::vector<std::byte> before_y = y_plane, before_uv = uv_plane;
        OwnedFrame back = from_float(expected, planar);
        auto packer = must(Converter::from_rgb(kRgbF32Planar, size, semi));
        must(packer.convert(rgb.view(), view));
        for (int y = 0; y < 22; ++y)
            for (int x = 0; x < 38; ++x) {
                EXPECT_EQ(sample(semi, view, 0, x, y), sample(planar, back.view(), 0, x, y) << shift);
                EXPECT_EQ(sample(semi, view, 1, x, y / 2), sample(planar, back.view(), x % 2 ? 2 : 1, x / 2, y / 2) << shift);
            }
    }
}

TEST(convert, does_not_mind_how_frames_are_aligned) {
    const FrameFormat format = yuv(8, 1, 1);
    const Size size{46, 20};
    OwnedFrame frame(format, size);
    Random random(9);
    fill(frame, [&](std::size_t, int, int) { return random.integer(16, 235); });
    std::vector<std::byte> memory(3 * 47 * 21);
    MutableFrameView odd{format, size, {memory.data() + 1, memory.data() + 1000, memory.data() + 2001, nullptr}, {47, 23, 25, 0}};
    for (std::size_t slot = 0; slot < 3; ++slot) {
        const Size plane = plane_size(format, size, static_cast<int>(slot));
        for (int y = 0; y < plane.height; ++y)
            for (int x = 0; x < plane.width; ++x) set_sample(format, odd, slot, x, y, sample(format, frame.view(), slot, x, y));
    }
    auto converter = must(Converter::to_rgb(format, size, kRgbF32Planar));
    Image rgb(size, kRgbF32Planar);
    must(converter.convert(odd, rgb.view()));
    EXPECT_TRUE(same_bits(rgb.view(), to_float(frame).view()));
}

TEST(convert, dithers_what_lies_between_two_steps) {
    FrameFormat ten = yuv(10, 0, 0), eight = yuv(8, 0, 0);
    OwnedFrame frame(ten, {128, 128});
    fill(frame, [](std::size_t slot, int, int) { return slot == 0 ? 4 * 100 + 1 : 512; });  // a quarter above 100
    const Image rgb = to_float(frame);
    OwnedFrame plain = from_float(rgb, eight), dithered = from_float(rgb, eight, {true, nullptr});
    double sum = 0;
    for (int y = 0; y < 128; ++y)
        for (int x = 0; x < 128; ++x) {
            EXPECT_EQ(sample(eight, plain.view(), 0, x, y), 100);
            const int value = sample(eight, dithered.view(), 0, x, y);
            EXPECT_TRUE(value == 100 || value == 101);
            sum += value;
        }
    EXPECT_NEAR(sum / (128 * 128), 100.25, 0.02);
}

TEST(convert, carries_alpha_and_grey_and_rgb) {
    FrameFormat format = yuv(8, 1, 1);
    format.alpha = true;
    OwnedFrame frame(format, {20, 12});
    fill(frame, [](std::size_t slot, int x, int y) { return slot == 3 ? 10 * x + y : slot == 0 ? 100 : 128; });
    const Image rgba = to_float(frame);
    for (int y = 0; y < 12; ++y)
        for (int x = 0; x < 20; ++x) EXPECT_NEAR(at(rgba, 3, x, y), (10 * x + y) / 255.0, 1e-6);
    OwnedFrame back = from_float(rgba, format);
    for (int y = 0; y < 12; ++y)
        for (int x = 0; x < 20; ++x) EXPECT_EQ(sample(format, back.view(), 3, x, y), 10 * x + y);

    FrameFormat grey;
    grey.family = FrameFamily::grey;
    grey.tags.range = Range::limited;
    OwnedFrame grey_frame(grey, {16, 8});
    fill(grey_frame, [](std::size_t, int x, int) { return 16 + 10 * x; });
    const Image light = to_float(grey_frame);
    for (int x = 0; x < 16; ++x) EXPECT_NEAR(at(light, 0, x, 3), 10 * x / 219.0, 1e-6);

    FrameFormat rgb_format;
    rgb_format.family = FrameFamily::rgb;
    OwnedFrame rgb_frame(rgb_format, {16, 8});
    fill(rgb_frame, [](std::size_t slot, int x, int) { return 5 * x + 60 * static_cast<int>(slot); });
    const Image rgb = to_float(rgb_frame);
    for (int c = 0; c < 3; ++c)
        for (int x = 0; x < 16; ++x) EXPECT_NEAR(at(rgb, c, x, 3), (5 * x + 60 * c) / 255.0, 1e-6);
}

TEST(convert, goes_by_a_guess_where_tags_are_missing) {
    EXPECT_EQ(guess_missing({}, {720, 576}, false).matrix, 6);
    EXPECT_EQ(guess_missing({}, {1280, 720}, false).matrix, 1);
    EXPECT_EQ(guess_missing({2, 9, 16, Range::unspecified, ChromaSiting::unspecified}, {720, 400}, false).matrix, 9);
    EXPECT_EQ(guess_missing({}, {64, 64}, true).range, Range::full);
    EXPECT_EQ(guess_missing({}, {64, 64}, false).range, Range::limited);
    // A tag that names no matrix anybody can use does not stop the film.
    auto odd = Converter::to_rgb(yuv(8, 1, 1, 200), {64, 64}, kRgbF32Planar);
    ASSERT_TRUE(odd) << odd.error().message;
    EXPECT_EQ(odd->frame_format().tags.matrix, 6);
}

TEST(convert, refuses_what_it_cannot_convert) {
    EXPECT_FALSE(Converter::to_rgb(yuv(8, 1, 1), {0, 64}, kRgbF32Planar));
    EXPECT_FALSE(Converter::to_rgb(yuv(7, 1, 1), {64, 64}, kRgbF32Planar));
    EXPECT_FALSE(Converter::to_rgb(yuv(8, 1, 1), {64, 64}, kRgb8));
    EXPECT_FALSE(Converter::to_rgb(yuv(8, 1, 1), {64, 64}, format_of(SampleType::f32, 1, true)));
}

}  // namespace
}  // namespace enlarge
