// SPDX-License-Identifier: Apache-2.0
#include "run/grey_stage.hpp"

#include <algorithm>

#include "image/samples.hpp"

namespace enlarge {
namespace {

constexpr int kRows = 64;

}  // namespace

PixelFormat grey_of(PixelFormat format) {
    format.channels = static_cast<std::uint8_t>(format.channels - 2);
    format.planar = true;
    return format;
}

GreyStage::GreyStage(RowStage& stage)
    : stage_(stage),
      buffer_({stage.size().width, std::min(stage.size().height, kRows)}, grey_of(stage.format())),
      line_(static_cast<std::size_t>(stage.size().width)) {}

Result<ImageView> GreyStage::next() {
    if (pending_.size.height == 0) {
        TRY(pending_, stage_.next());
    }
    const int width = stage_.size().width, count = std::min(pending_.size.height, buffer_.size().height);
    const MutableImageView out = buffer_.view().part({0, 0, width, count});
    const ImageView in = pending_.part({0, 0, width, count});
    for (int y = 0; y < count; ++y) {
        load_grey_row(in, y, line_.data());
        store_row(line_.data(), out, y, 0);
    }
    if (out.format.channels == 2) copy_channel(in, 3, out, 1);
    const int rest = pending_.size.height - count;
    if (rest > 0) pending_ = pending_.part({0, count, width, rest});
    else pending_.size.height = 0;
    return ImageView(out);
}

}  // namespace enlarge
