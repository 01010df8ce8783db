// SPDX-License-Identifier: Apache-2.0
// The last step to a size that is no power of the network's scale.
#pragma once

#include "color/resample.hpp"
#include "run/row_stage.hpp"

namespace enlarge {

class ResampleStage : public RowStage {
public:
    // `stage` gives planar f32.
    ResampleStage(RowStage& stage, Size out, ThreadPool* pool);
    [[nodiscard]] Size size() const override { return resampler_.out(); }
    [[nodiscard]] PixelFormat format() const override { return buffer_.format(); }
    Result<ImageView> next() override;
    void restart();

private:
    static constexpr int kRows = 32;
    Resampler resampler_;
    RowWindow window_;
    Image buffer_;
    int row_ = 0;
};

}  // namespace enlarge
