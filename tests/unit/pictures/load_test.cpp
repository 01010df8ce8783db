// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fixtures.hpp"
#include "pictures/rgb_rows.hpp"

using namespace fixtures;

TEST(picture_files, are_told_by_content_and_not_by_name) {
    const Folder folder;
    const Image image = pattern({13, 9}, kRgb8);
    ASSERT_TRUE(save_picture(folder / "a.png", view(image), nullptr, {}).ok());
    fs::rename(folder / "a.png", folder / "a.jpg");
    const auto picture = Picture::open(folder / "a.jpg");
    ASSERT_TRUE(picture.ok());
    EXPECT_EQ(picture->info().file_format, PictureFormat::png);
}

TEST(picture_files, unknown_extensions_are_answered_with_the_list_of_known_ones) {
    EXPECT_EQ(*format_of_path("a/b.c/photo.JPEG"), PictureFormat::jpeg);
    EXPECT_EQ(*format_of_path("x.tiff"), PictureFormat::tiff);
    for (const char* name : {"photo", "photo.", "photo.xyz", "a.png/photo", "photo.png jpg"}) {
        const auto format = format_of_path(name);
        ASSERT_FALSE(format.ok()) << name;
        EXPECT_EQ(format.error().code, Errc::argument);
        EXPECT_NE(format.error().message.find("webp"), std::string::npos);
    }
}

TEST(picture_files, what_is_not_there_or_no_picture_is_refused_with_the_right_kind_of_error) {
    const Folder folder;
    EXPECT_EQ(refusal(folder / "none.png").code, Errc::not_found);
    write_bytes(folder / "empty.png", {});
    EXPECT_EQ(refusal(folder / "empty.png").code, Errc::format);
    const std::string text = "This is a text.\nIt is not a picture at all, whatever its name says.\n";
    write_bytes(folder / "text.jpg", {text.begin(), text.end()});
    EXPECT_EQ(refusal(folder / "text.jpg").code, Errc::format);
    fs::create_directory(folder / "folder.png");
    EXPECT_EQ(refusal(folder / "folder.png").code, Errc::argument);
    EXPECT_NE(refusal(folder / "text.jpg").message.find("text.jpg"), std::string::npos);
}

TEST(picture_files, a_dark_16_bit_picture_stays_16_bit) {
    const Folder folder;
    Image image = pattern({17, 5}, format_of(SampleType::u16, 3));
    for (int y = 0; y < 5; ++y)
        for (int i = 0; i < 17 * 3; ++i) {
            const auto value = static_cast<std::uint16_t>(i % 200);  // all below 256
            std::memcpy(image.view().row(0, y) + 2 * i, &value, 2);
        }
    for (const char* name : {"dark.png", "dark.tif"}) {
        ASSERT_TRUE(save_picture(folder / name, view(image), nullptr, {}).ok());
        expect_same_pixels(view(load(folder / name)), view(image));
    }
}

TEST(picture_files, palettes_and_few_bits_expand_to_8_bit) {
    const Folder folder;
    Image image(Size{16, 16}, kRgb8);
    for (int y = 0; y < 16; ++y)
        for (int x = 0; x < 16; ++x) {
            const std::uint8_t colours[2][3] = {{255, 0, 0}, {0, 0, 255}};
            std::memcpy(image.view().row(0, y) + 3 * x, colours[(x + y) % 2], 3);
        }
    const auto vips = vips_copy_of(image);
    ASSERT_EQ(vips_pngsave(vips.get(), (folder / "palette.png").c_str(), "palette", TRUE, "bitdepth", 1, nullptr), 0) << vips_error_buffer();
    const Image back = load(folder / "palette.png");
    EXPECT_EQ(back.format().sample, SampleType::u8);
    ASSERT_GE(back.format().channels, 3);
    for (int x = 0; x < 4; ++x) EXPECT_EQ(std::memcmp(back.view().row(0, 0) + back.format().channels * x, image.view().row(0, 0) + 3 * x, 3), 0) << x;

    Image grey(Size{16, 16}, format_of(SampleType::u8, 1));
    for (int y = 0; y < 16; ++y)
        for (int x = 0; x < 16; ++x) grey.view().row(0, y)[x] = static_cast<std::byte>((x + y) % 2 ? 255 : 0);
    const auto one = vips_copy_of(grey);
    ASSERT_EQ(vips_pngsave(one.get(), (folder / "one.png").c_str(), "bitdepth", 1, nullptr), 0);
    expect_same_pixels(view(load(folder / "one.png")), view(grey));
    ASSERT_EQ(vips_tiffsave(one.get(), (folder / "one.tif").c_str(), "bitdepth", 1, nullptr), 0);
    expect_same_pixels(view(load(folder / "one.tif")), view(grey));
}

