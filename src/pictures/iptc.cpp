// SPDX-License-Identifier: Apache-2.0
// IPTC records stand alone in TIFF and inside a Photoshop resource in JPEG; libvips copies them as if they were the
// same.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "pictures/boxes.hpp"

namespace enlarge::pictures {
namespace {

using namespace std::string_view_literals;
constexpr std::string_view kPhotoshop = "Photoshop 3.0\0"sv;
constexpr std::string_view kIptcResource = "8BIM\x04\x04\0\0"sv;

bool wrapped(std::span<const std::byte> iptc) {
    return iptc.size() >= kPhotoshop.size() && std::memcmp(iptc.data(), kPhotoshop.data(), kPhotoshop.size()) == 0;
}

// Gives every Photoshop resource of a block to `use(number, all of it, its data)`; returns where they end.
template <class Use>
std::size_t walk(std::span<const std::byte> iptc, const Use& use) {
    std::size_t at = kPhotoshop.size();
    while (at + 12 <= iptc.size()) {
        // "8BIM", number, name (length, text, padded to even), size, data (padded to even).
        if (!begins(iptc, "8BIM", at)) break;
        const unsigned number = static_cast<unsigned>(iptc[at + 4]) << 8 | static_cast<unsigned>(iptc[at + 5]);
        const std::size_t name = (static_cast<std::size_t>(iptc[at + 6]) + 2) / 2 * 2;
        const std::size_t size_at = at + 6 + name;
        if (size_at + 4 > iptc.size()) break;
        const std::size_t size = u32_be(iptc, size_at);
        if (size > iptc.size() - size_at - 4) break;
        const std::size_t end = std::min(iptc.size(), size_at + 4 + (size + 1) / 2 * 2);
        use(number, iptc.subspan(at, end - at), iptc.subspan(size_at + 4, size));
        at = end;
    }
    return at;
}

}  // namespace

Bytes iptc_for_jpeg(std::span<const std::byte> iptc) {
    Bytes out;
    append(out, kPhotoshop);
    if (wrapped(iptc)) {
        const std::size_t end =
            walk(iptc, [&](unsigned number, std::span<const std::byte> all, std::span<const std::byte>) {
                if (number != 0x0409 && number != 0x040c) append(out, all);  // thumbnails
            });
        append(out, iptc.subspan(end));
    } else {
        append(out, kIptcResource);
        append_be(out, iptc.size(), 4);
        append(out, iptc);
    }
    if (out.size() % 2) out.push_back({});
    return out;
}

Bytes iptc_for_tiff(std::span<const std::byte> iptc) {
    // TIFF counts them in fours.
    const auto padded = [](std::span<const std::byte> records) {
        Bytes out(records.begin(), records.end());
        out.resize((out.size() + 3) / 4 * 4);
        return out;
    };
    if (!wrapped(iptc)) return padded(iptc);
    Bytes records;
    walk(iptc, [&](unsigned number, std::span<const std::byte>, std::span<const std::byte> data) {
        if (number == 0x0404 && records.empty()) records = padded(data);
    });
    return records;
}

}  // namespace enlarge::pictures
