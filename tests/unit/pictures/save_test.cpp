// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>

#include <cmath>
#include <csignal>

#include "fixtures.hpp"
#include "pictures/boxes.hpp"
#include "pictures/load.hpp"
#include "pictures/metadata.hpp"

using namespace fixtures;

TEST(picture_writer, lossless_formats_keep_every_bit) {
    const Folder folder;
    struct Case {
        const char* name;
        PixelFormat format;
        bool lossless = false;
    };
    std::vector<Case> cases;
    for (const int channels : {1, 2, 3, 4})
        for (const SampleType sample : {SampleType::u8, SampleType::u16}) {
            cases.push_back({"a.png", format_of(sample, channels)});
            cases.push_back({"a.tif", format_of(sample, channels)});
            if (channels % 2) cases.push_back({"a.ppm", format_of(sample, channels)});
        }
    for (const int channels : {1, 3, 4}) cases.push_back({"a.tif", format_of(SampleType::f32, channels)});
    for (const int channels : {1, 3}) cases.push_back({"a.pfm", format_of(SampleType::f32, channels)});
    for (const int channels : {3, 4}) cases.push_back({"a.webp", format_of(SampleType::u8, channels), true});
    for (const int channels : {1, 3, 4}) cases.push_back({"a.jxl", format_of(SampleType::u8, channels), true});
    cases.push_back({"a.jxl", format_of(SampleType::u16, 3), true});
    for (const Case& c : cases) {
        SCOPED_TRACE(std::string(c.name) + ", " + std::to_string(c.format.channels) + " channels, " + std::to_string(c.format.bits) + " bits");
        Image image = pattern({37, 23}, c.format);
        if (std::string(c.name) == "a.webp" && c.format.channels == 4)  // libwebp drops colour where nothing shows
            for (int y = 0; y < 23; ++y)
                for (int x = 0; x < 37; ++x) image.view().row(0, y)[4 * x + 3] |= std::byte{1};
        WriteOptions options;
        options.overwrite = true;
        options.lossless = c.lossless;
        const auto saved = save_picture(folder / c.name, view(image), nullptr, options);
        ASSERT_TRUE(saved.ok()) << saved.error().message;
        expect_same_pixels(view(load(folder / c.name)), view(image));
    }
}

TEST(picture_writer, more_than_8_bits_survive_avif_and_heic) {
    const Folder folder;
    for (const char* name : {"a.avif", "a.heic"}) {
        const int bits = format_info(*format_of_path(name)).max_bits;
        const PixelFormat format = format_of(SampleType::u16, 3, bits);
        const Image image = smooth({64, 64}, format);
        WriteOptions options;
        options.overwrite = true;
        options.quality = 95;
        ASSERT_TRUE(save_picture(folder / name, view(image), nullptr, options).ok());
        const auto picture = Picture::open(folder / name);
        ASSERT_TRUE(picture.ok());
        EXPECT_EQ(picture->info().format.bits, bits) << name;
        EXPECT_GT(compare(view(load(folder / name)), view(image))->psnr_rgb, 40);
    }
}

TEST(picture_writer, lossy_formats_stay_near) {
    const Folder folder;
    for (const char* name : {"a.jpg", "a.webp", "a.avif", "a.heic", "a.jxl"}) {
        const Image image = smooth({96, 64}, kRgb8);
        ASSERT_TRUE(save_picture(folder / name, view(image), nullptr, {}).ok()) << name;
        EXPECT_GT(compare(view(load(folder / name)), view(image))->psnr_rgb, 35) << name;
    }
}

TEST(picture_writer, grey_stays_grey_where_the_format_can) {
    const Folder folder;
    const Image image = pattern({32, 32}, format_of(SampleType::u8, 1));
    for (const char* name : {"g.jpg", "g.png", "g.tif", "g.ppm", "g.jxl"}) {
        ASSERT_TRUE(save_picture(folder / name, view(image), nullptr, {}).ok()) << name;
        EXPECT_EQ(Picture::open(folder / name)->info().format.channels, 1) << name;
    }
}