// Where the pixel of an upright picture of `size` is in a file of orientation `o`.
static std::pair<int, int> stored_at(int o, int x, int y, Size size) {
    const int w = size.width - 1, h = size.height - 1;
    switch (o) {
        case 2: return {w - x, y};
        case 3: return {w - x, h - y};
        case 4: return {x, h - y};
        case 5: return {y, x};
        case 6: return {y, w - x};
        case 7: return {h - y, w - x};
        case 8: return {h - y, x};
        default: return {x, y};
    }
}

TEST(picture_files, every_orientation_is_turned_upright_and_then_says_so) {
    const Folder folder;
    const Size size{7, 4};
    const Image upright = pattern(size, kRgb8);
    for (int o = 1; o <= 8; ++o) {
        const Size stored = o >= 5 ? Size{size.height, size.width} : size;
        Image image(stored, kRgb8);
        for (int y = 0; y < size.height; ++y)
            for (int x = 0; x < size.width; ++x) {
                const auto [sx, sy] = stored_at(o, x, y, size);
                std::memcpy(image.view().row(0, sy) + 3 * sx, view(upright).row(0, y) + 3 * x, 3);
            }
        const auto vips = vips_copy_of(image);
        vips_image_set_int(vips.get(), VIPS_META_ORIENTATION, o);
        const std::string path = folder / ("o" + std::to_string(o) + ".tif");
        ASSERT_EQ(vips_tiffsave(vips.get(), path.c_str(), nullptr), 0);
        auto picture = Picture::open(path);
        ASSERT_TRUE(picture.ok());
        EXPECT_EQ(picture->info().orientation, o);
        auto loaded = picture->load();
        ASSERT_TRUE(loaded.ok());
        expect_same_pixels(view(*loaded), view(upright));
        const std::string again = folder / ("again" + std::to_string(o) + ".tif");
        ASSERT_TRUE(save_picture(again, view(*loaded), &*picture, {}).ok());
        EXPECT_EQ(Picture::open(again)->info().orientation, 1);
        expect_same_pixels(view(load(again)), view(upright));
    }
}

TEST(picture_files, cmyk_becomes_srgb) {
    const Folder folder;
    const auto vips = vips_copy_of(smooth({32, 32}, kRgb8));
    VipsImage* cmyk = nullptr;
    ASSERT_EQ(vips_icc_transform(vips.get(), &cmyk, "cmyk", "input_profile", "srgb", nullptr), 0) << vips_error_buffer();
    for (const char* name : {"c.jpg", "c.tif"}) {
        ASSERT_EQ(vips_image_write_to_file(cmyk, (folder / name).c_str(), nullptr), 0);
        auto picture = Picture::open(folder / name);
        ASSERT_TRUE(picture.ok()) << picture.error().message;
        EXPECT_EQ(picture->info().colour, "CMYK");
        EXPECT_EQ(picture->info().format, kRgb8);
        auto loaded = picture->load();
        ASSERT_TRUE(loaded.ok());
        // Ink cannot show every colour; the picture is the same one all the same.
        const auto likeness = compare(view(*loaded), view(smooth({32, 32}, kRgb8)));
        EXPECT_GT(likeness->psnr_rgb, 15);
    }
    g_object_unref(cmyk);
}

TEST(picture_files, wide_gamut_keeps_its_numbers_and_its_profile) {
    const Folder folder;
    const Image image = pattern({20, 20}, kRgb8);
    const auto vips = vips_copy_of(image);
    const auto p3 = profile("p3");
    vips_image_set_blob_copy(vips.get(), VIPS_META_ICC_NAME, p3.data(), p3.size());
    ASSERT_EQ(vips_pngsave(vips.get(), (folder / "p3.png").c_str(), nullptr), 0);
    auto picture = Picture::open(folder / "p3.png");
    ASSERT_TRUE(picture.ok());
    EXPECT_NE(picture->info().profile.find("P3"), std::string::npos) << picture->info().profile;
    auto loaded = picture->load();
    expect_same_pixels(view(*loaded), view(image));
    for (const char* name : {"b.png", "b.jpg", "b.webp", "b.tif", "b.avif", "b.heic"}) {
        ASSERT_TRUE(save_picture(folder / name, view(*loaded), &*picture, {}).ok()) << name;
        const auto back = Picture::open(folder / name);
        ASSERT_TRUE(back.ok()) << back.error().message;
        EXPECT_NE(back->info().profile.find("P3"), std::string::npos) << name;
    }
}

