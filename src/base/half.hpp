// SPDX-License-Identifier: Apache-2.0
// IEEE half precision in plain C++, one number at a time; exact in both directions. Hot loops use kernels instead.
#pragma once

#include <bit>
#include <cstdint>

namespace enlarge {

inline float half_to_float(std::uint16_t half) {
    const std::uint32_t sign = (half & 0x8000U) << 16;
    const std::uint32_t exponent = (half >> 10) & 31U;
    const std::uint32_t fraction = half & 1023U;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | (fraction << 13));  // infinity, NaN
    if (exponent == 0) {
        const float magnitude = static_cast<float>(fraction) * 0x1p-24F;  // zero and subnormals, exact
        return sign ? -magnitude : magnitude;
    }
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

// Rounds half to even; what is too large becomes infinity; NaN stays NaN.
inline std::uint16_t float_to_half(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
    const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
    if (magnitude > 0x7F800000U) return static_cast<std::uint16_t>(sign | 0x7E00U);
    if (magnitude >= 0x477FF000U) return static_cast<std::uint16_t>(sign | 0x7C00U);  // 65520 and more
    if (magnitude < 0x38800000U) {  // below 2^-14: the result is subnormal; adding 0.5 rounds at its last bit
        const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
        return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000U));
    }
    const std::uint32_t odd = (magnitude >> 13) & 1U;
    return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xFFFU + odd) >> 13));
}

}  // namespace enlarge