TEST(picture_writer, a_grey_profile_never_reaches_a_format_that_knows_rgb_only) {
    const Folder folder;
    const Image image = smooth({32, 32}, format_of(SampleType::u8, 1));
    // A grey profile of gamma 1: its numbers are light, and mid-grey is brighter than in sRGB.
    std::string icc(128 + 4 + 3 * 12, '\0');
    const auto put = [&](std::size_t at, std::uint32_t value) {
        for (std::size_t i = 0; i < 4; ++i) icc[at + i] = static_cast<char>(value >> (24 - 8 * i));
    };
    const auto tag = [&](std::size_t index, const char* name, const std::string& data) {
        std::memcpy(icc.data() + 132 + 12 * index, name, 4);
        put(136 + 12 * index, static_cast<std::uint32_t>(icc.size())), put(140 + 12 * index, static_cast<std::uint32_t>(data.size()));
        icc += data;
    };
    put(8, 0x02400000), std::memcpy(icc.data() + 12, "mntrGRAYXYZ ", 12), std::memcpy(icc.data() + 36, "acsp", 4);
    put(68, 0xf6d6), put(72, 0x10000), put(76, 0xd32d), put(128, 3);
    const std::string white("\0\0\xf6\xd6\0\1\0\0\0\0\xd3\x2d", 12);
    tag(0, "wtpt", std::string("XYZ \0\0\0\0", 8) + white);
    tag(1, "kTRC", std::string("curv\0\0\0\0\0\0\0\1\1\0\0\0", 16));
    tag(2, "desc", std::string("desc\0\0\0\0\0\0\0\5grey", 16) + std::string(80, '\0'));
    put(0, static_cast<std::uint32_t>(icc.size()));
    const auto vips = vips_copy_of(image);
    vips_image_set_blob_copy(vips.get(), VIPS_META_ICC_NAME, icc.data(), icc.size());
    ASSERT_EQ(vips_tiffsave(vips.get(), (folder / "grey.tif").c_str(), nullptr), 0) << vips_error_buffer();
    auto source = Picture::open(folder / "grey.tif");
    ASSERT_TRUE(source.ok() && source->info().icc) << source.error().message;
    const Image loaded = std::move(source->load()).value();
    for (const char* name : {"g.webp", "g.avif", "g.heic"}) {
        ASSERT_TRUE(save_picture(folder / name, view(loaded), &*source, {}).ok()) << name;
        const auto back = Picture::open(folder / name);
        ASSERT_TRUE(back.ok()) << back.error().message;
        EXPECT_EQ(back->info().profile.find("grey"), std::string::npos) << name;
        // Linear 128 is 188 in sRGB.
        const Image pixels = load(folder / name);
        const auto middle = static_cast<int>(view(pixels).row(0, 8)[16 * pixels.format().channels]);
        EXPECT_NEAR(middle, 187, 4) << name;
    }
    // Where grey is known, profile and numbers stay.
    for (const char* name : {"g.png", "g.tif", "g.jpg"}) {
        ASSERT_TRUE(save_picture(folder / name, view(loaded), &*source, {}).ok()) << name;
        EXPECT_EQ(Picture::open(folder / name)->info().profile, "grey") << name;
        EXPECT_GT(compare(view(load(folder / name)), view(image))->psnr_rgb, 35) << name;
    }
}

TEST(picture_writer, size_limits_of_formats_are_known_before_work_begins) {
    const Folder folder;
    struct Case {
        const char* name;
        Size size;
        bool fits;
    };
    for (const Case& c : {Case{"a.webp", {16383, 10}, true}, {"a.webp", {16384, 10}, false}, {"a.jpg", {10, 65500}, true}, {"a.jpg", {10, 65501}, false},
                          {"a.avif", {16385, 10}, false}, {"a.png", {1000000, 10}, true}}) {
        const auto format = check_output(folder / c.name, c.size, kRgb8, {});
        EXPECT_EQ(format.ok(), c.fits) << c.name << " " << c.size.width << "x" << c.size.height;
        if (!format) { EXPECT_EQ(format.error().code, Errc::limit); }
    }
    // The limits are the formats' own: the largest that is allowed can be written.
    EXPECT_TRUE(save_picture(folder / "wide.webp", view(smooth({16383, 2}, kRgb8)), nullptr, {}).ok());
    EXPECT_TRUE(save_picture(folder / "wide.jpg", view(smooth({65500, 2}, kRgb8)), nullptr, {}).ok());
    EXPECT_TRUE(save_picture(folder / "wide.avif", view(smooth({16384, 2}, kRgb8)), nullptr, {}).ok());
}

