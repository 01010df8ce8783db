// SPDX-License-Identifier: Apache-2.0
#include "formats.hpp"

#include <optional>

namespace enlarge_vs {
namespace {

std::optional<int> number(const VSMap* map, const char* key, const VSAPI* vsapi) {
    int error = 0;
    const int value = vsapi->mapGetIntSaturated(map, key, 0, &error);
    return error == 0 ? std::optional(value) : std::nullopt;
}

// 2 is "unspecified" in H.273, and so open.
int code(const VSMap* map, const char* key, const VSAPI* vsapi) {
    const int value = number(map, key, vsapi).value_or(0);
    return value > 0 && value != 2 ? value : 0;
}

// VapourSynth's _ColorRange was 1 for limited; _Range, which came with API 4.3, is 1 for full.
constexpr int kNewRange = VS_MAKE_VERSION(4, 3);

}  // namespace

std::string refuse(const VSVideoInfo& clip, const VSAPI* vsapi) {
    const VSVideoFormat& f = clip.format;
    if (f.colorFamily == cfUndefined || clip.width == 0 || clip.height == 0)
        return "the clip changes its format or size; expected one of constant format and size";
    const bool chroma = f.subSamplingW <= 1 && f.subSamplingH <= f.subSamplingW;  // 4:4:4, 4:2:2, 4:2:0
    const bool bits = f.sampleType == stFloat ? f.bitsPerSample == 16 || f.bitsPerSample == 32
                                              : f.bitsPerSample >= 8 && f.bitsPerSample <= 16;
    if (chroma && bits) return {};
    char name[32] = "";
    vsapi->getVideoFormatName(&f, name);
    return std::string("the clip is ") + name +
           "; expected grey, RGB or YUV 4:2:0, 4:2:2 or 4:4:4 of 8 to 16 bits or in floating point";
}

Way way_of(const VSVideoFormat& format) {
    if (format.sampleType == stInteger) return Way::frames;
    return format.colorFamily == cfYUV ? Way::converted : Way::pictures;
}

enlarge_frame frame_of(const VSVideoFormat& format, int width, int height) {
    auto frame = sized<enlarge_frame>();
    frame.width = width;
    frame.height = height;
    frame.bits = format.bitsPerSample;
    frame.layout = format.colorFamily == cfGray  ? ENLARGE_FRAME_GREY
                   : format.colorFamily == cfRGB ? ENLARGE_FRAME_RGB
                   : format.subSamplingH == 1    ? ENLARGE_FRAME_I420
                   : format.subSamplingW == 1    ? ENLARGE_FRAME_I422
                                                 : ENLARGE_FRAME_I444;
    return frame;
}

Colours colours_of(const VSMap* properties, const VSAPI* vsapi) {
    Colours found;
    found.matrix = code(properties, "_Matrix", vsapi);
    found.primaries = code(properties, "_Primaries", vsapi);
    found.transfer = code(properties, "_Transfer", vsapi);
    if (const auto range = number(properties, "_Range", vsapi))
        found.range = *range == 1 ? ENLARGE_RANGE_FULL : ENLARGE_RANGE_LIMITED;
    else if (const auto old = number(properties, "_ColorRange", vsapi))
        found.range = *old == 0 ? ENLARGE_RANGE_FULL : ENLARGE_RANGE_LIMITED;
    const auto location = number(properties, "_ChromaLocation", vsapi);
    if (location && *location >= 0 && *location <= 5)
        found.siting = ENLARGE_SITING_LEFT + *location;  // both in the order of H.273
    return found;
}

void put(const Colours& colours, enlarge_frame& frame) {
    frame.matrix = colours.matrix;
    frame.primaries = colours.primaries;
    frame.transfer = colours.transfer;
    frame.range = colours.range;
    frame.siting = colours.siting;
}

void settle(const enlarge_frame& frame, VSMap* properties, const VSAPI* vsapi) {
    if (frame.layout == ENLARGE_FRAME_RGB) return;
    const Colours known = colours_of(properties, vsapi);
    const auto set = [&](const char* key, int value) { vsapi->mapSetInt(properties, key, value, maReplace); };
    const bool yuv = frame.layout != ENLARGE_FRAME_GREY;
    if (yuv && known.matrix == 0 && frame.matrix > 0) set("_Matrix", frame.matrix);
    if (known.primaries == 0 && frame.primaries > 0) set("_Primaries", frame.primaries);
    if (known.transfer == 0 && frame.transfer > 0) set("_Transfer", frame.transfer);
    if (known.range == ENLARGE_RANGE_UNKNOWN && frame.range != ENLARGE_RANGE_UNKNOWN) {
        const bool full = frame.range == ENLARGE_RANGE_FULL;
        if (vsapi->getAPIVersion() >= kNewRange) set("_Range", full ? 1 : 0);
        else set("_ColorRange", full ? 0 : 1);
    }
    const bool subsampled = frame.layout == ENLARGE_FRAME_I420 || frame.layout == ENLARGE_FRAME_I422;
    if (subsampled && known.siting == ENLARGE_SITING_UNKNOWN && frame.siting != ENLARGE_SITING_UNKNOWN)
        set("_ChromaLocation", frame.siting - ENLARGE_SITING_LEFT);
}

void put_planes(const VSFrame* from, enlarge_frame& frame, const VSAPI* vsapi) {
    const int planes = vsapi->getVideoFrameFormat(from)->numPlanes;
    for (int i = 0; i < planes; ++i) {
        frame.plane[i] = const_cast<uint8_t*>(vsapi->getReadPtr(from, i));
        frame.stride_bytes[i] = vsapi->getStride(from, i);
    }
}

enlarge_image image_of(const VSFrame* from, const VSAPI* vsapi) {
    const VSVideoFormat& format = *vsapi->getVideoFrameFormat(from);
    auto image = sized<enlarge_image>();
    image.width = vsapi->getFrameWidth(from, 0);
    image.height = vsapi->getFrameHeight(from, 0);
    image.channels = format.numPlanes;
    image.sample = format.bitsPerSample == 16 ? ENLARGE_F16 : ENLARGE_F32;
    image.planar = 1;
    for (int i = 0; i < format.numPlanes; ++i) {
        image.plane[i] = const_cast<uint8_t*>(vsapi->getReadPtr(from, i));
        image.stride_bytes[i] = vsapi->getStride(from, i);
    }
    return image;
}

}  // namespace enlarge_vs