TEST(picture_files, truncated_files_are_refused_unless_damage_is_allowed) {
    const Folder folder;
    const Image image = smooth({200, 200}, kRgb8);
    for (const char* name : {"a.jpg", "a.png", "a.webp", "a.tif", "a.avif", "a.heic", "a.jxl", "a.ppm"}) {
        const std::string path = folder / name;
        ASSERT_TRUE(save_picture(path, view(image), nullptr, {}).ok()) << name;
        auto bytes = bytes_of(path);
        bytes.resize(bytes.size() * 6 / 10);
        write_bytes(path, bytes);
        const Error error = refusal(path);
        EXPECT_EQ(error.code, Errc::format) << name << ": " << error.message;
        EXPECT_NE(error.message.find(path), std::string::npos) << error.message;
    }
    ReadOptions lenient;
    lenient.allow_damaged = true;
    for (const char* name : {"a.jpg", "a.png"}) EXPECT_EQ(load(folder / name, lenient).size(), (Size{200, 200})) << name;
}

TEST(picture_files, a_jpeg_with_broken_entropy_data_is_refused) {
    const Folder folder;
    ASSERT_TRUE(save_picture(folder / "a.jpg", view(pattern({128, 128}, kRgb8)), nullptr, {}).ok());
    auto bytes = bytes_of(folder / "a.jpg");
    for (std::size_t i = bytes.size() / 2; i < bytes.size() / 2 + 400; i += 3) bytes[i] = static_cast<char>(0x55);
    write_bytes(folder / "a.jpg", bytes);
    EXPECT_EQ(refusal(folder / "a.jpg").code, Errc::format);
}

TEST(picture_files, a_jpeg_with_harmless_extra_bytes_is_decoded_in_full) {
    const Folder folder;
    const Image image = smooth({64, 64}, kRgb8);
    ASSERT_TRUE(save_picture(folder / "a.jpg", view(image), nullptr, {}).ok());
    auto bytes = bytes_of(folder / "a.jpg");
    const Image plain = load(folder / "a.jpg");
    bytes.insert(bytes.end() - 2, 5, '\x11');  // before the end marker
    write_bytes(folder / "a.jpg", bytes);
    expect_same_pixels(view(load(folder / "a.jpg")), view(plain));
}

// A BMP file: `pixels` after a header of 40 bytes and a palette.
static std::string bmp(int width, int height, int bits, int compression, const std::string& palette, const std::string& pixels) {
    std::string file;
    const auto number = [&](std::int64_t value, int bytes) {
        for (int i = 0; i < bytes; ++i) file += static_cast<char>(value >> (8 * i) & 255);
    };
    const int start = 54 + static_cast<int>(palette.size());
    file = "BM";
    number(start + static_cast<int>(pixels.size()), 4), number(0, 4), number(start, 4);
    number(40, 4), number(width, 4), number(height, 4), number(1, 2), number(bits, 2), number(compression, 4);
    number(static_cast<int>(pixels.size()), 4), number(2835, 4), number(2835, 4), number(static_cast<int>(palette.size()) / 4, 4), number(0, 4);
    return file + palette + pixels;
}

