// SPDX-License-Identifier: Apache-2.0
// The segments before the pixels of a JPEG file.
#include <glib.h>

#include <algorithm>
#include <map>
#include <vector>

#include "pictures/boxes.hpp"
#include "pictures/metadata.hpp"

namespace enlarge::pictures {
namespace {

using namespace std::string_view_literals;
constexpr std::string_view kExif = "Exif\0\0"sv;
constexpr std::string_view kXmp = "http://ns.adobe.com/xap/1.0/\0"sv;
constexpr std::string_view kExtended = "http://ns.adobe.com/xmp/extension/\0"sv;
constexpr std::size_t kMostSegment = 65533;
constexpr std::uint8_t kApp0 = 0xe0, kApp1 = 0xe1, kApp2 = 0xe2, kComment = 0xfe;

// Gives every segment before the first scan to `use(marker, content)` until that returns false. `read(offset, count)`
// gives bytes. Returns where the segments end.
template <class Read, class Use>
std::int64_t walk(const Read& read, const Use& use) {
    std::int64_t at = 2;
    for (;;) {
        Bytes head = read(at, 4);
        while (head.size() == 4 && head[0] == std::byte{0xff} && head[1] == std::byte{0xff})
            head = read(++at, 4);  // fill bytes
        if (head.size() < 4 || head[0] != std::byte{0xff}) return at;
        const auto marker = static_cast<std::uint8_t>(head[1]);
        const std::size_t length = static_cast<std::size_t>(head[2]) << 8 | static_cast<std::size_t>(head[3]);
        if (marker == 0xda || marker == 0xd9 || marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd7) || length < 2)
            return at;
        const Bytes content = read(at + 4, length - 2);
        if (content.size() != length - 2 || !use(marker, content)) return at;
        at += 2 + static_cast<std::int64_t>(length);
    }
}

void segment(Bytes& to, std::uint8_t marker, std::span<const std::byte> content) {
    append_be(to, 0xff00U | marker, 2);
    append_be(to, content.size() + 2, 2);
    append(to, content);
}

// The parts of an extended packet, by where they belong; empty unless they are whole.
Bytes joined(const std::map<std::uint32_t, Bytes>& parts, std::uint32_t whole) {
    Bytes all;
    for (const auto& [offset, part] : parts) {
        if (offset != all.size()) return {};
        append(all, part);
    }
    return all.size() == whole ? all : Bytes();
}

// XMP as JPEG holds it: one packet, or one that points to another in several parts.
void append_xmp(Bytes& to, std::span<const std::byte> xmp) {
    if (xmp.empty()) return;
    Bytes content;
    append(content, kXmp);
    if (content.size() + xmp.size() <= kMostSegment) {
        append(content, xmp);
        return segment(to, kApp1, content);
    }
    const std::unique_ptr<char, decltype(&g_free)> hash(
        g_compute_checksum_for_data(G_CHECKSUM_MD5, reinterpret_cast<const guchar*>(xmp.data()), xmp.size()), g_free);
    std::string guid(hash.get());
    for (char& c : guid) c = g_ascii_toupper(c);
    append(content,
           "<?xpacket begin=\"\xEF\xBB\xBF\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
           "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">"
           "<rdf:Description rdf:about=\"\" xmlns:xmpNote=\"http://ns.adobe.com/xmp/note/\" xmpNote:HasExtendedXMP=\"" +
               guid + "\"/></rdf:RDF></x:xmpmeta>\n<?xpacket end=\"w\"?>");
    segment(to, kApp1, content);
    constexpr std::size_t kPart = kMostSegment - kExtended.size() - 40;
    for (std::size_t at = 0; at < xmp.size(); at += kPart) {
        content.clear();
        append(content, kExtended);
        append(content, guid);
        append_be(content, xmp.size(), 4);
        append_be(content, at, 4);
        append(content, xmp.subspan(at, std::min(kPart, xmp.size() - at)));
        segment(to, kApp1, content);
    }
}

}  // namespace

