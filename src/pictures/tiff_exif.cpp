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

#include "pictures/boxes.hpp"

namespace enlarge::pictures {
namespace {

constexpr std::uint16_t kExifPointer = 0x8769, kGpsPointer = 0x8825, kInteroperabilityPointer = 0xa005;
constexpr std::size_t kMostValue = std::size_t{16} << 20, kMostEntries = 4096;

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

std::size_t type_size(std::uint16_t type) {
    constexpr std::size_t sizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8};
    return type < std::size(sizes) ? sizes[type] : 0;
}

// How many bytes each number of a type has, for turning the byte order.
std::size_t number_size(std::uint16_t type) { return type == 5 || type == 10 ? 4 : type_size(type); }

struct Entry {
    std::uint16_t type = 0;
    std::uint64_t count = 0;
    Bytes value;  // little-endian
};
using Directory = std::map<std::uint16_t, Entry>;

// Something that can be read at offsets: a file, or a block in memory.
struct Reader {
    const Input* input = nullptr;
    OutputFile* file = nullptr;
    std::span<const std::byte> block;
    bool big_endian = false, big_tiff = false;
    // What values may take in all. Honest ones do not overlap, so they are not longer than the file.
    mutable std::uint64_t room = kMostMetadata;

    Bytes at(std::uint64_t offset, std::size_t count) const {
        if (offset > 0x7fffffffffffffffULL) return {};
        if (input) return input->read_at(static_cast<std::int64_t>(offset), count);
        if (file) return read_back(*file, static_cast<std::int64_t>(offset), count);
        if (offset >= block.size()) return {};
        const auto part = block.subspan(static_cast<std::size_t>(offset), std::min<std::size_t>(count, block.size() - static_cast<std::size_t>(offset)));
        return {part.begin(), part.end()};
    }
    std::optional<std::uint64_t> number(std::uint64_t offset, std::size_t size) const {
        const Bytes bytes = at(offset, size);
        if (bytes.size() != size) return std::nullopt;
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<std::uint64_t>(bytes[big_endian ? i : size - 1 - i]);
        return value;
    }
};

// An offset of further directories, which would lead nowhere in another file.
bool directory_pointer(const Entry& entry) { return entry.type == 13 || entry.type == 18; }

// Reads the header; the offset of the first directory, or nothing.
std::optional<std::uint64_t> open(Reader& reader) {
    const Bytes head = reader.at(0, 4);
    if (head.size() < 4 || head[0] != head[1] || (head[0] != std::byte{'I'} && head[0] != std::byte{'M'})) return std::nullopt;
    reader.big_endian = head[0] == std::byte{'M'};
    const auto magic = reader.number(2, 2);
    reader.big_tiff = magic == 43;
    const auto size = reader.input ? static_cast<std::uint64_t>(reader.input->size()) : reader.block.size();
    if (!reader.file) reader.room = std::min<std::uint64_t>(size, kMostMetadata);
    if (magic != 42 && magic != 43) return std::nullopt;
    return reader.big_tiff ? reader.number(8, 8) : reader.number(4, 4);
}

// Reads a directory; what is damaged is left out. `next` gets the offset of the following one.
Directory read_directory(const Reader& reader, std::uint64_t offset, std::uint64_t* next = nullptr) {
    Directory directory;
    const std::size_t count_size = reader.big_tiff ? 8 : 2, word = reader.big_tiff ? 8 : 4, step = reader.big_tiff ? 20 : 12;
    const std::uint64_t entries = reader.number(offset, count_size).value_or(0);
    if (next) *next = 0;
    if (entries > kMostEntries) return directory;
    for (std::uint64_t i = 0; i < entries; ++i) {
        const std::uint64_t at = offset + count_size + step * i;
        const auto tag = reader.number(at, 2), type = reader.number(at + 2, 2), count = reader.number(at + 4, word);
        if (!tag || !type || !count) return directory;
        Entry entry{static_cast<std::uint16_t>(*type), *count, {}};
        const std::size_t size = type_size(entry.type);
        if (size == 0 || *count > kMostValue / size) continue;
        const std::size_t bytes = static_cast<std::size_t>(*count) * size;
        if (bytes > reader.room) continue;
        reader.room -= bytes;
        const std::uint64_t value_at = bytes <= word ? at + 4 + word : reader.number(at + 4 + word, word).value_or(0);
        entry.value = reader.at(value_at, bytes);
        if (entry.value.size() != bytes) continue;
        if (const std::size_t number = number_size(entry.type); reader.big_endian && number > 1)
            for (std::size_t n = 0; n + number <= bytes; n += number)
                std::reverse(entry.value.begin() + static_cast<std::ptrdiff_t>(n), entry.value.begin() + static_cast<std::ptrdiff_t>(n + number));
        directory.emplace(static_cast<std::uint16_t>(*tag), std::move(entry));
    }
    if (next) *next = reader.number(offset + count_size + step * entries, word).value_or(0);
    return directory;
}

std::optional<std::uint64_t> pointer(const Directory& directory, std::uint16_t tag) {
    const auto found = directory.find(tag);
    if (found == directory.end() || found->second.value.size() < 4 || found->second.count != 1) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = found->second.value.size(); i-- > 0;) value = value << 8 | static_cast<std::uint64_t>(found->second.value[i]);
    return value;
}

// Bytes to be placed at `base` of a file, in its byte order.
struct Writer {
    std::uint64_t base;
    bool big_endian = false, big_tiff = false;
    Bytes out;