TEST(picture_files, bmp_is_read_whichever_way_up_with_palette_and_run_lengths) {
    const Folder folder;
    const auto read = [&](const std::string& file) {
        write_bytes(folder / "a.bmp", {file.begin(), file.end()});
        auto picture = Picture::open(folder / "a.bmp");
        EXPECT_TRUE(picture.ok()) << picture.error().message;
        EXPECT_EQ(picture->info().file_format, PictureFormat::bmp);
        const Image image = load(folder / "a.bmp");
        EXPECT_EQ(image.format(), kRgb8);
        std::string samples;
        for (int y = 0; y < image.size().height; ++y) samples.append(reinterpret_cast<const char*>(view(image).row(0, y)), static_cast<std::size_t>(3 * image.size().width));
        return samples;
    };
    const std::string red("\xff\0\0", 3), blue("\0\0\xff", 3), dark("\1\2\3", 3), white("\xff\xff\xff", 3);
    const std::string expected = red + blue + dark + white;  // two rows of two
    const std::string first("\0\0\xff\xff\0\0\0\0", 8), second("\3\2\1\xff\xff\xff\0\0", 8);  // blue, green, red; padded
    EXPECT_EQ(read(bmp(2, 2, 24, 0, "", second + first)), expected);
    EXPECT_EQ(read(bmp(2, -2, 24, 0, "", first + second)), expected);
    const std::string palette("\0\0\xff\0\xff\0\0\0\3\2\1\0\xff\xff\xff\0", 16);
    EXPECT_EQ(read(bmp(2, 2, 8, 0, palette, std::string("\2\3\0\0\0\1\0\0", 8))), expected);
    EXPECT_EQ(read(bmp(2, 2, 4, 0, palette, std::string("\x23\0\0\0\x01\0\0\0", 8))), expected);
    EXPECT_EQ(read(bmp(2, 2, 8, 1, palette, std::string("\1\2\1\3\0\0\1\0\1\1\0\1", 12))), expected);
    // From memory as well, and damage is found.
    const std::string whole = bmp(2, 2, 24, 0, "", second + first);
    auto memory = Picture::read(std::as_bytes(std::span(whole)), "memory");
    ASSERT_TRUE(memory.ok()) << memory.error().message;
    expect_same_pixels(view(*memory->load()), view(load(folder / "a.bmp")));
    write_bytes(folder / "a.bmp", {whole.begin(), whole.end() - 5});
    EXPECT_EQ(refusal(folder / "a.bmp").code, Errc::format);
    ReadOptions little;
    little.memory_bytes = 1000;
    write_bytes(folder / "a.bmp", {});
    const std::string large = bmp(30, 30, 24, 0, "", std::string(30 * 92, '\x40'));
    write_bytes(folder / "a.bmp", {large.begin(), large.end()});
    EXPECT_EQ(refusal(folder / "a.bmp", little).code, Errc::limit);
    // What is forced on ImageMagick is the decoder: other content after the first letters is no way to another one.
    const std::string odd = "BM" + std::string(12, '\0') + std::string("\x28\0\0\0", 4) + "MSL <image/>";
    write_bytes(folder / "a.bmp", {odd.begin(), odd.end()});
    EXPECT_FALSE(refusal(folder / "a.bmp").message.empty());
    EXPECT_FALSE(Picture::read(std::as_bytes(std::span(odd)), "memory").ok());
}

TEST(picture_files, what_is_a_picture_but_not_read_is_named) {
    const Folder folder;
    for (const auto& [start, name] : {std::pair(std::string("\0\0\1\0\1\0", 6), "icon"), {std::string("8BPS\0\1"), "Photoshop"},
                                      {std::string("\0\0\0\x0cjP  \r\n\x87\n", 12), "JPEG 2000"}}) {
        write_bytes(folder / "a.png", {start.begin(), start.end()});
        const Error error = refusal(folder / "a.png");
        EXPECT_EQ(error.code, Errc::unsupported);
        EXPECT_NE(error.message.find(name), std::string::npos) << error.message;
    }
}

TEST(picture_files, premultiplied_alpha_of_tiff_becomes_straight) {
    const Folder folder;
    for (const SampleType sample : {SampleType::u8, SampleType::u16}) {
        Image image(Size{16, 16}, format_of(sample, 4));
        for (int y = 0; y < 16; ++y)
            for (int x = 0; x < 16; ++x) {
                const int values[] = {200, 60, 20, 15 + x * 16};
                for (int c = 0; c < 4; ++c) {
                    const auto wide = static_cast<std::uint16_t>(values[c] * 257);
                    if (sample == SampleType::u8) image.view().row(0, y)[4 * x + c] = static_cast<std::byte>(values[c]);
                    else std::memcpy(image.view().row(0, y) + 2 * (4 * x + c), &wide, 2);
                }
            }
        const auto vips = vips_copy_of(image);
        ASSERT_EQ(vips_tiffsave(vips.get(), (folder / "pre.tif").c_str(), "premultiply", TRUE, nullptr), 0) << vips_error_buffer();
        const Image back = load(folder / "pre.tif");
        ASSERT_EQ(back.format(), image.format());
        for (int x = 0; x < 16; ++x)
            for (int c = 0; c < 4; ++c)  // what 8 bits of a colour times alpha can keep
                EXPECT_NEAR(pictures::sample_at(view(back), view(back).row(0, 3), static_cast<std::size_t>(4 * x + c)),
                            pictures::sample_at(view(image), view(image).row(0, 3), static_cast<std::size_t>(4 * x + c)),
                            sample == SampleType::u16 || c == 3 ? 1e-3 : 1.0 / (15 + x * 16) + 1.01 / 255)
                    << x << " " << c;
    }
}

