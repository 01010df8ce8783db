// SPDX-License-Identifier: Apache-2.0
// What goes from one picture file to another beside the pixels.
#include <zlib.h>

#include <algorithm>
#include <cmath>

#include "base/half.hpp"
#include "fixtures.hpp"
#include "pictures/boxes.hpp"
#include "pictures/load.hpp"
#include "pictures/metadata.hpp"
#include "pictures/rgb_rows.hpp"

using namespace fixtures;
using namespace std::string_literals;
using pictures::Blocks;
using pictures::Bytes;

namespace {

std::string be(std::uint64_t value, int bytes) {
    std::string text;
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xff);
    return text;
}
std::string le(std::uint64_t value, int bytes) {
    std::string text = be(value, bytes);
    std::reverse(text.begin(), text.end());
    return text;
}

std::string file(const std::string& path) {
    const auto bytes = bytes_of(path);
    return {bytes.begin(), bytes.end()};
}
void put(const std::string& path, const std::string& bytes) { write_bytes(path, {bytes.begin(), bytes.end()}); }

std::string chunk(const std::string& type, const std::string& content) {
    const std::string body = type + content;
    return be(content.size(), 4) + body +
           be(::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())), 4);
}
// The chunks of a PNG file: type and content. A wrong checksum fails the test.
std::vector<std::pair<std::string, std::string>> chunks(const std::string& png) {
    std::vector<std::pair<std::string, std::string>> all;
    for (std::size_t at = 8; at + 12 <= png.size();) {
        const std::size_t size = pictures::u32_be(std::as_bytes(std::span(png)), at);
        all.emplace_back(png.substr(at + 4, 4), png.substr(at + 8, size));
        EXPECT_EQ(png.substr(at, 12 + size), chunk(all.back().first, all.back().second)) << all.back().first;
        at += 12 + size;
    }
    return all;
}
// A PNG file of 8x8 pixels with further chunks after its header and after its pixels.
void write_png(const std::string& path, const std::string& before, const std::string& after = {}, int channels = 3) {
    ASSERT_TRUE(save_picture(path, view(smooth({8, 8}, format_of(SampleType::u8, channels))), nullptr, {}).ok());
    std::string png = file(path);
    png.insert(png.size() - 12, after);
    png.insert(33, before);
    put(path, png);
}

std::string segment(int marker, const std::string& content) {
    return "\xff"s + static_cast<char>(marker) + be(content.size() + 2, 2) + content;
}
void write_jpeg(const std::string& path, const std::string& segments, int channels = 3) {
    ASSERT_TRUE(save_picture(path, view(smooth({16, 16}, format_of(SampleType::u8, channels))), nullptr, {}).ok());
    std::string jpeg = file(path);
    jpeg.insert(2, segments);
    put(path, jpeg);
}

struct Tag {
    std::uint16_t tag, type;
    std::uint32_t count;
    std::string value;  // little-endian
};
// A directory with its values behind it, at `at` of a little-endian block.
std::string directory(std::size_t at, const std::vector<Tag>& tags, std::uint32_t next = 0) {
    std::string table = le(tags.size(), 2), values;
    const std::size_t behind = at + 2 + 12 * tags.size() + 4;
    for (const Tag& tag : tags) {
        table += le(tag.tag, 2) + le(tag.type, 2) + le(tag.count, 4);
        if (tag.value.size() <= 4)
            table += tag.value + std::string(4 - tag.value.size(), '\0');
        else
            table += le(behind + values.size(), 4), values += tag.value + std::string(tag.value.size() % 2, '\0');
    }
    return table + le(next, 4) + values;
}
// EXIF of a camera with tags that libexif does not know.
std::string camera_exif() {
    const std::vector<Tag> sub = {{0x9010, 2, 7, "+02:00\0"s}, {0xa002, 4, 1, le(16, 4)}, {0xfde8, 2, 8, "private\0"s}};
    std::vector<Tag> first = {{0x010f, 2, 5, "Acme\0"s},
                              {0x013c, 2, 9, "iWonder3\0"s},
                              {0x4746, 3, 1, le(4, 2)},
                              {0x8769, 4, 1, le(0, 4)},
                              {0xc614, 2, 8, "AcmeOne\0"s}};
    const std::size_t after = 8 + directory(8, first).size();
    first[3].value = le(after, 4);
    return "II*\0"s + le(8, 4) + directory(8, first) + directory(after, sub);
}

std::string xmp_packet(const std::string& inside, const std::string& more = {}) {
    return "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF "
           "xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description rdf:about=\"\"" +
           more + ">" + inside + "</rdf:Description></rdf:RDF></x:xmpmeta>";
}

