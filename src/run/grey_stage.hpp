// SPDX-License-Identifier: Apache-2.0
// A picture without colour that is stored as RGB or RGBA, as the grey one it is: what networks make of three equal
// channels differs a little from channel to channel, and shades of grey would come back tinted.
#pragma once

#include <vector>

#include "run/row_stage.hpp"

namespace enlarge {

// The format of such a picture as a grey one: the same samples, planar, alpha kept.
PixelFormat grey_of(PixelFormat format);

class GreyStage : public ConvertStage {
public:
    // Gives what the channels have in common (load_grey_row), and alpha where there is one.
    explicit GreyStage(RowStage& stage);

private:
    void convert(const ImageView& rows, const MutableImageView& out) override;

    std::vector<float> line_;
};

}  // namespace enlarge
