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

    // The share of the pixels of `now` that must be computed where the result for `last` is known; 1: all of them, and
    // run() is of no use.
    double look(const ImageView& last, const ImageView& now);
    // Makes `result` for `now` from `last_result` for `last`, with the same bits as Enlarger::run(now). After look() at
    // these two.
    Result<void> run(const ImageView& now, const ImageView& last_result, const MutableImageView& result);
    // Never again: for when the device is lost.
    void stop();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace enlarge::video
