// SPDX-License-Identifier: Apache-2.0
// Real pictures, where they are at hand: every one decodes or is refused with a reason.
#include <cctype>

#include "fixtures.hpp"

using namespace fixtures;

namespace {

std::string data_folder() {
    const char* folder = std::getenv("ENLARGE_TEST_DATA");
    return folder && *folder ? std::string(folder) + "/images" : "";
}

}  // namespace

#define NEED_DATA() \
    if (data_folder().empty() || !fs::exists(data_folder())) GTEST_SKIP() << "ENLARGE_TEST_DATA is not set: real pictures are NOT tested"

TEST(real_pictures, decode_or_are_refused_with_a_reason) {
    NEED_DATA();
    int decoded = 0, refused = 0;
    for (const auto& entry : fs::recursive_directory_iterator(data_folder())) {
        const std::string extension = entry.path().extension().string();
        if (!entry.is_regular_file() || extension == ".tsv" || extension == ".icc" || extension.empty()) continue;
        SCOPED_TRACE(entry.path().string());
        auto picture = Picture::open(entry.path().string());
        auto image = picture ? picture->load() : Result<Image>(picture.error());
        if (image) {
            ++decoded;
            EXPECT_EQ(image->size(), picture->info().size);
            continue;
        }
        ++refused;
        const Error& error = image.error();
        EXPECT_TRUE(error.code == Errc::format || error.code == Errc::unsupported) << error.message;
        EXPECT_EQ(error.message.rfind(entry.path().string() + ": ", 0), 0U) << error.message;
        EXPECT_EQ(error.message.find("no reason given"), std::string::npos) << error.message;
        EXPECT_EQ(error.message.find('\n'), std::string::npos);
        // PNG: only what PngSuite calls broken (x...), and animations.
        const std::string name = entry.path().filename().string();
        if (extension == ".png") { EXPECT_TRUE(name[0] == 'x' || name.find("apng") != std::string::npos) << error.message; }
        if (extension == ".tiff" || extension == ".jpeg") ADD_FAILURE() << error.message;
        if (extension == ".jpg") { EXPECT_TRUE(name.find("incomplete") != std::string::npos || name.find("testorig12") != std::string::npos) << error.message; }
    }
    EXPECT_GT(decoded, 150);
    EXPECT_GT(refused, 5);
}

TEST(real_pictures, everything_pngsuite_calls_broken_is_refused) {
    NEED_DATA();
    int seen = 0;
    for (const auto& entry : fs::directory_iterator(data_folder() + "/pngsuite"))
        if (entry.path().filename().string()[0] == 'x') {
            ++seen;
            EXPECT_EQ(refusal(entry.path().string()).code, Errc::format) << entry.path();
        }
    EXPECT_GE(seen, 7);
}

TEST(real_pictures, depth_and_channels_are_those_of_the_file) {
    NEED_DATA();
    struct Case {
        const char* file;
        SampleType sample;
        int channels;
    };
    for (const Case& c : {Case{"pngsuite/basn0g16.png", SampleType::u16, 1}, {"pngsuite/basn4a16.png", SampleType::u16, 2}, {"pngsuite/basn2c16.png", SampleType::u16, 3},
                          {"pngsuite/basn6a16.png", SampleType::u16, 4}, {"pngsuite/basn0g01.png", SampleType::u8, 1}, {"pngsuite/basn3p02.png", SampleType::u8, 3},
                          {"pngsuite/tbbn3p08.png", SampleType::u8, 4}, {"pngsuite/basi4a08.png", SampleType::u8, 2}, {"image-rs/tiff__testsuite__rgb32f_color.tiff", SampleType::f32, 3},
                          {"image-rs/tiff__testsuite__rgb-3c-16b.tiff", SampleType::u16, 3}, {"Real-ESRGAN-inputs/tree_alpha_16bit.png", SampleType::u16, 4},
                          {"Real-ESRGAN-inputs/wolf_gray.jpg", SampleType::u8, 1}, {"jpeg-misc/zune__test-images__jpeg__cymk.jpg", SampleType::u8, 3}}) {
        const auto picture = Picture::open(data_folder() + "/" + c.file);
        ASSERT_TRUE(picture.ok()) << picture.error().message;
        EXPECT_EQ(picture->info().format.sample, c.sample) << c.file;
        EXPECT_EQ(picture->info().format.channels, c.channels) << c.file;
    }
}

TEST(real_pictures, cut_in_half_are_never_taken_for_whole) {
    NEED_DATA();
    const Folder folder;
    for (const char* file : {"Real-ESRGAN-inputs/0014.jpg", "jpeg-misc/mozjpeg__testimgari.jpg", "image-rs/jpg__progressive__3.jpg", "Kodak24/4.png", "image-rs/webp__lossless_images__simple.webp",
                             "image-rs/tiff__testsuite__rgb-3c-16b.tiff", "image-rs/gif__simple__alpha_gif_a.gif"}) {
        auto bytes = bytes_of(data_folder() + "/" + file);
        for (const double part : {0.3, 0.6, 0.9}) {
            write_bytes(folder / "cut", {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(bytes.size()))});
            EXPECT_EQ(refusal(folder / "cut").code, Errc::format) << file << " cut to " << part;
        }
    }
}
