// SPDX-License-Identifier: Apache-2.0
// IPTC records stand alone in TIFF and inside a Photoshop resource in JPEG; libvips copies them as if they were the same.
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

}  // namespace

Bytes iptc_for_jpeg(std::span<const std::byte> iptc) {
    Bytes out;
    if (!wrapped(iptc)) {
        for (const std::string_view part : {kPhotoshop, kIptcResource})
            for (const char c : part) out.push_back(static_cast<std::byte>(c));
        for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(iptc.size() >> shift & 0xff));
    }
    out.insert(out.end(), iptc.begin(), iptc.end());
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
    for (std::size_t at = kPhotoshop.size(); at + 12 <= iptc.size();) {
        // "8BIM", number, name (length, text, padded to even), size, data (padded to even).
        if (std::memcmp(iptc.data() + at, "8BIM", 4) != 0) break;
        const bool found = iptc[at + 4] == std::byte{4} && iptc[at + 5] == std::byte{4};
        const std::size_t name = (static_cast<std::size_t>(iptc[at + 6]) + 2) / 2 * 2;
        const std::size_t size_at = at + 6 + name;
        if (size_at + 4 > iptc.size()) break;
        const std::size_t size = u32_be(iptc, size_at);
        if (size > iptc.size() - size_at - 4) break;
        const auto data = iptc.subspan(size_at + 4, size);
        if (found) return padded(data);
        at = size_at + 4 + (size + 1) / 2 * 2;
    }
    return {};
}

}  // namespace enlarge::pictures
