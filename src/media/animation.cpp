// SPDX-License-Identifier: Apache-2.0
#include "media/animation.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "media/ffmpeg.hpp"

namespace enlarge::media {

namespace {

using Stream = std::ifstream;

int byte_of(Stream& in) { return in.get(); }
std::string bytes_of(Stream& in, std::streamsize count) {
    std::string bytes(static_cast<std::size_t>(count), '\0');
    in.read(bytes.data(), count);
    return in.gcount() == count ? bytes : std::string();
}
void skip_table(Stream& in, int flags) {
    if (flags & 0x80) in.seekg(3L << ((flags & 7) + 1), std::ios::cur);
}
void skip_blocks(Stream& in) {
    for (int size = byte_of(in); size > 0; size = byte_of(in)) in.seekg(size, std::ios::cur);
}

// After "GIF8".
std::optional<int> gif_plays(Stream& in) {
    const std::string head = bytes_of(in, 9);
    if (head.empty()) return std::nullopt;
    skip_table(in, static_cast<unsigned char>(head[6]));
    for (;;) {
        switch (byte_of(in)) {
            case 0x2c: {  // a picture
                const std::string box = bytes_of(in, 9);
                if (box.empty()) return std::nullopt;
                skip_table(in, static_cast<unsigned char>(box[8]));
                byte_of(in);
                skip_blocks(in);
                break;
            }
            case 0x21: {
                if (byte_of(in) == 0xff && byte_of(in) == 11) {
                    const std::string name = bytes_of(in, 11);
                    const std::string block = name == "NETSCAPE2.0" || name == "ANIMEXTS1.0" ? bytes_of(in, 4) : "";
                    if (block.size() == 4 && block[0] == 3 && (block[1] & 7) == 1) {
                        const int repeats = static_cast<unsigned char>(block[2]) | static_cast<unsigned char>(block[3])
                                                                                       << 8;
                        return repeats == 0 ? 0 : repeats + 1;
                    }
                }
                skip_blocks(in);
                break;
            }
            case 0x3b:
                return 1;
            default:
                return std::nullopt;
        }
    }
}

// After PNG's first four bytes.
std::optional<int> png_plays(Stream& in) {
    const auto number = [](const std::string& bytes, std::size_t at) {
        std::uint32_t value = 0;
        for (std::size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
        return value;
    };
    bytes_of(in, 4);
    for (;;) {
        const std::string head = bytes_of(in, 8);
        if (head.empty() || head.compare(4, 4, "IDAT") == 0) return std::nullopt;
        const std::uint32_t size = number(head, 0);
        if (head.compare(4, 4, "acTL") == 0 && size >= 8) {
            const std::string body = bytes_of(in, 8);
            return body.empty() ? std::nullopt
                                : std::optional(static_cast<int>(std::min<std::uint32_t>(number(body, 4), 0x7fffffff)));
        }
        in.seekg(std::int64_t{size} + 4, std::ios::cur);
    }
}

}  // namespace

std::optional<int> plays_of(const std::string& path) {
    Stream in(path, std::ios::binary);
    const std::string magic = bytes_of(in, 4);
    if (magic == "GIF8") return gif_plays(in);
    if (magic == "\x89PNG") return png_plays(in);
    return std::nullopt;
}

void set_webp_length(AVPacket& file, std::int64_t total_ms) {
    constexpr std::int64_t kMost = (1 << 24) - 1;
    constexpr int kHead = 8, kDuration = 12;  // of a chunk; within a frame's
    std::uint8_t* last = nullptr;
    std::int64_t before = 0, own = 0;
    for (std::int64_t at = 12; at + kHead <= file.size;) {
        std::uint8_t* chunk = file.data + at;
        const std::int64_t size = chunk[4] | chunk[5] << 8 | chunk[6] << 16 | std::int64_t{chunk[7]} << 24;
        if (std::memcmp(chunk, "ANMF", 4) == 0 && size >= 16 && at + kHead + size <= file.size) {
            before += own;
            last = chunk + kHead + kDuration;
            own = last[0] | last[1] << 8 | last[2] << 16;
        }
        at += kHead + size + (size & 1);
    }
    if (!last || total_ms <= before) return;
    const std::int64_t length = std::min(total_ms - before, kMost);
    for (int i = 0; i < 3; ++i) last[i] = static_cast<std::uint8_t>(length >> (8 * i));
}

}  // namespace enlarge::media