// Enlarges, as far as metadata can know: opens `from`, saves its pixels as `to`. The notices of both.
std::string carry(const std::string& from, const std::string& to, WriteOptions options = {}) {
    options.overwrite = true;
    auto picture = Picture::open(from);
    EXPECT_TRUE(picture.ok()) << picture.error().message;
    auto image = picture->load();
    EXPECT_TRUE(image.ok()) << image.error().message;
    auto writer = PictureWriter::create(to, image->size(), image->format(), &*picture, options);
    EXPECT_TRUE(writer.ok()) << writer.error().message;
    std::string said;
    for (const Notice& notice : picture->notices()) said += notice.text + "\n";
    for (const Notice& notice : writer->notices()) said += notice.text + "\n";
    EXPECT_TRUE(writer->write(view(*image)).ok());
    const auto finished = writer->finish();
    EXPECT_TRUE(finished.ok()) << finished.error().message;
    return said;
}
Blocks blocks_of(const std::string& path) {
    auto picture = Picture::open(path);
    EXPECT_TRUE(picture.ok()) << picture.error().message;
    return picture ? picture->state().blocks : Blocks();
}
std::string text(const Bytes& bytes) { return pictures::text_of(bytes); }
bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST(picture_metadata, tags_that_nobody_knows_and_the_comment_reach_every_format) {
    const Folder folder;
    write_jpeg(folder / "a.jpg",
               segment(0xe1, "Exif\0\0"s + camera_exif()) + segment(0xfe, "a comment, K\xc3\xa4tzchen"));
    for (const char* name : {"b.jpg", "b.png", "b.webp", "b.tif", "b.avif", "b.heic", "b.jxl"}) {
        SCOPED_TRACE(name);
        EXPECT_EQ(carry(folder / "a.jpg", folder / name), "");
        const std::string exif = text(blocks_of(folder / name).exif);
        for (const char* value : {"Acme", "iWonder3", "AcmeOne", "+02:00", "private"})
            EXPECT_TRUE(holds(exif, value)) << value;
        EXPECT_TRUE(exif.starts_with("II*")) << exif.substr(0, 8);
        EXPECT_TRUE(holds(file(folder / name), "a comment, K\xc3\xa4tzchen"));
        // And on to a JPEG once more.
        carry(folder / name, folder / "c.jpg");
        EXPECT_TRUE(holds(text(blocks_of(folder / "c.jpg").exif), "iWonder3"));
    }
}

TEST(picture_metadata, png_has_one_exif_chunk_before_its_pixels_and_xmp_as_plain_text) {
    const Folder folder;
    write_jpeg(folder / "a.jpg", segment(0xe1, "Exif\0\0"s + camera_exif()) +
                                     segment(0xe1, "http://ns.adobe.com/xap/1.0/\0"s + xmp_packet("<a:b>kept</a:b>")));
    carry(folder / "a.jpg", folder / "b.png");
    int exif = 0, xmp = 0;
    bool pixels = false;
    for (const auto& [type, content] : chunks(file(folder / "b.png"))) {
        pixels = pixels || type == "IDAT";
        EXPECT_NE(type, "zTXt");
        if (type == "eXIf") {
            ++exif;
            EXPECT_FALSE(pixels);
            EXPECT_EQ(content.substr(0, 4), "II*\0"s);
        }
        if (type == "iTXt") {
            ++xmp;
            EXPECT_TRUE(content.starts_with("XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta"s)) << content.substr(0, 60);
            EXPECT_TRUE(holds(content, "<a:b>kept</a:b>"));
        }
    }
    EXPECT_EQ(exif, 1);
    EXPECT_EQ(xmp, 1);
}

TEST(picture_metadata, exif_of_webp_begins_with_the_tiff_header) {
    const Folder folder;
    write_jpeg(folder / "a.jpg", segment(0xe1, "Exif\0\0"s + camera_exif()) +
                                     segment(0xe1, "http://ns.adobe.com/xap/1.0/\0"s + xmp_packet("<a:b>kept</a:b>")));
    carry(folder / "a.jpg", folder / "b.webp");
    const std::string webp = file(folder / "b.webp");
    EXPECT_EQ(webp.substr(4, 4), le(webp.size() - 8, 4));
    const std::size_t at = webp.find("EXIF");
    ASSERT_NE(at, std::string::npos);
    EXPECT_EQ(webp.substr(at + 8, 4), "II*\0"s);
    EXPECT_TRUE(holds(text(blocks_of(folder / "b.webp").xmp), "<a:b>kept</a:b>"));
    // Without EXIF there is none, and nothing says so.
    ASSERT_TRUE(save_picture(folder / "c.webp", view(smooth({8, 8}, kRgb8)), nullptr, {}).ok());
    EXPECT_FALSE(holds(file(folder / "c.webp"), "EXIF"));
    EXPECT_EQ(load(folder / "c.webp").size(), (Size{8, 8}));
}

