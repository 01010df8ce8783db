// SPDX-License-Identifier: Apache-2.0
#include "run/resample_stage.hpp"

#include <algorithm>

namespace enlarge {

ResampleStage::ResampleStage(RowStage& stage, Size out, ThreadPool* pool)
    : resampler_(stage.size(), out, pool),
      window_(stage, stage.size(), resampler_.rows_for(std::min(kRows, out.height))),
      buffer_({out.width, std::min(kRows, out.height)}, stage.format()) {}

void ResampleStage::restart() {
    row_ = 0;
    window_.restart();
}

Result<ImageView> ResampleStage::next() {
    const int count = std::min(kRows, size().height - row_);
    const int top = resampler_.first_row(row_);
    TRY(const ImageView rows, window_.rows(top, resampler_.end_row(row_ + count)));
    const MutableImageView out = buffer_.view().part({0, 0, size().width, count});
    resampler_.run(rows, top, row_, out);
    row_ += count;
    return ImageView(out);
}

}  // namespace enlarge
