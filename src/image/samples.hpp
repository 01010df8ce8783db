// SPDX-License-Identifier: Apache-2.0
// Samples of any type to floats and back. Everything that makes integers of a network's floats rounds as here.
#pragma once

#include <bit>
#include <cstdint>

#include "enlarge/image.hpp"

namespace enlarge {

// IEEE 754 binary16 to float, exact.
inline float half_to_float(std::uint16_t half) {
    const std::uint32_t sign = std::uint32_t{half & 0x8000U} << 16, rest = half & 0x7fffU;
    if (rest >= 0x7c00U) return std::bit_cast<float>(sign | 0x7f800000U | (rest & 0x3ffU) << 13);  // infinity, NaN
    if (rest < 0x400U) {  // zero and subnormals: multiples of 2^-24
        const float value = static_cast<float>(rest) * 0x1p-24F;
        return sign ? -value : value;
    }
    return std::bit_cast<float>(sign | ((rest << 13) + 0x38000000U));
}

// Float to binary16, rounded half to even; too large becomes infinity, NaN stays NaN.
inline std::uint16_t float_to_half(float value) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = bits >> 16 & 0x8000U, rest = bits & 0x7fffffffU;
    if (rest > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);
    if (rest >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);
    if (rest < 0x38800000U) {  // subnormal: adding 0.5 puts the rounded value into the low bits
        const float shifted = std::bit_cast<float>(rest) + 0.5F;
        return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000U));
    }
    const std::uint32_t rounded = rest + 0xfffU + (rest >> 13 & 1U) - 0x38000000U;
    return static_cast<std::uint16_t>(sign | rounded >> 13);
}

// value * max, clamped to 0..max and rounded half to even; NaN becomes 0. `max` is 255, 1023, ... 65535.
inline int quantise(float value, float max) {
    const float clamped = value > 0 ? (value < 1 ? value : 1.0F) : 0.0F;
    // Adding 1.5 * 2^23 leaves the rounded integer in the low bits of the sum: rint() that every compiler vectorises.
    const float sum = clamped * max + 12582912.0F;
    return static_cast<int>(std::bit_cast<std::uint32_t>(sum) - 0x4b400000U);
}

// One channel of row y of `in` as floats: integers divided by their largest value, floats as they are.
void load_row(const ImageView& in, int y, int channel, float* out);

// The inverse: one channel of row y of `out` from floats, quantised for integer formats.
void store_row(const float* in, const MutableImageView& out, int y, int channel);

// Copies pixels between views of the same size and sample type whatever their layout (packed or planar).
void copy_pixels(const ImageView& in, const MutableImageView& out);

}  // namespace enlarge