TEST(picture_metadata, texts_of_a_png_stay_what_they_are) {
    const Folder folder;
    std::string packed(200, '\0');
    uLongf size = packed.size();
    ASSERT_EQ(::compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                         reinterpret_cast<const Bytef*>("{\"nodes\": []}"), 13),
              Z_OK);
    packed.resize(size);
    const std::vector<std::pair<std::string, std::string>> texts = {
        {"tEXt", "parameters\0a cat\nSteps: 20"s},
        {"zTXt", "workflow\0\0"s + packed},
        {"iTXt", "Description\0\0\0de\0Beschreibung\0K\xc3\xa4tzchen \xe7\x8c\xab"s},
        {"tEXt", "Author\0J\xfcrgen"s}};
    write_png(folder / "a.png", chunk(texts[0].first, texts[0].second) + chunk(texts[1].first, texts[1].second),
              chunk(texts[2].first, texts[2].second) + chunk(texts[3].first, texts[3].second));
    EXPECT_EQ(carry(folder / "a.png", folder / "b.png"), "");
    std::vector<std::pair<std::string, std::string>> found;
    for (const auto& one : chunks(file(folder / "b.png")))
        if (one.first == "tEXt" || one.first == "zTXt" || one.first == "iTXt") found.push_back(one);
    EXPECT_EQ(found, texts);
    const std::string said = carry(folder / "a.png", folder / "b.jpg");
    EXPECT_TRUE(holds(said, "parameters, workflow, Description, Author")) << said;
}

// Large ones are written in strips by a writer of our own, small ones by libvips.
TEST(picture_metadata, a_large_jpeg_says_what_a_small_one_does) {
    const Folder folder;
    const std::vector<char> p3 = profile("p3");
    Bytes resources;
    pictures::append(resources, "records of a newsroom"s);
    write_jpeg(folder / "a.jpg",
               segment(0xe1, "Exif\0\0"s + camera_exif()) +
                   segment(0xe1, "http://ns.adobe.com/xap/1.0/\0"s + xmp_packet("<a:b xmlns:a=\"urn:a\">kept</a:b>")) +
                   segment(0xe2, "ICC_PROFILE\0\1\1"s + std::string(p3.begin(), p3.end())) +
                   segment(0xed, text(pictures::iptc_for_jpeg(resources))) + segment(0xfe, "a comment"));
    for (const Size size : {Size{32, 32}, Size{4200, 4001}}) {
        SCOPED_TRACE(size.width);
        auto picture = Picture::open(folder / "a.jpg");
        ASSERT_TRUE(picture.ok());
        const Image image = smooth(size, format_of(SampleType::u8, 3));
        WriteOptions options;
        options.overwrite = true;
        ASSERT_TRUE(save_picture(folder / "b.jpg", view(image), &*picture, options).ok());
        const auto back = Picture::open(folder / "b.jpg");
        ASSERT_TRUE(back.ok());
        EXPECT_EQ(back->info().size, size);
        EXPECT_EQ(back->info().profile, picture->info().profile);
        EXPECT_TRUE(back->info().iptc);
        const std::string jpeg = file(folder / "b.jpg").substr(0, 65536);
        for (const char* kept : {"iWonder3", "<a:b xmlns:a=\"urn:a\">kept</a:b>", "records of a newsroom", "a comment"})
            EXPECT_TRUE(holds(jpeg, kept)) << kept;
        EXPECT_EQ(holds(jpeg, segment(0xdd, be(2100, 2))), size.width == 4200);  // 32 rows between restart markers
    }
}

TEST(picture_metadata, extended_xmp_of_jpeg_is_joined_and_parted_again) {
    const Folder folder;
    const std::string large = "<rdf:Description rdf:about=\"\" xmlns:n=\"urn:n\"><n:note>" + std::string(150000, 'x') +
                              "the end</n:note></rdf:Description>";
    const std::string extended =
        "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">" +
        large + "</rdf:RDF></x:xmpmeta>";
    const std::string guid = "0123456789ABCDEF0123456789ABCDEF";
    const auto part = [&](std::size_t at, std::size_t size) {
        return segment(0xe1, "http://ns.adobe.com/xmp/extension/\0"s + guid + be(extended.size(), 4) + be(at, 4) +
                                 extended.substr(at, size));
    };
    const std::string main = segment(
        0xe1,
        "http://ns.adobe.com/xap/1.0/\0"s +
            xmp_packet("<a:b>kept</a:b>",
                       " xmlns:xmpNote=\"http://ns.adobe.com/xmp/note/\" xmpNote:HasExtendedXMP=\"" + guid + "\""));
    write_jpeg(folder / "a.jpg", main + part(65000, 65000) + part(0, 65000) + part(130000, 65000));  // in any order
    for (const char* name : {"b.jpg", "b.png", "b.webp", "b.tif", "b.avif", "b.jxl"}) {
        SCOPED_TRACE(name);
        EXPECT_EQ(carry(folder / "a.jpg", folder / name), "");
        const std::string xmp = text(blocks_of(folder / name).xmp);
        EXPECT_TRUE(holds(xmp, "<a:b>kept</a:b>"));
        EXPECT_TRUE(holds(xmp, "xxxthe end"));
        EXPECT_FALSE(holds(xmp, guid));
    }
    // A pointer without the parts it points to goes, and that is said.
    write_jpeg(folder / "c.jpg", main + part(0, 65000) + part(130000, 65000));
    EXPECT_TRUE(holds(carry(folder / "c.jpg", folder / "d.jpg"), "left out"));
    EXPECT_FALSE(holds(file(folder / "d.jpg"), "HasExtendedXMP"));
    EXPECT_TRUE(holds(file(folder / "d.jpg"), "<a:b>kept</a:b>"));
}

