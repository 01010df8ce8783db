// SPDX-License-Identifier: Apache-2.0
#include "image/color_tags.hpp"

namespace enlarge {

ColorTags guess_missing(ColorTags tags, Size size, bool rgb) {
    if (rgb) {
        tags.matrix = 0;
        if (tags.range == Range::unspecified) tags.range = Range::full;
        return tags;
    }
    // 3 is reserved, and 0 (RGB) cannot be the matrix of luma and chroma.
    if (tags.matrix == 2 || tags.matrix == 3 || tags.matrix == 0)
        tags.matrix = tags.primaries == 9 ? 9 : size.height <= 576 ? 6 : 1;
    if (tags.range == Range::unspecified) tags.range = Range::limited;
    if (tags.siting == ChromaSiting::unspecified) tags.siting = ChromaSiting::left;
    return tags;
}

}  // namespace enlarge
