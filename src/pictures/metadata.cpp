// SPDX-License-Identifier: Apache-2.0
#include "pictures/metadata.hpp"

#include <cstring>
#include <vector>

#include "pictures/input.hpp"

namespace enlarge::pictures {
std::span<const std::byte> blob(VipsImage* image, const char* name) {
    const void* data = nullptr;
    std::size_t size = 0;
    if (!vips_image_get_typeof(image, name)) return {};
    if (vips_image_get_blob(image, name, &data, &size) != 0) {
        vips_error_clear();
        return {};
    }
    return {static_cast<const std::byte*>(data), size};
}

bool icc_is_grey(std::span<const std::byte> profile) {
    return profile.size() >= 128 && std::memcmp(profile.data() + 16, "GRAY", 4) == 0;
}

bool icc_is_rgb(std::span<const std::byte> profile) {
    return profile.size() >= 128 && std::memcmp(profile.data() + 16, "RGB ", 4) == 0;
}

std::string icc_description(std::span<const std::byte> profile) {
    if (profile.size() < 132) return {};
    const std::uint32_t tags = u32_be(profile, 128);
    for (std::uint32_t i = 0; i < tags && i < 100 && 132 + 12 * (std::size_t{i} + 1) <= profile.size(); ++i) {
        const std::size_t entry = 132 + 12 * std::size_t{i};
        if (std::memcmp(profile.data() + entry, "desc", 4) != 0) continue;
        const std::size_t at = u32_be(profile, entry + 4), size = u32_be(profile, entry + 8);
        if (at > profile.size() || size > profile.size() - at || size < 28) return {};
        const auto tag = profile.subspan(at, size);
        std::string text;
        if (std::memcmp(tag.data(), "desc", 4) == 0) {  // version 2: ASCII
            const std::size_t length = u32_be(tag, 8);
            for (std::size_t c = 0; c < length && 12 + c < tag.size(); ++c) text += static_cast<char>(tag[12 + c]);
        } else if (std::memcmp(tag.data(), "mluc", 4) == 0) {  // version 4: UTF-16, first language
            const std::size_t length = u32_be(tag, 20), offset = u32_be(tag, 24);
            for (std::size_t c = 0; c + 1 < length && offset < tag.size() && c + 1 < tag.size() - offset; c += 2)
                text += tag[offset + c] == std::byte{0} ? static_cast<char>(tag[offset + c + 1]) : '?';
        }
        std::string clean;
        for (const char c : text)
            if (c >= 0x20 && c < 0x7f) clean += c;
        return clean.substr(0, 100);
    }
    return {};
}

std::string utf8(const std::string& text) {
    if (g_utf8_validate(text.data(), static_cast<gssize>(text.size()), nullptr)) return text;
    std::string out;
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (code >= 0x80) out += static_cast<char>(0xc0 | code >> 6), out += static_cast<char>(0x80 | (code & 0x3f));
        else out += c;
    }
    return out;
}

}  // namespace enlarge::pictures
