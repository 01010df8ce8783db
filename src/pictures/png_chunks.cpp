// SPDX-License-Identifier: Apache-2.0
// The chunks of a PNG file that describe the picture.
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "pictures/boxes.hpp"
#include "pictures/metadata.hpp"

namespace enlarge::pictures {
namespace {

using namespace std::string_view_literals;
constexpr std::string_view kXmpKeyword = "XML:com.adobe.xmp"sv;

// A chunk: where it is, and its header.
struct Chunk {
    std::int64_t at = 0;
    std::int64_t size = 0;  // of the content
    std::string type;
};

// Gives every chunk to `use` until that returns false.
template <class Read, class Use>
void walk(const Read& read, const Use& use) {
    for (std::int64_t at = 8;;) {
        const Bytes head = read(at, 8);
        if (head.size() < 8) return;
        const Chunk chunk{at, u32_be(head, 0), text_of(std::span(head).subspan(4))};
        if (chunk.size > 0x7fffffff || !use(chunk) || chunk.type == "IEND") return;
        at += 12 + chunk.size;
    }
}

void append_chunk(Bytes& to, std::span<const std::byte> type_and_content) {
    append_be(to, type_and_content.size() - 4, 4);
    append(to, type_and_content);
    append_be(
        to,
        ::crc32(0, reinterpret_cast<const Bytef*>(type_and_content.data()), static_cast<uInt>(type_and_content.size())),
        4);
}
void append_chunk(Bytes& to, std::string_view type, std::span<const std::byte> content) {
    Bytes whole;
    append(whole, type);
    append(whole, content);
    append_chunk(to, whole);
}

// What a zlib stream holds, up to `most` bytes; empty when it is damaged or longer.
Bytes inflated(std::span<const std::byte> packed, std::size_t most) {
    Bytes out(std::min(most, std::max<std::size_t>(4096, packed.size() * 4)));
    z_stream stream = {};
    if (::inflateInit(&stream) != Z_OK) return {};
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    std::size_t done = 0;
    int status = Z_OK;
    while (status == Z_OK) {
        if (done == out.size()) {
            if (out.size() >= most) break;
            out.resize(std::min(most, out.size() * 2));
        }
        stream.next_out = reinterpret_cast<Bytef*>(out.data() + done);
        stream.avail_out = static_cast<uInt>(out.size() - done);
        status = ::inflate(&stream, Z_NO_FLUSH);
        done = out.size() - stream.avail_out;
        if (status == Z_BUF_ERROR || (status == Z_OK && stream.avail_in == 0 && stream.avail_out != 0)) break;
    }
    ::inflateEnd(&stream);
    if (status != Z_STREAM_END) return {};
    out.resize(done);
    return out;
}

struct Text {
    std::string keyword;
    Bytes value;
};

// Takes a text chunk apart, unpacking at most `most` bytes.
Text parse_text(std::string_view type, std::span<const std::byte> content, std::size_t most) {
    const auto zero = [&](std::size_t from) {
        return static_cast<std::size_t>(
            std::find(content.begin() + static_cast<std::ptrdiff_t>(std::min(from, content.size())), content.end(),
                      std::byte{0}) -
            content.begin());
    };
    Text text;
    std::size_t at = zero(0);
    if (at >= content.size()) return text;
    text.keyword = text_of(content.first(at));
    bool packed = type == "zTXt";
    if (packed)
        at += 2;
    else if (type == "tEXt")
        at += 1;
    else {
        if (at + 2 >= content.size()) return {};
        packed = content[at + 1] != std::byte{0};
        at = zero(at + 3) + 1;  // the language
        at = zero(at) + 1;      // the keyword in it
    }
    if (at > content.size()) return {};
    const auto value = content.subspan(at);
    if (packed)
        text.value = inflated(value, most);
    else
        text.value.assign(value.begin(), value.end());
    return text;
}

// A block that ImageMagick and others put in hexadecimal into a text: a name, a length, digits, all apart by white
// space.
Bytes raw_profile(const Bytes& text) {
    const std::string all = text_of(text);
    std::size_t at = 0, line = 0;
    for (; at < all.size() && line < 3; ++at) line += all[at] == '\n';
    Bytes out;
    int high = -1;
    for (; at < all.size(); ++at) {
        const char c = all[at];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) continue;
        if (high < 0)
            high = digit;
        else
            out.push_back(static_cast<std::byte>(high << 4 | digit)), high = -1;
    }
    return out;
}

bool is_text(const std::string& type) { return type == "tEXt" || type == "zTXt" || type == "iTXt"; }

// A comment of JPEG as a text: what is no UTF-8 is taken for Latin-1.
void append_comment(Bytes& to, const std::string& comment) {
    Bytes whole;
    const bool ascii =
        std::all_of(comment.begin(), comment.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (ascii || !g_utf8_validate(comment.data(), static_cast<gssize>(comment.size()), nullptr))
        append(whole, "tEXtComment\0"sv);
    else
        append(whole, "iTXtComment\0\0\0\0\0"sv);
    append(whole, comment.substr(0, comment.find('\0')));
    append_chunk(to, whole);
}

}  // namespace

Blocks read_png_blocks(const Input& file) {
    Blocks blocks;
    std::int64_t room = kMostMetadata;
    walk([&](std::int64_t at, std::size_t count) { return file.read_at(at, count); },
         [&](const Chunk& chunk) {
             const std::string& type = chunk.type;
             const auto content = [&] { return file.read_at(chunk.at + 8, static_cast<std::size_t>(chunk.size)); };
             Signal& signal = blocks.signal;
             if (type == "cICP" && chunk.size == 4) {
                 const Bytes c = content();
                 if (c.size() == 4) signal.codes = {static_cast<std::uint8_t>(c[0]), static_cast<std::uint8_t>(c[1])};
             } else if (type == "gAMA" && chunk.size == 4) {
                 if (const Bytes c = content(); c.size() == 4) signal.gamma = u32_be(c, 0);
             } else if (type == "cHRM" && chunk.size == 32) {
                 const Bytes c = content();
                 if (c.size() == 32) {
                     signal.chroma.emplace();
                     for (std::size_t i = 0; i < 8; ++i) (*signal.chroma)[i] = u32_be(c, 4 * i);
                 }
             } else if (type == "sRGB" && chunk.size == 1) {
                 if (const Bytes c = content(); c.size() == 1) signal.srgb = static_cast<std::uint8_t>(c[0]);
             } else if ((type == "mDCV" || type == "mDCv") && chunk.size == 24) {
                 signal.mastering = content();
             } else if ((type == "cLLI" || type == "cLLi") && chunk.size == 8) {
                 signal.light = content();
             } else if (type == "pHYs" && chunk.size == 9) {
                 blocks.png_phys = content();
                 const Bytes& c = blocks.png_phys;
                 if (c.size() == 9 && c[8] == std::byte{1})
                     blocks.resolution = {u32_be(c, 0) / 1000.0, u32_be(c, 4) / 1000.0};
             } else if (is_text(type)) {
                 if (chunk.size > room) {
                     blocks.too_large = true;
                     return true;
                 }
                 Bytes whole;
                 append(whole, type);
                 append(whole, content());
                 if (static_cast<std::int64_t>(whole.size()) != chunk.size + 4) return true;
                 room -= chunk.size;
                 const auto body = std::span<const std::byte>(whole).subspan(4);
                 const bool exif_or_xmp = begins(body, "Raw profile type exif"sv) ||
                                          begins(body, "Raw profile type APP1"sv) ||
                                          begins(body, "Raw profile type xmp"sv);
                 if (!exif_or_xmp && !begins(body, kXmpKeyword)) {
                     blocks.png_texts.push_back(std::move(whole));
                     return true;
                 }
                 Text text = parse_text(type, body, static_cast<std::size_t>(room));
                 room -= static_cast<std::int64_t>(text.value.size());
                 if (text.keyword == kXmpKeyword) {
                     if (blocks.xmp.empty()) blocks.xmp = std::move(text.value);
                     return true;
                 }
                 Bytes block = raw_profile(text.value);
                 const std::string kind = text.keyword.substr(17);
                 if (begins(block, "http://ns.adobe.com/xap/1.0/\0"sv)) block.erase(block.begin(), block.begin() + 29);
                 if (begins(block, "Exif\0\0"sv))
                     blocks.exif.assign(block.begin() + 6, block.end());
                 else if (kind != "exif" && blocks.xmp.empty())
                     blocks.xmp = std::move(block);
             }
             return true;
         });
    return blocks;
}

Result<void> put_png_blocks(OutputFile& file, const Blocks& blocks, bool resolution) {
    // Before the pixels: what libvips wrote of others, and ours in its place. After them: nothing but the end.
    Bytes first, others;
    std::int64_t pixels = 0;
    std::vector<Chunk> after;
    const auto replaced = [&](const std::string& type) {
        for (const char* ours : {"eXIf", "tIME", "gAMA", "cHRM", "sRGB", "cICP", "bKGD"})
            if (type == ours) return true;
        return is_text(type) || (type == "pHYs" && (!resolution || blocks.png_phys.size() == 9));
    };
    bool profile = false;
    walk([&](std::int64_t at, std::size_t count) { return read_back(file, at, count); },
         [&](const Chunk& chunk) {
             if (chunk.type == "IDAT") {
                 if (pixels == 0) pixels = chunk.at;
             } else if (pixels) {
                 if (replaced(chunk.type)) after.push_back(chunk);
             } else if (!replaced(chunk.type)) {
                 profile = profile || chunk.type == "iCCP";
                 append(chunk.type == "IHDR" ? first : others,
                        read_back(file, chunk.at, static_cast<std::size_t>(chunk.size) + 12));
             }
             return true;
         });
    if (pixels == 0 || first.empty()) return Error{Errc::internal, "the PNG file written has no pixels"};
    for (std::size_t i = after.size(); i-- > 0;) TRY(splice(file, after[i].at, 12 + after[i].size, {}));

    Bytes head = std::move(first);
    const Signal& signal = blocks.signal;
    if (signal.codes && (signal.codes->primaries != 2 || signal.codes->transfer != 2)) {
        const std::byte codes[] = {static_cast<std::byte>(signal.codes->primaries),
                                   static_cast<std::byte>(signal.codes->transfer), std::byte{0}, std::byte{1}};
        append_chunk(head, "cICP", codes);
    }
    if (!signal.mastering.empty()) append_chunk(head, "mDCV", signal.mastering);
    if (!signal.light.empty()) append_chunk(head, "cLLI", signal.light);
    if (signal.srgb && !profile) append_chunk(head, "sRGB", std::array{static_cast<std::byte>(*signal.srgb)});
    Bytes content;
    if (signal.gamma) {
        append_be(content, *signal.gamma, 4);
        append_chunk(head, "gAMA", content);
    }
    if (signal.chroma) {
        content.clear();
        for (const std::uint32_t part : *signal.chroma) append_be(content, part, 4);
        append_chunk(head, "cHRM", content);
    }
    append(head, others);
    if (blocks.png_phys.size() == 9) append_chunk(head, "pHYs", blocks.png_phys);
    if (!blocks.exif.empty()) append_chunk(head, "eXIf", blocks.exif);
    if (!blocks.xmp.empty()) {
        content.clear();
        append(content, kXmpKeyword);
        append(content, "\0\0\0\0\0"sv);  // not packed, no language
        append(content, blocks.xmp);
        append_chunk(head, "iTXt", content);
    }
    for (const std::string& comment : blocks.comments) append_comment(head, comment);
    for (const Bytes& text : blocks.png_texts) append_chunk(head, text);
    return splice(file, 8, pixels - 8, head);
}

}  // namespace enlarge::pictures
