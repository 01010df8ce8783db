// SPDX-License-Identifier: Apache-2.0
#include "run/grey_stage.hpp"

#include "image/samples.hpp"

namespace enlarge {

PixelFormat grey_of(PixelFormat format) {
    format.channels = static_cast<std::uint8_t>(format.channels - 2);
    format.planar = true;
    return format;
}

GreyStage::GreyStage(RowStage& stage)
    : ConvertStage(stage, grey_of(stage.format())), line_(static_cast<std::size_t>(stage.size().width)) {}

void GreyStage::convert(const ImageView& rows, const MutableImageView& out) {
    for (int y = 0; y < out.size.height; ++y) {
        load_grey_row(rows, y, line_.data());
        store_row(line_.data(), out, y, 0);
    }
    if (out.format.channels == 2) copy_channel(rows, 3, out, 1);
}

}  // namespace enlarge
