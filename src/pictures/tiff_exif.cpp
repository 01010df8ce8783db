// SPDX-License-Identifier: Apache-2.0
// EXIF blocks are TIFF structures: a directory of tags, with pointers to an EXIF and a GPS directory. Here they are moved
// from a TIFF file to a block of their own, and from such a block into a TIFF file.
#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "pictures/boxes.hpp"

namespace enlarge::pictures {
namespace {

constexpr std::uint16_t kExifPointer = 0x8769, kGpsPointer = 0x8825, kInteroperabilityPointer = 0xa005;
constexpr std::size_t kMostValue = std::size_t{16} << 20, kMostEntries = 4096;

// Tags of the first directory that speak of the picture and not of how its pixels are stored.
bool descriptive(std::uint16_t tag) {
    for (const std::uint16_t known : {0x010d, 0x010e, 0x010f, 0x0110, 0x0131, 0x0132, 0x013b, 0x013c, 0x8298, 0x4746, 0x4749, 0x9c9b, 0x9c9c, 0x9c9d, 0x9c9e, 0x9c9f})
        if (tag == known) return true;
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

    Bytes at(std::uint64_t offset, std::size_t count) const {
        if (offset > 0x7fffffffffffffffULL) return {};
        if (input) return input->read_at(static_cast<std::int64_t>(offset), count);
        if (file) {
            Bytes bytes(count);
            std::size_t done = 0;
            if (!file->seek(static_cast<std::int64_t>(offset), SEEK_SET)) return {};
            while (done < count) {
                auto got = file->read(std::span(bytes).subspan(done));
                if (!got || *got == 0) break;
                done += *got;
            }
            bytes.resize(done);
            return bytes;
        }
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

// Reads the header; the offset of the first directory, or nothing.
std::optional<std::uint64_t> open(Reader& reader) {
    const Bytes head = reader.at(0, 4);
    if (head.size() < 4 || head[0] != head[1] || (head[0] != std::byte{'I'} && head[0] != std::byte{'M'})) return std::nullopt;
    reader.big_endian = head[0] == std::byte{'M'};
    const auto magic = reader.number(2, 2);
    reader.big_tiff = magic == 43;
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

}  // namespace

Bytes read_tiff_exif(const Input& file) {
    Reader reader{&file, nullptr, {}};
    const auto first = open(reader);
    if (!first) return {};
    const Directory all = read_directory(reader, *first);
    Directory kept;
    for (const auto& [tag, entry] : all)
        if (descriptive(tag)) kept.emplace(tag, entry);
    Writer writer{8};
    for (const std::uint16_t tag : {kExifPointer, kGpsPointer})
        if (const auto at = pointer(all, tag)) {
            Directory sub = read_directory(reader, *at);
            sub.erase(kInteroperabilityPointer);
            if (!sub.empty()) kept.insert_or_assign(tag, writer.sub(sub));
        }
    if (kept.empty()) return {};
    const std::uint64_t start = writer.directory(kept, 0);
    Writer head{0};
    head.number(0x4949, 2);
    head.number(42, 2);
    head.number(start, 4);
    head.out.insert(head.out.end(), writer.out.begin(), writer.out.end());
    return head.out;
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

Result<void> add_tiff_blocks(OutputFile& file, std::span<const std::byte> exif, std::span<const std::byte> iptc) {
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
        if (descriptive(tag)) merged.emplace(tag, entry);
    for (const std::uint16_t tag : {kExifPointer, kGpsPointer})
        if (const auto at = pointer(described, tag); at && !merged.count(tag)) {
            Directory sub = read_directory(block, *at);
            sub.erase(kInteroperabilityPointer);
            if (!sub.empty()) merged.emplace(tag, writer.sub(sub));
        }
    if (!iptc.empty()) merged.insert_or_assign(0x83bb, Entry{7, iptc.size(), {iptc.begin(), iptc.end()}});
    if (merged.size() == before) return {};
    const std::uint64_t start = writer.directory(merged, next);
    if (!tiff.big_tiff && start + writer.out.size() > 0xffffffffULL) return {};  // 4 GiB: pixels matter more
    TRY(file.write(writer.out));
    Writer patch{0, tiff.big_endian, tiff.big_tiff, {}};
    patch.number(start, tiff.big_tiff ? 8 : 4);
    TRY(file.seek(tiff.big_tiff ? 8 : 4, SEEK_SET));
    return file.write(patch.out);
}

void update_exif(Bytes& exif, Size size) {
    const std::size_t prefix = exif.size() > 6 && std::memcmp(exif.data(), "Exif\0\0", 6) == 0 ? 6 : 0;
    Reader reader{nullptr, nullptr, std::span<const std::byte>(exif).subspan(prefix)};
    const auto first = open(reader);
    if (!first || reader.big_tiff) return;
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
    patch(*first, 0x0112, 1, 3);
    patch(*first, 0x0100, static_cast<std::uint64_t>(size.width), 4);
    patch(*first, 0x0101, static_cast<std::uint64_t>(size.height), 4);
    if (const auto sub = pointer(read_directory(reader, *first), kExifPointer)) {
        patch(*sub, 0xa002, static_cast<std::uint64_t>(size.width), 4);
        patch(*sub, 0xa003, static_cast<std::uint64_t>(size.height), 4);
    }
    if (const auto entries = reader.number(*first, 2)) put(*first + 2 + 12 * *entries, 0, 4);  // no second directory: the thumbnail
}

}  // namespace enlarge::pictures
