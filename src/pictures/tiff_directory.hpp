// SPDX-License-Identifier: Apache-2.0
// Image file directories of TIFF 6.0 and BigTIFF, which EXIF blocks are made of, too: read from a file or a block, and
// written. What they say is tiff_exif.cpp's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "pictures/boxes.hpp"

namespace enlarge::pictures::ifd {

constexpr std::uint16_t kExifPointer = 0x8769, kGpsPointer = 0x8825, kInteroperabilityPointer = 0xa005;
constexpr std::size_t kMostValue = std::size_t{16} << 20, kMostEntries = 4096;

// Types of values.
enum Type : std::uint16_t { kByte = 1, kShort = 3, kLong = 4, kRational = 5, kUndefined = 7, kLong8 = 16 };

// Bytes of one value of a type; 0 for a type that is not known.
std::size_t type_size(std::uint16_t type);

struct Entry {
    std::uint16_t type = 0;
    std::uint64_t count = 0;
    Bytes value;  // little-endian
};
using Directory = std::map<std::uint16_t, Entry>;

// Whole numbers of a type of whole numbers; of kRational, numerators and denominators in turn.
Entry numbers(Type type, std::span<const std::uint64_t> values);
inline Entry numbers(Type type, std::initializer_list<std::uint64_t> values) {
    return numbers(type, std::span(values.begin(), values.size()));
}
Entry blob_of(Type type, std::span<const std::byte> bytes);  // kByte or kUndefined

// Something that can be read at offsets: a file, or a block in memory.
struct Reader {
    const Input* input = nullptr;
    std::span<const std::byte> block = {};
    bool big_endian = false, big_tiff = false;
    // What values may take in all. Honest ones do not overlap, so they are not longer than the file.
    mutable std::uint64_t room = kMostMetadata;

    [[nodiscard]] Bytes at(std::uint64_t offset, std::size_t count) const;
    [[nodiscard]] std::optional<std::uint64_t> number(std::uint64_t offset, std::size_t size) const;
};

// Reads the header; the offset of the first directory, or nothing.
std::optional<std::uint64_t> open(Reader& reader);
// Reads a directory; what is damaged is left out.
Directory read_directory(const Reader& reader, std::uint64_t offset);
// An offset of further directories, which would lead nowhere in another file.
inline bool directory_pointer(const Entry& entry) { return entry.type == 13 || entry.type == 18; }
// The offset that an entry is.
std::optional<std::uint64_t> pointer(const Directory& directory, std::uint16_t tag);

// What states a resolution.
Directory resolution_entries(const Resolution& resolution);

// Little-endian bytes to be placed at `base` of a file.
struct Writer {
    std::uint64_t base;
    bool big_tiff = false;
    Bytes out = {};

    void number(std::uint64_t value, std::size_t size);
    // Appends a directory, the last of its chain, and its values; the offset where it begins.
    std::uint64_t directory(const Directory& directory);
    // The same, as a sub-directory to which an entry points.
    Entry sub(const Directory& from);
};

// Adds the tags of an EXIF block to the first directory of a file, where they are not there already, and its EXIF and
// GPS directories to what `writer` writes. The block may be empty or damaged.
void describe_tiff(Directory& first, Writer& writer, std::span<const std::byte> exif);

}  // namespace enlarge::pictures::ifd
