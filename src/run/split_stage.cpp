// SPDX-License-Identifier: Apache-2.0
#include "run/split_stage.hpp"

#include <algorithm>

#include "image/samples.hpp"

namespace enlarge {
namespace {

constexpr int kRows = 64;  // as many again are bled for nothing above and below; it is cheap

PixelFormat planar(PixelFormat format) {
    format.planar = true;
    return format;
}
int reach_of(const PixelFormat& format) { return format.channels % 2 == 0 ? kBleedReach : 0; }

}  // namespace

SplitStage::SplitStage(RowStage& stage)
    : stage_(stage),
      window_(stage, stage.size(), std::min(stage.size().height, kRows + 2 * reach_of(stage.format()))),
      reach_(reach_of(stage.format())),
      buffer_({stage.size().width, std::min(stage.size().height, kRows + 2 * reach_)}, planar(stage.format())) {}

void SplitStage::restart() {
    row_ = 0;
    window_.restart();
}

Result<ImageView> SplitStage::next() {
    const auto [width, height] = stage_.size();
    const int count = std::min(kRows, height - row_);
    const int begin = std::max(0, row_ - reach_), end = std::min(height, row_ + count + reach_);
    TRY(const ImageView rows, window_.rows(begin, end));
    const MutableImageView view = buffer_.view().part({0, 0, width, end - begin});
    copy_pixels(rows, view);
    if (reach_) bleeder_.run(view);
    const int skip = row_ - begin;
    row_ += count;
    return ImageView(view.part({0, skip, width, count}));
}

}  // namespace enlarge
