// SPDX-License-Identifier: Apache-2.0
// The chunks of a PNG file that describe the picture.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
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

// What the numbers mean.
void append_colours(Bytes& head, const Signal& signal, std::span<const std::byte> profile) {
    Bytes content;
    if (signal.codes && (signal.codes->primaries != 2 || signal.codes->transfer != 2)) {
        const std::byte codes[] = {static_cast<std::byte>(signal.codes->primaries),
                                   static_cast<std::byte>(signal.codes->transfer), std::byte{0}, std::byte{1}};
        append_chunk(head, "cICP", codes);
    }
    if (!signal.mastering.empty()) append_chunk(head, "mDCV", signal.mastering);
    if (!signal.light.empty()) append_chunk(head, "cLLI", signal.light);
    if (signal.srgb && profile.empty()) append_chunk(head, "sRGB", std::array{static_cast<std::byte>(*signal.srgb)});
    if (signal.gamma) {
        append_be(content, *signal.gamma, 4);
        append_chunk(head, "gAMA", content);
    }
    if (signal.chroma) {
        content.clear();
        for (const std::uint32_t part : *signal.chroma) append_be(content, part, 4);
        append_chunk(head, "cHRM", content);
    }
    if (profile.empty()) return;
    content.clear();
    append(content, "icc\0\0"sv);
    const std::size_t begin = content.size();
    uLongf size = ::compressBound(static_cast<uLong>(profile.size()));
    content.resize(begin + size);
    ::compress(reinterpret_cast<Bytef*>(content.data() + begin), &size, reinterpret_cast<const Bytef*>(profile.data()),
               static_cast<uLong>(profile.size()));
    content.resize(begin + size);
    append_chunk(head, "iCCP", content);
}

// sBIT and bKGD.
void append_sample_facts(Bytes& head, const Blocks& blocks, const PixelFormat& pixels) {
    const std::size_t colours = pixels.channels <= 2 ? 1 : 3;
    const unsigned bits = pixels.sample == SampleType::u16 ? 16 : 8;
    Bytes content;
    if (blocks.png_bits.fits(pixels)) {
        for (std::size_t i = 0; i < colours; ++i) append_be(content, blocks.png_bits.colours[i], 1);
        if (pixels.channels % 2 == 0) append_be(content, blocks.png_bits.alpha ? blocks.png_bits.alpha : bits, 1);
        append_chunk(head, "sBIT", content);
    }
    content.clear();
    if (blocks.png_background.colours.size() == colours) {
        const std::uint32_t most = (1U << bits) - 1, from = (1U << blocks.png_background.depth) - 1;
        for (const std::uint16_t colour : blocks.png_background.colours)
            append_be(content, (std::uint64_t{colour} * most + from / 2) / from, 2);
        append_chunk(head, "bKGD", content);
    }
}

// sBIT and bKGD of a file, whose header and palette say what their numbers are.
void read_sample_facts(const Bytes& header, const Bytes& palette, const Bytes& bits, const Bytes& background,
                       Blocks& blocks) {
    if (header.size() != 13) return;
    const auto depth = static_cast<std::uint8_t>(header[8]), type = static_cast<std::uint8_t>(header[9]);
    if (depth < 1 || depth > 16) return;
    const bool indexed = type == 3;
    const std::size_t colours = (type & 2) != 0 ? 3 : 1, alpha = (type & 4) != 0 ? 1 : 0;
    const std::uint8_t sample_depth = indexed ? 8 : depth;
    if (bits.size() == colours + alpha) {
        const auto number = [&](std::size_t i) { return static_cast<std::uint8_t>(bits[i]); };
        bool valid = true;
        for (std::size_t i = 0; i < bits.size(); ++i) valid = valid && number(i) >= 1 && number(i) <= sample_depth;
        PngBits& to = blocks.png_bits;
        if (valid) {
            for (std::size_t i = 0; i < colours; ++i) to.colours.push_back(number(i));
            to.alpha = alpha ? number(colours) : 0;
            to.depth = sample_depth;
        }
    }
    std::vector<std::uint16_t>& to = blocks.png_background.colours;
    blocks.png_background.depth = sample_depth;
    if (indexed && background.size() == 1) {
        const std::size_t at = 3 * static_cast<std::size_t>(background[0]);
        for (std::size_t i = at; at + 3 <= palette.size() && i < at + 3; ++i)
            to.push_back(static_cast<std::uint16_t>(palette[i]));
    } else if (!indexed && background.size() == 2 * colours) {
        for (std::size_t i = 0; i < colours; ++i) {
            const auto value = static_cast<std::uint16_t>(static_cast<unsigned>(background[2 * i]) << 8 |
                                                          static_cast<unsigned>(background[2 * i + 1]));
            if (value >> depth == 0) to.push_back(value);
        }
    }
}

}  // namespace

bool PngBits::fits(const PixelFormat& pixels) const {
    return depth == (pixels.sample == SampleType::u16 ? 16 : 8) && colours.size() == (pixels.channels <= 2 ? 1U : 3U);
}

Blocks read_png_blocks(const Input& file) {
    Blocks blocks;
    Bytes header, palette, bits, background;
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
             } else if ((type == "IHDR" && chunk.size == 13) || (type == "PLTE" && chunk.size <= 768) ||
                        (type == "sBIT" && chunk.size <= 4) || (type == "bKGD" && chunk.size <= 6)) {
                 (type == "IHDR" ? header : type == "PLTE" ? palette : type == "sBIT" ? bits : background) = content();
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
    read_sample_facts(header, palette, bits, background, blocks);
    return blocks;
}

Bytes png_head(const PngHead& of) {
    const Blocks& blocks = of.blocks;
    Bytes head, content;
    const auto finish = [&](std::string_view type) {
        append_chunk(head, type, content);
        content.clear();
    };
    append(head, "\x89PNG\r\n\x1a\n"sv);
    append_be(content, static_cast<std::uint64_t>(of.size.width), 4);
    append_be(content, static_cast<std::uint64_t>(of.size.height), 4);
    constexpr std::array<std::uint8_t, 4> kColourTypes = {0, 4, 2, 6};  // by channels
    append_be(content, of.pixels.sample == SampleType::u16 ? 16 : 8, 1);
    append_be(content, kColourTypes[of.pixels.channels - 1U], 1);
    append(content, "\0\0\0"sv);  // deflate, the five filters, not interlaced
    finish("IHDR");
    append_colours(head, blocks.signal, of.profile);
    append_sample_facts(head, blocks, of.pixels);
    if (blocks.png_phys.size() == 9) {
        append_chunk(head, "pHYs", blocks.png_phys);
    } else if (of.resolution) {
        append_be(content, static_cast<std::uint64_t>(std::lround(of.resolution.x * 1000)), 4);
        append_be(content, static_cast<std::uint64_t>(std::lround(of.resolution.y * 1000)), 4);
        append_be(content, 1, 1);  // a metre
        finish("pHYs");
    }
    if (!blocks.exif.empty()) append_chunk(head, "eXIf", blocks.exif);
    if (!blocks.xmp.empty()) {
        append(content, kXmpKeyword);
        append(content, "\0\0\0\0\0"sv);  // not packed, no language
        append(content, blocks.xmp);
        finish("iTXt");
    }
    for (const std::string& comment : blocks.comments) append_comment(head, comment);
    for (const Bytes& text : blocks.png_texts) append_chunk(head, text);
    return head;
}

}  // namespace enlarge::pictures