TEST(picture_metadata, gain_maps_and_films_that_are_gone_are_not_announced) {
    const Folder folder;
    const std::string directory =
        "<Container:Directory><rdf:Seq><rdf:li rdf:parseType=\"Resource\"><Container:Item Item:Semantic=\"GainMap\" "
        "Item:Length=\"612\"/></rdf:li></rdf:Seq></Container:Directory>";
    // Under other prefixes than usual, as is allowed.
    const std::string spaces =
        " xmlns:Container=\"http://ns.google.com/photos/1.0/container/\" "
        "xmlns:Item=\"http://ns.google.com/photos/1.0/container/item/\""
        " xmlns:hdr=\"http://ns.adobe.com/hdr-gain-map/1.0/\" hdr:Version=\"1.0\"";
    write_jpeg(folder / "gain.jpg",
               segment(0xe1, "http://ns.adobe.com/xap/1.0/\0"s + xmp_packet(directory + "<a:b>kept</a:b>", spaces)) +
                   segment(0xe2, "MPF\0II*\0"s));
    EXPECT_TRUE(holds(carry(folder / "gain.jpg", folder / "b.jpg"), "gain map"));
    write_jpeg(
        folder / "film.jpg",
        segment(0xe1,
                "http://ns.adobe.com/xap/1.0/\0"s +
                    xmp_packet("<a:b>kept</a:b>",
                               " xmlns:GCamera=\"http://ns.google.com/photos/1.0/camera/\" GCamera:MicroVideo=\"1\" "
                               "GCamera:MotionPhoto=\"1\" GCamera:SpecialTypeID=\"5\"")));
    EXPECT_TRUE(holds(carry(folder / "film.jpg", folder / "c.jpg"), "motion photo"));
    for (const char* name : {"b.jpg", "c.jpg"}) {
        const std::string jpeg = file(folder / name);
        for (const char* gone : {"GainMap", "hdr:Version", "MPF", "MicroVideo", "MotionPhoto"})
            EXPECT_FALSE(holds(jpeg, gone)) << gone;
        EXPECT_TRUE(holds(jpeg, "<a:b>kept</a:b>"));
    }
    EXPECT_TRUE(holds(file(folder / "c.jpg"), "SpecialTypeID"));
    write_jpeg(folder / "mpf.jpg", segment(0xe2, "MPF\0II*\0"s));
    EXPECT_TRUE(holds(carry(folder / "mpf.jpg", folder / "d.jpg"), "further pictures"));
}

TEST(picture_metadata, no_resolution_is_invented) {
    const Folder folder;
    write_png(folder / "none.png", "");
    write_png(folder / "some.png", chunk("pHYs", be(11811, 4) + be(11811, 4) + "\1"));
    for (const char* name : {"b.jpg", "b.png", "b.webp", "b.tif", "b.avif", "b.jxl"}) {
        carry(folder / "none.png", folder / name);
        EXPECT_EQ(Picture::open(folder / name)->info().dpi, 0) << name;
        EXPECT_EQ(blocks_of(folder / name).exif.size(), std::string(name) == "b.avif" ? 26U : 0U) << name;
        carry(folder / "some.png", folder / name);
        EXPECT_NEAR(Picture::open(folder / name)->info().dpi, 300, 1) << name;
    }
    const std::string jpeg = (carry(folder / "none.png", folder / "b.jpg"), file(folder / "b.jpg"));
    EXPECT_EQ(jpeg.substr(jpeg.find("JFIF") + 7, 5), "\0\0\1\0\1"s);
    carry(folder / "none.png", folder / "b.png");
    for (const auto& [type, content] : chunks(file(folder / "b.png"))) EXPECT_NE(type, "pHYs");
}

