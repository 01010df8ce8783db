// SPDX-License-Identifier: Apache-2.0
// EXIF blocks are TIFF structures: a directory of tags, with pointers to an EXIF and a GPS directory. Here they are moved
// from a TIFF file to a block of their own, and from such a block into a TIFF file.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "pictures/tiff_directory.hpp"

namespace enlarge::pictures {
namespace {

using namespace ifd;

// Tags of the first directory that say how pixels are stored, where other data is, or where each pixel lies on the
// Earth: true for one file only. All others speak of the picture.
bool structural(std::uint16_t tag) {
    constexpr std::pair<std::uint16_t, std::uint16_t> kRanges[] = {
        {0x00fe, 0x010a},                    // size, bits, compression, colour model, thresholding
        {0x0111, 0x0111}, {0x0112, 0x0112},  // strips, orientation
        {0x0115, 0x012d},                    // samples, strips, resolution, page, transfer function
        {0x013d, 0x0143}, {0x0144, 0x015b},  // predictor, colour map, tiles, sub-directories, inks, extra samples, JPEG
                                             // tables
        {0x0200, 0x0214},                    // JPEG of old, YCbCr
        {0x02bc, 0x02bc},                    // XMP
        {0x828d, 0x828e}, {0x830e, 0x830e}, {0x83bb, 0x83bb},  // filter of a sensor, scale on the Earth, IPTC
        {0x8480, 0x8482}, {0x85d8, 0x85d8}, {0x8649, 0x8649}, {0x8769, 0x8769},
        {0x8773, 0x8773}, {0x87af, 0x87b1},                                      // Earth, Photoshop, EXIF, ICC
        {0x8825, 0x8825}, {0x935c, 0x935c}, {0xa005, 0xa005}, {0xa480, 0xa481},  // GPS, layers, interoperability, Earth
        {0xc4a5, 0xc4a5},                                                        // matching of prints
        {0xc612, 0xc613}, {0xc616, 0xc62e}, {0xc631, 0xc7ff},  // raw files, but for the names and numbers of camera and
                                                               // lens
        {0xea1c, 0xea1d},                                      // padding
    };
    if (tag == 0x0131 || tag == 0x0132) return false;  // software and date
    for (const auto& [first, last] : kRanges)
        if (tag >= first && tag <= last) return true;
    return false;
}

// An EXIF block of a first directory, after what the writer (of base 8, little-endian) holds already.
Bytes block_of(const Directory& first, Writer writer) {
    const std::uint64_t start = writer.directory(first);
    Writer head{0};
    head.number(0x4949, 2);
    head.number(42, 2);
    head.number(start, 4);
    append(head.out, writer.out);
    return head.out;
}

}  // namespace

Directory ifd::resolution_entries(const Resolution& resolution) {
    const auto rational = [](double per_mm) {
        const auto thousandths = static_cast<std::uint64_t>(std::clamp(per_mm * 25.4 * 1000 + 0.5, 0.0, 4e9));
        return numbers(kRational, {thousandths, 1000});
    };
    return {{0x011a, rational(resolution.x)}, {0x011b, rational(resolution.y)}, {0x0128, numbers(kShort, {2})}};
}

Resolution exif_resolution(std::span<const std::byte> exif) {
    Reader reader{.block = exif};
    const auto first = open(reader);
    if (!first) return {};
    const Directory all = read_directory(reader, *first);
    const auto number = [&](std::uint16_t tag) {
        const auto found = all.find(tag);
        if (found == all.end() || found->second.type != 5 || found->second.value.size() != 8) return 0.0;
        const std::uint32_t above = u32_le(found->second.value, 0), below = u32_le(found->second.value, 4);
        return below ? static_cast<double>(above) / below : 0.0;
    };
    const auto unit = all.find(0x0128);
    const double millimetres =
        unit != all.end() && unit->second.value.size() == 2 && unit->second.value[0] == std::byte{3} ? 10 : 25.4;
    if (unit != all.end() && !unit->second.value.empty() && unit->second.value[0] == std::byte{1})
        return {};  // a ratio alone
    return {number(0x011a) / millimetres, number(0x011b) / millimetres};
}

Bytes resolution_exif(const Resolution& resolution) {
    return block_of(resolution_entries(resolution), Writer{8});
}

Bytes read_tiff_exif(const Input& file) {
    Reader reader{.input = &file};
    const auto first = open(reader);
    if (!first) return {};
    const Directory all = read_directory(reader, *first);
    Directory kept;
    for (const auto& [tag, entry] : all)
        if (!structural(tag) && !directory_pointer(entry)) kept.emplace(tag, entry);
    Writer writer{8};
    for (const std::uint16_t tag : {kExifPointer, kGpsPointer})
        if (const auto at = pointer(all, tag)) {
            Directory sub = read_directory(reader, *at);
            sub.erase(kInteroperabilityPointer);
            if (!sub.empty()) kept.insert_or_assign(tag, writer.sub(sub));
        }
    if (kept.empty()) return {};
    return block_of(kept, std::move(writer));
}

Bytes read_tiff_iptc(const Input& file) {
    Reader reader{.input = &file};
    const auto first = open(reader);
    if (!first) return {};
    Directory all = read_directory(reader, *first);
    const auto found = all.find(0x83bb);
    if (found == all.end()) return {};
    Bytes value = std::move(found->second.value);
    // The records are bytes, declared as 32-bit numbers by habit: their order in the file is the right one.
    if (reader.big_endian && found->second.type == 4)
        for (std::size_t n = 0; n + 4 <= value.size(); n += 4) std::reverse(value.begin() + static_cast<std::ptrdiff_t>(n), value.begin() + static_cast<std::ptrdiff_t>(n + 4));
    return value;
}

void ifd::describe_tiff(Directory& first, Writer& writer, std::span<const std::byte> exif) {
    Reader block{.block = exif};
    const auto described_at = open(block);
    if (!described_at || block.big_tiff) return;
    const Directory described = read_directory(block, *described_at);
    for (const auto& [tag, entry] : described)
        if (!structural(tag) && !directory_pointer(entry)) first.emplace(tag, entry);
    for (const std::uint16_t tag : {kExifPointer, kGpsPointer})
        if (const auto at = pointer(described, tag)) {
            Directory sub = read_directory(block, *at);
            sub.erase(kInteroperabilityPointer);
            if (!sub.empty()) first.emplace(tag, writer.sub(sub));
        }
}

namespace {

using Range = std::pair<std::uint64_t, std::uint64_t>;  // from, to

// The bytes of a directory and of the values outside of it.
void add_ranges(const Reader& reader, std::uint64_t directory, std::vector<Range>& ranges) {
    const std::uint64_t entries = reader.number(directory, 2).value_or(0);
    if (entries > kMostEntries) return;
    ranges.emplace_back(directory, directory + 2 + 12 * entries + 4);
    for (std::uint64_t i = 0; i < entries; ++i) {
        const std::uint64_t at = directory + 2 + 12 * i;
        const std::size_t size = type_size(static_cast<std::uint16_t>(reader.number(at + 2, 2).value_or(0)));
        const std::uint64_t bytes = size * reader.number(at + 4, 4).value_or(0);
        if (bytes <= 4) continue;
        const std::uint64_t value = reader.number(at + 8, 4).value_or(0);
        ranges.emplace_back(value, value + bytes);
    }
}

// Cuts off the second directory of an EXIF block, which is that of the thumbnail. Bytes that only it used become zeros.
void drop_thumbnail(Bytes& exif, std::size_t prefix, const Reader& reader, std::uint64_t first) {
    const auto entries = reader.number(first, 2);
    const std::uint64_t link = first + 2 + 12 * entries.value_or(0);
    const auto second = reader.number(link, 4);
    if (!entries || *entries > kMostEntries || !second || *second == 0) return;
    std::vector<Range> used{{0, 8}}, thumbnail;
    const Directory all = read_directory(reader, first);
    add_ranges(reader, first, used);
    for (const std::uint16_t tag : {kExifPointer, kGpsPointer})
        if (const auto sub = pointer(all, tag)) {
            add_ranges(reader, *sub, used);
            if (const auto more = pointer(read_directory(reader, *sub), kInteroperabilityPointer))
                add_ranges(reader, *more, used);
        }
    add_ranges(reader, *second, thumbnail);
    const Directory small = read_directory(reader, *second);
    for (const auto& [where, length] : {std::pair<std::uint16_t, std::uint16_t>{0x0201, 0x0202}, {0x0111, 0x0117}})
        if (const auto from = pointer(small, where), count = pointer(small, length); from && count)
            thumbnail.emplace_back(*from, *from + *count);
    std::sort(used.begin(), used.end());
    std::sort(thumbnail.begin(), thumbnail.end());
    std::size_t kept = 0;  // ranges in use, joined where they touch
    for (const Range& range : used)
        if (kept > 0 && range.first <= used[kept - 1].second)
            used[kept - 1].second = std::max(used[kept - 1].second, range.second);
        else
            used[kept++] = range;
    used.resize(kept);
    for (std::size_t i = 0; i < 4; ++i) exif[prefix + static_cast<std::size_t>(link) + i] = {};

    const std::uint64_t size = exif.size() - prefix;
    std::uint64_t at = 0, last = 0;  // where to go on, and the end of what was cleared
    auto next = used.begin();
    for (const auto& [from, to] : thumbnail) {
        at = std::max(at, from);
        while (at < std::min(to, size)) {
            while (next != used.end() && next->second <= at) ++next;
            const std::uint64_t free = next == used.end() ? size : next->first;
            if (free <= at) {
                at = next->second;
                continue;
            }
            const std::uint64_t end = std::min({to, size, free});
            std::fill(exif.begin() + static_cast<std::ptrdiff_t>(prefix + at),
                      exif.begin() + static_cast<std::ptrdiff_t>(prefix + end), std::byte{0});
            at = last = end;
        }
    }
    const std::uint64_t needed = used.back().second;
    if (last == size && needed < size) {  // the thumbnail was the last
        std::uint64_t end = size;
        while (end > needed && exif[prefix + static_cast<std::size_t>(end) - 1] == std::byte{0}) --end;
        exif.resize(prefix + static_cast<std::size_t>(end));
    }
}

}  // namespace

bool update_exif(Bytes& exif, const Enlargement& made) {
    const std::size_t prefix = exif.size() > 6 && std::memcmp(exif.data(), "Exif\0\0", 6) == 0 ? 6 : 0;
    Reader reader{.block = std::span<const std::byte>(exif).subspan(prefix)};
    const auto first = open(reader);
    if (!first || reader.big_tiff) return false;
    const auto put = [&](std::uint64_t at, std::uint64_t value, std::size_t bytes) {
        for (std::size_t i = 0; i < bytes && prefix + at + i < exif.size(); ++i)
            exif[prefix + static_cast<std::size_t>(at) + i] = static_cast<std::byte>(value >> 8 * (reader.big_endian ? bytes - 1 - i : i));
    };
    // Sets single numbers in place; a LONG fits wherever a SHORT was.
    const auto patch = [&](std::uint64_t directory, std::uint16_t tag, std::uint64_t value, std::uint16_t type) {
        const std::uint64_t entries = reader.number(directory, 2).value_or(0);
        for (std::uint64_t i = 0; i < entries; ++i) {
            const std::uint64_t at = directory + 2 + 12 * i;
            if (reader.number(at, 2) != tag) continue;
            put(at + 2, type, 2);
            put(at + 4, 1, 4);
            put(at + 8, 0, 4);
            put(at + 8, value, type == 3 ? 2 : 4);
        }
    };
    // SubjectArea and SubjectLocation: SHORTs, across and down in turn (the third of three is a diameter). False: gone.
    const auto move_along = [&](std::uint64_t directory, std::uint16_t tag) {
        const std::uint64_t entries = reader.number(directory, 2).value_or(0);
        for (std::uint64_t i = 0; i < entries; ++i) {
            const std::uint64_t entry = directory + 2 + 12 * i, count = reader.number(entry + 4, 4).value_or(0);
            if (reader.number(entry, 2) != tag) continue;
            const std::uint64_t at = count > 2 ? reader.number(entry + 8, 4).value_or(0) : entry + 8;
            std::vector<long> moved;
            for (std::uint64_t k = 0; !made.turned && count <= 4 && k < count; ++k)
                if (const auto value = reader.number(at + 2 * k, 2))
                    moved.push_back(std::lround(static_cast<double>(*value) *
                                                (k % 2 ? static_cast<double>(made.to.height) / made.from.height
                                                       : static_cast<double>(made.to.width) / made.from.width)));
            if (!moved.empty() && moved.size() == count && *std::max_element(moved.begin(), moved.end()) <= 65535) {
                for (std::uint64_t k = 0; k < count; ++k) put(at + 2 * k, static_cast<std::uint64_t>(moved[k]), 2);
                return true;
            }
            const std::uint64_t end = directory + 2 + 12 * entries + 4;  // behind the pointer to the next directory
            if (prefix + end > exif.size()) return true;
            std::byte* bytes = exif.data() + prefix;
            std::memmove(bytes + entry, bytes + entry + 12, static_cast<std::size_t>(end - entry - 12));
            std::memset(bytes + end - 12, 0, 12);
            put(directory, entries - 1, 2);
            return false;
        }
        return true;
    };
    bool kept = true;
    patch(*first, 0x0112, 1, 3);
    patch(*first, 0x0100, static_cast<std::uint64_t>(made.to.width), 4);
    patch(*first, 0x0101, static_cast<std::uint64_t>(made.to.height), 4);
    if (const auto sub = pointer(read_directory(reader, *first), kExifPointer)) {
        patch(*sub, 0xa002, static_cast<std::uint64_t>(made.to.width), 4);
        patch(*sub, 0xa003, static_cast<std::uint64_t>(made.to.height), 4);
        const bool area = move_along(*sub, 0x9214), place = move_along(*sub, 0xa214);
        kept = area && place;
    }
    drop_thumbnail(exif, prefix, reader, *first);
    return !kept;
}

}  // namespace enlarge::pictures
