// SPDX-License-Identifier: Apache-2.0
// The JPEG files that are written here in strips, read by libjpeg.
#include "fixtures.hpp"
#include "pictures/jpeg_writer.hpp"
#include "pictures/output_file.hpp"

using namespace fixtures;
using pictures::Bytes;

namespace {

void write_with(const std::string& path, const Image& image, int threads, int quality) {
    auto file = pictures::OutputFile::create(path, true);
    ASSERT_TRUE(file.ok()) << file.error().message;
    const pictures::Blocks blocks;
    const pictures::Resolution resolution;
    const auto writer =
        pictures::jpeg_writer(*file, image.size(), image.format(), threads, quality, {{}, {}, blocks, resolution});
    ASSERT_TRUE(writer.ok()) << writer.error().message;
    for (int y = 0; y < image.size().height; ++y) ASSERT_TRUE((*writer)->write(view(image).row(0, y)).ok());
    ASSERT_TRUE((*writer)->finish().ok());
    ASSERT_TRUE(file->commit().ok());
}

// Restart markers, which are nowhere else in a file without metadata: in pixels 0xff is followed by zero.
std::vector<int> restarts(const std::string& path) {
    const std::vector<char> bytes = bytes_of(path);
    std::vector<int> all;
    for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
        const auto marker = static_cast<unsigned char>(bytes[i + 1]);
        if (bytes[i] == '\xff' && marker >= 0xd0 && marker <= 0xd7) all.push_back(marker - 0xd0);
    }
    return all;
}

}  // namespace

TEST(jpeg_writer, the_file_depends_on_the_pixels_alone) {
    const Folder folder;
    const Image image = pattern({700, 3001}, format_of(SampleType::u8, 3));
    write_with(folder / "one.jpg", image, 1, 95);
    const auto one = bytes_of(folder / "one.jpg");
    for (const int threads : {2, 3, 16})
        for (int i = 0; i < 3; ++i) {
            write_with(folder / "more.jpg", image, threads, 95);
            EXPECT_EQ(bytes_of(folder / "more.jpg"), one) << threads << " threads";
        }
    // Strips of 240 rows: 13 of them, and a marker between each two.
    EXPECT_EQ(restarts(folder / "one.jpg"), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3}));
}

TEST(jpeg_writer, pixels_are_those_of_a_file_in_one_piece) {
    const Folder folder;
    ASSERT_TRUE(pictures::start_vips().ok());
    for (const int quality : {75, 89, 90, 100})
        for (const int channels : {1, 3})
            for (const Size size : {Size{1, 1}, Size{16, 17}, Size{3, 65'500}, Size{517, 901}, Size{65'500, 33}}) {
                SCOPED_TRACE(std::to_string(channels) + " channels, " + std::to_string(size.width) + "x" +
                             std::to_string(size.height) + ", quality " + std::to_string(quality));
                const Image image = pattern(size, format_of(SampleType::u8, channels));
                write_with(folder / "strips.jpg", image, 2, quality);
                const pictures::ImagePtr whole = vips_copy_of(image);
                ASSERT_EQ(vips_jpegsave(whole.get(), (folder / "whole.jpg").c_str(), "Q", quality, nullptr), 0);
                // Warnings are failures: a marker at the wrong place would be one.
                expect_same_pixels(view(load(folder / "strips.jpg")), view(load(folder / "whole.jpg")));
                EXPECT_LE(bytes_of(folder / "strips.jpg").size(), bytes_of(folder / "whole.jpg").size() * 101 / 100);
            }
}
