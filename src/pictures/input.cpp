// SPDX-License-Identifier: Apache-2.0
#include "pictures/input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace enlarge::pictures {

Result<Input> Input::file(const std::string& path) {
    Input input;
    input.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (input.fd_ < 0) {
        const int error = errno;
        if (error == ENOENT || error == ENOTDIR) return Error{Errc::not_found, "no such file"};
        return Error{Errc::io, std::string("cannot open: ") + std::strerror(error)};
    }
    struct stat info = {};
    if (::fstat(input.fd_, &info) != 0) return Error{Errc::io, std::string("cannot read: ") + std::strerror(errno)};
    if (S_ISDIR(info.st_mode)) return Error{Errc::argument, "is a folder; a picture file was expected"};
    if (!S_ISREG(info.st_mode)) return Error{Errc::unsupported, "is not a regular file; use - to read from a pipe"};
    input.size_ = info.st_size;
    return input;
}

Input Input::memory(std::span<const std::byte> bytes) {
    Input input;
    input.bytes_.assign(bytes.begin(), bytes.end());
    input.size_ = static_cast<std::int64_t>(bytes.size());
    return input;
}

Input::Input(Input&& other) noexcept { *this = std::move(other); }

Input& Input::operator=(Input&& other) noexcept {
    if (this != &other) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = std::exchange(other.fd_, -1);
        size_ = other.size_;
        bytes_ = std::move(other.bytes_);
    }
    return *this;
}

Input::~Input() {
    if (fd_ >= 0) ::close(fd_);
}

std::vector<std::byte> Input::read_at(std::int64_t offset, std::size_t count) const {
    if (offset < 0 || offset >= size_) return {};
    count = static_cast<std::size_t>(std::min<std::int64_t>(static_cast<std::int64_t>(count), size_ - offset));
    std::vector<std::byte> bytes(count);
    if (fd_ < 0) {
        std::copy_n(bytes_.begin() + offset, count, bytes.begin());
        return bytes;
    }
    std::size_t done = 0;
    while (done < count) {
        const ssize_t got = ::pread(fd_, bytes.data() + done, count - done, offset + static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return bytes;
}

SourcePtr Input::source() const {
    if (fd_ < 0) return SourcePtr(vips_source_new_from_memory(bytes_.data(), bytes_.size()));
    // A descriptor of its own: sources share no read position. (A duplicate would.)
    return SourcePtr(vips_source_new_from_file(path().c_str()));
}

std::uint32_t u32_be(std::span<const std::byte> bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint32_t>(bytes[at + i]);
    return value;
}

std::uint32_t u32_le(std::span<const std::byte> bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<std::uint32_t>(bytes[at + i]);
    return value;
}

std::int64_t apng_frames(const Input& png) {
    // acTL comes before the first IDAT.
    for (std::int64_t at = 8; at + 12 <= png.size();) {
        const std::vector<std::byte> chunk = png.read_at(at, 12);
        if (chunk.size() < 12) break;
        if (std::memcmp(chunk.data() + 4, "acTL", 4) == 0) return u32_be(chunk, 8);
        if (std::memcmp(chunk.data() + 4, "IDAT", 4) == 0) break;
        at += 12 + std::int64_t{u32_be(chunk, 0)};
    }
    return 1;
}

}  // namespace enlarge::pictures
