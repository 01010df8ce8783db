// SPDX-License-Identifier: Apache-2.0
// Samples of any type to floats and back. Everything that makes integers of a network's floats rounds as here.
#pragma once

#include <bit>
#include <cstdint>

#include "base/half.hpp"
#include "enlarge/image.hpp"

namespace enlarge {

// rint() for 0 <= value < 2^22: adding 1.5 * 2^23 leaves the integer, rounded half to even, in the low bits of the sum.
// Every compiler vectorises this.
inline int round_half_even(float value) {
    return static_cast<int>(std::bit_cast<std::uint32_t>(value + 12582912.0F) - 0x4b400000U);
}

// value * max, clamped to 0..max and rounded half to even; NaN becomes 0. `max` is 255, 1023, ... 65535.
inline int quantise(float value, float max) {
    const float clamped = value > 0 ? (value < 1 ? value : 1.0F) : 0.0F;
    return round_half_even(clamped * max);
}

// One channel of row y of `in` as floats: integers divided by their largest value, floats as they are.
void load_row(const ImageView& in, int y, int channel, float* out);

// The inverse: one channel of row y of `out` from floats, quantised for integer formats.
void store_row(const float* in, const MutableImageView& out, int y, int channel);

// Whether red, green and blue are equal in every pixel that is not wholly transparent, of 8 bits to one step: lossy
// WebP, which has no grey, gives green so. False for pictures that are grey by their format.
bool colourless(const ImageView& in);

// One row of a colourless picture as floats: what its channels have in common, else their luma.
void load_grey_row(const ImageView& in, int y, float* out);

// Makes the channels of planar floats equal if they are those of a frame of video without colour, which had `bits`: but
// for one step in both chroma planes, which encoders leave in grey films, and what upsampling makes of it.
void settle_grey(const MutableImageView& view, int bits);

// The luma of planar floats (BT.601 weights), which may take the place of the first plane.
void luma(const ImageView& rgb, const MutableImageView& out);

// Copies one channel to another one between views of the same size and sample type.
void copy_channel(const ImageView& in, int from, const MutableImageView& out, int to);

// Copies pixels between views of the same size and sample type whatever their layout (packed or planar).
void copy_pixels(const ImageView& in, const MutableImageView& out);

}  // namespace enlarge