TEST(picture_files, animations_are_refused_and_say_what_they_are) {
    const Folder folder;
    const auto frames = vips_copy_of(pattern({16, 48}, kRgb8));
    vips_image_set_int(frames.get(), VIPS_META_PAGE_HEIGHT, 16);
    ASSERT_EQ(vips_gifsave(frames.get(), (folder / "a.gif").c_str(), nullptr), 0) << vips_error_buffer();
    ASSERT_EQ(vips_webpsave(frames.get(), (folder / "a.webp").c_str(), nullptr), 0) << vips_error_buffer();
    ASSERT_TRUE(save_picture(folder / "a.png", view(pattern({16, 16}, kRgb8)), nullptr, {}).ok());
    auto png = bytes_of(folder / "a.png");
    const std::string control("\0\0\0\x08" "acTL\0\0\0\x03\0\0\0\0\xce\xed\xba\xec", 20);
    png.insert(png.begin() + 33, control.begin(), control.end());
    write_bytes(folder / "a.png", png);
    for (const char* name : {"a.gif", "a.webp", "a.png"}) {
        const Error error = refusal(folder / name);
        EXPECT_EQ(error.code, Errc::unsupported) << name;
        EXPECT_NE(error.message.find("animated"), std::string::npos) << error.message;
        EXPECT_NE(error.message.find("video"), std::string::npos) << error.message;
    }
    const auto still = vips_copy_of(pattern({16, 16}, kRgb8));
    ASSERT_EQ(vips_gifsave(still.get(), (folder / "still.gif").c_str(), nullptr), 0);
    EXPECT_EQ(load(folder / "still.gif").size(), (Size{16, 16}));
}

TEST(picture_files, pages_of_a_tiff_can_be_chosen) {
    const Folder folder;
    const auto pages = vips_copy_of(pattern({8, 24}, kRgb8));
    vips_image_set_int(pages.get(), VIPS_META_PAGE_HEIGHT, 8);
    ASSERT_EQ(vips_tiffsave(pages.get(), (folder / "p.tif").c_str(), nullptr), 0);
    const auto first = Picture::open(folder / "p.tif");
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(first->info().size, (Size{8, 8}));
    EXPECT_EQ(first->info().pages, 3);
    ASSERT_EQ(first->notices().size(), 1U);
    EXPECT_NE(first->notices()[0].text.find("3 pages"), std::string::npos);
    ReadOptions third;
    third.page = 2;
    const Image page = load(folder / "p.tif", third);
    expect_same_pixels(view(page), view(pattern({8, 24}, kRgb8)).part({0, 16, 8, 8}));
    third.page = 3;
    EXPECT_EQ(refusal(folder / "p.tif", third).code, Errc::argument);
}

TEST(picture_files, decompression_bombs_are_refused_before_decoding) {
    const Folder folder;
    ASSERT_TRUE(save_picture(folder / "a.png", view(pattern({64, 64}, kRgb8)), nullptr, {}).ok());
    ReadOptions tight;
    tight.max_pixels = 64 * 63;
    const Error error = refusal(folder / "a.png", tight);
    EXPECT_EQ(error.code, Errc::limit);
    EXPECT_NE(error.message.find("64x64"), std::string::npos);
    // A format that is decoded whole must fit into memory.
    ASSERT_TRUE(save_picture(folder / "a.webp", view(pattern({64, 64}, kRgb8)), nullptr, {}).ok());
    ReadOptions little;
    little.memory_bytes = 4096;
    EXPECT_EQ(refusal(folder / "a.webp", little).code, Errc::limit);
    EXPECT_EQ(load(folder / "a.png", little).size(), (Size{64, 64}));
}

TEST(picture_files, can_be_read_from_memory) {
    const Folder folder;
    const Image image = pattern({31, 17}, kRgb8);
    for (const char* name : {"a.png", "a.tif", "a.ppm"}) {
        ASSERT_TRUE(save_picture(folder / name, view(image), nullptr, {}).ok());
        const auto bytes = bytes_of(folder / name);
        auto picture = Picture::read(std::as_bytes(std::span(bytes)), "memory");
        ASSERT_TRUE(picture.ok()) << picture.error().message;
        expect_same_pixels(view(*picture->load()), view(image));
    }
}