TEST(picture_writer, transparency_is_never_lost_silently) {
    const Folder folder;
    const Image image = pattern({8, 8}, format_of(SampleType::u8, 4));
    for (const char* name : {"a.jpg", "a.ppm"}) {
        const auto saved = save_picture(folder / name, view(image), nullptr, {});
        ASSERT_FALSE(saved.ok()) << name;
        EXPECT_EQ(saved.error().code, Errc::unsupported);
        EXPECT_NE(saved.error().message.find("--background"), std::string::npos);
    }
    EXPECT_EQ(folder.files(), 0U);
}

TEST(picture_writer, an_existing_file_is_left_alone_unless_told_otherwise) {
    const Folder folder;
    const Image image = pattern({8, 8}, kRgb8);
    write_bytes(folder / "a.png", {'o', 'l', 'd'});
    const auto refused = save_picture(folder / "a.png", view(image), nullptr, {});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Errc::exists);
    EXPECT_EQ(bytes_of(folder / "a.png").size(), 3U);
    WriteOptions force;
    force.overwrite = true;
    ASSERT_TRUE(save_picture(folder / "a.png", view(image), nullptr, force).ok());
    expect_same_pixels(view(load(folder / "a.png")), view(image));
    EXPECT_EQ(folder.files(), 1U);
}

TEST(picture_writer, nothing_remains_of_a_picture_that_was_not_finished) {
    const Folder folder;
    const Image image = pattern({64, 64}, kRgb8);
    for (const char* name : {"a.png", "a.jpg", "a.webp", "a.tif", "a.avif", "a.ppm"}) {
        {
            auto writer = PictureWriter::create(folder / name, {64, 64}, kRgb8, nullptr, {});
            ASSERT_TRUE(writer.ok());
            ASSERT_TRUE(writer->write(view(image).part({0, 0, 64, 40})).ok());
        }
        EXPECT_EQ(folder.files(), 0U) << name;
    }
}

TEST(picture_writer, one_that_is_stopped_leaves_the_old_file) {
    const Image image = pattern({64, 64}, kRgb8);
    for (const char* name : {"a.png", "a.jpg", "a.webp", "a.tif", "a.avif", "a.jxl", "a.ppm"})
        for (const bool before_the_last_row : {true, false}) {
            const Folder folder;
            write_bytes(folder / name, {'o', 'l', 'd'});
            WriteOptions options;
            options.overwrite = true;
            options.cancel = Cancellation::create();
            auto writer = PictureWriter::create(folder / name, {64, 64}, kRgb8, nullptr, options);
            ASSERT_TRUE(writer.ok());
            ASSERT_TRUE(writer->write(view(image).part({0, 0, 64, 40})).ok());
            if (before_the_last_row) options.cancel.cancel();
            auto outcome = writer->write(view(image).part({0, 40, 64, 24}));
            ASSERT_EQ(outcome.ok(), !before_the_last_row) << name;
            if (outcome.ok()) {
                options.cancel.cancel();
                outcome = writer->finish();
            }
            ASSERT_FALSE(outcome.ok()) << name;
            EXPECT_EQ(outcome.error().code, Errc::cancelled) << name;
            EXPECT_EQ(outcome.error().message, "stopped by the caller") << name;
            { const auto gone = std::move(*writer); }
            EXPECT_EQ(bytes_of(folder / name), (std::vector<char>{'o', 'l', 'd'})) << name;
            EXPECT_EQ(folder.files(), 1U) << name;
        }
}

TEST(picture_writer, the_file_has_no_name_until_it_is_finished) {
    const Folder folder;
    const Image image = pattern({64, 64}, kRgb8);
    auto writer = PictureWriter::create(folder / "a.png", {64, 64}, kRgb8, nullptr, {});
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->write(view(image)).ok());
    EXPECT_FALSE(fs::exists(folder / "a.png"));
    // Somebody else was faster: their file stays.
    write_bytes(folder / "a.png", {'x'});
    const auto finished = writer->finish();
    ASSERT_FALSE(finished.ok());
    EXPECT_EQ(finished.error().code, Errc::exists);
    EXPECT_EQ(bytes_of(folder / "a.png").size(), 1U);
}

TEST(picture_writer, a_full_disk_is_said_to_be_full) {
    if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
    WriteOptions options;
    options.format = PictureFormat::png;
    const auto saved = save_picture("/dev/full", view(pattern({64, 64}, kRgb8)), nullptr, options);
    ASSERT_FALSE(saved.ok());
    EXPECT_EQ(saved.error().code, Errc::io);
    EXPECT_NE(saved.error().message.find("no space left"), std::string::npos) << saved.error().message;
}

