// SPDX-License-Identifier: Apache-2.0
// TIFF files of half and double floats.
#pragma once

#include <cstdint>
#include <vector>

#include "pictures/input.hpp"
#include "pictures/vips.hpp"

namespace enlarge::pictures {

// How such a file is shown to libvips.
struct TiffSamples {
    enum Kind { usual, half, twice } kind = usual;  // usual: nothing is to be done
    struct Patch {
        std::int64_t at;
        std::vector<std::byte> bytes;
    };
    std::vector<Patch> patches;
    bool swapped = false;  // big-endian

    // The file with other tags. `file` must outlive it.
    [[nodiscard]] SourcePtr source(const Input& file) const;
    // What libvips made of it, as floats. As libvips' operations: 0, or -1 with an error pending.
    int restore(VipsImage* in, VipsImage** out) const;
};

// Looks at one page (from 0). Errc::unsupported for forms that cannot be shown otherwise.
Result<TiffSamples> find_tiff_samples(const Input& file, int page);

}  // namespace enlarge::pictures
