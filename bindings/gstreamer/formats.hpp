// SPDX-License-Identifier: Apache-2.0
// GStreamer's words for frames and the library's.
#pragma once

#include <enlarge/enlarge.h>
#include <gst/video/video.h>

namespace enlarge_gst {

// All frames that the library takes, of any size and rate.
GstCaps* template_caps();

// What frames of `info`, made from `caps`, are like, without planes. Only for formats of template_caps().
enlarge_frame describe(const GstVideoInfo& info, const GstCaps* caps);
// `like` with the planes of a mapped frame that is not packed.
enlarge_frame with_planes(enlarge_frame like, const GstVideoFrame& frame);

}  // namespace enlarge_gst
