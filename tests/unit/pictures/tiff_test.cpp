// SPDX-License-Identifier: Apache-2.0
// The TIFF files that are written here, read by others.
#include "fixtures.hpp"
#include "pictures/metadata.hpp"
#include "pictures/output_file.hpp"
#include "pictures/tiff_writer.hpp"

using namespace fixtures;
using namespace std::string_literals;
using pictures::Bytes;

namespace {

void write_with(const std::string& path, const Image& image, int threads,
                const pictures::TiffDescription& described = {}) {
    auto file = pictures::OutputFile::create(path, true);
    ASSERT_TRUE(file.ok()) << file.error().message;
    const auto writer = pictures::tiff_writer(*file, image.size(), image.format(), threads, described);
    ASSERT_TRUE(writer.ok());
    for (int y = 0; y < image.size().height; ++y) ASSERT_TRUE((*writer)->write(view(image).row(0, y)).ok());
    ASSERT_TRUE((*writer)->finish().ok());
    ASSERT_TRUE(file->commit().ok());
}

// With libtiff, by way of libvips.
pictures::ImagePtr opened(const std::string& path) {
    pictures::ImagePtr image(vips_image_new_from_file(path.c_str(), "fail_on", VIPS_FAIL_ON_WARNING, nullptr));
    EXPECT_TRUE(image) << vips_error_buffer();
    return image;
}

}  // namespace

TEST(tiff_writer, the_file_depends_on_the_pixels_alone) {
    const Folder folder;
    const Image image = pattern({700, 3000}, format_of(SampleType::u8, 3));  // 13 strips
    write_with(folder / "one.tif", image, 1);
    const auto one = bytes_of(folder / "one.tif");
    for (const int threads : {2, 3, 16})
        for (int i = 0; i < 3; ++i) {
            write_with(folder / "more.tif", image, threads);
            EXPECT_EQ(bytes_of(folder / "more.tif"), one) << threads << " threads";
        }
    expect_same_pixels(view(load(folder / "one.tif")), view(image));
}