TEST(picture_writer, a_limit_on_file_size_leaves_nothing_behind) {
    const Folder folder;
    struct rlimit before = {}, small = {};
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 20000;
    std::signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    Image noise({256, 256}, kRgb8);
    std::uint32_t state = 1;
    for (int y = 0; y < 256; ++y)
        for (int i = 0; i < 768; ++i) noise.view().row(0, y)[i] = static_cast<std::byte>((state = state * 1664525U + 1013904223U) >> 24);
    std::vector<Result<void>> results;
    for (const char* name : {"a.png", "a.tif", "a.ppm", "a.jpg", "a.jxl"}) {
        WriteOptions options;
        options.quality = std::string(name) == "a.jpg" ? 100 : 0;
        options.lossless = std::string(name) == "a.jxl";
        results.push_back(save_picture(folder / name, view(noise), nullptr, options));
    }
    setrlimit(RLIMIT_FSIZE, &before);
    for (const auto& result : results) {
        ASSERT_FALSE(result.ok());
        EXPECT_EQ(result.error().code, Errc::io) << result.error().message;
        EXPECT_NE(result.error().message.find("would be larger"), std::string::npos) << result.error().message;
    }
    EXPECT_EQ(folder.files(), 0U);
}

TEST(picture_writer, a_missing_folder_is_found_out_before_work_begins) {
    const Folder folder;
    const auto format = check_output(folder / "none/a.png", {8, 8}, kRgb8, {});
    ASSERT_FALSE(format.ok());
    EXPECT_EQ(format.error().code, Errc::not_found);
}

// A JPEG as a camera writes it: EXIF with orientation, sizes and thumbnail, XMP, IPTC, ICC.
static void write_camera_jpeg(const std::string& path) {
    const auto vips = vips_copy_of(smooth({40, 24}, kRgb8));
    VipsImage* image = vips.get();
    vips_image_set_int(image, VIPS_META_ORIENTATION, 6);
    vips_image_set_string(image, "exif-ifd0-Copyright", "Jane Doe (Jane Doe, ASCII, 9 components, 9 bytes)");
    vips_image_set_string(image, "exif-ifd0-Make", "Acme (Acme, ASCII, 5 components, 5 bytes)");
    vips_image_set_string(image, "exif-ifd2-FNumber", "28/10 (f/2.8, Rational, 1 components, 8 bytes)");
    vips_image_set_string(image, "exif-ifd3-GPSLatitude", "51/1 30/1 0/1 (51, 30, 0, Rational, 3 components, 24 bytes)");
    const std::string xmp = "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description rdf:about=\"\" "
                            "xmlns:tiff=\"http://ns.adobe.com/tiff/1.0/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" tiff:Orientation=\"6\"><dc:creator>Jane</dc:creator>"
                            "</rdf:Description></rdf:RDF></x:xmpmeta>";
    vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, xmp.data(), xmp.size());
    const std::string records("\x1c\x02\x50\x00\x04" "Jane", 9);
    const auto iptc = pictures::iptc_for_jpeg(std::as_bytes(std::span(records)));
    vips_image_set_blob_copy(image, VIPS_META_IPTC_NAME, iptc.data(), iptc.size());
    const auto p3 = profile("p3");
    vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, p3.data(), p3.size());
    image->Xres = image->Yres = 300 / 25.4;
    ASSERT_EQ(vips_jpegsave(image, path.c_str(), nullptr), 0) << vips_error_buffer();
}

static std::string text_of(VipsImage* image, const char* name) {
    const char* text = nullptr;
    if (!vips_image_get_typeof(image, name) || vips_image_get_string(image, name, &text) != 0) return "(none)";
    return text;
}