    void number(std::uint64_t value, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::byte>(value >> 8 * (big_endian ? size - 1 - i : i)));
    }
    // Appends a directory and its values; the offset where it begins.
    std::uint64_t directory(const Directory& directory, std::uint64_t next) {
        const std::size_t word = big_tiff ? 8 : 4;
        std::map<std::uint16_t, std::uint64_t> places;
        std::map<std::uint16_t, Bytes> values;
        for (const auto& [tag, entry] : directory) {
            Bytes value = entry.value;
            if (const std::size_t size = number_size(entry.type); big_endian && size > 1)
                for (std::size_t n = 0; n + size <= value.size(); n += size)
                    std::reverse(value.begin() + static_cast<std::ptrdiff_t>(n), value.begin() + static_cast<std::ptrdiff_t>(n + size));
            if (value.size() > word) {
                if (out.size() % 2) out.push_back({});
                places[tag] = base + out.size();
                out.insert(out.end(), value.begin(), value.end());
            } else {
                value.resize(word);
                values[tag] = std::move(value);
            }
        }
        if (out.size() % 2) out.push_back({});
        const std::uint64_t start = base + out.size();
        number(directory.size(), big_tiff ? 8 : 2);
        for (const auto& [tag, entry] : directory) {
            number(tag, 2);
            number(entry.type, 2);
            number(entry.count, word);
            if (places.count(tag)) number(places[tag], word);
            else out.insert(out.end(), values[tag].begin(), values[tag].end());
        }
        number(next, word);
        return start;
    }
    // The same, as a sub-directory to which an entry points.
    Entry sub(const Directory& from) {
        const std::uint64_t at = directory(from, 0);
        Entry entry{static_cast<std::uint16_t>(big_tiff ? 16 : 4), 1, {}};
        for (std::size_t i = 0; i < (big_tiff ? 8U : 4U); ++i) entry.value.push_back(static_cast<std::byte>(at >> 8 * i));
        return entry;
    }
};

// An EXIF block of a first directory, after what the writer (of base 8, little-endian) holds already.
Bytes block_of(const Directory& first, Writer writer) {
    const std::uint64_t start = writer.directory(first, 0);
    Writer head{0};
    head.number(0x4949, 2);
    head.number(42, 2);
    head.number(start, 4);
    append(head.out, writer.out);
    return head.out;
}

}  // namespace

Resolution exif_resolution(std::span<const std::byte> exif) {
    Reader reader{nullptr, nullptr, exif};
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
    const auto rational = [](double per_mm) {
        Entry entry{5, 1, {}};
        for (const auto part : {static_cast<std::uint32_t>(std::clamp(per_mm * 25.4 * 1000 + 0.5, 0.0, 4e9)), 1000U})
            for (int i = 0; i < 4; ++i) entry.value.push_back(static_cast<std::byte>(part >> 8 * i & 0xff));
        return entry;
    };
    const Directory all = {{0x011a, rational(resolution.x)},
                           {0x011b, rational(resolution.y)},
                           {0x0128, {3, 1, {std::byte{2}, std::byte{0}}}}};
    return block_of(all, Writer{8});
}

Bytes read_tiff_exif(const Input& file) {
    Reader reader{&file, nullptr, {}};
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
    Reader reader{&file, nullptr, {}};
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

Result<void> add_tiff_blocks(OutputFile& file, std::span<const std::byte> exif, std::span<const std::byte> iptc,
                             bool resolution) {
    Reader block{nullptr, nullptr, exif}, tiff{nullptr, &file, {}};
    const auto block_first = open(block), first = open(tiff);
    if (!first) return Error{Errc::internal, "the TIFF file written cannot be read back"};
    const Directory described = block_first && !block.big_tiff ? read_directory(block, *block_first) : Directory();
    std::uint64_t next = 0;
    Directory merged = read_directory(tiff, *first, &next);
    TRY(const std::int64_t end, file.seek(0, SEEK_END));
    Writer writer{static_cast<std::uint64_t>(end), tiff.big_endian, tiff.big_tiff, {}};
    if (end % 2) writer.out.push_back({});
    const std::size_t before = merged.size();
    for (const auto& [tag, entry] : described)
        if (!structural(tag) && !directory_pointer(entry)) merged.emplace(tag, entry);
    for (const std::uint16_t tag : {kExifPointer, kGpsPointer})
        if (const auto at = pointer(described, tag); at && !merged.count(tag)) {
            Directory sub = read_directory(block, *at);
            sub.erase(kInteroperabilityPointer);
            if (!sub.empty()) merged.emplace(tag, writer.sub(sub));
        }
    if (!iptc.empty()) merged.insert_or_assign(0x83bb, Entry{7, iptc.size(), {iptc.begin(), iptc.end()}});
    std::size_t gone = 0;
    if (!resolution)
        for (const std::uint16_t tag : {0x011a, 0x011b, 0x0128}) gone += merged.erase(tag);
    if (gone == 0 && merged.size() == before) return {};
    const std::uint64_t start = writer.directory(merged, next);
    if (!tiff.big_tiff && start + writer.out.size() > 0xffffffffULL) return {};  // 4 GiB: pixels matter more
    TRY(file.write(writer.out));
    Writer patch{0, tiff.big_endian, tiff.big_tiff, {}};
    patch.number(start, tiff.big_tiff ? 8 : 4);
    TRY(file.seek(tiff.big_tiff ? 8 : 4, SEEK_SET));
    return file.write(patch.out);
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
    Reader reader{nullptr, nullptr, std::span<const std::byte>(exif).subspan(prefix)};
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
