// SPDX-License-Identifier: Apache-2.0
// Packed pixels to planes, and colour bled under what is transparent.
#pragma once

#include "image/bleed.hpp"
#include "run/row_stage.hpp"

namespace enlarge {

class SplitStage : public RowStage {
public:
    // Gives the same samples, planar; with alpha, colour has been bled (image/bleed.hpp).
    explicit SplitStage(RowStage& stage);
    [[nodiscard]] Size size() const override { return stage_.size(); }
    [[nodiscard]] PixelFormat format() const override { return buffer_.format(); }
    Result<ImageView> next() override;
    void restart();

private:
    RowStage& stage_;
    RowWindow window_;
    int reach_;      // rows around a band that decide its colours
    Image buffer_;
    Bleeder bleeder_;
    int row_ = 0;
};

}  // namespace enlarge