TEST(picture_metadata, goes_along_and_is_corrected) {
    const Folder folder;
    write_camera_jpeg(folder / "camera.jpg");
    auto picture = Picture::open(folder / "camera.jpg");
    ASSERT_TRUE(picture.ok());
    EXPECT_EQ(picture->info().orientation, 6);
    EXPECT_EQ(picture->info().size, (Size{24, 40}));
    EXPECT_NEAR(picture->info().dpi, 300, 1);
    const Image big = smooth({96, 160}, kRgb8);
    for (const char* name : {"a.jpg", "a.png", "a.webp", "a.tif", "a.avif", "a.heic", "a.jxl"}) {
        SCOPED_TRACE(name);
        WriteOptions options;
        options.provenance_model = "test-x4";
        const auto saved = save_picture(folder / name, view(big), &*picture, options);
        ASSERT_TRUE(saved.ok()) << saved.error().message;
        // Read back through Picture, which knows the blocks that libvips does not (JPEG XL, EXIF in TIFF).
        auto back = Picture::open(folder / name);
        ASSERT_TRUE(back.ok()) << back.error().message;
        EXPECT_EQ(back->info().orientation, 1);
        EXPECT_EQ(back->info().size, (Size{96, 160}));
        EXPECT_TRUE(back->info().exif);
        EXPECT_TRUE(back->info().xmp);
        if (std::string(name) != "a.jxl") { EXPECT_NE(back->info().profile.find("P3"), std::string::npos); }
        if (std::string(name) == "a.jpg" || std::string(name) == "a.tif") { EXPECT_TRUE(back->info().iptc); }
        if (std::string(name) == "a.jpg" || std::string(name) == "a.tif") {
            const auto block = pictures::iptc_for_tiff(pictures::blob(back->state().image.get(), VIPS_META_IPTC_NAME));
            ASSERT_GE(block.size(), 9U);
            EXPECT_EQ(std::memcmp(block.data(), "\x1c\x02\x50\x00\x04" "Jane", 9), 0);
        }
        // Every EXIF block is moved to a JPEG, where libvips shows its parts.
        WriteOptions plain;
        plain.overwrite = true;
        ASSERT_TRUE(save_picture(folder / "probe.jpg", view(big), &*back, plain).ok());
        VipsImage* probe = vips_image_new_from_file((folder / "probe.jpg").c_str(), nullptr);
        ASSERT_NE(probe, nullptr);
        EXPECT_EQ(text_of(probe, "exif-ifd0-Copyright").substr(0, 8), "Jane Doe");
        EXPECT_EQ(text_of(probe, "exif-ifd0-Make").substr(0, 4), "Acme");
        EXPECT_EQ(text_of(probe, "exif-ifd2-FNumber").substr(0, 5), "28/10");
        EXPECT_EQ(text_of(probe, "exif-ifd3-GPSLatitude").substr(0, 9), "51/1 30/1");
        EXPECT_EQ(text_of(probe, "exif-ifd2-PixelXDimension").substr(0, 2), "96");
        EXPECT_EQ(text_of(probe, "exif-ifd2-PixelYDimension").substr(0, 3), "160");
        const auto block = pictures::blob(probe, VIPS_META_XMP_NAME);
        const std::string xmp(reinterpret_cast<const char*>(block.data()), block.size());
        EXPECT_NE(xmp.find("tiff:Orientation=\"1\""), std::string::npos) << xmp;
        EXPECT_NE(xmp.find("<dc:creator>Jane</dc:creator>"), std::string::npos);
        EXPECT_NE(xmp.find("digitalsourcetype/algorithmicallyEnhanced"), std::string::npos);
        EXPECT_NE(xmp.find("network test-x4"), std::string::npos);
        g_object_unref(probe);
    }
}

TEST(picture_metadata, the_thumbnail_of_the_small_picture_is_dropped) {
    const Folder folder;
    // libvips cannot make a thumbnail; a second directory is appended by hand to an EXIF block of its own.
    const unsigned char exif[] = {'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0,
                                  1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0, 26, 0, 0, 0,
                                  3, 0, 3, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 1, 2, 4, 0, 1, 0, 0, 0, 68, 0, 0, 0, 2, 2, 4, 0, 1, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0,
                                  0xff, 0xd8, 'T', 'H', 'U', 'M', 'B', 'N', 'A', 'I', 0xff, 0xd9};
    ASSERT_TRUE(save_picture(folder / "a.jpg", view(smooth({16, 16}, kRgb8)), nullptr, {}).ok());
    auto jpeg = bytes_of(folder / "a.jpg");
    std::string segment("\xff\xe1", 2);
    segment += static_cast<char>((sizeof exif + 2) >> 8);
    segment += static_cast<char>((sizeof exif + 2) & 0xff);
    segment.append(reinterpret_cast<const char*>(exif), sizeof exif);
    jpeg.insert(jpeg.begin() + 2, segment.begin(), segment.end());
    write_bytes(folder / "thumb.jpg", jpeg);
    auto picture = Picture::open(folder / "thumb.jpg");
    ASSERT_TRUE(picture.ok());
    ASSERT_TRUE(picture->info().exif);
    for (const char* name : {"b.jpg", "b.png", "b.webp", "b.tif", "b.avif"}) {
        ASSERT_TRUE(save_picture(folder / name, view(smooth({64, 64}, kRgb8)), &*picture, {}).ok());
        const auto bytes = bytes_of(folder / name);
        EXPECT_EQ(std::string(bytes.begin(), bytes.end()).find("THUMBNAI"), std::string::npos) << name;
    }
}

