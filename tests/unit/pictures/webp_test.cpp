// SPDX-License-Identifier: Apache-2.0
// The lossy WebP files that are written here, read by libwebp.
#include "pictures/webp_writer.hpp"

#include <algorithm>
#include <cmath>

#include "fixtures.hpp"
#include "pictures/output_file.hpp"

using namespace fixtures;

namespace {

void write_with(const std::string& path, const Image& image, int threads, int quality,
                const pictures::WebpDescription& described = {}) {
    auto file = pictures::OutputFile::create(path, true);
    ASSERT_TRUE(file.ok()) << file.error().message;
    const auto writer = pictures::webp_writer(*file, image.size(), image.format(), threads, quality, described);
    for (int y = 0; y < image.size().height; ++y) ASSERT_TRUE(writer->write(view(image).row(0, y)).ok());
    ASSERT_TRUE(writer->finish().ok());
    ASSERT_TRUE(file->commit().ok());
}

double psnr(const ImageView& a, const ImageView& b) {
    EXPECT_EQ(a.size, b.size);
    EXPECT_EQ(a.format, b.format);
    double sum = 0;
    const int samples = a.size.width * a.format.channels;
    for (int y = 0; y < a.size.height; ++y)
        for (int i = 0; i < samples; ++i) {
            const double difference = static_cast<int>(a.row(0, y)[i]) - static_cast<int>(b.row(0, y)[i]);
            sum += difference * difference;
        }
    return 10 * std::log10(255.0 * 255.0 * samples * a.size.height / std::max(sum, 1e-9));
}

// Fine stripes of colour, whose chroma differs from pixel to pixel; alpha, where there is any, slopes.
Image stripes(Size size, int channels) {
    Image image = smooth(size, format_of(SampleType::u8, channels));
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width; ++x) {
            std::byte* const pixel = image.view().row(0, y) + x * channels;
            if (channels >= 3 && (x / 3 + y / 5) % 2) pixel[0] = std::byte{220}, pixel[2] = std::byte{40};
            if (channels % 2 == 0) pixel[channels - 1] = static_cast<std::byte>(40 + y * 200 / size.height);
        }
    return image;
}

}  // namespace

TEST(webp_writer, the_file_depends_on_the_pixels_alone) {
    const Folder folder;
    const Image image = stripes({700, 1001}, 3);  // strips of 192 rows
    write_with(folder / "one.webp", image, 1, 92);
    const auto one = bytes_of(folder / "one.webp");
    for (const int threads : {2, 3, 16}) {
        write_with(folder / "more.webp", image, threads, 92);
        EXPECT_EQ(bytes_of(folder / "more.webp"), one) << threads << " threads";
    }
}

TEST(webp_writer, files_are_as_good_as_those_made_in_one_piece) {
    const Folder folder;
    ASSERT_TRUE(pictures::start_vips().ok());
    for (const int channels : {1, 2, 3, 4})
        for (const Size size : {Size{1, 1}, Size{2, 65}, Size{333, 517}, Size{16383, 67}}) {
            SCOPED_TRACE(std::to_string(channels) + " channels, " + std::to_string(size.width) + "x" +
                         std::to_string(size.height));
            const Image image = stripes(size, channels);
            write_with(folder / "strips.webp", image, 2, 92);
            const pictures::ImagePtr whole = vips_copy_of(image);
            ASSERT_EQ(vips_webpsave(whole.get(), (folder / "whole.webp").c_str(), "Q", 92, "smart_subsample", TRUE,
                                    "strip", TRUE, nullptr),
                      0);
            const Image ours = load(folder / "strips.webp"), theirs = load(folder / "whole.webp");
            Image truth = stripes(size, channels <= 2 ? channels + 2 : channels);  // WebP knows RGB only
            if (channels <= 2)
                for (int c = 0; c < channels + 2; ++c)
                    copy_channel(view(image), c < 3 ? 0 : 1, truth.view(), c);
            EXPECT_GT(psnr(view(ours), view(truth)), psnr(view(theirs), view(truth)) - 0.3);
            const auto ours_bytes = static_cast<double>(bytes_of(folder / "strips.webp").size()),
                       theirs_bytes = static_cast<double>(bytes_of(folder / "whole.webp").size());
            EXPECT_LT(ours_bytes, 1.02 * theirs_bytes + 16);
        }
}