TEST(tiff_writer, libtiff_reads_every_kind_of_pixels) {
    const Folder folder;
    for (const SampleType sample : {SampleType::u8, SampleType::u16, SampleType::f32})
        for (const int channels : {1, 2, 3, 4})
            for (const Size size : {Size{1, 1}, Size{3, 1000}, Size{517, 900}, Size{100'001, 7}}) {
                SCOPED_TRACE(std::to_string(channels) + " channels, " + std::to_string(size.width) + "x" +
                             std::to_string(size.height));
                const Image image = pattern(size, format_of(sample, channels));
                write_with(folder / "a.tif", image, 2);
                const pictures::ImagePtr back = opened(folder / "a.tif");
                ASSERT_TRUE(back);
                EXPECT_EQ(back->Bands, channels);
                expect_same_pixels(view(load(folder / "a.tif")), view(image));
            }
}

TEST(tiff_writer, floats_of_any_value_come_back_as_they_were) {
    const Folder folder;
    Image made({64, 9}, format_of(SampleType::f32, 3));
    std::uint32_t state = 7;
    std::vector<float> numbers;
    for (int y = 0; y < 9; ++y) {
        auto* const row = reinterpret_cast<float*>(made.view().row(0, y));
        for (int x = 0; x < 64 * 3; ++x) {
            state = state * 1664525U + 1013904223U;
            std::uint32_t bits = state;
            if ((bits >> 23 & 0xff) == 0xff) bits ^= 1U << 23;  // neither infinite nor no number
            std::memcpy(&row[x], &bits, 4);
            numbers.push_back(row[x]);
        }
    }
    write_with(folder / "a.tif", made, 1);
    const pictures::ImagePtr back = opened(folder / "a.tif");
    ASSERT_TRUE(back);
    std::size_t bytes = 0;
    const auto* const pixels = static_cast<const float*>(vips_image_write_to_memory(back.get(), &bytes));
    ASSERT_EQ(bytes, numbers.size() * 4);
    EXPECT_EQ(std::memcmp(pixels, numbers.data(), bytes), 0);
    g_free(const_cast<float*>(pixels));
}

TEST(tiff_writer, what_it_is_told_is_in_the_file) {
    const Folder folder;
    const auto icc = profile("p3");
    const std::string xmp = "<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", records = "\x1c\x02\x05\0\x03Sky"s,
                      resources = "8BIM\x03\xed\0\0\0\0\0\0"s;
    pictures::TiffDescription described;
    described.profile = std::as_bytes(std::span(icc));
    described.xmp = std::as_bytes(std::span(xmp));
    described.iptc = std::as_bytes(std::span(records));
    described.photoshop = std::as_bytes(std::span(resources));
    described.resolution = {300 / 25.4, 150 / 25.4};
    const Bytes exif = pictures::resolution_exif({1, 1});
    described.exif = exif;
    write_with(folder / "a.tif", pattern({33, 21}, format_of(SampleType::u8, 3)), 1, described);
    const pictures::ImagePtr back = opened(folder / "a.tif");
    ASSERT_TRUE(back);
    EXPECT_NEAR(back->Xres, 300 / 25.4, 1e-4);
    EXPECT_NEAR(back->Yres, 150 / 25.4, 1e-4);
    const auto holds = [&](const char* name, const auto& expected) {
        const auto found = pictures::blob(back.get(), name);
        const auto bytes = std::as_bytes(std::span(expected));
        EXPECT_TRUE(std::equal(found.begin(), found.end(), bytes.begin(), bytes.end())) << name << " " << found.size();
    };
    holds(VIPS_META_ICC_NAME, icc);
    holds(VIPS_META_XMP_NAME, xmp);
    holds(VIPS_META_IPTC_NAME, records);
    holds(VIPS_META_PHOTOSHOP_NAME, resources);
    // A block that says nothing of use changes nothing; a damaged one does no harm.
    for (const std::string& damaged : {"II*\0\xff\xff\xff\xff"s, "II*\0\x08\0\0\0\xff\xff"s, "MM"s}) {
        described.exif = std::as_bytes(std::span(damaged));
        write_with(folder / "b.tif", pattern({33, 21}, format_of(SampleType::u8, 3)), 1, described);
        EXPECT_EQ(bytes_of(folder / "b.tif"), bytes_of(folder / "a.tif"));
    }
}

TEST(tiff_writer, more_than_four_gigabytes_are_a_bigtiff) {
    // Zeros compress to next to nothing.
    const Folder folder;
    const Size size{200'000, 19'600};  // 3.92e9 pixels
    auto row = std::vector<std::byte>(200'000);
    auto file = pictures::OutputFile::create(folder / "a.tif", true);
    ASSERT_TRUE(file.ok());
    const auto writer = pictures::tiff_writer(*file, size, format_of(SampleType::u8, 1), 2, {});
    ASSERT_TRUE(writer.ok());
    for (int y = 0; y < size.height; ++y) {
        row[7] = static_cast<std::byte>(y);
        ASSERT_TRUE((*writer)->write(row.data()).ok());
    }
    ASSERT_TRUE((*writer)->finish().ok());
    ASSERT_TRUE(file->commit().ok());
    const pictures::ImagePtr back(
        vips_image_new_from_file((folder / "a.tif").c_str(), "access", VIPS_ACCESS_SEQUENTIAL, nullptr));
    ASSERT_TRUE(back) << vips_error_buffer();
    EXPECT_EQ(back->Xsize, size.width);
    EXPECT_EQ(back->Ysize, size.height);
    EXPECT_EQ(bytes_of(folder / "a.tif")[2], 43);
}

TEST(tiff_writer, may_be_given_up_at_any_time) {
    const Folder folder;
    const Image image = pattern({700, 3000}, format_of(SampleType::u8, 3));
    for (const int rows : {0, 1, 400, 1500}) {
        auto writer = PictureWriter::create(folder / "a.tif", image.size(), image.format(), nullptr, {});
        ASSERT_TRUE(writer.ok());
        if (rows) {
            ASSERT_TRUE(writer->write(view(image).part({0, 0, 700, rows})).ok());
        }
    }
    EXPECT_EQ(folder.files(), 0U);
}
