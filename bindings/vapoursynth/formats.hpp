// SPDX-License-Identifier: Apache-2.0
// Clips of VapourSynth as the C interface sees them.
#pragma once

#include <VapourSynth4.h>
#include <enlarge/enlarge.h>

#include <string>

#include "common/handles.hpp"

namespace enlarge_vs {

using enlarge_host::sized;

// How frames of a format are enlarged.
enum class Way {
    frames,    // as frames of video: grey, RGB and YUV of 8 to 16 bits
    pictures,  // as pictures: grey and RGB in floating point
    converted  // YUV in floating point: VapourSynth makes RGB of it and back
};

// Empty where clips of this kind can be enlarged, else what was found and what was expected.
std::string refuse(const VSVideoInfo& clip, const VSAPI* vsapi);
Way way_of(const VSVideoFormat& format);

// Layout and bits of frames of `format`, without planes and colours.
enlarge_frame frame_of(const VSVideoFormat& format, int width, int height);

// What the frame's properties say of colours, in the words of enlarge_frame; what they leave open is 0.
struct Colours {
    int matrix = 0, primaries = 0, transfer = 0;
    int range = ENLARGE_RANGE_UNKNOWN;
    int siting = ENLARGE_SITING_UNKNOWN;

    bool operator==(const Colours&) const = default;
};
Colours colours_of(const VSMap* properties, const VSAPI* vsapi);
void put(const Colours& colours, enlarge_frame& frame);
// Writes down in `properties` what they leave open and `frame` has settled.
void settle(const enlarge_frame& frame, VSMap* properties, const VSAPI* vsapi);

// Planes of a frame, read-only ones for reading only.
void put_planes(const VSFrame* from, enlarge_frame& frame, const VSAPI* vsapi);
enlarge_image image_of(const VSFrame* from, const VSAPI* vsapi);

}  // namespace enlarge_vs