TEST(webp_writer, a_file_says_what_it_is_told) {
    const Folder folder;
    const Image image = stripes({65, 41}, 4);
    const auto bytes = [](const std::string& text) { return std::as_bytes(std::span(text)); };
    const std::string profile = "odd", exif = "II*\0nothing", xmp = "<x/>";
    write_with(folder / "a.webp", image, 1, 80, {bytes(profile), bytes(exif), bytes(xmp)});
    const std::vector<char> file = bytes_of(folder / "a.webp");
    const std::string text(file.begin(), file.end());
    std::vector<std::string> chunks;
    const auto number = [&](std::size_t at, int count) {
        std::size_t value = 0;
        for (int i = count; i-- > 0;)
            value = value << 8 | static_cast<unsigned char>(text[at + static_cast<std::size_t>(i)]);
        return value;
    };
    EXPECT_EQ(number(4, 4), text.size() - 8);
    for (std::size_t at = 12; at + 8 <= text.size(); at += 8 + (number(at + 4, 4) + 1) / 2 * 2)
        chunks.push_back(text.substr(at, 4));
    EXPECT_EQ(chunks, (std::vector<std::string>{"VP8X", "ICCP", "ALPH", "VP8 ", "EXIF", "XMP "}));
    EXPECT_EQ(number(20, 1), 0x20U + 0x10U + 0x08U + 0x04U);
    EXPECT_EQ(number(24, 3), 64U);
    EXPECT_EQ(number(27, 3), 40U);
    EXPECT_NE(text.find(exif), std::string::npos);
    const pictures::ImagePtr back(
        vips_image_new_from_file((folder / "a.webp").c_str(), "fail_on", VIPS_FAIL_ON_WARNING, nullptr));
    ASSERT_TRUE(back) << vips_error_buffer();
    EXPECT_EQ(back->Bands, 4);
}

// The eleventh question is put while libwebp encodes.
TEST(webp_writer, whoever_asks_it_to_stop_while_it_encodes_is_heard) {
    const Folder folder;
    const Image image = stripes({700, 1001}, 3);
    int asked = 0;
    auto file = pictures::OutputFile::create(folder / "a.webp", true);
    ASSERT_TRUE(file.ok()) << file.error().message;
    const auto writer =
        pictures::webp_writer(*file, image.size(), image.format(), 2, 92, {}, [&] { return ++asked == 11; });
    for (int y = 0; y < image.size().height; ++y) ASSERT_TRUE(writer->write(view(image).row(0, y)).ok());
    EXPECT_EQ(asked, 0);
    const auto finished = writer->finish();
    ASSERT_FALSE(finished.ok());
    EXPECT_EQ(finished.error().code, Errc::cancelled);
    EXPECT_EQ(asked, 11);
}

TEST(webp_writer, what_it_could_not_write_can_be_written_again) {
    struct Kept : pictures::RowWriter {
        Image image;
        int rows = 0;
        explicit Kept(const Image& like) : image(like.size(), like.format()) {}
        Result<void> write(const std::byte* row) override {
            std::memcpy(image.view().row(0, rows++), row, static_cast<std::size_t>(image.size().width) *
                                                              image.format().channels);
            return {};
        }
        Result<void> finish() override { return {}; }
    };
    const Folder folder;
    for (const int channels : {1, 2, 3, 4}) {
        const Image image = stripes({333, 517}, channels);
        auto file = pictures::OutputFile::create(folder / "a.webp", true);
        ASSERT_TRUE(file.ok());
        const auto writer = pictures::webp_writer(*file, image.size(), image.format(), 2, 92, {});
        for (int y = 0; y < image.size().height; ++y) ASSERT_TRUE(writer->write(view(image).row(0, y)).ok());
        ASSERT_TRUE(writer->finish().ok());
        Kept kept(image);
        ASSERT_TRUE(writer->write_again(kept).ok());
        EXPECT_EQ(kept.rows, 517);
        EXPECT_GT(psnr(view(kept.image), view(image)), channels <= 2 ? 45 : 20) << channels;
        ASSERT_TRUE(file->commit().ok());
        if (channels <= 2) continue;  // the file is RGB
        EXPECT_GE(psnr(view(kept.image), view(image)), psnr(view(load(folder / "a.webp")), view(image)) - 0.1);
    }
    EXPECT_FALSE(pictures::webp_may_refuse({14000, 14000}));
    EXPECT_TRUE(pictures::webp_may_refuse({16383, 16383}));
}

// In noise every block would be predicted in sixteen parts, which does not fit beyond 33 megapixels; libwebp alone
// begins again for minutes, and in the end it fails.
TEST(webp_writer, large_pictures_are_predicted_in_larger_blocks) {
    EXPECT_EQ(pictures::webp_efforts({4000, 8000}).front().partition_limit, 0);
    EXPECT_EQ(pictures::webp_efforts({8000, 6000}).front().partition_limit, 60);
    EXPECT_EQ(pictures::webp_efforts({12000, 9000}).front().segments, 4);
    EXPECT_EQ(pictures::webp_efforts({16000, 12000}).front().segments, 1);
    EXPECT_EQ(pictures::webp_efforts({16383, 16383}).size(), 1U);
    const Folder folder;
    const Image image = pattern({6016, 6000}, format_of(SampleType::u8, 3));
    write_with(folder / "a.webp", image, 2, 92);
    EXPECT_EQ(load(folder / "a.webp").size(), image.size());
}