TEST(picture_metadata, xmp_is_merged_and_not_overwritten) {
    using pictures::updated_xmp;
    const std::string fresh = updated_xmp("", {8, 8}, "a<b&\"c");
    EXPECT_NE(fresh.find("algorithmicallyEnhanced"), std::string::npos);
    EXPECT_NE(fresh.find("network a&lt;b&amp;&quot;c"), std::string::npos);
    EXPECT_EQ(updated_xmp("", {8, 8}, ""), "");

    const auto packet = [](const std::string& inside) {
        return "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description rdf:about=\"uuid:1\">" + inside +
               "</rdf:Description></rdf:RDF></x:xmpmeta>";
    };
    const auto count = [](const std::string& text, const std::string& part) {
        int n = 0;
        for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
        return n;
    };
    const std::string captured = updated_xmp(
        packet("<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture</Iptc4xmpExt:DigitalSourceType><a:b>kept</a:b>"), {8, 8}, "m");
    EXPECT_EQ(count(captured, "<Iptc4xmpExt:DigitalSourceType>"), 1);
    EXPECT_NE(captured.find("algorithmicallyEnhanced"), std::string::npos);
    EXPECT_NE(captured.find("<a:b>kept</a:b>"), std::string::npos);
    EXPECT_EQ(count(captured, "rdf:about=\"uuid:1\""), 2);
    // What a network drew stays declared as such.
    const std::string drawn =
        updated_xmp(packet("<Iptc4xmpExt:DigitalSourceType rdf:resource=\"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia\"/>"), {8, 8}, "m");
    EXPECT_NE(drawn.find("trainedAlgorithmicMedia"), std::string::npos);
    EXPECT_EQ(drawn.find("algorithmicallyEnhanced"), std::string::npos);
    EXPECT_NE(drawn.find("network m"), std::string::npos);
    // Twice is once; another network is added.
    const std::string once = updated_xmp(packet("<a:b>kept</a:b>"), {8, 8}, "m"), twice = updated_xmp(once, {8, 8}, "m");
    EXPECT_EQ(count(twice, "network m"), 1);
    EXPECT_EQ(count(updated_xmp(once, {8, 8}, "n"), "network"), 2);
    const std::string sizes = updated_xmp(packet("<tiff:Orientation>8</tiff:Orientation><exif:PixelXDimension>2</exif:PixelXDimension><xmp:Thumbnails><rdf:Alt>x</rdf:Alt></xmp:Thumbnails>"), {80, 60}, "");
    EXPECT_NE(sizes.find("<tiff:Orientation>1</tiff:Orientation>"), std::string::npos);
    EXPECT_NE(sizes.find("<exif:PixelXDimension>80</exif:PixelXDimension>"), std::string::npos);
    EXPECT_EQ(sizes.find("Thumbnails"), std::string::npos);
    EXPECT_EQ(updated_xmp("<broken", {8, 8}, "m"), "<broken");
}

