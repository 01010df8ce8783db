// SPDX-License-Identifier: Apache-2.0
// Any bytes as a picture file: opened, decoded strictly and leniently, within small limits.
#include <cstddef>
#include <cstdint>
#include <span>

#include "enlarge/picture.hpp"
#include "fuzz/outcome.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    for (const bool lenient : {false, true}) {
        enlarge::ReadOptions options;
        options.allow_damaged = lenient;
        options.max_pixels = 1 << 18;
        options.memory_bytes = 32 << 20;
        auto picture = enlarge::Picture::read(bytes, "fuzz", options);
        if (!picture) {
            if (picture.error().message.empty() || picture.error().code == enlarge::Errc::internal) __builtin_trap();
            continue;
        }
        const auto image = picture->load();
        if (!image && image.error().code == enlarge::Errc::internal) __builtin_trap();
        if (!lenient) enlarge::fuzz::accepted = image.ok();
    }
    return 0;
}
