// SPDX-License-Identifier: Apache-2.0
// Frames whose components lie side by side (RGBA, BGRx and their like), as the planes that the library takes.
#pragma once

#include <enlarge/enlarge.h>
#include <gst/video/video.h>

#include <vector>

namespace enlarge_gst {

bool is_packed(const GstVideoInfo& info);

// Planes of its own, as large as the last frame.
class Planes {
public:
    // `like` with these planes, one for each component of a packed frame.
    enlarge_frame with_planes(enlarge_frame like, const GstVideoFrame& frame);
    // The samples of the frame that with_planes() was called with, or of one like it.
    void read(const GstVideoFrame& frame);
    // What is neither colour nor alpha is opaque.
    void write(GstVideoFrame& frame) const;

private:
    std::vector<guint16> samples_;  // or pairs of 8-bit ones
};

}  // namespace enlarge_gst
