// SPDX-License-Identifier: Apache-2.0
// Parameters of the kernels that measure what a GPU does at best (kernels/ceiling.cuh), and how much work that is.
#pragma once

#include <cstdint>

namespace enlarge::cuda {

struct CeilingWork {
    std::uint64_t out;   // float, one per thread; or the copy's target
    std::uint64_t in;    // the copy's source
    std::int64_t words;  // of 16 bytes, to copy
    int rounds;          // of kCeilingProducts products per warp (Hopper: per block)
};
inline constexpr int kCeilingProducts = 16;
inline constexpr double kMmaFlops = 2.0 * 16 * 8 * 16;      // of one product in half precision; twice as many in 8 bits
inline constexpr double kWgmmaFlops = 2.0 * 64 * 128 * 16;

}  // namespace enlarge::cuda
