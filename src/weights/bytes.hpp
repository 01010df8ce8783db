// SPDX-License-Identifier: Apache-2.0
// Bounded reading of bytes that nobody has checked yet. Everything here is little-endian, like the files.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace enlarge {

static_assert(std::endian::native == std::endian::little, "weight files are read as they lie in memory");

using Bytes = std::span<const std::byte>;

inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// "truncated after 812 bytes; 4096 expected": a file of `have` bytes that needs `need`.
Error truncated(std::uint64_t have, std::uint64_t need);

// Text from a file, fit for a message: control characters and bytes that are not ASCII become '?', long text is cut.
std::string printable(std::string_view text, std::size_t most = 80);

// A cursor. Every read is checked; a failure names where the bytes end and what was wanted.
class ByteReader {
public:
    explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

    [[nodiscard]] std::size_t position() const { return at_; }
    [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }
    [[nodiscard]] bool done() const { return left() == 0; }

    Result<Bytes> take(std::uint64_t count) {
        if (count > left()) {
            std::uint64_t need;
            if (__builtin_add_overflow(std::uint64_t{at_}, count, &need)) need = UINT64_MAX;
            return truncated(bytes_.size(), need);
        }
        const Bytes taken = bytes_.subspan(at_, static_cast<std::size_t>(count));
        at_ += static_cast<std::size_t>(count);
        return taken;
    }
    // An integer or float stored little-endian.
    template <class T>
    Result<T> number() {
        TRY(const Bytes raw, take(sizeof(T)));
        T value;
        std::memcpy(&value, raw.data(), sizeof(T));
        return value;
    }
    // Text up to '\n', which is skipped and not returned.
    Result<std::string_view> line() {
        const std::string_view rest = as_text(bytes_.subspan(at_));
        const std::size_t end = rest.find('\n');
        if (end == std::string_view::npos) return truncated(bytes_.size(), std::uint64_t{bytes_.size()} + 1);
        at_ += end + 1;
        return rest.substr(0, end);
    }

private:
    Bytes bytes_;
    std::size_t at_ = 0;
};

}  // namespace enlarge
