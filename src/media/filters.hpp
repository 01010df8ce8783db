// SPDX-License-Identifier: Apache-2.0
// Chains of libavfilter, set up for the frames that arrive and again when those change.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "media/frame.hpp"

namespace enlarge::media {

struct FilterOptions {
    std::string chain;         // in FFmpeg's language: "crop=640:360,hqdn3d"; empty = none
    bool deinterlace = false;  // frames that say they are interlaced
    bool interlaced = false;   // the stream says so before its first frame
    int turn = 0;              // degrees clockwise, 0, 90, 180 or 270: turn the picture
    bool mirror = false;       // left and right exchanged, before turning
    std::string format;        // the pixel format that must come out; empty = any plain one, unchanged if possible
    Rational frame_rate{25, 1};
};

// Frames in, frames out, all of one size. Without need for a filter frames pass untouched.
class Filters {
public:
    using Sink = std::function<Result<void>(Frame)>;
    explicit Filters(FilterOptions options);
    Filters(Filters&&) noexcept;
    ~Filters();

    // An empty frame drains. Frames come out plain (Frame::format() holds) unless FilterOptions::format asks for another.
    Result<void> process(const Frame& frame, const Sink& sink);
    // True once a frame was deinterlaced, or brought to the first frame's size.
    [[nodiscard]] bool deinterlacing() const;
    [[nodiscard]] bool resizing() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace enlarge::media