TEST(picture_files, pnm_samples_are_scaled_by_the_maximum_in_the_header) {
    const Folder folder;
    const auto put = [&](const std::string& text) { write_bytes(folder / "a.pnm", {text.begin(), text.end()}); };
    const auto sample = [&](int i) {
        const Image image = load(folder / "a.pnm");
        return pictures::sample_at(view(image), view(image).row(0, 0), static_cast<std::size_t>(i));
    };
    put(std::string("P5\n# a comment of 7 words, 255 of them\n2 1\n100\n") + "\x64\x32");
    EXPECT_FLOAT_EQ(sample(0), 1.0F);
    EXPECT_NEAR(sample(1), 0.5F, 0.003F);
    put(std::string("P5\n2 1\n1023\n\x03\xff\x02\x00", 16));
    EXPECT_FLOAT_EQ(sample(0), 1.0F);
    EXPECT_NEAR(sample(1), 512.0F / 1023, 1e-4F);
    put("P2 2 1 4 4 1\n");
    EXPECT_FLOAT_EQ(sample(0), 1.0F);
    EXPECT_NEAR(sample(1), 0.25F, 0.003F);
    put("P1\n4 1\n1 0 0 1\n");
    EXPECT_FLOAT_EQ(sample(0), 0.0F);
    EXPECT_FLOAT_EQ(sample(1), 1.0F);
}

TEST(picture_files, pfm_begins_with_the_bottom_row) {
    const Folder folder;
    std::string text = "Pf\n1 2\n-1.0\n";
    for (const float value : {0.25F, 2.5F}) text.append(reinterpret_cast<const char*>(&value), 4);
    write_bytes(folder / "a.pfm", {text.begin(), text.end()});
    const Image image = load(folder / "a.pfm");
    float top = 0;
    std::memcpy(&top, view(image).row(0, 0), 4);
    EXPECT_EQ(top, 2.5F);
}

TEST(picture_files, reading_stops_when_it_is_told_to) {
    const Folder folder;
    ASSERT_TRUE(save_picture(folder / "a.png", view(pattern({8, 64}, kRgb8)), nullptr, {}).ok());
    ReadOptions options;
    options.cancel = Cancellation::create();
    auto picture = Picture::open(folder / "a.png", options);
    ASSERT_TRUE(picture.ok());
    Image rows({8, 32}, kRgb8);
    EXPECT_TRUE(picture->rows().read(rows.view()).ok());
    options.cancel.cancel();
    const auto stopped = picture->rows().read(rows.view());
    ASSERT_FALSE(stopped.ok());
    EXPECT_EQ(stopped.error().code, Errc::cancelled);
}

// Of what is decoded whole the first row is read aside, where somebody may want to stop it.
TEST(picture_files, what_may_be_stopped_is_read_as_what_may_not) {
    const Folder folder;
    ASSERT_TRUE(pictures::start_vips().ok());
    const Image image = smooth({200, 150}, kRgb8);
    for (const char* name : {"a.webp", "a.avif", "a.jxl", "a.tif"})
        ASSERT_TRUE(save_picture(folder / name, view(image), nullptr, {}).ok());
    ASSERT_EQ(vips_pngsave(vips_copy_of(image).get(), (folder / "a.png").c_str(), "interlace", TRUE, nullptr), 0);
    ReadOptions options;
    options.cancel = Cancellation::create();
    for (const char* name : {"a.webp", "a.avif", "a.jxl", "a.tif", "a.png"}) {
        auto picture = Picture::open(folder / name, options);
        ASSERT_TRUE(picture.ok()) << name;
        const auto read = picture->load();
        ASSERT_TRUE(read.ok()) << read.error().message;
        expect_same_pixels(view(*read), view(load(folder / name)));
        std::vector<char> bytes = bytes_of(folder / name);
        bytes.resize(bytes.size() * 3 / 4);
        write_bytes(folder / name, bytes);
        const auto message = [&](const ReadOptions& with) {
            auto damaged = Picture::open(folder / name, with);
            if (!damaged) return damaged.error().message;
            const auto rows = damaged->load();
            return rows ? std::string() : rows.error().message;
        };
        EXPECT_NE(message({}), "") << name;
        EXPECT_EQ(message(options), message({})) << name;
    }
}