TEST(picture_metadata, what_a_png_says_of_its_samples_stays_where_it_is_true) {
    const Folder folder;
    const std::string shape = chunk("pHYs", be(2, 4) + be(1, 4) + "\0"s);
    const std::string bits = chunk("sBIT", "\5\6\5"s), back = chunk("bKGD", be(255, 2) + be(128, 2) + be(0, 2));
    write_png(folder / "a.png", bits + back + shape);
    EXPECT_EQ(carry(folder / "a.png", folder / "b.png"), "");
    for (const std::string& kept : {bits, back, shape}) EXPECT_TRUE(holds(file(folder / "b.png"), kept));
    const std::string said = carry(folder / "a.png", folder / "b.jpg");
    for (const char* lost : {"bKGD", "sBIT", "pHYs", "JPEG"}) EXPECT_TRUE(holds(said, lost)) << said;

    // A palette of 4 bits becomes RGB, its colours 16-bit numbers of 8 bits; grey of 2 bits becomes 8.
    const auto packed = [](const std::string& rows) {
        std::string out(100, '\0');
        uLongf size = out.size();
        EXPECT_EQ(::compress(reinterpret_cast<Bytef*>(out.data()), &size,
                             reinterpret_cast<const Bytef*>(rows.data()), rows.size()), Z_OK);
        return chunk("IDAT", out.substr(0, size)) + chunk("IEND", "");
    };
    const std::string sign = "\x89PNG\r\n\x1a\n";
    put(folder / "p.png", sign + chunk("IHDR", be(2, 4) + be(1, 4) + "\4\3\0\0\0"s) + chunk("sBIT", "\7\7\7"s) +
                              chunk("PLTE", "\1\2\3\x10\x20\x30"s) + chunk("bKGD", "\1"s) + packed("\0\x01"s));
    EXPECT_EQ(carry(folder / "p.png", folder / "q.png"), "");
    EXPECT_TRUE(holds(file(folder / "q.png"), chunk("bKGD", be(0x10, 2) + be(0x20, 2) + be(0x30, 2))));
    EXPECT_TRUE(holds(file(folder / "q.png"), chunk("sBIT", "\7\7\7"s)));
    put(folder / "g.png", sign + chunk("IHDR", be(2, 4) + be(1, 4) + "\2\0\0\0\0"s) + chunk("sBIT", "\1"s) +
                              chunk("bKGD", be(2, 2)) + packed("\0\x40"s));
    EXPECT_TRUE(holds(carry(folder / "g.png", folder / "h.png"), "sBIT"));
    EXPECT_TRUE(holds(file(folder / "h.png"), chunk("bKGD", be(170, 2))));
    EXPECT_FALSE(holds(file(folder / "h.png"), "sBIT"));
    // Numbers that cannot be are not repeated.
    put(folder / "w.png", sign + chunk("IHDR", be(2, 4) + be(1, 4) + "\4\3\0\0\0"s) + chunk("sBIT", "\x9\0\1"s) +
                              chunk("PLTE", "\1\2\3"s) + chunk("bKGD", "\7"s) + packed("\0\0"s));
    carry(folder / "w.png", folder / "x.png");
    EXPECT_FALSE(holds(file(folder / "x.png"), "bKGD") || holds(file(folder / "x.png"), "sBIT"));
}

TEST(picture_colours, a_damaged_profile_is_left_out_of_png_and_that_is_said) {
    const Folder folder;
    pictures::Signal signal;
    auto rgb = pictures::icc_of(signal, false);
    rgb[3] ^= std::byte{4};  // says it is longer or shorter than it is
    write_jpeg(folder / "a.jpg", segment(0xe2, "ICC_PROFILE\0\1\1"s + text(rgb)));
    EXPECT_TRUE(holds(carry(folder / "a.jpg", folder / "b.png"), "damaged"));
    EXPECT_FALSE(holds(file(folder / "b.png"), "iCCP"));
}

TEST(picture_metadata, the_thumbnail_goes_and_what_lies_around_it_stays_in_place) {
    // The first directory; the thumbnail's directory; the thumbnail; then the EXIF directory with a maker's note.
    const std::string thumb = "\xff\xd8THUMBNAIL\xff\xd9";
    std::vector<Tag> first = {{0x010f, 2, 5, "Acme\0"s}, {0x8769, 4, 1, le(0, 4)}};
    std::vector<Tag> second = {{0x0201, 4, 1, le(0, 4)}, {0x0202, 4, 1, le(thumb.size(), 4)}};
    const std::size_t at2 = 8 + directory(8, first).size(), at_thumb = at2 + directory(at2, second).size(),
                      at_sub = at_thumb + thumb.size();
    first[1].value = le(at_sub, 4), second[0].value = le(at_thumb, 4);
    const std::string sub = directory(at_sub, {{0x927c, 7, 12, "maker's note"}, {0xa002, 3, 1, le(16, 2)}});
    const std::string before =
        "II*\0"s + le(8, 4) + directory(8, first, static_cast<std::uint32_t>(at2)) + directory(at2, second) + thumb;
    Bytes exif;
    pictures::append(exif, before + sub);
    pictures::update_exif(exif, {{640, 480}, {640, 480}, false});
    ASSERT_EQ(exif.size(), before.size() + sub.size());
    EXPECT_FALSE(holds(text(exif), "THUMB"));
    EXPECT_EQ(text(exif).substr(0, 6), before.substr(0, 6));
    EXPECT_TRUE(holds(text(exif), "Acme"));
    EXPECT_EQ(text(exif).find("maker's note"), (before + sub).find("maker's note"));
    // Last in the block, it leaves no bytes at all; where it claims bytes of others, those stay.
    exif.clear();
    first[1] = {0x8825, 4, 1, le(at2, 4)};
    second[1].value = le(1000, 4), second[0].value = le(8, 4);
    pictures::append(exif, "II*\0"s + le(8, 4) + directory(8, first, static_cast<std::uint32_t>(at2)) +
                               directory(at2, second) + thumb);
    pictures::update_exif(exif, {{640, 480}, {640, 480}, false});
    EXPECT_TRUE(holds(text(exif), "Acme"));
    EXPECT_FALSE(holds(text(exif), "THUMB"));
    EXPECT_LE(exif.size(), at_thumb);
    // Photoshop has its own.
    const std::string resources = "Photoshop 3.0\0"s + "8BIM\x04\x0c\0\0"s + be(8, 4) + "THUMBNAI" +
                                  "8BIM\x04\x04\0\0"s + be(9, 4) + "\x1c\x02\x50\0\4Jane\0"s;
    const std::string kept = text(pictures::iptc_for_jpeg(std::as_bytes(std::span(resources))));
    EXPECT_FALSE(holds(kept, "THUMBNAI"));
    EXPECT_TRUE(holds(kept, "Jane"));
}

