// SPDX-License-Identifier: Apache-2.0
// What the numbers in a picture or frame mean.
#pragma once

#include <cstdint>
#include <string>

#include "enlarge/image.hpp"

namespace enlarge {

// Bytes from one sample to the next within a row of a plane.
inline int sample_bytes(SampleType sample) {
    return sample == SampleType::u8 ? 1 : sample == SampleType::f32 ? 4 : 2;
}

// The integer that means 1.0, or 1 for floats: 255 for 8 bits, 1023 for 10, 65535 for 16.
inline int max_value(const PixelFormat& format) {
    return format.sample == SampleType::f32 || format.sample == SampleType::f16 ? 1 : (1 << format.bits) - 1;
}

// One plane of floats per channel: what networks and the resampling filter give.
inline PixelFormat planar_float(int channels) {
    return {SampleType::f32, 32, static_cast<std::uint8_t>(channels), true};
}

// "640x360"
inline std::string describe(Size size) { return std::to_string(size.width) + "x" + std::to_string(size.height); }

inline int plane_count(const PixelFormat& format) { return format.planar ? format.channels : 1; }

}  // namespace enlarge
