// SPDX-License-Identifier: Apache-2.0
#include "work/checksum.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <vector>

namespace serve {

std::uint32_t crc32(std::string_view bytes, std::uint32_t before) {
    return static_cast<std::uint32_t>(::crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
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
