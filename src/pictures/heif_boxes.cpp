// SPDX-License-Identifier: Apache-2.0
// The "meta" box of AVIF and HEIC files.
#include <algorithm>
#include <optional>

#include "pictures/boxes.hpp"

namespace enlarge::pictures {
namespace {

using namespace std::string_view_literals;

// A box within bytes: where its content begins and ends.
struct Box {
    std::string type;
    std::size_t at = 0, begin = 0, end = 0;
};

// The boxes that follow one another in [begin, end).
std::vector<Box> boxes(std::span<const std::byte> bytes, std::size_t begin, std::size_t end) {
    std::vector<Box> found;
    for (std::size_t at = begin; at + 8 <= end && found.size() < 65536;) {
        std::uint64_t size = u32_be(bytes, at);
        std::size_t header = 8;
        if (size == 1 && at + 16 <= end)
            size = std::uint64_t{u32_be(bytes, at + 8)} << 32 | u32_be(bytes, at + 12), header = 16;
        if (size == 0) size = end - at;
        if (size < header || size > end - at) break;
        found.push_back({text_of(bytes.subspan(at + 4, 4)), at, at + header, at + static_cast<std::size_t>(size)});
        at += static_cast<std::size_t>(size);
    }
    return found;
}

const Box* find(const std::vector<Box>& in, std::string_view type) {
    for (const Box& box : in)
        if (box.type == type) return &box;
    return nullptr;
}

// A reader of big-endian numbers that stops at the end.
struct Numbers {
    std::span<const std::byte> bytes;
    std::size_t at, end;
    bool ok = true;
    std::uint64_t next(std::size_t size) {
        if (size > end - std::min(at, end)) {
            ok = false;
            return 0;
        }
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<std::uint64_t>(bytes[at++]);
        return value;
    }
};

// The "meta" box of a file: its bytes, where it lies, and what is in it.
struct Meta {
    Bytes bytes;
    std::int64_t place = 0;  // of the bytes in the file
    std::vector<Box> inside;
};

template <class Read>
std::optional<Meta> read_meta(const Read& read) {
    for (std::int64_t at = 0;;) {
        const Bytes head = read(at, 16);
        if (head.size() < 16) return std::nullopt;
        std::uint64_t size = u32_be(head, 0);
        if (size == 1) size = std::uint64_t{u32_be(head, 8)} << 32 | u32_be(head, 12);
        if (size < 8 || size > (std::uint64_t{1} << 62)) return std::nullopt;
        if (begins(head, "meta"sv, 4)) {
            if (size > static_cast<std::uint64_t>(kMostMetadata)) return std::nullopt;
            Meta meta{read(at, static_cast<std::size_t>(size)), at, {}};
            if (meta.bytes.size() != size || size < 12) return std::nullopt;
            meta.inside = boxes(meta.bytes, 12, meta.bytes.size());
            return meta;
        }
        at += static_cast<std::int64_t>(size);
    }
}

// The properties of the first picture, in the order in which it has them.
std::vector<Box> properties(const Meta& meta) {
    const Box* primary = find(meta.inside, "pitm");
    const Box* all = find(meta.inside, "iprp");
    if (!primary || !all) return {};
    Numbers item{meta.bytes, primary->begin, primary->end};
    const std::uint64_t wanted = item.next(4) >> 24 ? item.next(4) : item.next(2);
    const std::vector<Box> parts = boxes(meta.bytes, all->begin, all->end);
    const Box* container = find(parts, "ipco");
    if (!container || !item.ok) return {};
    const std::vector<Box> known = boxes(meta.bytes, container->begin, container->end);
    std::vector<Box> out;
    for (const Box& part : parts) {
        if (part.type != "ipma") continue;
        Numbers in{meta.bytes, part.begin, part.end};
        const std::uint64_t version_and_flags = in.next(4), entries = in.next(4);
        const std::size_t id_size = version_and_flags >> 24 ? 4 : 2, index_size = version_and_flags & 1 ? 2 : 1;
        for (std::uint64_t e = 0; e < entries && in.ok; ++e) {
            const std::uint64_t id = in.next(id_size), count = in.next(1);
            for (std::uint64_t i = 0; i < count && in.ok; ++i) {
                const std::uint64_t index = in.next(index_size) & (index_size == 2 ? 0x7fff : 0x7f);
                if (in.ok && id == wanted && index >= 1 && index <= known.size()) out.push_back(known[index - 1]);
            }
        }
    }
    return out;
}

// Where the code points of the first picture's "nclx" begin.
std::optional<std::size_t> code_points(const Meta& meta) {
    for (const Box& property : properties(meta))
        if (property.type == "colr" && property.end - property.begin >= 11 &&
            begins(meta.bytes, "nclx"sv, property.begin))
            return property.begin + 4;
    return std::nullopt;
}

// Where the location of the EXIF item is stated, and how long its two numbers are.
struct Location {
    std::size_t offset_at, offset_size, length_at, length_size;
    std::uint64_t base;  // to which the offset is added
};
std::optional<Location> exif_location(const Meta& meta) {
    const Box* items = find(meta.inside, "iinf");
    const Box* places = find(meta.inside, "iloc");
    if (!items || !places) return std::nullopt;
    Numbers count{meta.bytes, items->begin, items->end};
    const bool wide_count = count.next(4) >> 24 != 0;
    count.next(wide_count ? 4 : 2);
    std::optional<std::uint64_t> wanted;
    for (const Box& item : boxes(meta.bytes, count.at, items->end)) {
        Numbers in{meta.bytes, item.begin, item.end};
        const std::uint64_t version = in.next(4) >> 24;
        if (item.type != "infe" || version < 2) continue;
        const std::uint64_t id = in.next(version == 2 ? 2 : 4);
        in.next(2);
        if (in.ok && begins(meta.bytes, "Exif"sv, in.at)) wanted = id;
    }
    Numbers in{meta.bytes, places->begin, places->end};
    const std::uint64_t version = in.next(4) >> 24, sizes = in.next(2);
    const std::size_t offset_size = sizes >> 12, length_size = sizes >> 8 & 15, base_size = sizes >> 4 & 15,
                      index_size = version ? sizes & 15 : 0;
    const std::uint64_t entries = in.next(version < 2 ? 2 : 4);
    for (std::uint64_t e = 0; e < entries && in.ok && wanted; ++e) {
        const std::uint64_t id = in.next(version < 2 ? 2 : 4), method = version ? in.next(2) & 15 : 0;
        in.next(2);
        const std::uint64_t base = in.next(base_size), extents = in.next(2);
        for (std::uint64_t i = 0; i < extents && in.ok; ++i) {
            in.next(index_size);
            const std::size_t offset_at = in.at;
            in.next(offset_size);
            const std::size_t length_at = in.at;
            in.next(length_size);
            if (in.ok && id == *wanted) {
                if (method != 0 || extents != 1 || offset_size < 4 || length_size < 4) return std::nullopt;
                return Location{offset_at, offset_size, length_at, length_size, base};
            }
        }
    }
    return std::nullopt;
}

}  // namespace

Blocks read_heif_blocks(const Input& file) {
    Blocks blocks;
    const auto meta = read_meta([&](std::int64_t at, std::size_t count) { return file.read_at(at, count); });
    if (!meta) return blocks;
    if (const auto at = code_points(*meta)) {
        const auto primaries = static_cast<std::uint8_t>(meta->bytes[*at + 1]),
                   transfer = static_cast<std::uint8_t>(meta->bytes[*at + 3]);
        if (primaries != 2 || transfer != 2) blocks.signal.codes = {primaries, transfer};
    }
    const std::string all = text_of(meta->bytes);
    for (const char* kind : {"hdrgainmap", "urn:iso:std:iso:ts:21496", "tmap"})
        blocks.gain_map = blocks.gain_map || all.find(kind) != std::string::npos;
    return blocks;
}

Result<void> put_heif_blocks(OutputFile& file, const Blocks& blocks) {
    const auto meta = read_meta([&](std::int64_t at, std::size_t count) { return read_back(file, at, count); });
    if (!meta) return Error{Errc::internal, "the file written has no meta box"};
    const auto put = [&](std::size_t at, std::uint64_t value, std::size_t bytes) -> Result<void> {
        Bytes number;
        append_be(number, value, static_cast<int>(bytes));
        TRY(file.seek(meta->place + static_cast<std::int64_t>(at), SEEK_SET));
        return file.write(number);
    };
    if (blocks.signal.codes) {
        const auto at = code_points(*meta);
        if (!at) return Error{Errc::internal, "the file written has no place for its colours"};
        TRY(put(*at, blocks.signal.codes->primaries, 2));
        TRY(put(*at + 2, blocks.signal.codes->transfer, 2));
    }
    if (!blocks.exif.empty()) {
        const auto where = exif_location(*meta);
        if (!where) return Error{Errc::internal, "the file written has no place for EXIF"};
        // The block goes to the end, in a box of its own, and the item points there.
        TRY(const std::int64_t end, file.seek(0, SEEK_END));
        const std::size_t length = blocks.exif.size() + 4;
        if (end > 0xfff00000LL && where->offset_size == 4) return {};  // 4 GiB: pixels matter more
        Bytes box;
        append_be(box, length + 8, 4);
        append(box, "mdat\0\0\0\0"sv);  // and where in the item the TIFF header is: at once
        append(box, blocks.exif);
        TRY(file.write(box));
        TRY(put(where->offset_at, static_cast<std::uint64_t>(end) + 8 - where->base, where->offset_size));
        TRY(put(where->length_at, length, where->length_size));
    }
    return {};
}

}  // namespace enlarge::pictures
