// SPDX-License-Identifier: Apache-2.0
// The bytes of a picture file, on disk or in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "pictures/vips.hpp"

namespace enlarge::pictures {

class Input {
public:
    static Result<Input> file(const std::string& path);
    static Input memory(std::span<const std::byte> bytes);

    Input(Input&& other) noexcept;
    Input& operator=(Input&& other) noexcept;
    ~Input();

    [[nodiscard]] std::int64_t size() const { return size_; }
    // Up to `count` bytes from `offset`; fewer at the end.
    [[nodiscard]] std::vector<std::byte> read_at(std::int64_t offset, std::size_t count) const;
    // A new source for a libvips loader. The Input must outlive it.
    [[nodiscard]] SourcePtr source() const;
    // For loaders that know no sources: a name under which the file can be opened, empty for memory, and the bytes in memory.
    // The Input must outlive the use of both.
    [[nodiscard]] std::string path() const { return fd_ < 0 ? std::string() : "/proc/self/fd/" + std::to_string(fd_); }
    [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

private:
    Input() = default;
    int fd_ = -1;
    std::int64_t size_ = 0;
    std::vector<std::byte> bytes_;
};

// Big-endian and little-endian numbers at `at` of `bytes`, which must hold them.
std::uint32_t u32_be(std::span<const std::byte> bytes, std::size_t at);
std::uint32_t u32_le(std::span<const std::byte> bytes, std::size_t at);

// How many frames an animated PNG has; 1 for others.
std::int64_t apng_frames(const Input& png);

}  // namespace enlarge::pictures
