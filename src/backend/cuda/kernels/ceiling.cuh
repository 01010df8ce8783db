// SPDX-License-Identifier: Apache-2.0
// What a GPU does at best: products whose operands never leave registers (Hopper: B stays in shared memory), and a copy.
// Several independent accumulators per warp, so that latency does not count.
#pragma once

#include "../ceiling.hpp"
#include "prims.cuh"

namespace enlarge::cuda {

// Operands that are small, and different in each thread; results are written so that nothing is optimised away.
template <class Multiply, class Result>
ENLARGE_DEVICE void ceiling(const CeilingWork& p, Multiply multiply, Result result) {
#pragma unroll 1
    for (int i = 0; i < p.rounds; ++i) multiply();
    reinterpret_cast<float*>(p.out)[block_index() * thread_count() + thread_index()] = result();
}

ENLARGE_KERNEL(ceiling_f32acc, CeilingWork, 256, 2) {
    float d[kCeilingProducts][4] = {};
    const std::uint32_t a[4] = {0x10001000u + static_cast<std::uint32_t>(thread_index()), 0x10001000u, 0x10001000u, 0x10001000u};
    ceiling(
        p,
        [&] {
#pragma unroll
            for (int i = 0; i < kCeilingProducts; ++i) mma_f32(d[i], a, a[0], a[1]);
        },
        [&] {
            float sum = 0.f;
#pragma unroll
            for (int i = 0; i < kCeilingProducts; ++i) sum += d[i][0] + d[i][1] + d[i][2] + d[i][3];
            return sum;
        });
}
ENLARGE_KERNEL(ceiling_f16acc, CeilingWork, 256, 2) {
    std::uint32_t d[kCeilingProducts][2] = {};
    const std::uint32_t a[4] = {0x10001000u + static_cast<std::uint32_t>(thread_index()), 0x10001000u, 0x10001000u, 0x10001000u};
    ceiling(
        p,
        [&] {
#pragma unroll
            for (int i = 0; i < kCeilingProducts; ++i) mma_f16(d[i], a, a[0], a[1]);
        },
        [&] {
            float sum = 0.f;
#pragma unroll
            for (int i = 0; i < kCeilingProducts; ++i) sum += unpack_halves(d[i][0]).x + unpack_halves(d[i][1]).y;
            return sum;
        });
}
ENLARGE_KERNEL(ceiling_s8, CeilingWork, 256, 2) {
    int d[kCeilingProducts][4] = {};
    const std::uint32_t a[4] = {static_cast<std::uint32_t>(thread_index()), 1u, 1u, 1u};
    ceiling(
        p,
        [&] {
#pragma unroll
            for (int i = 0; i < kCeilingProducts; ++i) mma_s8(d[i], a, a[0], a[1]);
        },
        [&] {
            int sum = 0;
#pragma unroll
            for (int i = 0; i < kCeilingProducts; ++i) sum += d[i][0] + d[i][1] + d[i][2] + d[i][3];
            return static_cast<float>(sum);
        });
}
ENLARGE_KERNEL(ceiling_copy, CeilingWork, 256, 4) {
    const auto* from = reinterpret_cast<const uint4*>(p.in);
    auto* to = reinterpret_cast<uint4*>(p.out);
    const std::int64_t step = static_cast<std::int64_t>(block_count()) * thread_count();
    for (std::int64_t i = static_cast<std::int64_t>(block_index()) * thread_count() + thread_index(); i < p.words; i += step) to[i] = from[i];
}

#if defined(ENLARGE_EMULATED) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

// One warpgroup per block, two blocks per multiprocessor; A in registers, B always the same 128 x 32 bytes.
template <class T, class Multiply>
ENLARGE_DEVICE void ceiling_hopper(const CeilingWork& p, unsigned char* shared, Multiply multiply) {
    for (int i = thread_index(); i < 1024; i += 128) reinterpret_cast<std::uint32_t*>(shared)[i] = 0x10001000u;
    fence_async_proxy();
    cta_sync();
    const smem_t start = smem_address(shared);
    const std::uint64_t b = static_cast<std::uint64_t>((start & 0x3FFFFu) >> 4) | static_cast<std::uint64_t>(2048 >> 4) << 16 |
                            static_cast<std::uint64_t>(128 >> 4) << 32;
    const std::uint32_t a[4] = {0x10001000u + static_cast<std::uint32_t>(thread_index()), 0x10001000u, 0x10001000u, 0x10001000u};
    T d[64] = {};
#pragma unroll 1
    for (int i = 0; i < p.rounds; ++i) {
        wgmma_fence();
#pragma unroll
        for (int k = 0; k < kCeilingProducts; ++k) multiply(d, a, b);
        wgmma_commit();
        wgmma_wait<0>();
    }
    float sum = 0.f;
#pragma unroll
    for (int i = 0; i < 64; ++i) sum += static_cast<float>(d[i]);
    reinterpret_cast<float*>(p.out)[block_index() * 128 + thread_index()] = sum;
}

ENLARGE_KERNEL(ceiling_f16_hopper, CeilingWork, 128, 2) {
    ENLARGE_SHARED_MEMORY(shared);
    ceiling_hopper<float>(p, shared, [](float (&d)[64], const std::uint32_t (&a)[4], std::uint64_t b) { wgmma_f16(d, a, b); });
}
ENLARGE_KERNEL(ceiling_s8_hopper, CeilingWork, 128, 2) {
    ENLARGE_SHARED_MEMORY(shared);
    ceiling_hopper<int>(p, shared, [](int (&d)[64], const std::uint32_t (&a)[4], std::uint64_t b) { wgmma_s8(d, a, b, true); });
}

#endif

}  // namespace enlarge::cuda
