// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "pictures/boxes.hpp"

namespace enlarge::pictures {

Bytes read_back(OutputFile& file, std::int64_t offset, std::size_t count) {
    Bytes bytes(count);
    std::size_t done = 0;
    if (!file.seek(offset, SEEK_SET)) return {};
    while (done < count) {
        auto got = file.read(std::span(bytes).subspan(done));
        if (!got || *got == 0) break;
        done += *got;
    }
    bytes.resize(done);
    return bytes;
}

Result<void> splice(OutputFile& file, std::int64_t at, std::int64_t removed, std::span<const std::byte> inserted) {
    constexpr std::int64_t kBlock = 1 << 20;
    TRY(const std::int64_t size, file.seek(0, SEEK_END));
    const std::int64_t from = at + removed, by = static_cast<std::int64_t>(inserted.size()) - removed;
    const auto move = [&](std::int64_t offset, std::int64_t count) -> Result<void> {
        const Bytes block = read_back(file, offset, static_cast<std::size_t>(count));
        if (static_cast<std::int64_t>(block.size()) != count)
            return Error{Errc::io, "the file written cannot be read back"};
        TRY(file.seek(offset + by, SEEK_SET));
        return file.write(block);
    };
    // What follows is moved from the end where it goes up, from the beginning where it goes down.
    if (by > 0)
        for (std::int64_t end = size; end > from; end -= std::min(kBlock, end - from))
            TRY(move(end - std::min(kBlock, end - from), std::min(kBlock, end - from)));
    if (by < 0) {
        for (std::int64_t start = from; start < size; start += kBlock) TRY(move(start, std::min(kBlock, size - start)));
        TRY(file.truncate(size + by));
    }
    TRY(file.seek(at, SEEK_SET));
    return file.write(inserted);
}

void append(Bytes& to, std::span<const std::byte> bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
void append(Bytes& to, std::string_view text) { append(to, std::as_bytes(std::span(text))); }
void append_be(Bytes& to, std::uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        to.push_back(static_cast<std::byte>(value >> shift & 0xff));
}

bool begins(std::span<const std::byte> bytes, std::string_view text, std::size_t at) {
    return bytes.size() >= at && bytes.size() - at >= text.size() &&
           std::equal(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                      [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace enlarge::pictures
