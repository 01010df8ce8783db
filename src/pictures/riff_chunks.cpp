// SPDX-License-Identifier: Apache-2.0
// The chunks of a WebP file.
#include <algorithm>

#include "pictures/boxes.hpp"

namespace enlarge::pictures {
namespace {

// Gives where each chunk is, its type and the size of its content to `use` until that returns false.
template <class Read, class Use>
void walk(const Read& read, const Use& use) {
    for (std::int64_t at = 12;;) {
        const Bytes head = read(at, 8);
        if (head.size() < 8) return;
        const std::int64_t size = u32_le(head, 4);
        if (!use(at, text_of(std::span(head).first(4)), size)) return;
        at += 8 + size + size % 2;
    }
}

void append_le(Bytes& to, std::uint64_t value) {
    for (int i = 0; i < 4; ++i) to.push_back(static_cast<std::byte>(value >> 8 * i & 0xff));
}

}  // namespace

Blocks read_webp_blocks(const Input& file) {
    Blocks blocks;
    walk([&](std::int64_t at, std::size_t count) { return file.read_at(at, count); },
         [&](std::int64_t, const std::string& type, std::int64_t) {
             blocks.lossless = blocks.lossless || type == "VP8L";
             return !blocks.lossless && type != "VP8 ";
         });
    return blocks;
}

Result<void> put_webp_exif(OutputFile& file, std::span<const std::byte> exif) {
    std::int64_t place = -1, old = 0, flags = -1;
    walk([&](std::int64_t at, std::size_t count) { return read_back(file, at, count); },
         [&](std::int64_t at, const std::string& type, std::int64_t size) {
             if (type == "VP8X" && size >= 10) flags = at + 8;
             if (type == "EXIF") place = at, old = 8 + size + size % 2;
             return place < 0;
         });
    if (place < 0)
        return exif.empty() ? Result<void>()
                            : Result<void>(Error{Errc::internal, "the WebP file written has no place for EXIF"});
    Bytes chunk;
    if (!exif.empty()) {
        append(chunk, "EXIF");
        append_le(chunk, exif.size());
        append(chunk, exif);
        if (exif.size() % 2) chunk.push_back({});
    } else if (flags >= 0) {
        Bytes byte = read_back(file, flags, 1);
        if (byte.empty()) return Error{Errc::io, "the WebP file written cannot be read back"};
        byte[0] &= ~std::byte{0x08};
        TRY(file.seek(flags, SEEK_SET));
        TRY(file.write(byte));
    }
    TRY(const std::int64_t size, file.seek(0, SEEK_END));
    TRY(splice(file, place, std::min(old, size - place), chunk));
    TRY(const std::int64_t now, file.seek(0, SEEK_END));
    Bytes whole;
    append_le(whole, static_cast<std::uint64_t>(now - 8));
    TRY(file.seek(4, SEEK_SET));
    return file.write(whole);
}

}  // namespace enlarge::pictures
