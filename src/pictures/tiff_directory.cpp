// SPDX-License-Identifier: Apache-2.0
#include "pictures/tiff_directory.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace enlarge::pictures::ifd {
namespace {

// How many bytes each number of a type has, for turning the byte order.
std::size_t number_size(std::uint16_t type) { return type == 5 || type == 10 ? 4 : type_size(type); }

void append_number(Bytes& to, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) to.push_back(static_cast<std::byte>(value >> 8 * i & 0xff));
}

}  // namespace

std::size_t type_size(std::uint16_t type) {
    constexpr std::size_t sizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8};
    return type < std::size(sizes) ? sizes[type] : 0;
}

Entry numbers(Type type, std::span<const std::uint64_t> values) {
    Entry entry{type, values.size() / (type == kRational ? 2 : 1), {}};
    for (const std::uint64_t value : values) append_number(entry.value, value, number_size(type));
    return entry;
}

Entry blob_of(Type type, std::span<const std::byte> bytes) {
    return {type, bytes.size(), {bytes.begin(), bytes.end()}};
}

Bytes Reader::at(std::uint64_t offset, std::size_t count) const {
    if (offset > 0x7fffffffffffffffULL) return {};
    if (input) return input->read_at(static_cast<std::int64_t>(offset), count);
    if (offset >= block.size()) return {};
    const std::size_t from = static_cast<std::size_t>(offset);
    const auto part = block.subspan(from, std::min(count, block.size() - from));
    return {part.begin(), part.end()};
}

std::optional<std::uint64_t> Reader::number(std::uint64_t offset, std::size_t size) const {
    const Bytes bytes = at(offset, size);
    if (bytes.size() != size) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
        value = value << 8 | static_cast<std::uint64_t>(bytes[big_endian ? i : size - 1 - i]);
    return value;
}

std::optional<std::uint64_t> open(Reader& reader) {
    const Bytes head = reader.at(0, 4);
    if (head.size() < 4 || head[0] != head[1] || (head[0] != std::byte{'I'} && head[0] != std::byte{'M'}))
        return std::nullopt;
    reader.big_endian = head[0] == std::byte{'M'};
    const auto magic = reader.number(2, 2);
    reader.big_tiff = magic == 43;
    const auto size = reader.input ? static_cast<std::uint64_t>(reader.input->size()) : reader.block.size();
    reader.room = std::min<std::uint64_t>(size, kMostMetadata);
    if (magic != 42 && magic != 43) return std::nullopt;
    return reader.big_tiff ? reader.number(8, 8) : reader.number(4, 4);
}

Directory read_directory(const Reader& reader, std::uint64_t offset) {
    Directory directory;
    const std::size_t count_size = reader.big_tiff ? 8 : 2, word = reader.big_tiff ? 8 : 4;
    const std::size_t step = reader.big_tiff ? 20 : 12;
    const std::uint64_t entries = reader.number(offset, count_size).value_or(0);
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
                std::reverse(entry.value.begin() + static_cast<std::ptrdiff_t>(n),
                             entry.value.begin() + static_cast<std::ptrdiff_t>(n + number));
        directory.emplace(static_cast<std::uint16_t>(*tag), std::move(entry));
    }
    return directory;
}

std::optional<std::uint64_t> pointer(const Directory& directory, std::uint16_t tag) {
    const auto found = directory.find(tag);
    if (found == directory.end() || found->second.value.size() < 4 || found->second.count != 1) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = found->second.value.size(); i-- > 0;)
        value = value << 8 | static_cast<std::uint64_t>(found->second.value[i]);
    return value;
}

void Writer::number(std::uint64_t value, std::size_t size) { append_number(out, value, size); }

std::uint64_t Writer::directory(const Directory& directory) {
    const std::size_t word = big_tiff ? 8 : 4;
    std::map<std::uint16_t, std::uint64_t> places;
    for (const auto& [tag, entry] : directory) {
        if (entry.value.size() <= word) continue;
        if (out.size() % 2) out.push_back({});
        places[tag] = base + out.size();
        append(out, entry.value);
    }
    if (out.size() % 2) out.push_back({});
    const std::uint64_t start = base + out.size();
    number(directory.size(), big_tiff ? 8 : 2);
    for (const auto& [tag, entry] : directory) {
        number(tag, 2);
        number(entry.type, 2);
        number(entry.count, word);
        if (const auto place = places.find(tag); place != places.end()) {
            number(place->second, word);
        } else {
            append(out, entry.value);
            for (std::size_t i = entry.value.size(); i < word; ++i) out.push_back({});
        }
    }
    number(0, word);
    return start;
}

Entry Writer::sub(const Directory& from) {
    const std::uint64_t at = directory(from);
    return numbers(big_tiff ? kLong8 : kLong, {at});
}

}  // namespace enlarge::pictures::ifd
