// SPDX-License-Identifier: Apache-2.0
// What the numbers of a picture mean where it is said outside an ICC profile: code points of H.273 ("nclx" in AVIF and
// HEIC, cICP in PNG), and PNG's gAMA, cHRM and sRGB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace enlarge::pictures {

struct Signal {
    struct Codes {
        std::uint8_t primaries = 2, transfer = 2;  // 2: not stated
        friend bool operator==(const Codes&, const Codes&) = default;
    };
    std::optional<Codes> codes;
    std::optional<std::uint32_t> gamma;                  // gAMA: of encoding, times 100,000
    std::optional<std::array<std::uint32_t, 8>> chroma;  // cHRM: white, red, green, blue; x and y times 100,000
    std::optional<std::uint8_t> srgb;                    // sRGB: the rendering intent
    std::vector<std::byte> mastering, light;             // content of mDCV and cLLI

    // Whether it says sRGB, something as near to it as BT.709, or nothing.
    [[nodiscard]] bool usual() const;
    // PQ or HLG: more than what a profile of curves and primaries, or a reader without tone mapping, can show.
    [[nodiscard]] bool high_dynamic_range() const;
    // For people: "BT.2020, PQ".
    [[nodiscard]] std::string name() const;
};

// The same meaning as an ICC profile (version 4: primaries or grey, and a curve). Empty where a profile cannot say it.
std::vector<std::byte> icc_of(const Signal& signal, bool grey);

}  // namespace enlarge::pictures
