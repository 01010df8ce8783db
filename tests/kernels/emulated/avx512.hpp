// SPDX-License-Identifier: Apache-2.0
// AVX-512 in the instructions of AVX2: SIMDe's, and the few that SIMDe 0.7.4 lacks.
#pragma once

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <immintrin.h>

#include <cstring>

#define ENLARGE_EMULATED

namespace enlarge::emulated {

// Two halves of 256 bits.
template <class Wide, class Half>
inline Wide join(Half low, Half high) {
    Wide wide;
    std::memcpy(&wide, &low, sizeof low);
    std::memcpy(reinterpret_cast<char*>(&wide) + sizeof low, &high, sizeof high);
    return wide;
}
template <class Half, class Wide>
inline Half half(const Wide& wide, int which) {
    Half part;
    std::memcpy(&part, reinterpret_cast<const char*>(&wide) + static_cast<std::size_t>(which) * sizeof part, sizeof part);
    return part;
}

inline simde__m512 cvtph_ps(__m256i x) {
    return join<simde__m512>(_mm256_cvtph_ps(_mm256_castsi256_si128(x)), _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1)));
}
inline __m256i cvtps_ph(simde__m512 x) {  // rounded half to even
    return join<__m256i>(_mm256_cvtps_ph(half<__m256>(x, 0), 0), _mm256_cvtps_ph(half<__m256>(x, 1), 0));
}
inline simde__m512i cvtps_epi32(simde__m512 x) {
    return join<simde__m512i>(_mm256_cvtps_epi32(half<__m256>(x, 0)), _mm256_cvtps_epi32(half<__m256>(x, 1)));
}
inline simde__m512 cvtepi32_ps(simde__m512i x) {
    return join<simde__m512>(_mm256_cvtepi32_ps(half<__m256i>(x, 0)), _mm256_cvtepi32_ps(half<__m256i>(x, 1)));
}

}  // namespace enlarge::emulated

#undef _mm512_madd_epi16  // which SIMDe 0.7.4 takes for a masked one
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)
#undef _mm512_cvtph_ps
#undef _mm512_cvtps_ph
#undef _mm512_cvtps_epi32
#define _mm512_cvtph_ps(x) enlarge::emulated::cvtph_ps(x)
#define _mm512_cvtps_ph(x, rounding) enlarge::emulated::cvtps_ph(x)
#define _mm512_cvtps_epi32(x) enlarge::emulated::cvtps_epi32(x)
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps(x) enlarge::emulated::cvtepi32_ps(x)