TEST(picture_metadata, places_in_the_picture_move_along_or_go) {
    using pictures::Bytes, pictures::updated_xmp;
    const std::string regions =
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">"
        "<rdf:Description rdf:about=\"\" xmlns:mwg-rs=\"http://www.metadataworkinggroup.com/schemas/regions/\" "
        "xmlns:stDim=\"http://ns.adobe.com/xap/1.0/sType/Dimensions#\" xmlns:d=\"http://ns.adobe.com/xap/1.0/sType/Dimensions#\">"
        "<mwg-rs:Regions rdf:parseType=\"Resource\"><mwg-rs:AppliedToDimensions stDim:w=\"32\" stDim:h=\"24\" stDim:unit=\"pixel\"/>"
        "<mwg-rs:AppliedToDimensions rdf:parseType=\"Resource\"><d:w>32</d:w><d:h>24</d:h></mwg-rs:AppliedToDimensions>"
        "<mwg-rs:RegionList>face</mwg-rs:RegionList></mwg-rs:Regions><a:size stDim:w=\"32\"/></rdf:Description></rdf:RDF></x:xmpmeta>";
    const std::string larger = updated_xmp(regions, {128, 96}, "");
    EXPECT_NE(larger.find("stDim:w=\"128\" stDim:h=\"96\" stDim:unit=\"pixel\""), std::string::npos) << larger;
    EXPECT_NE(larger.find("<d:w>128</d:w><d:h>96</d:h>"), std::string::npos) << larger;
    EXPECT_NE(larger.find("<a:size stDim:w=\"32\"/>"), std::string::npos) << larger;
    const std::string turned = updated_xmp(regions, {96, 128}, "", "", true);
    EXPECT_EQ(turned.find("face"), std::string::npos) << turned;
    EXPECT_NE(turned.find("a:size"), std::string::npos) << turned;

    // TIFF structure with an EXIF directory: SubjectArea (4 SHORTs at the end), then SubjectLocation (2, in place).
    const auto exif_of = [](std::uint16_t x) {
        Bytes out;
        const auto put = [&](std::uint64_t value, int n) {
            for (int i = 0; i < n; ++i) out.push_back(static_cast<std::byte>(value >> 8 * i));
        };
        const auto entry = [&](std::uint16_t tag, std::uint16_t type, std::uint32_t count, std::uint32_t value) {
            put(tag, 2), put(type, 2), put(count, 4), put(value, 4);
        };
        put(0x4949, 2), put(42, 2), put(8, 4);
        put(1, 2), entry(0x8769, 4, 1, 26), put(0, 4);
        put(3, 2), entry(0x9214, 3, 4, 68), entry(0xa214, 3, 2, 3 | 5 << 16), entry(0xa403, 3, 1, 1), put(0, 4);
        put(x, 2), put(6, 2), put(4, 2), put(2, 2);
        return out;
    };
    const auto number = [](const Bytes& bytes, std::size_t at) {
        return static_cast<int>(bytes[at]) | static_cast<int>(bytes[at + 1]) << 8;
    };
    Bytes exif = exif_of(10);
    EXPECT_FALSE(pictures::update_exif(exif, {{32, 24}, {128, 72}, false}));
    EXPECT_EQ(number(exif, 68), 40);
    EXPECT_EQ(number(exif, 70), 18);
    EXPECT_EQ(number(exif, 72), 16);
    EXPECT_EQ(number(exif, 74), 6);
    EXPECT_EQ(number(exif, 48), 12);
    EXPECT_EQ(number(exif, 50), 15);
    exif = exif_of(10);
    EXPECT_TRUE(pictures::update_exif(exif, {{24, 32}, {96, 128}, true}));
    EXPECT_EQ(number(exif, 26), 1);
    EXPECT_EQ(number(exif, 28), 0xa403);
    EXPECT_EQ(number(exif, 36), 1);
    exif = exif_of(60000);  // beyond what a SHORT holds
    EXPECT_TRUE(pictures::update_exif(exif, {{64000, 24}, {128000, 48}, false}));
    EXPECT_EQ(number(exif, 26), 2);
    EXPECT_EQ(number(exif, 28), 0xa214);
}

TEST(picture_writer, a_large_picture_needs_little_memory) {
    const Folder folder;
    const int side = 9000;  // 243 MB of pixels
    const Image strip = smooth({side, 50}, kRgb8);
    const auto peak = [] {
        struct rusage usage = {};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss / 1024;  // MiB
    };
    auto writer = PictureWriter::create(folder / "big.jpg", {side, side}, kRgb8, nullptr, {});
    ASSERT_TRUE(writer.ok());
    const long before = peak();
    for (int y = 0; y < side; y += 50) ASSERT_TRUE(writer->write(view(strip)).ok());
    ASSERT_TRUE(writer->finish().ok());
    auto picture = Picture::open(folder / "big.jpg");
    ASSERT_TRUE(picture.ok());
    Image rows({side, 50}, kRgb8);
    for (int y = 0; y < side; y += 50) ASSERT_TRUE(picture->rows().read(rows.view()).ok());
    EXPECT_LT(peak() - before, 100) << "MiB more at the peak";
}

