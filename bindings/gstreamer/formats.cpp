// SPDX-License-Identifier: Apache-2.0
#include "formats.hpp"

#include "upscaler.hpp"

namespace enlarge_gst {

namespace {

// Samples of 16 bits are in this machine's order.
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define ENLARGE_NATIVE(name) GST_VIDEO_FORMAT_##name##LE
#else
#define ENLARGE_NATIVE(name) GST_VIDEO_FORMAT_##name##BE
#endif

struct Known {
    GstVideoFormat format;
    enlarge_frame_layout layout;
};

constexpr Known kKnown[] = {
    {GST_VIDEO_FORMAT_I420, ENLARGE_FRAME_I420},      {GST_VIDEO_FORMAT_NV12, ENLARGE_FRAME_NV12},
    {GST_VIDEO_FORMAT_YV12, ENLARGE_FRAME_I420},      {ENLARGE_NATIVE(P010_10), ENLARGE_FRAME_P010},
    {ENLARGE_NATIVE(P012_), ENLARGE_FRAME_P010},      {ENLARGE_NATIVE(P016_), ENLARGE_FRAME_P010},
    {ENLARGE_NATIVE(I420_10), ENLARGE_FRAME_I420},    {ENLARGE_NATIVE(I420_12), ENLARGE_FRAME_I420},
    {GST_VIDEO_FORMAT_Y42B, ENLARGE_FRAME_I422},      {ENLARGE_NATIVE(I422_10), ENLARGE_FRAME_I422},
    {ENLARGE_NATIVE(I422_12), ENLARGE_FRAME_I422},    {GST_VIDEO_FORMAT_Y444, ENLARGE_FRAME_I444},
    {ENLARGE_NATIVE(Y444_10), ENLARGE_FRAME_I444},    {ENLARGE_NATIVE(Y444_12), ENLARGE_FRAME_I444},
    {ENLARGE_NATIVE(Y444_16), ENLARGE_FRAME_I444},    {GST_VIDEO_FORMAT_A420, ENLARGE_FRAME_I420},
    {ENLARGE_NATIVE(A420_10), ENLARGE_FRAME_I420},    {ENLARGE_NATIVE(A422_10), ENLARGE_FRAME_I422},
    {ENLARGE_NATIVE(A444_10), ENLARGE_FRAME_I444},    {GST_VIDEO_FORMAT_GBR, ENLARGE_FRAME_RGB},
    {ENLARGE_NATIVE(GBR_10), ENLARGE_FRAME_RGB},      {ENLARGE_NATIVE(GBR_12), ENLARGE_FRAME_RGB},
    {GST_VIDEO_FORMAT_GBRA, ENLARGE_FRAME_RGB},       {ENLARGE_NATIVE(GBRA_10), ENLARGE_FRAME_RGB},
    {ENLARGE_NATIVE(GBRA_12), ENLARGE_FRAME_RGB},     {GST_VIDEO_FORMAT_RGBP, ENLARGE_FRAME_RGB},
    {GST_VIDEO_FORMAT_BGRP, ENLARGE_FRAME_RGB},       {GST_VIDEO_FORMAT_GRAY8, ENLARGE_FRAME_GREY},
    {ENLARGE_NATIVE(GRAY16_), ENLARGE_FRAME_GREY},    {GST_VIDEO_FORMAT_RGB, ENLARGE_FRAME_RGB},
    {GST_VIDEO_FORMAT_BGR, ENLARGE_FRAME_RGB},        {GST_VIDEO_FORMAT_RGBx, ENLARGE_FRAME_RGB},
    {GST_VIDEO_FORMAT_BGRx, ENLARGE_FRAME_RGB},       {GST_VIDEO_FORMAT_xRGB, ENLARGE_FRAME_RGB},
    {GST_VIDEO_FORMAT_xBGR, ENLARGE_FRAME_RGB},       {GST_VIDEO_FORMAT_RGBA, ENLARGE_FRAME_RGB},
    {GST_VIDEO_FORMAT_BGRA, ENLARGE_FRAME_RGB},       {GST_VIDEO_FORMAT_ARGB, ENLARGE_FRAME_RGB},
    {GST_VIDEO_FORMAT_ABGR, ENLARGE_FRAME_RGB},       {ENLARGE_NATIVE(RGBA64_), ENLARGE_FRAME_RGB},
    {ENLARGE_NATIVE(BGRA64_), ENLARGE_FRAME_RGB},     {ENLARGE_NATIVE(ARGB64_), ENLARGE_FRAME_RGB},
    {ENLARGE_NATIVE(ABGR64_), ENLARGE_FRAME_RGB},     {GST_VIDEO_FORMAT_ARGB64, ENLARGE_FRAME_RGB},
};

enlarge_frame_layout layout_of(GstVideoFormat format) {
    for (const Known& known : kKnown)
        if (known.format == format) return known.layout;
    return ENLARGE_FRAME_GREY;  // never: caps were negotiated by the table
}

// GStreamer's flags; what has no number of its own is not known.
enlarge_siting siting_of(GstVideoChromaSite site) {
    switch (static_cast<int>(site)) {
        case GST_VIDEO_CHROMA_SITE_H_COSITED: return ENLARGE_SITING_LEFT;
        case GST_VIDEO_CHROMA_SITE_NONE: return ENLARGE_SITING_CENTER;
        case GST_VIDEO_CHROMA_SITE_COSITED: return ENLARGE_SITING_TOP_LEFT;
        case GST_VIDEO_CHROMA_SITE_V_COSITED: return ENLARGE_SITING_TOP;
        default: return ENLARGE_SITING_UNKNOWN;
    }
}

enlarge_range range_of(GstVideoColorRange range) {
    switch (range) {
        case GST_VIDEO_COLOR_RANGE_0_255: return ENLARGE_RANGE_FULL;
        case GST_VIDEO_COLOR_RANGE_16_235: return ENLARGE_RANGE_LIMITED;
        default: return ENLARGE_RANGE_UNKNOWN;
    }
}

}  // namespace

GstCaps* template_caps() {
    GValue formats = G_VALUE_INIT, name = G_VALUE_INIT;
    g_value_init(&formats, GST_TYPE_LIST);
    g_value_init(&name, G_TYPE_STRING);
    for (const Known& known : kKnown) {
        g_value_set_string(&name, gst_video_format_to_string(known.format));
        gst_value_list_append_value(&formats, &name);
    }
    GstCaps* caps = gst_caps_new_simple("video/x-raw", "width", GST_TYPE_INT_RANGE, 1, G_MAXINT, "height",
                                        GST_TYPE_INT_RANGE, 1, G_MAXINT, "framerate", GST_TYPE_FRACTION_RANGE, 0, 1,
                                        G_MAXINT, 1, nullptr);
    gst_caps_set_value(caps, "format", &formats);
    g_value_unset(&name);
    g_value_unset(&formats);
    return caps;
}

enlarge_frame describe(const GstVideoInfo& info, const GstCaps* caps) {
    auto frame = sized<enlarge_frame>();
    const GstVideoColorimetry& colours = info.colorimetry;
    frame.width = GST_VIDEO_INFO_WIDTH(&info);
    frame.height = GST_VIDEO_INFO_HEIGHT(&info);
    frame.layout = layout_of(GST_VIDEO_INFO_FORMAT(&info));
    frame.bits = static_cast<int32_t>(GST_VIDEO_INFO_COMP_DEPTH(&info, 0));
    frame.alpha = GST_VIDEO_INFO_HAS_ALPHA(&info) ? 1 : 0;
    frame.matrix = static_cast<int32_t>(gst_video_color_matrix_to_iso(colours.matrix));
    frame.primaries = static_cast<int32_t>(gst_video_color_primaries_to_iso(colours.primaries));
    frame.transfer = static_cast<int32_t>(gst_video_transfer_function_to_iso(colours.transfer));
    frame.range = range_of(colours.range);
    // GstVideoInfo forgets the site where the caps leave the matrix open.
    const gchar* site = gst_structure_get_string(gst_caps_get_structure(caps, 0), "chroma-site");
    frame.siting = siting_of(site ? gst_video_chroma_site_from_string(site) : GST_VIDEO_INFO_CHROMA_SITE(&info));
    return frame;
}

enlarge_frame with_planes(enlarge_frame like, const GstVideoFrame& frame) {
    const bool interleaved = like.layout == ENLARGE_FRAME_NV12 || like.layout == ENLARGE_FRAME_P010;
    // By component, not by plane: in GBR and YV12 the planes lie in another order.
    const guint planes = interleaved ? 2 : GST_VIDEO_FRAME_N_COMPONENTS(&frame);
    for (guint c = 0; c < planes; ++c) {
        like.plane[c] = GST_VIDEO_FRAME_COMP_DATA(&frame, c);
        like.stride_bytes[c] = GST_VIDEO_FRAME_COMP_STRIDE(&frame, c);
    }
    return like;
}

}  // namespace enlarge_gst
