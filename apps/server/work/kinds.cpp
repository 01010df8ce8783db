// SPDX-License-Identifier: Apache-2.0
#include "work/kinds.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>
#include <vector>

#include "enlarge/picture.hpp"
#include "http/text.hpp"

namespace serve {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;
using std::string_view_literals::operator""sv;

struct Type {
    const char* extension;
    const char* media_type;
};
constexpr Type kTypes[] = {
    {"jpg", "image/jpeg"},
    {"png", "image/png"},
    {"webp", "image/webp"},
    {"tif", "image/tiff"},
    {"avif", "image/avif"},
    {"heic", "image/heic"},
    {"jxl", "image/jxl"},
    {"gif", "image/gif"},
    {"bmp", "image/bmp"},
    {"ppm", "image/x-portable-pixmap"},
    {"pfm", "image/x-portable-floatmap"},
    {"apng", "image/apng"},
    {"mp4", "video/mp4"},
    {"mov", "video/quicktime"},
    {"mkv", "video/x-matroska"},
    {"webm", "video/webm"},
    {"avi", "video/x-msvideo"},
    {"ts", "video/mp2t"},
    {"mpg", "video/mpeg"},
    {"flv", "video/x-flv"},
    {"ogv", "video/ogg"},
    {"y4m", "video/x-yuv4mpeg"},
    {"nut", "video/x-nut"},
    {"asf", "video/x-ms-asf"},
    {"html", "text/html; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"json", "application/json"},
    {"svg", "image/svg+xml"},
    {"txt", "text/plain; charset=utf-8"},
};

Kind video(const char* demuxer, const char* extension) { return {true, demuxer, extension, media_type_of(extension)}; }

bool is_transport_stream(std::string_view head) {
    for (const std::size_t packet : {188, 192, 204}) {
        const std::size_t first = packet == 192 ? 4 : 0;
        std::size_t seen = 0;
        for (std::size_t at = first; at < head.size() && head[at] == '\x47'; at += packet) ++seen;
        if (seen >= 4 && first + seen * packet >= head.size()) return true;
    }
    return false;
}

// Atoms that a film of the ISO family begins with.
bool is_iso_film(std::string_view head) {
    if (head.size() < 12) return false;
    constexpr std::array kAtoms{"ftyp"sv, "moov"sv, "mdat"sv, "wide"sv, "free"sv, "skip"sv, "pnot"sv};
    return std::find(kAtoms.begin(), kAtoms.end(), head.substr(4, 4)) != kAtoms.end();
}

bool is_video(std::string_view head, Kind& kind) {
    const auto begins = [&](std::string_view magic) { return head.starts_with(magic); };
    if (is_iso_film(head)) return kind = video("mov", head.substr(4, 8) == "ftypqt  " ? "mov" : "mp4"), true;
    if (begins("\x1a\x45\xdf\xa3"sv)) {
        const bool web = head.substr(0, 64).find("webm") != std::string_view::npos;
        return kind = video("matroska", web ? "webm" : "mkv"), true;
    }
    if (begins("RIFF"sv) && head.size() >= 12 && head.substr(8, 4) == "AVI ") return kind = video("avi", "avi"), true;
    if (begins("FLV\x01"sv)) return kind = video("flv", "flv"), true;
    if (begins("OggS"sv)) return kind = video("ogg", "ogv"), true;
    if (begins("YUV4MPEG2 "sv)) return kind = video("yuv4mpegpipe", "y4m"), true;
    if (begins("nut/multimedia container\0"sv)) return kind = video("nut", "nut"), true;
    if (begins("\x30\x26\xb2\x75\x8e\x66\xcf\x11"sv)) return kind = video("asf", "asf"), true;
    if (begins("\0\0\x01\xba"sv)) return kind = video("mpeg", "mpg"), true;
    if (is_transport_stream(head)) return kind = video("mpegts", "ts"), true;
    return false;
}

// What it is instead, for the message.
std::string refused(std::string_view head) {
    std::string_view text = head.starts_with("\xef\xbb\xbf") ? head.substr(3) : head;
    const auto begin = text.find_first_not_of(" \t\r\n");
    text = begin == std::string_view::npos ? "" : text.substr(begin);
    const std::string start = lower(text.substr(0, 1024));
    if (start.starts_with("#extm3u")) return "a playlist (m3u8), which names other files or addresses";
    if (start.starts_with("ffconcat")) return "a list of files to join (ffconcat), which names other files";
    if (start.starts_with("v=0")) return "a description of a stream (SDP), which names an address";
    if (start.find("<mpd") != std::string::npos) return "a manifest (MPD), which names other files or addresses";
    if (start.find("<svg") != std::string::npos) return "an SVG drawing, which may name other files or addresses";
    if (start.starts_with("<")) return "a document in XML or HTML, which may name other files or addresses";
    if (start.starts_with("%pdf")) return "a PDF document";
    if (start.starts_with("pk\x03\x04")) return "a ZIP archive";
    if (head.empty()) return "empty";
    return "of no kind that is known here by its first bytes";
}

}  // namespace

const char* media_type_of(const std::string& extension) {
    for (const Type& type : kTypes)
        if (extension == type.extension) return type.media_type;
    return "application/octet-stream";
}

Result<Kind> kind_of(std::span<const std::byte> bytes) {
    bytes = bytes.first(std::min(bytes.size(), kHeadBytes));
    const std::string_view head(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (const auto format = enlarge::sniff_picture(bytes)) {
        const std::string extension = enlarge::format_info(*format).extension;
        return Kind{false, "", extension, media_type_of(extension)};
    }
    if (Kind kind; is_video(head, kind)) return kind;
    return Error{Errc::unsupported,
                 "the upload is " + refused(head) +
                     "; pictures (JPEG, PNG, WebP, TIFF, AVIF, HEIC, JPEG XL, "
                     "GIF, BMP, PNM) and films (MP4, MOV, Matroska, WebM, AVI, MPEG, FLV, Ogg) are taken"};
}

Result<Kind> kind_of_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::vector<std::byte> head(kHeadBytes);
    file.read(reinterpret_cast<char*>(head.data()), static_cast<std::streamsize>(head.size()));
    if (file.bad()) return Error{Errc::io, "the upload cannot be read again"};
    return kind_of(std::span(head).first(static_cast<std::size_t>(file.gcount())));
}

}  // namespace serve
