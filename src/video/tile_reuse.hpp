// SPDX-License-Identifier: Apache-2.0
// Frames that differ little from the one before: only what can have changed is computed again.
#pragma once

#include <memory>

#include "run/enlarger.hpp"

namespace enlarge::video {

class TileReuse {
public:
    // `on` = false: never re-uses. Also off where a result of part of a picture would not have the same bits.
    TileReuse(Enlarger& enlarger, Size in, Size out, bool on);
    ~TileReuse();

    // Makes `result` for `now` from `last_result` for `last`, with the same bits as Enlarger::run(now), and returns the
    // share of the input's pixels that was computed; 1 means that nothing was done and all must be computed.
    Result<double> run(const ImageView& last, const ImageView& now, const ImageView& last_result,
                       const MutableImageView& result);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace enlarge::video
