// SPDX-License-Identifier: Apache-2.0
#include "packed.hpp"

#include <cstring>

namespace enlarge_gst {

namespace {

std::size_t pixels_of(const GstVideoFrame& frame) {
    return static_cast<std::size_t>(GST_VIDEO_FRAME_WIDTH(&frame)) *
           static_cast<std::size_t>(GST_VIDEO_FRAME_HEIGHT(&frame));
}

bool is_wide(const GstVideoFrame& frame) { return GST_VIDEO_FRAME_COMP_DEPTH(&frame, 0) > 8; }

// `copy` is called with places in the packed frame and in the plane, sample by sample.
template <class Sample, class Copy>
void each_sample(const GstVideoFrame& frame, Sample* planes, Copy&& copy) {
    const int width = GST_VIDEO_FRAME_WIDTH(&frame), height = GST_VIDEO_FRAME_HEIGHT(&frame);
    for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS(&frame); ++c) {
        const gint step = GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, c);
        Sample* plane = planes + c * pixels_of(frame);
        for (int y = 0; y < height; ++y, plane += width) {
            guint8* row = GST_VIDEO_FRAME_COMP_DATA(&frame, c) + y * GST_VIDEO_FRAME_COMP_STRIDE(&frame, c);
            for (int x = 0; x < width; ++x) copy(row + x * step, plane + x);
        }
    }
}

}  // namespace

bool is_packed(const GstVideoInfo& info) {
    return GST_VIDEO_INFO_IS_RGB(&info) && GST_VIDEO_INFO_N_PLANES(&info) == 1;
}

enlarge_frame Planes::with_planes(enlarge_frame like, const GstVideoFrame& frame) {
    const std::size_t components = GST_VIDEO_FRAME_N_COMPONENTS(&frame), bytes = is_wide(frame) ? 2 : 1;
    samples_.resize((components * pixels_of(frame) * bytes + 1) / 2);
    for (std::size_t c = 0; c < components; ++c) {
        like.plane[c] = reinterpret_cast<guint8*>(samples_.data()) + c * pixels_of(frame) * bytes;
        like.stride_bytes[c] = static_cast<std::ptrdiff_t>(bytes) * GST_VIDEO_FRAME_WIDTH(&frame);
    }
    return like;
}

void Planes::read(const GstVideoFrame& frame) {
    const auto copy = [](const guint8* from, auto* to) { std::memcpy(to, from, sizeof *to); };
    if (is_wide(frame)) each_sample(frame, samples_.data(), copy);
    else each_sample(frame, reinterpret_cast<guint8*>(samples_.data()), copy);
}

void Planes::write(GstVideoFrame& frame) const {
    const auto copy = [](guint8* to, const auto* from) { std::memcpy(to, from, sizeof *from); };
    const gint pixel = GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, 0);
    if (pixel > static_cast<gint>(GST_VIDEO_FRAME_N_COMPONENTS(&frame)) * (is_wide(frame) ? 2 : 1)) {
        auto* row = static_cast<guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
        for (int y = 0; y < GST_VIDEO_FRAME_HEIGHT(&frame); ++y, row += GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0))
            std::memset(row, 0xff, static_cast<std::size_t>(pixel) * GST_VIDEO_FRAME_WIDTH(&frame));
    }
    if (is_wide(frame)) each_sample(frame, samples_.data(), copy);
    else each_sample(frame, reinterpret_cast<const guint8*>(samples_.data()), copy);
}

}  // namespace enlarge_gst
