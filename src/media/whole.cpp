// SPDX-License-Identifier: Apache-2.0
#include "media/whole.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string_view>

namespace enlarge::media {

namespace {

class File {
public:
    explicit File(const std::string& path) : in_(path, std::ios::binary | std::ios::ate) {
        if (in_) size_ = in_.tellg();
    }
    [[nodiscard]] std::int64_t size() const { return size_; }
    // Up to `count` bytes from `at`.
    std::string read(std::int64_t at, std::int64_t count) {
        std::string bytes(static_cast<std::size_t>(std::clamp<std::int64_t>(size_ - at, 0, count)), '\0');
        in_.clear();
        in_.seekg(at);
        in_.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in_.gcount())));
        return bytes;
    }
    std::string tail(std::int64_t count) { return read(std::max<std::int64_t>(0, size_ - count), count); }

private:
    std::ifstream in_;
    std::int64_t size_ = 0;
};

std::uint64_t big(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

// MP4 and its kin: boxes one after the other. A media box may claim too much and still hold every sample: the index
// knows.
bool boxes_exceed(File& file) {
    for (std::int64_t at = 0; at + 8 <= file.size();) {
        const std::string head = file.read(at, 16);
        if (head.size() < 8) return false;
        std::uint64_t size = big(head.substr(0, 4));
        if (size == 1 && head.size() == 16) size = big(head.substr(8));
        if (size < 8) return false;  // 0: to the end
        const std::string_view type = std::string_view(head).substr(4, 4);
        if (size > static_cast<std::uint64_t>(file.size() - at))
            return type == "moof" || type == "moov" || type == "mfra" || type == "sidx";
        at += static_cast<std::int64_t>(size);
    }
    return false;
}

// An element's size: a number whose first bits say how long it is. Negative: not known, or none. `at` moves behind it.
std::int64_t ebml_size(const std::string& bytes, std::size_t& at) {
    if (at >= bytes.size()) return -1;
    const auto first = static_cast<unsigned char>(bytes[at]);
    std::size_t length = 1;
    while (length <= 8 && !(first & (0x80 >> (length - 1)))) ++length;
    if (length > 8 || at + length > bytes.size()) return -1;
    const std::uint64_t mask = (std::uint64_t{1} << (7 * length)) - 1,
                        value = big(std::string_view(bytes).substr(at, length)) & mask;
    at += length;
    return value == mask ? -1 : static_cast<std::int64_t>(value);
}

bool segment_exceeds(File& file) {
    const std::string head = file.read(0, 4096);
    std::size_t at = 4;
    if (head.size() < 16 || big(head.substr(0, 4)) != 0x1A45DFA3) return false;
    const std::int64_t header = ebml_size(head, at);
    if (header < 0 || header > 2048) return false;
    at += static_cast<std::size_t>(header);
    if (at + 12 > head.size() || big(head.substr(at, 4)) != 0x18538067) return false;
    at += 4;
    const std::int64_t size = ebml_size(head, at);
    return size > file.size() - static_cast<std::int64_t>(at);
}

// AVI and WebP. Large AVI files are several such chunks.
bool riff_exceeds(File& file) {
    for (std::int64_t at = 0;;) {
        const std::string head = file.read(at, 8);
        if (head.size() < 8 || head.compare(0, 4, "RIFF") != 0) return false;
        std::int64_t size = 0;
        for (int i = 7; i >= 4; --i) size = size << 8 | static_cast<unsigned char>(head[static_cast<std::size_t>(i)]);
        if (size == 0) return false;  // never filled in
        if (at + size > file.size())
            return true;  // the head's own 8 bytes are left over for writers that count them, too
        at += 8 + size + (size & 1);
    }
}

bool gif_ends_early(File& file) {
    const std::string tail = file.tail(4096);
    const auto last = tail.find_last_not_of(std::string_view("\0\r\n", 3));
    return last == std::string::npos || tail[last] != ';';
}

// The last page of an Ogg file says that it is the last, and holds all its segments.
bool ogg_ends_early(File& file) {
    const std::string tail = file.tail(128 << 10);  // a page has at most 65307 bytes
    const std::size_t page = tail.rfind("OggS");
    if (page == std::string::npos || page + 27 > tail.size()) return true;
    const std::size_t segments = static_cast<unsigned char>(tail[page + 26]);
    std::size_t end = page + 27 + segments;
    if (end > tail.size()) return true;
    for (std::size_t i = 0; i < segments; ++i) end += static_cast<unsigned char>(tail[page + 27 + i]);
    return end > tail.size() || !(tail[page + 5] & 4);
}

// NUT ends with an index, whose last 12 bytes say how long it is, and a checksum.
bool nut_ends_early(File& file) {
    const std::string tail = file.tail(12);
    if (tail.size() < 12) return true;
    const std::uint64_t length = big(std::string_view(tail).substr(0, 8));
    if (length > static_cast<std::uint64_t>(file.size())) return true;
    return big(file.read(file.size() - static_cast<std::int64_t>(length), 8)) != 0x4E58DD672F23E64E;
}

}  // namespace

bool promises_more(const std::string& path, AVFormatContext& context, std::int64_t first_byte) {
    const std::string_view format = context.iformat->name;
    File file(path);
    if (file.size() == 0) return false;
    if (format.starts_with("mov,")) return boxes_exceed(file) || index_exceeds(context, file.size());
    if (format.starts_with("matroska")) return segment_exceeds(file);
    if (format == "avi" || file.read(8, 4) == "WEBP") return riff_exceeds(file);
    if (format == "gif") return gif_ends_early(file);
    if (format == "ogg") return ogg_ends_early(file);
    if (format == "nut") return nut_ends_early(file);
    if (format == "apng") return file.tail(64 << 10).find("IEND") == std::string::npos;
    std::int64_t packet = 0;
    if (format == "mpegts" && av_opt_get_int(context.priv_data, "ts_packetsize", 0, &packet) >= 0 && packet > 0)
        return (file.size() - std::max<std::int64_t>(0, first_byte)) % packet != 0;
    return false;
}

bool index_exceeds(AVFormatContext& context, std::int64_t bytes) {
    for (unsigned i = 0; i < context.nb_streams; ++i) {
        AVStream* stream = context.streams[i];
        for (int k = avformat_index_get_entries_count(stream) - 1; k >= 0; --k)
            if (const AVIndexEntry* entry = avformat_index_get_entry(stream, k);
                entry && entry->pos + entry->size > bytes)
                return true;
    }
    return false;
}

}  // namespace enlarge::media
