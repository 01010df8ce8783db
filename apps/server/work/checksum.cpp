// SPDX-License-Identifier: Apache-2.0
#include "work/checksum.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <vector>

namespace serve {
namespace {

static_assert(std::endian::native == std::endian::little);
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

// kTables[k][b]: the sum of the byte b and k zeros after it.
consteval Tables make_tables() {
    Tables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t sum = byte;
        for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0xedb88320u : 0);
        tables[0][byte] = sum;
    }
    for (std::size_t k = 1; k < tables.size(); ++k)
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t less = tables[k - 1][byte];
            tables[k][byte] = (less >> 8) ^ tables[0][less & 0xff];
        }
    return tables;
}
constexpr Tables kTables = make_tables();

}  // namespace

std::uint32_t crc32(std::string_view bytes, std::uint32_t before) {
    std::uint32_t sum = ~before;
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) {  // eight bytes at once: results are gigabytes, too
        std::uint32_t low, high;
        std::memcpy(&low, bytes.data(), 4);
        std::memcpy(&high, bytes.data() + 4, 4);
        low ^= sum;
        sum = 0;
        for (std::size_t i = 0; i < 4; ++i) {
            sum ^= kTables[7 - i][low >> (8 * i) & 0xff];
            sum ^= kTables[3 - i][high >> (8 * i) & 0xff];
        }
    }
    for (const char c : bytes) sum = (sum >> 8) ^ kTables[0][(sum ^ static_cast<unsigned char>(c)) & 0xff];
    return ~sum;
}

std::optional<std::uint32_t> crc32_of_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return std::nullopt;
    std::vector<char> buffer(1 << 20);
    std::uint32_t sum = 0;
    ssize_t got;
    while ((got = ::read(fd, buffer.data(), buffer.size())) > 0 || (got < 0 && errno == EINTR))
        if (got > 0) sum = crc32({buffer.data(), static_cast<std::size_t>(got)}, sum);
    ::close(fd);
    return got < 0 ? std::nullopt : std::optional(sum);
}

}  // namespace serve