TEST(picture_metadata, values_that_share_bytes_take_no_more_than_the_file) {
    std::vector<Tag> tags;
    const std::size_t large = std::size_t{1} << 20;
    std::string tiff = "II*\0"s + le(8, 4) + le(4000, 2);
    for (unsigned i = 0; i < 4000; ++i) tiff += le(0xd000 + i % 0x1000, 2) + le(1, 2) + le(large, 4) + le(8, 4);
    tiff += le(0, 4) + std::string(large, 'x');
    const auto exif = pictures::read_tiff_exif(pictures::Input::memory(std::as_bytes(std::span(tiff))));
    EXPECT_LE(exif.size(), tiff.size() + 100);
    EXPECT_GE(exif.size(), large);
}

TEST(picture_metadata, xmp_of_any_kind_takes_time_in_proportion_to_its_length) {
    // None of these is well-formed or usual; each was cubic or worse when properties were looked for one by one.
    for (const char* part :
         {"<xmp:Thumbnails ", "<xmp:Thumbnails>", "<xmp:Thumbnails/>", " tiff:Orientation=", " tiff:Orientation='",
          "<tiff:Orientation>", "</tiff:Orientation>", "<Iptc4xmpExt:DigitalSourceType>", "<a><!--", "xmlns:a=\"",
          "<a b=\"", "<![CDATA[", "</rdf:RDF>", "<rdf:RDF>"}) {
        std::string xmp;
        while (xmp.size() < 1'000'000) xmp += part;
        (void)pictures::xmp_claims(xmp);
        EXPECT_LE(pictures::updated_xmp(xmp, {640, 480}, "m").size(), xmp.size() * 2 + 1000) << part;
        std::string inside = "<x><rdf:RDF>" + xmp + "</rdf:RDF></x>";
        EXPECT_LE(pictures::updated_xmp(inside, {640, 480}, "m").size(), inside.size() * 2 + 1000) << part;
    }
}

TEST(picture_colours, signalled_outside_a_profile_are_signalled_again) {
    const Folder folder;
    const std::string pq = "\x09\x10\0\1"s;
    write_png(folder / "pq.png", chunk("cICP", pq) + chunk("mDCV", std::string(24, '\7')));
    EXPECT_TRUE(holds(Picture::open(folder / "pq.png")->info().profile, "PQ"));
    carry(folder / "pq.png", folder / "b.png");
    const std::string png = file(folder / "b.png");
    EXPECT_TRUE(holds(png, chunk("cICP", pq)));
    EXPECT_TRUE(holds(png, chunk("mDCV", std::string(24, '\7'))));
    EXPECT_LT(png.find("cICP"), png.find("IDAT"));
    carry(folder / "pq.png", folder / "b.avif");
    const auto codes = blocks_of(folder / "b.avif").signal.codes;
    ASSERT_TRUE(codes.has_value());
    EXPECT_EQ(codes->primaries, 9);
    EXPECT_EQ(codes->transfer, 16);
    carry(folder / "b.avif", folder / "c.png");
    EXPECT_TRUE(holds(file(folder / "c.png"), chunk("cICP", pq)));
    for (const char* name : {"b.jpg", "b.webp", "b.tif", "b.heic", "b.jxl", "b.ppm"}) {
        auto picture = Picture::open(folder / "pq.png");
        const auto writer = PictureWriter::create(folder / name, {16, 16}, kRgb8, &*picture, {});
        ASSERT_FALSE(writer.ok()) << name;
        EXPECT_EQ(writer.error().code, Errc::unsupported);
        EXPECT_TRUE(holds(writer.error().message, "PQ")) << writer.error().message;
    }
    // What a profile can say, a profile says elsewhere.
    const std::string chroma = be(31270, 4) + be(32900, 4) + be(64000, 4) + be(33000, 4) + be(21000, 4) + be(71000, 4) +
                               be(15000, 4) + be(6000, 4);
    write_png(folder / "adobe.png", chunk("gAMA", be(45470, 4)) + chunk("cHRM", chroma));
    write_png(folder / "linear.png", chunk("gAMA", be(100000, 4)), "", 1);
    write_png(folder / "p3.png", chunk("cICP", "\x0c\x0d\0\1"s));
    write_png(folder / "srgb.png", chunk("sRGB", "\1"s));
    carry(folder / "adobe.png", folder / "b.png");
    EXPECT_TRUE(holds(file(folder / "b.png"), chunk("gAMA", be(45470, 4)) + chunk("cHRM", chroma)));
    carry(folder / "srgb.png", folder / "b.png");
    EXPECT_TRUE(holds(file(folder / "b.png"), chunk("sRGB", "\1"s)));
    for (const char* name : {"b.jpg", "b.webp", "b.tif", "b.avif", "b.heic"}) {
        SCOPED_TRACE(name);
        carry(folder / "adobe.png", folder / name);
        EXPECT_TRUE(holds(Picture::open(folder / name)->info().profile, "primaries of its own, gamma 2.20"));
        carry(folder / "p3.png", folder / name);
        EXPECT_TRUE(holds(Picture::open(folder / name)->info().profile, "Display P3"));
        carry(folder / "srgb.png", folder / name);
        EXPECT_FALSE(Picture::open(folder / name)->info().icc);
    }
    // Full range and the matrix are the file's own: code points of colours change no pixel.
    carry(folder / "p3.png", folder / "b.avif");
    write_png(folder / "plain.png", "");
    carry(folder / "plain.png", folder / "plain.avif");
    expect_same_pixels(view(load(folder / "b.avif")), view(load(folder / "plain.avif")));
    carry(folder / "linear.png", folder / "b.jpg");
    EXPECT_EQ(Picture::open(folder / "b.jpg")->info().profile, "gamma 1.00");
    carry(folder / "p3.png", folder / "b.avif");
    carry(folder / "b.avif", folder / "c.png");  // as code points, and as a profile for those who do not know them
    EXPECT_TRUE(holds(file(folder / "c.png"), chunk("cICP", "\x0c\x0d\0\1"s)));
    EXPECT_TRUE(Picture::open(folder / "c.png")->info().icc);
}