TEST(compare, measures_what_it_says) {
    Image a({32, 32}, kRgb8), b({32, 32}, kRgb8);
    for (int y = 0; y < 32; ++y)
        for (int i = 0; i < 96; ++i) a.view().row(0, y)[i] = std::byte{100}, b.view().row(0, y)[i] = std::byte{110};
    const auto same = compare(view(a), view(a));
    EXPECT_TRUE(std::isinf(same->psnr_rgb));
    EXPECT_DOUBLE_EQ(same->ssim, 1);
    EXPECT_EQ(same->largest, 0);
    const auto apart = compare(view(a), view(b));
    EXPECT_NEAR(apart->psnr_rgb, 20 * std::log10(255.0 / 10), 1e-4);
    EXPECT_NEAR(apart->psnr_y, 20 * std::log10(255.0 / (219.0 / 255 * 10)), 1e-3);
    const double ya = 16 + 219.0 * 100 / 255, yb = 16 + 219.0 * 110 / 255, c1 = 2.55 * 2.55;
    EXPECT_NEAR(apart->ssim, (2 * ya * yb + c1) / (ya * ya + yb * yb + c1), 1e-6);
    EXPECT_NEAR(apart->largest, 10, 1e-3);
    b.view().row(0, 7)[3 * 5 + 1] = std::byte{200};
    const auto spot = compare(view(a), view(b));
    EXPECT_NEAR(spot->largest, 100, 1e-3);
    EXPECT_EQ(spot->largest_x, 5);
    EXPECT_EQ(spot->largest_y, 7);
    EXPECT_FALSE(compare(view(a), view(b).part({0, 0, 31, 32})).ok());
    // 16 bit against 8 bit, grey against RGB: the same picture.
    Image deep({32, 32}, format_of(SampleType::u16, 1));
    for (int y = 0; y < 32; ++y)
        for (int x = 0; x < 32; ++x) {
            const std::uint16_t value = 100 * 257;
            std::memcpy(deep.view().row(0, y) + 2 * x, &value, 2);
        }
    EXPECT_LT(compare(view(a), view(deep))->largest, 1e-4);
}

TEST(compare, draws_both_pictures) {
    Image a({100, 20}, kRgb8), b({100, 20}, kRgb8);
    for (int y = 0; y < 20; ++y) std::memset(a.view().row(0, y), 10, 300), std::memset(b.view().row(0, y), 200, 300);
    const auto side = compare_picture(view(a), view(b), false);
    EXPECT_EQ(side->size(), (Size{202, 20}));
    EXPECT_EQ(side->view().row(0, 5)[0], std::byte{10});
    EXPECT_EQ(side->view().row(0, 5)[3 * 201], std::byte{200});
    const auto split = compare_picture(view(a), view(b), true);
    EXPECT_EQ(split->size(), (Size{100, 20}));
    EXPECT_EQ(split->view().row(0, 5)[0], std::byte{10});
    EXPECT_EQ(split->view().row(0, 5)[3 * 99], std::byte{200});
}

TEST(backgrounds, are_two_names_and_six_digits) {
    EXPECT_EQ(parse_background("white")->g, 255);
    EXPECT_EQ(parse_background("black")->r, 0);
    const auto orange = parse_background("#fF8001");
    ASSERT_TRUE(orange.ok());
    EXPECT_EQ(orange->r, 0xff);
    EXPECT_EQ(orange->g, 0x80);
    EXPECT_EQ(orange->b, 1);
    for (const char* text :
         {"", "#", "red", "#12345", "#1234567", "# 1 2 3", "#+1+2+3", "#-12345", "#0x1234", "112233"}) {
        const auto wrong = parse_background(text);
        ASSERT_FALSE(wrong.ok()) << text;
        EXPECT_EQ(wrong.error().code, Errc::argument);
        EXPECT_NE(wrong.error().message.find("white, black or #rrggbb"), std::string::npos);
    }
}

TEST(flatten, puts_a_colour_behind) {
    const Folder folder;
    Image image({2, 1}, format_of(SampleType::u8, 4));
    const std::uint8_t pixels[] = {200, 100, 0, 0, 200, 100, 0, 128};
    std::memcpy(image.view().row(0, 0), pixels, 8);
    ASSERT_TRUE(save_picture(folder / "a.png", view(image), nullptr, {}).ok());
    auto picture = Picture::open(folder / "a.png");
    const auto flat = flatten(picture->rows(), Background{0, 0, 255});
    Image out({2, 1}, flat->format());
    ASSERT_TRUE(flat->read(out.view()).ok());
    const std::uint8_t expected[] = {0, 0, 255, 100, 50, 127};
    EXPECT_EQ(std::memcmp(view(out).row(0, 0), expected, 6), 0);
}
