// SPDX-License-Identifier: Apache-2.0
// The PNG files that are written here, read by others.
#include <png.h>
#include <zlib.h>

#include <array>
#include <span>

#include "fixtures.hpp"
#include "pictures/adler.hpp"
#include "pictures/boxes.hpp"
#include "pictures/deflate.hpp"
#include "pictures/output_file.hpp"
#include "pictures/png_filter.hpp"
#include "pictures/png_writer.hpp"

using namespace fixtures;
using namespace std::string_literals;
using pictures::Bytes;

namespace {

// Numbers that look random and are the same everywhere.
class Numbers {
public:
    std::uint32_t next() { return (state_ = state_ * 1664525U + 1013904223U) >> 8; }

private:
    std::uint32_t state_ = 7;
};

Bytes noise(std::size_t size, unsigned kinds, Numbers& numbers) {
    Bytes bytes(size);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(numbers.next() % kinds);
    return bytes;
}

// Contents with and without runs, repetitions and order, none, one and many blocks long.
std::vector<Bytes> contents() {
    Numbers numbers;
    std::vector<Bytes> all;
    for (const std::size_t size :
         {0, 1, 2, 3, 15, 16, 17, 18, 19, 258, 259, 260, 275, 276, 277, 32767, 32768, 32769, 70000})
        all.emplace_back(size, std::byte{42});
    for (const unsigned kinds : {2U, 5U, 200U, 256U}) {
        all.push_back(noise(100'000, kinds, numbers));
        all.push_back(noise(20, kinds, numbers));
    }
    Bytes steep(60'000);  // most bytes rare: the best code has long words
    for (std::byte& byte : steep) {
        unsigned depth = 0;
        while (depth < 255 && numbers.next() % 2) ++depth;
        byte = static_cast<std::byte>(depth);
    }
    all.push_back(steep);
    Bytes fibonacci;  // the steepest code there is
    for (std::size_t count = 1, before = 1, byte = 0; fibonacci.size() + count < 32000; ++byte) {
        for (std::size_t i = 0; i < count; ++i) fibonacci.push_back(static_cast<std::byte>(byte));
        const std::size_t sum = count + before;
        before = count, count = sum;
    }
    for (std::size_t i = fibonacci.size(); i > 1; --i) std::swap(fibonacci[i - 1], fibonacci[numbers.next() % i]);
    all.push_back(fibonacci);
    Bytes runs;
    for (int i = 0; i < 3000; ++i)
        runs.insert(runs.end(), numbers.next() % 60, static_cast<std::byte>(numbers.next() % 3));
    all.push_back(runs);
    Bytes text;
    while (text.size() < 200'000) {
        const std::string word = "word " + std::to_string(numbers.next() % 300) + " of a screen; ";
        pictures::append(text, word);
    }
    all.push_back(text);
    return all;
}

// What zlib makes of a deflate stream.
Bytes inflated(const Bytes& packed, std::size_t size) {
    Bytes out(size + 1);
    z_stream stream = {};
    EXPECT_EQ(::inflateInit2(&stream, -15), Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END) << (stream.msg ? stream.msg : "");
    EXPECT_EQ(stream.avail_in, 0U);
    out.resize(out.size() - stream.avail_out);
    ::inflateEnd(&stream);
    return out;
}

int guess_of(int filter, int left, int up, int corner) {
    const int p = left + up - corner, a = std::abs(p - left), b = std::abs(p - up), c = std::abs(p - corner);
    switch (filter) {
        case 1:
            return left;
        case 2:
            return up;
        case 3:
            return (left + up) / 2;
        case 4:
            return a <= b && a <= c ? left : b <= c ? up : corner;
        default:
            return 0;
    }
}

// The row that a filtered one stands for, as the standard says it.
Bytes unfiltered(std::span<const std::byte> filtered, std::span<const std::byte> above, std::size_t pixel_bytes) {
    const int filter = static_cast<int>(filtered[0]);
    EXPECT_LT(filter, 5);
    Bytes row(filtered.size() - 1);
    for (std::size_t i = 0; i < row.size(); ++i) {
        const int left = i < pixel_bytes ? 0 : static_cast<int>(row[i - pixel_bytes]);
        const int corner = i < pixel_bytes ? 0 : static_cast<int>(above[i - pixel_bytes]);
        const int up = static_cast<int>(above[i]);
        row[i] =
            static_cast<std::byte>((static_cast<int>(filtered[i + 1]) + guess_of(filter, left, up, corner)) & 0xff);
    }
    return row;
}

// Something like a drawing on a photograph: smooth, noisy, flat and repeated parts.
Image scene(Size size, const PixelFormat& format) {
    Image image(size, format);
    Numbers numbers;
    const int bytes = size.width * format.channels * sample_bytes(format.sample);
    for (int y = 0; y < size.height; ++y) {
        std::byte* const row = image.view().row(0, y);
        for (int i = 0; i < bytes; ++i) {
            const int part = y * 4 / size.height;
            const unsigned smooth = static_cast<unsigned>(y + i / 5);
            const unsigned value = part == 0   ? smooth + numbers.next() % 4
                                   : part == 1 ? numbers.next()
                                   : part == 2 ? 17U
                                               : static_cast<unsigned>(i % 97 * (y % 5));
            row[i] = static_cast<std::byte>(value & 0xff);
        }
    }
    return image;
}

// The pixels of a file of 8 bits as libpng gives them.
Bytes read_with_libpng(const std::string& path, int channels) {
    constexpr std::array<png_uint_32, 4> kFormats = {PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA};
    png_image image = {};
    image.version = PNG_IMAGE_VERSION;
    EXPECT_NE(png_image_begin_read_from_file(&image, path.c_str()), 0) << image.message;
    image.format = kFormats[static_cast<std::size_t>(channels - 1)];
    Bytes pixels(PNG_IMAGE_SIZE(image));
    EXPECT_NE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr), 0) << image.message;
    EXPECT_EQ(image.warning_or_error, 0U) << image.message;
    return pixels;
}

Bytes packed(const Image& image) {
    const ImageView v = image.view();
    const auto row = static_cast<std::size_t>(v.size.width) * v.format.channels *
                     static_cast<std::size_t>(sample_bytes(v.format.sample));
    Bytes bytes;
    for (int y = 0; y < v.size.height; ++y) pictures::append(bytes, std::span(v.row(0, y), row));
    return bytes;
}

// A file of these pixels and nothing else.
void write_with(const std::string& path, const Image& image, int threads) {
    auto file = pictures::OutputFile::create(path, true);
    ASSERT_TRUE(file.ok()) << file.error().message;
    ASSERT_TRUE(file->write(pictures::png_head({image.size(), image.format(), {}, {}, {}})).ok());
    const auto writer = pictures::png_writer(*file, image.size(), image.format(), threads);
    for (int y = 0; y < image.size().height; ++y) ASSERT_TRUE(writer->write(view(image).row(0, y)).ok());
    ASSERT_TRUE(writer->finish().ok());
    ASSERT_TRUE(file->commit().ok());
}

}  // namespace

TEST(png_writer, the_checksum_is_that_of_zlib) {
    Numbers numbers;
    const Bytes bytes = noise(3'000'000, 256, numbers), most(3'000'000, std::byte{255});
    for (const std::size_t size : {0, 1, 15, 16, 255, 256, 257, 4095, 70'000, 1'048'576, 1'048'833, 3'000'000})
        for (const Bytes* of : {&bytes, &most}) {
            const auto some = std::span(*of).first(size);
            EXPECT_EQ(pictures::adler32(some),
                      ::adler32_z(::adler32(0, nullptr, 0), reinterpret_cast<const Bytef*>(some.data()), size))
                << size;
        }
}

TEST(deflate, runs_and_single_bytes_come_out_as_they_went_in) {
    for (const Bytes& content : contents()) {
        Bytes stream;
        pictures::deflate::append_runs(content, stream);
        pictures::append(stream, pictures::kDeflateEnd);
        EXPECT_EQ(inflated(stream, content.size()), content) << content.size();
        EXPECT_LE(stream.size(), content.size() + (content.size() / 32768 + 2) * 6);
    }
    Bytes flat;
    pictures::deflate::append_runs(Bytes(1 << 20, std::byte{0}), flat);
    EXPECT_LT(flat.size(), 5000U);
}

TEST(deflate, pieces_of_any_kind_make_one_stream) {
    pictures::Deflater deflater, other;
    Bytes all, stream;
    std::vector<Bytes> pieces;
    for (const Bytes& content : contents()) {
        all.insert(all.end(), content.begin(), content.end());
        pieces.push_back(content);
    }
    std::size_t at = 0;
    for (const Bytes& piece : pieces) {
        const auto before = std::span<const std::byte>(all).first(at);
        Bytes one, again;
        deflater.append(before, piece, one);
        other.append(before.last(std::min<std::size_t>(before.size(), 32768)), piece, again);
        EXPECT_EQ(one, again) << "what lies further back, or was compressed before, must not matter";
        pictures::append(stream, one);
        at += piece.size();
    }
    pictures::append(stream, pictures::kDeflateEnd);
    EXPECT_EQ(inflated(stream, all.size()), all);
    // Text repeats itself: it takes a part of what codes for single bytes take.
    Bytes text, singles;
    deflater.append({}, pieces.back(), text);
    pictures::deflate::append_runs(pieces.back(), singles);
    EXPECT_LT(2 * text.size(), singles.size());
}

TEST(png_filter, every_row_comes_back_by_the_rule_of_its_filter) {
    Numbers numbers;
    std::array<int, 5> used{};
    for (const std::size_t pixel_bytes : {1, 2, 3, 4, 6, 8})
        for (std::size_t pixels = 1; pixels < 70; ++pixels)
            for (int kind = 0; kind < 6; ++kind) {
                const std::size_t bytes = pixels * pixel_bytes, margin = pictures::kRowMargin;
                Bytes row(bytes + 2 * margin), above(bytes + 2 * margin);
                for (std::size_t i = 0; i < bytes; ++i) {
                    const unsigned x = static_cast<unsigned>(i), random = numbers.next();
                    const unsigned up = kind == 2 ? random : kind == 3 ? random % 64 : kind == 4 ? x * 7 : random;
                    above[margin + i] = static_cast<std::byte>(up & 0xff);
                    const unsigned left = i < pixel_bytes ? 0 : static_cast<unsigned>(row[margin + i - pixel_bytes]);
                    const unsigned corner =
                        i < pixel_bytes ? 0 : static_cast<unsigned>(above[margin + i - pixel_bytes]);
                    const unsigned value = kind == 0   ? random % 3
                                           : kind == 1 ? left + random % 3
                                           : kind == 2 ? up + random % 3
                                           : kind == 3 ? (left + (up & 0xff)) / 2
                                           : kind == 4 ? left + (up & 0xff) - corner
                                                       : random;
                    row[margin + i] = static_cast<std::byte>(value & 0xff);
                }
                Bytes out(bytes + 1);
                pictures::filter_row(row.data() + margin, above.data() + margin, bytes, pixel_bytes, out.data());
                ++used[static_cast<std::size_t>(out[0])];
                const auto content = std::span<const std::byte>(row).subspan(margin, bytes);
                ASSERT_EQ(unfiltered(out, std::span<const std::byte>(above).subspan(margin, bytes), pixel_bytes),
                          Bytes(content.begin(), content.end()))
                    << pixels << " pixels of " << pixel_bytes << " bytes, filter " << static_cast<int>(out[0]);
            }
    for (const int count : used) EXPECT_GT(count, 0);
}

TEST(png_writer, the_file_depends_on_the_pixels_alone) {
    const Folder folder;
    const Image image = scene({700, 3000}, kRgb8);  // 13 strips
    write_with(folder / "one.png", image, 1);
    const auto one = bytes_of(folder / "one.png");
    for (const int threads : {2, 3, 16})
        for (int i = 0; i < 3; ++i) {
            write_with(folder / "more.png", image, threads);
            EXPECT_EQ(bytes_of(folder / "more.png"), one) << threads << " threads";
        }
    expect_same_pixels(view(load(folder / "one.png")), view(image));
}

TEST(png_writer, libpng_and_libvips_read_every_kind_of_pixels) {
    const Folder folder;
    for (const SampleType sample : {SampleType::u8, SampleType::u16})
        for (const int channels : {1, 2, 3, 4})
            for (const Size size : {Size{1, 1}, Size{3, 1000}, Size{517, 900}, Size{100'001, 7}}) {
                SCOPED_TRACE(std::to_string(channels) + " channels, " + std::to_string(size.width) + "x" +
                             std::to_string(size.height));
                const Image image = scene(size, format_of(sample, channels));
                write_with(folder / "a.png", image, 2);
                if (sample == SampleType::u8) {
                    EXPECT_EQ(read_with_libpng(folder / "a.png", channels), packed(image));
                }
                expect_same_pixels(view(load(folder / "a.png")), view(image));
            }
}

TEST(png_writer, pngcheck_finds_nothing_wrong) {
    if (std::system("command -v pngcheck > /dev/null") != 0) GTEST_SKIP() << "pngcheck is not installed";
    const Folder folder;
    for (const SampleType sample : {SampleType::u8, SampleType::u16})
        for (const int channels : {1, 2, 3, 4}) {
            const Image image = scene({333, 2000}, format_of(sample, channels));
            write_with(folder / "a.png", image, 2);
            EXPECT_EQ(std::system(("pngcheck -q " + (folder / "a.png")).c_str()), 0) << channels;
        }
    WriteOptions options;
    options.provenance_model = "test";
    const auto vips = vips_copy_of(scene({64, 48}, kRgb8));
    const auto p3 = profile("p3");
    vips_image_set_blob_copy(vips.get(), VIPS_META_ICC_NAME, p3.data(), p3.size());
    vips_image_set_string(vips.get(), "exif-ifd0-Make", "Acme (Acme, ASCII, 5 components, 5 bytes)");
    vips.get()->Xres = vips.get()->Yres = 300 / 25.4;
    ASSERT_EQ(vips_jpegsave(vips.get(), (folder / "b.jpg").c_str(), nullptr), 0);
    auto source = Picture::open(folder / "b.jpg");
    ASSERT_TRUE(source.ok());
    ASSERT_TRUE(save_picture(folder / "b.png", view(scene({256, 192}, kRgb8)), &*source, options).ok());
    EXPECT_EQ(std::system(("pngcheck -q " + (folder / "b.png")).c_str()), 0);
    const auto written = bytes_of(folder / "b.png");
    const std::string text(written.begin(), written.end());
    for (const char* chunk : {"IHDR", "iCCP", "pHYs", "eXIf", "iTXt", "IDAT", "IEND"})
        EXPECT_NE(text.find(chunk), std::string::npos) << chunk;
}

TEST(png_writer, may_be_given_up_at_any_time) {
    const Folder folder;
    const Image image = scene({700, 3000}, kRgb8);
    for (const int rows : {0, 1, 400, 1500}) {
        auto writer = PictureWriter::create(folder / "a.png", image.size(), image.format(), nullptr, {});
        ASSERT_TRUE(writer.ok());
        if (rows) {
            ASSERT_TRUE(writer->write(view(image).part({0, 0, 700, rows})).ok());
        }
    }
    EXPECT_EQ(folder.files(), 0U);
}