TEST(picture_colours, the_profile_made_of_a_signal_means_the_same) {
    pictures::Signal signal;
    signal.codes = pictures::Signal::Codes{12, 13};
    const auto icc = pictures::icc_of(signal, false);
    const auto known = profile("p3");
    Image results[2];
    for (int i = 0; i < 2; ++i) {
        const auto vips = vips_copy_of(pattern({32, 32}, kRgb8));
        if (i == 0)
            vips_image_set_blob_copy(vips.get(), VIPS_META_ICC_NAME, icc.data(), icc.size());
        else
            vips_image_set_blob_copy(vips.get(), VIPS_META_ICC_NAME, known.data(), known.size());
        VipsImage* srgb = nullptr;
        ASSERT_EQ(vips_icc_transform(vips.get(), &srgb, "srgb", "embedded", TRUE, "depth", 8, nullptr), 0)
            << vips_error_buffer();
        results[i] = Image({32, 32}, kRgb8);
        VipsRect area{0, 0, 32, 32};
        VipsRegion* region = vips_region_new(srgb);
        ASSERT_EQ(vips_region_prepare(region, &area), 0);
        for (int y = 0; y < 32; ++y) std::memcpy(results[i].view().row(0, y), VIPS_REGION_ADDR(region, 0, y), 96);
        g_object_unref(region);
        g_object_unref(srgb);
    }
    EXPECT_LE(compare(view(results[0]), view(results[1]))->largest, 2.01);
}

TEST(picture_colours, a_profile_for_other_pictures_is_left_out_and_that_is_said) {
    const Folder folder;
    pictures::Signal signal;
    const auto grey = pictures::icc_of(signal, true), rgb = pictures::icc_of(signal, false);
    const auto icc = [](const std::vector<std::byte>& profile) {
        return segment(0xe2, "ICC_PROFILE\0\1\1"s + text(profile));
    };
    write_jpeg(folder / "a.jpg", icc(grey));
    EXPECT_FALSE(Picture::open(folder / "a.jpg")->info().icc);
    EXPECT_TRUE(holds(carry(folder / "a.jpg", folder / "b.jpg"), "grey"));
    EXPECT_FALSE(holds(file(folder / "b.jpg"), "ICC_PROFILE"));
    write_jpeg(folder / "g.jpg", icc(rgb), 1);
    EXPECT_TRUE(holds(carry(folder / "g.jpg", folder / "c.jpg"), "RGB"));
    EXPECT_FALSE(holds(file(folder / "c.jpg"), "ICC_PROFILE"));
    write_jpeg(folder / "h.jpg", icc(grey), 1);
    EXPECT_EQ(carry(folder / "h.jpg", folder / "d.jpg"), "");
    EXPECT_TRUE(holds(file(folder / "d.jpg"), "ICC_PROFILE"));
}

TEST(picture_files, pnm_sides_may_have_seven_digits) {
    const Folder folder;
    put(folder / "a.pgm", "P5\n1000001 1\n255\n" + std::string(1000001, '\x40'));
    const Image image = load(folder / "a.pgm");
    EXPECT_EQ(view(image).row(0, 0)[5], std::byte{0x40});
    put(folder / "a.pgm", "P5\n#" + std::string(5000, '#') + "\n1 1\n127\n\x7f");
    EXPECT_EQ(view(load(folder / "a.pgm")).row(0, 0)[0], std::byte{0xff});
}

