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

// Copies pixels between views of the same size and sample type whatever their layout (packed or planar).
void copy_pixels(const ImageView& in, const MutableImageView& out);

}  // namespace enlarge
