// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <string_view>

#include "pictures/boxes.hpp"

namespace enlarge::pictures {
namespace {

using namespace std::string_view_literals;
constexpr std::string_view kSignature = "\0\0\0\x0cJXL \r\n\x87\n"sv;
constexpr std::string_view kFileType = "\0\0\0\x14" "ftypjxl \0\0\0\0jxl "sv;

void append_u32(Bytes& to, std::uint32_t value) { append_be(to, value, 4); }

// A box; one of 4 GiB and more gets the long form of its size.
void append_box(Bytes& to, std::string_view type, std::string_view before, std::span<const std::byte> body) {
    const std::uint64_t size = 8 + before.size() + body.size();
    if (size <= 0xffffffffU) {
        append_u32(to, static_cast<std::uint32_t>(size));
        append(to, type);
    } else {
        append_u32(to, 1);
        append(to, type);
        append_u32(to, static_cast<std::uint32_t>((size + 8) >> 32));
        append_u32(to, static_cast<std::uint32_t>(size + 8));
    }
    append(to, before);
    append(to, body);
}

}  // namespace

Blocks read_jxl_blocks(const Input& file) {
    Blocks blocks;
    const Bytes start = file.read_at(0, 12);
    if (start.size() < 12 || std::memcmp(start.data(), kSignature.data(), 12) != 0) return blocks;
    for (std::int64_t at = 12; at + 8 <= file.size();) {
        const Bytes head = file.read_at(at, 16);
        if (head.size() < 8) break;
        std::int64_t size = u32_be(head, 0), header = 8;
        if (size == 1 && head.size() == 16) {
            size = static_cast<std::int64_t>(std::uint64_t{u32_be(head, 8)} << 32 | u32_be(head, 12));
            header = 16;
        }
        if (size == 0) size = file.size() - at;  // to the end
        if (size < header || size > file.size() - at) break;
        const auto is = [&](const char* type) { return std::memcmp(head.data() + 4, type, 4) == 0; };
        if ((is("Exif") || is("xml ")) && size - header < kMostMetadata) {
            Bytes body = file.read_at(at + header, static_cast<std::size_t>(size - header));
            if (is("xml ")) {
                blocks.xmp = std::move(body);
            } else if (body.size() > 4) {
                const std::size_t skip = std::size_t{4} + u32_be(body, 0);
                if (skip < body.size()) blocks.exif.assign(body.begin() + static_cast<std::ptrdiff_t>(skip), body.end());
            }
        }
        at += size;
    }
    return blocks;
}

Result<void> add_jxl_blocks(OutputFile& file, const Blocks& blocks) {
    if (blocks.exif.empty() && blocks.xmp.empty()) return {};
    TRY(const std::int64_t size, file.seek(0, SEEK_END));
    TRY(file.seek(0, SEEK_SET));
    Bytes code(static_cast<std::size_t>(size));
    for (std::size_t done = 0; done < code.size();) {
        TRY(const std::size_t got, file.read(std::span(code).subspan(done)));
        if (got == 0) return Error{Errc::internal, "the JPEG XL file ended early"};
        done += got;
    }
    const bool container = code.size() > 32 && std::memcmp(code.data(), kSignature.data(), 12) == 0;
    Bytes out;
    std::span<const std::byte> rest = code;
    if (container) {
        // Signature and file type stay first, then the level, if stated; metadata may come anywhere after.
        std::size_t head = 12 + u32_be(code, 12);
        if (head + 8 <= code.size() && std::memcmp(code.data() + head + 4, "jxll", 4) == 0) head += u32_be(code, head);
        if (head > code.size()) return Error{Errc::internal, "the JPEG XL file has an odd header"};
        append(out, rest.first(head));
        rest = rest.subspan(head);
    } else {
        append(out, kSignature);
        append(out, kFileType);
    }
    if (!blocks.exif.empty()) append_box(out, "Exif", "\0\0\0\0"sv, blocks.exif);
    if (!blocks.xmp.empty()) append_box(out, "xml ", "", blocks.xmp);
    if (container) append(out, rest);
    else append_box(out, "jxlc", "", rest);
    TRY(file.seek(0, SEEK_SET));
    TRY(file.write(out));
    return file.truncate(static_cast<std::int64_t>(out.size()));
}

void attach_exif(VipsImage* image, std::span<const std::byte> exif) {
    if (exif.empty()) return;
    Bytes block;
    append(block, "Exif\0\0"sv);
    append(block, exif);
    vips_image_set_blob_copy(image, VIPS_META_EXIF_NAME, block.data(), block.size());  // and parses it
    vips_error_clear();
}

}  // namespace enlarge::pictures
