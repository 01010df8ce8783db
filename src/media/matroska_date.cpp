// SPDX-License-Identifier: Apache-2.0
#include "media/matroska_date.hpp"

#include <unistd.h>

#include <optional>
#include <string>
#include <string_view>

#include "media/ffmpeg.hpp"

extern "C" {
#include <libavutil/crc.h>
}

namespace enlarge::media {

namespace {

using namespace std::string_literals;

const std::string kSegment = "\x18\x53\x80\x67"s, kSeekHead = "\x11\x4D\x9B\x74"s, kInfo = "\x15\x49\xA9\x66"s, kVoid = "\xEC"s,
                  kHeader = "\x1A\x45\xDF\xA3"s, kCrc = "\xBF\x84"s, kSeekInfo = "\x53\xAB\x84"s + kInfo + "\x53\xAC"s;

std::string big(std::uint64_t value, std::size_t bytes) {
    std::string out(bytes, '\0');
    for (std::size_t i = bytes; i-- > 0; value >>= 8) out[i] = static_cast<char>(value & 0xff);
    return out;
}

// An element's size in so many bytes.
std::string sized(std::uint64_t size, std::size_t bytes) {
    std::string out = big(size, bytes);
    out[0] = static_cast<char>(static_cast<unsigned char>(out[0]) | (0x100 >> bytes));
    return out;
}

struct Element {
    std::size_t begin, content, size;
    [[nodiscard]] std::size_t end() const { return content + size; }
};

// The element called `id` that begins at `at`. Its size may be anything; its head is within `bytes`.
std::optional<Element> element(const std::string& bytes, std::size_t at, const std::string& id) {
    if (bytes.compare(at, id.size(), id) != 0 || at + id.size() >= bytes.size()) return std::nullopt;
    const std::size_t start = at + id.size();
    std::size_t length = 1;
    while (length < 9 && !(static_cast<unsigned char>(bytes[start]) & (0x100 >> length))) ++length;
    if (length > 8 || start + length > bytes.size()) return std::nullopt;
    std::uint64_t size = static_cast<unsigned char>(bytes[start]) & ((0x100u >> length) - 1);
    for (std::size_t i = 1; i < length; ++i) size = size << 8 | static_cast<unsigned char>(bytes[start + i]);
    return Element{at, start + length, static_cast<std::size_t>(size)};
}

// Makes the checksum at the head of an element's content true again; it has none where there is none.
void renew_crc(std::string& content) {
    if (!content.starts_with(kCrc) || content.size() < 6) return;
    const std::uint32_t crc = ~av_crc(av_crc_get_table(AV_CRC_32_IEEE_LE), UINT32_MAX,
                                      reinterpret_cast<const std::uint8_t*>(content.data()) + 6, content.size() - 6);
    for (std::size_t i = 0; i < 4; ++i) content[2 + i] = static_cast<char>(crc >> 8 * i);
}

// What stands from the first element in the segment to the end of the information about it, with the date; empty when
// that is not a list of places, free space, and the information.
std::string dated(const std::string& bytes, std::size_t first, std::size_t& end, std::int64_t unix_us) {
    const auto list = element(bytes, first, kSeekHead);
    const auto space = list && list->end() < bytes.size() ? element(bytes, list->end(), kVoid) : std::nullopt;
    const auto info = space && space->end() < bytes.size() ? element(bytes, space->end(), kInfo) : std::nullopt;
    if (!info || info->end() > bytes.size()) return {};
    end = info->end();

    std::string about = bytes.substr(info->content, info->size);
    constexpr std::int64_t k2001 = 978'307'200'000'000;  // microseconds
    about += "\x44\x61\x88"s + big(static_cast<std::uint64_t>((unix_us - k2001) * 1000), 8);
    renew_crc(about);
    about = kInfo + sized(about.size(), about.size() < 127 ? 1 : about.size() < 16383 ? 2 : 4) + about;
    const std::size_t grown = about.size() - (info->end() - info->begin), room = space->end() - space->begin;
    if (room < grown + 9) return {};

    std::string places = bytes.substr(list->content, list->size);
    const std::size_t seek = places.find(kSeekInfo);
    if (seek == std::string::npos || seek + kSeekInfo.size() >= places.size()) return {};
    const std::size_t width = static_cast<unsigned char>(places[seek + kSeekInfo.size()]) & 0x7f, at = seek + kSeekInfo.size() + 1;
    if (width == 0 || width > 8 || at + width > places.size()) return {};
    places.replace(at, width, big(info->begin - grown - first, width));
    renew_crc(places);
    return bytes.substr(first, list->content - first) + places + kVoid + sized(room - grown - 9, 8) +
           std::string(room - grown - 9, '\0') + about;
}

}  // namespace

bool put_matroska_date(int fd, std::int64_t unix_us) {
    std::string bytes(256 << 10, '\0');
    const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), 0);
    if (got <= 0) return false;
    bytes.resize(static_cast<std::size_t>(got));
    const auto header = element(bytes, 0, kHeader);
    const auto segment = header && header->end() < bytes.size() ? element(bytes, header->end(), kSegment) : std::nullopt;
    if (!segment) return false;
    std::size_t end = 0;
    const std::string made = dated(bytes, segment->content, end, unix_us);
    if (made.empty() || segment->content + made.size() != end) return false;
    for (std::size_t done = 0; done < made.size();) {
        const ssize_t n = ::pwrite(fd, made.data() + done, made.size() - done, static_cast<off_t>(segment->content + done));
        if (n <= 0) return false;
        done += static_cast<std::size_t>(n);
    }
    return true;
}

}  // namespace enlarge::media
