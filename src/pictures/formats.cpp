// SPDX-License-Identifier: Apache-2.0
// What picture formats there are, and how a file says which it is.
#include <algorithm>
#include <cstring>

#include "pictures/load.hpp"

namespace enlarge {
namespace {

using enum PictureFormat;
constexpr std::int64_t kInt32 = 0x7fffffff;
constexpr std::int64_t kVipsSide = 100'000'000;  // libvips' own limit, VIPS_MAX_COORD

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// Whether `word` is one of the space-separated `words`.
bool listed(const char* words, const std::string& word) {
    const std::string all = " " + std::string(words) + " ";
    return !word.empty() && word.find(' ') == std::string::npos && all.find(" " + word + " ") != std::string::npos;
}

std::string all_extensions() {
    std::string text;
    for (const PictureFormatInfo& info : picture_formats())
        if (info.writable) text += (text.empty() ? "" : ", ") + std::string(info.extension);
    return text;
}

bool is(std::span<const std::byte> head, std::size_t at, std::string_view text) {
    return head.size() >= at + text.size() && std::memcmp(head.data() + at, text.data(), text.size()) == 0;
}

}  // namespace

const std::vector<PictureFormatInfo>& picture_formats() {
    // format, name, extension, writable, alpha, grey, u8, u16, f32, bits, side, lossless, lossy, quality, extensions
    // JPEG could have 65535 pixels a side; libjpeg stops at 65500.
    // AVIF: 8 or 12 bit, since 10 trips an assertion of libaom under libheif 1.15. HEIC: 10, which decoders in hardware
    // know. "Lossless" of both still goes through YCbCr, so it is not offered.
    static const std::vector<PictureFormatInfo> formats = {
        {jpeg, "JPEG", "jpg", true, false, true, true, false, false, 8, 65500, false, true, 95, "jpg jpeg jpe jfif"},
        {png, "PNG", "png", true, true, true, true, true, false, 16, kVipsSide, true, false, 0, "png apng"},
        {webp, "WebP", "webp", true, true, false, true, false, false, 8, 16383, true, true, 92, "webp"},
        {tiff, "TIFF", "tif", true, true, true, true, true, true, 16, kVipsSide, true, false, 0, "tif tiff"},
        {avif, "AVIF", "avif", true, true, false, true, true, false, 12, 16384, false, true, 80, "avif"},
        {heic, "HEIC", "heic", true, true, false, true, true, false, 10, 16384, false, true, 80, "heic heif hif"},
        {jxl, "JPEG XL", "jxl", true, true, true, true, true, true, 16, 1 << 20, true, true, 92, "jxl"},
        {pnm, "PNM", "ppm", true, false, true, true, true, false, 16, kVipsSide, true, false, 0, "ppm pgm pbm pnm"},
        {pfm, "PFM", "pfm", true, false, true, false, false, true, 0, kVipsSide, true, false, 0, "pfm"},
        {gif, "GIF", "gif", false, true, true, true, false, false, 8, 65535, true, false, 0, "gif"},
        {bmp, "BMP", "bmp", false, true, true, true, false, false, 8, kInt32, true, false, 0, "bmp dib"},
    };
    return formats;
}

const PictureFormatInfo& format_info(PictureFormat format) {
    return picture_formats()[static_cast<std::size_t>(format)];
}

Result<PictureFormat> parse_picture_format(std::string_view name) {
    const std::string wanted = lower(name);
    for (const PictureFormatInfo& info : picture_formats())
        if (listed(info.extensions, wanted) || lower(info.name) == wanted) return info.format;
    return Error{Errc::argument, "'" + std::string(name) + "' is not a picture format; there are " + all_extensions()};
}

Result<PictureFormat> format_of_path(const std::string& path) {
    const std::string file = path.substr(path.rfind('/') + 1);
    const auto dot = file.rfind('.');
    if (dot == std::string::npos || dot + 1 == file.size())
        return Error{Errc::argument, path + ": the name has no extension that says which format to write; use one of " + all_extensions()};
    const std::string extension = lower(std::string_view(file).substr(dot + 1));
    for (const PictureFormatInfo& info : picture_formats())
        if (listed(info.extensions, extension)) return info.format;
    return Error{Errc::argument, path + ": '." + extension + "' is not a picture format; use one of " + all_extensions()};
}

std::optional<PictureFormat> sniff_picture(std::span<const std::byte> head) {
    if (is(head, 0, "\xff\xd8\xff")) return jpeg;
    if (is(head, 0, "\x89PNG\r\n\x1a\n")) return png;
    if (is(head, 0, "RIFF") && is(head, 8, "WEBP")) return webp;
    using namespace std::string_view_literals;
    if (is(head, 0, "II*\0"sv) || is(head, 0, "MM\0*"sv) || is(head, 0, "II+\0"sv) || is(head, 0, "MM\0+"sv)) return tiff;
    if (is(head, 4, "ftyp")) {
        if (is(head, 8, "avif") || is(head, 8, "avis")) return avif;
        for (const char* brand : {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "mif2"}) {
            if (!is(head, 8, brand)) continue;
            // "mif1" says nothing of the codec; the compatible brands do.
            for (std::size_t at = 16; at + 4 <= std::min<std::size_t>(head.size(), 64); at += 4)
                if (is(head, at, "avif")) return avif;
            return heic;
        }
        return std::nullopt;  // MP4 and its family
    }
    if (is(head, 0, "\xff\x0a") || is(head, 0, "\0\0\0\x0cJXL \r\n\x87\n"sv)) return jxl;
    if (is(head, 0, "GIF87a") || is(head, 0, "GIF89a")) return gif;
    const auto byte = [&](std::size_t i) { return i < head.size() ? static_cast<unsigned char>(head[i]) : 0; };
    const auto space = [&](std::size_t i) { return byte(i) == ' ' || (byte(i) >= 9 && byte(i) <= 13) || byte(i) == '#'; };
    if (byte(0) == 'P' && byte(1) >= '1' && byte(1) <= '6' && space(2)) return pnm;
    if (byte(0) == 'P' && (byte(1) == 'F' || byte(1) == 'f') && space(2)) return pfm;
    // "BM", then a header size we know at byte 14.
    if (is(head, 0, "BM") && head.size() >= 18 && byte(15) == 0 && byte(16) == 0 && byte(17) == 0 &&
        (byte(14) == 12 || byte(14) == 16 || byte(14) == 40 || byte(14) == 52 || byte(14) == 56 || byte(14) == 64 ||
         byte(14) == 108 || byte(14) == 124))
        return bmp;
    return std::nullopt;
}

const char* pictures::unread_picture(std::span<const std::byte> head) {
    using namespace std::string_view_literals;
    static constexpr std::pair<std::string_view, const char*> kKnown[] = {
        {"\0\0\1\0"sv, "an icon (ICO)"},      {"\0\0\2\0"sv, "a cursor (CUR)"},
        {"8BPS"sv, "a Photoshop file"},         {"gimp xcf"sv, "a GIMP file"},
        {"\x76\x2f\x31\x01"sv, "an OpenEXR file"}, {"#?RADIANCE"sv, "a Radiance HDR file"},
        {"\0\0\0\x0cjP  "sv, "a JPEG 2000 file"}, {"\xff\x4f\xff\x51"sv, "a JPEG 2000 file"},
        {"%PDF-"sv, "a PDF document"},          {"<svg"sv, "an SVG drawing"},
        {"qoif"sv, "a QOI file"},               {"DDS "sv, "a DDS texture"},
        {"P7\n"sv, "a PAM file"},               {"SIMPLE  ="sv, "a FITS file"},
    };
    for (const auto& [start, name] : kKnown)
        if (is(head, 0, start)) return name;
    return nullptr;
}

}  // namespace enlarge
