// SPDX-License-Identifier: Apache-2.0
// Deflate (RFC 1951) in pieces that several threads make and that make one stream behind one another.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace enlarge::pictures {

// Compresses pieces of filtered pictures. One thread at a time; the bytes depend on what is given alone.
class Deflater {
public:
    Deflater();
    ~Deflater();
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;

    // Appends blocks that hold `piece`, none of them the last of a stream, up to a byte's boundary. `before` are the
    // bytes of the stream before it, of which up to 32 KiB are looked at; it may be empty. Throws std::bad_alloc.
    void append(std::span<const std::byte> before, std::span<const std::byte> piece, std::vector<std::byte>& out);

private:
    struct State;
    std::unique_ptr<State> state_;
};

// How a stream of zlib's begins: deflate, 32 KiB, the usual effort.
inline constexpr std::byte kZlibHead[] = {std::byte{0x78}, std::byte{0x9c}};
// The end of a deflate stream: an empty last block.
inline constexpr std::byte kDeflateEnd[] = {std::byte{3}, std::byte{0}};

namespace deflate {

// One of the two ways of append(): codes for single bytes and for runs of one byte, no other repetition.
void append_runs(std::span<const std::byte> piece, std::vector<std::byte>& out);

}  // namespace deflate
}  // namespace enlarge::pictures