Blocks read_jpeg_blocks(const Input& file) {
    Blocks blocks;
    struct Extended {
        std::uint32_t whole = 0;
        std::map<std::uint32_t, Bytes> parts;
    };
    std::map<std::string, Extended> extended;
    std::int64_t kept = 0;
    walk([&](std::int64_t at, std::size_t count) { return file.read_at(at, count); },
         [&](std::uint8_t marker, const Bytes& content) {
             const bool app1 = marker == kApp1, app2 = marker == kApp2;
             if (app1 && begins(content, kXmp) && blocks.xmp.empty())
                 blocks.xmp.assign(content.begin() + kXmp.size(), content.end());
             if (app1 && begins(content, kExtended) && content.size() > kExtended.size() + 40) {
                 Extended& one = extended[text_of(std::span(content).subspan(kExtended.size(), 32))];
                 one.whole = u32_be(content, kExtended.size() + 32);
                 one.parts[u32_be(content, kExtended.size() + 36)] =
                     Bytes(content.begin() + kExtended.size() + 40, content.end());
             }
             if (marker == kApp0 && begins(content, "JFIF\0"sv) && content.size() >= 12 && content[7] != std::byte{0}) {
                 const double millimetres = content[7] == std::byte{1} ? 25.4 : 10;
                 const auto density = [&](std::size_t at) {
                     return static_cast<double>(static_cast<unsigned>(content[at]) << 8 |
                                                static_cast<unsigned>(content[at + 1]));
                 };
                 if (density(8) > 1 && density(10) > 1)
                     blocks.resolution = {density(8) / millimetres, density(10) / millimetres};
             }
             if (app2 && begins(content, "MPF\0"sv)) blocks.more_pictures = true;
             if (app2 && begins(content, "urn:iso:std:iso:ts:21496:-1"sv)) blocks.gain_map = true;
             if (marker == kComment && !content.empty()) blocks.comments.push_back(text_of(content));
             if (app1 || marker == kComment) kept += static_cast<std::int64_t>(content.size());
             blocks.too_large = kept > kMostMetadata;
             return !blocks.too_large;
         });
    // An extended packet counts where the main one names it.
    const std::string main = text_of(blocks.xmp);
    for (const auto& [guid, one] : extended) {
        if (main.find(guid) == std::string::npos) continue;
        const Bytes whole = joined(one.parts, one.whole);
        const std::string merged = whole.empty() ? std::string() : merged_xmp(main, text_of(whole));
        if (merged.empty()) {
            blocks.too_large = true;
            break;
        }
        blocks.xmp.clear();
        append(blocks.xmp, merged);
        break;
    }
    return blocks;
}

Bytes jpeg_head(const std::vector<JpegSegment>& segments, const Blocks& blocks, const Resolution& resolution) {
    Bytes head;
    append_be(head, 0xffd8, 2);
    // libvips writes no JFIF segment where it thinks that EXIF will state the resolution.
    if (!exif_resolution(blocks.exif)) {
        Bytes jfif;
        append(jfif, "JFIF\0\1\1"sv);
        const auto density = [&](double per_mm) {
            return resolution ? static_cast<std::uint64_t>(std::clamp(per_mm * 25.4 + 0.5, 1.0, 65535.0)) : 1;
        };
        append_be(jfif, resolution ? 1 : 0, 1);
        append_be(jfif, density(resolution.x), 2);
        append_be(jfif, density(resolution.y), 2);
        append_be(jfif, 0, 2);
        segment(head, kApp0, jfif);
    }
    if (!blocks.exif.empty() && blocks.exif.size() <= kMostJpegExif) {
        Bytes content;
        append(content, kExif);
        append(content, blocks.exif);
        segment(head, kApp1, content);
    }
    append_xmp(head, blocks.xmp);
    const auto comments = [&] {
        for (const std::string& comment : blocks.comments)
            segment(head, kComment, std::as_bytes(std::span(comment).first(std::min(comment.size(), kMostSegment))));
    };
    bool commented = false;
    for (const auto& [marker, content] : segments) {
        if (marker == kApp0 || marker == kComment ||
            (marker == kApp1 && (begins(content, kExif) || begins(content, kXmp) || begins(content, kExtended))))
            continue;
        if (!commented && (marker < kApp0 || marker > 0xef))
            comments(), commented = true;  // after the last application segment
        segment(head, marker, content);
    }
    return head;
}

std::int64_t read_jpeg_segments(const ReadBytes& read, std::vector<JpegSegment>& segments) {
    return walk(read, [&](std::uint8_t marker, const Bytes& content) {
        segments.emplace_back(marker, content);
        return true;
    });
}

void append_jpeg_profile(std::vector<JpegSegment>& segments, std::span<const std::byte> profile) {
    constexpr std::string_view kProfile = "ICC_PROFILE\0"sv;
    constexpr std::size_t kPart = kMostSegment - kProfile.size() - 2;
    const std::size_t parts = (profile.size() + kPart - 1) / kPart;
    if (parts > 255) return;  // as many as can be numbered: 16 MB
    for (std::size_t i = 0; i < parts; ++i) {
        Bytes content;
        append(content, kProfile);
        append_be(content, i + 1, 1);
        append_be(content, parts, 1);
        append(content, profile.subspan(i * kPart, std::min(kPart, profile.size() - i * kPart)));
        segments.emplace_back(kApp2, std::move(content));
    }
}

Result<void> put_jpeg_blocks(OutputFile& file, const Blocks& blocks, const Resolution& resolution) {
    std::vector<JpegSegment> segments;
    const std::int64_t end = read_jpeg_segments(
        [&](std::int64_t at, std::size_t count) { return read_back(file, at, count); }, segments);
    if (segments.empty()) return Error{Errc::internal, "the JPEG file written has no header"};
    return splice(file, 0, end, jpeg_head(segments, blocks, resolution));
}

}  // namespace enlarge::pictures