TEST(picture_files, half_and_double_floats_of_tiff_are_read) {
    const Folder folder;
    for (const bool big : {false, true})
        for (const int bits : {16, 64}) {
            SCOPED_TRACE(std::to_string(bits) + (big ? " MM" : " II"));
            const auto number = [&](std::uint64_t value, int bytes) {
                return big ? be(value, bytes) : le(value, bytes);
            };
            const float values[6] = {0.25F, 1.5F, -0.125F, 0.5F, 0.75F, 1.0F};
            std::string pixels;
            for (const float value : values) {
                std::uint64_t code = 0;
                if (bits == 16)
                    code = float_to_half(value);
                else {
                    const double wide = value;
                    std::memcpy(&code, &wide, 8);
                }
                pixels += number(code, bits / 8);
            }
            const std::size_t at = 8 + pixels.size() + 12;
            std::string tiff = (big ? "MM\0*"s : "II*\0"s) + number(at, 4) + pixels + number(bits, 2) +
                               number(bits, 2) + number(bits, 2) + number(3, 2) + number(3, 2) + number(3, 2);
            std::string entries;
            int count = 0;
            const auto entry = [&](int tag, int type, std::uint64_t n, std::uint64_t value) {
                entries += number(tag, 2) + number(type, 2) + number(n, 4) +
                           (type == 3 && n == 1 ? number(value, 2) + std::string(2, '\0') : number(value, 4));
                ++count;
            };
            entry(256, 3, 1, 2), entry(257, 3, 1, 1), entry(258, 3, 3, 8 + pixels.size()), entry(259, 3, 1, 1),
                entry(262, 3, 1, 2);
            entry(273, 4, 1, 8), entry(277, 3, 1, 3);
            entry(278, 3, 1, 1), entry(279, 4, 1, pixels.size()), entry(284, 3, 1, 1),
                entry(339, 3, 3, 8 + pixels.size() + 6);
            put(folder / "a.tif", tiff + number(count, 2) + entries + number(0, 4));
            const Image image = load(folder / "a.tif");
            ASSERT_EQ(image.format(), format_of(SampleType::f32, 3));
            for (std::size_t i = 0; i < 6; ++i)
                EXPECT_EQ(pictures::sample_at(view(image), view(image).row(0, 0), i), values[i]) << i;
        }
}

TEST(picture_files, know_whether_anything_is_transparent) {
    const Folder folder;
    for (const char* name : {"a.png", "a.webp", "a.tif"}) {
        Image image = smooth({40, 40}, format_of(SampleType::u8, 4));
        ASSERT_TRUE(save_picture(folder / name, view(image), nullptr, {.overwrite = true}).ok());
        auto picture = Picture::open(folder / name);
        ASSERT_TRUE(picture.ok());
        const auto opaque = picture->opaque();
        ASSERT_TRUE(opaque.ok()) << opaque.error().message;
        EXPECT_TRUE(*opaque) << name;
        EXPECT_EQ(picture->load()->size(), (Size{40, 40})) << "still to be read from the beginning";
        image.view().row(0, 39)[4 * 39 + 3] = std::byte{254};
        ASSERT_TRUE(save_picture(folder / name, view(image), nullptr,
                                 {.lossless = std::string(name) == "a.webp", .overwrite = true})
                        .ok());
        picture = Picture::open(folder / name);
        EXPECT_FALSE(*picture->opaque()) << name;
    }
}

TEST(picture_files, know_whether_anything_has_colour) {
    const Folder folder;
    for (const int channels : {3, 4})
        for (const char* name : {"a.png", "a.jpg", "a.tif", "a.webp"}) {
            if (channels == 4 && std::string(name) == "a.jpg") continue;
            Image image = smooth({40, 50}, format_of(SampleType::u8, channels));
            for (int c = 1; c < 3; ++c) copy_channel(view(image), 0, image.view(), c);
            const WriteOptions write{.quality = 100, .lossless = std::string(name) == "a.webp", .overwrite = true};
            ASSERT_TRUE(save_picture(folder / name, view(image), nullptr, write).ok());
            auto picture = Picture::open(folder / name);
            ASSERT_TRUE(picture.ok());
            const auto grey = picture->rows().colourless();
            ASSERT_TRUE(grey.ok()) << grey.error().message;
            EXPECT_EQ(*grey, picture->info().format.channels >= 3) << name;
            EXPECT_EQ(picture->load()->size(), (Size{40, 50})) << "still to be read from the beginning";
            for (int y = 40; y < 48; ++y)
                for (int x = 30; x < 38; ++x) image.view().row(0, y)[channels * x] = std::byte{250};
            ASSERT_TRUE(save_picture(folder / name, view(image), nullptr, write).ok());
            EXPECT_FALSE(*Picture::open(folder / name)->rows().colourless()) << name;
        }
}

TEST(picture_writer, a_lossless_webp_stays_lossless_unless_a_quality_is_given) {
    const Folder folder;
    const Image image = pattern({24, 24}, kRgb8);
    ASSERT_TRUE(save_picture(folder / "a.webp", view(image), nullptr, {.lossless = true}).ok());
    EXPECT_TRUE(Picture::open(folder / "a.webp")->info().lossless);
    carry(folder / "a.webp", folder / "b.webp");
    expect_same_pixels(view(load(folder / "b.webp")), view(image));
    WriteOptions options;
    options.quality = 90;
    carry(folder / "a.webp", folder / "c.webp", options);
    EXPECT_FALSE(Picture::open(folder / "c.webp")->info().lossless);
}
