// SPDX-License-Identifier: Apache-2.0
// Runs CUDA kernels on the CPU: the very same sources, compiled by the host compiler with ENLARGE_EMULATED.
//
// Every CUDA thread is a fiber; what a warp or warpgroup does together (ldmatrix, mma, wgmma) happens when all its
// threads have arrived, and fails when they arrive at different things. Background work is kept in the background for
// as long as the rules allow: what cp.async and TMA will write is NaN until it is waited for, wgmma results appear at the
// wait. A missing wait, a wrong barrier count or an early release shows as NaN or as a reported deadlock.
// What it cannot show: PTX syntax (nvcc does), the hardware's own reading of descriptors, the memory model, speed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>

struct uint2 {
    std::uint32_t x, y;
};
struct uint4 {
    std::uint32_t x, y, z, w;
};
struct float2 {
    float x, y;
};
struct float4 {
    float x, y, z, w;
};
static inline uint4 make_uint4(std::uint32_t x, std::uint32_t y, std::uint32_t z, std::uint32_t w) { return {x, y, z, w}; }
static inline uint2 make_uint2(std::uint32_t x, std::uint32_t y) { return {x, y}; }

#define ENLARGE_DEVICE static inline
#define ENLARGE_MEMBER inline
#define ENLARGE_KERNEL(name, Params, threads, blocks)                      \
    constexpr int name##_threads = threads;                        \
    static_assert(std::is_trivially_copyable_v<Params>);           \
    [[maybe_unused]] static void name(const Params& p)
#define ENLARGE_SHARED_MEMORY(name) unsigned char* name = emu::shared()

namespace enlarge::cuda {

namespace emu {

// In which order threads run and when background copies land. A kernel must be right under both.
enum class Schedule {
    eager,  // round robin; copies land soon, at random
    lazy,   // one warp runs as far as it can before the next, in random order; copies land when nothing else can go on
};

// A bug to plant: the given call site of a primitive does nothing. Sites are numbered in the order first reached.
enum class Fault { none, cta_sync, copy_wait, mbarrier_wait, mbarrier_arrive, named_barrier, wgmma_wait };

struct Launch {
    int blocks = 1;
    int threads = 32;
    std::size_t shared_bytes = 0;
    Schedule schedule = Schedule::eager;
    std::uint64_t seed = 1;
    Fault fault = Fault::none;
    int fault_site = 0;
};

struct Report {
    std::string error;              // empty when all threads returned
    std::int64_t mma = 0, wgmma = 0, tma = 0;
    int sites = 0;                  // call sites of the faulty primitive that were reached
};

// Runs `body` once per thread of every block, block after block.
Report run(const Launch& launch, const std::function<void()>& body);

// What a CUtensorMap holds here (128 bytes, opaque to everybody else).
struct TensorMap {
    std::uint64_t base;
    std::int64_t dim[3];
    std::int64_t stride[2];  // bytes, of dimensions 1 and 2
    std::int32_t box[3];
    std::int32_t element_bytes;
};
static_assert(sizeof(TensorMap) <= 128);

unsigned char* shared();

float decode_half(std::uint16_t v);
std::uint16_t encode_half(float v);

}  // namespace emu

using std::max;
using std::min;
using h16 = std::uint16_t;
using smem_t = std::uint32_t;

int thread_index();
int thread_count();
int block_index();
int block_count();
smem_t smem_address(const void* p);
void cta_sync();
ENLARGE_DEVICE int warp_uniform(int v) { return v; }

ENLARGE_DEVICE float half_to_float(h16 v) { return emu::decode_half(v); }
ENLARGE_DEVICE h16 float_to_half(float v) { return emu::encode_half(v); }
ENLARGE_DEVICE std::uint32_t pack_halves(float lo, float hi) {
    return emu::encode_half(lo) | static_cast<std::uint32_t>(emu::encode_half(hi)) << 16;
}
ENLARGE_DEVICE float2 unpack_halves(std::uint32_t v) {
    return {emu::decode_half(static_cast<h16>(v)), emu::decode_half(static_cast<h16>(v >> 16))};
}
ENLARGE_DEVICE float fast_exp(float v) { return std::exp(v); }
ENLARGE_DEVICE bool is_finite(float v) { return std::isfinite(v); }
ENLARGE_DEVICE int round_even(float v) { return v != v ? 0 : static_cast<int>(std::nearbyint(std::clamp(v, -2e9f, 2e9f))); }
ENLARGE_DEVICE int round_s8(float v) { return v != v ? 0 : static_cast<int>(std::nearbyint(std::clamp(v, -128.f, 127.f))); }

void ldmatrix_x4(std::uint32_t (&r)[4], smem_t a);
void mma_f32(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1);
void mma_f16(std::uint32_t (&d)[2], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1);
void mma_s8(int (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1);
void copy_async16(smem_t s, const void* g, bool ok);
void copy_commit();
void copy_wait_until(int n);
template <int N>
ENLARGE_DEVICE __attribute__((always_inline)) void copy_wait() { copy_wait_until(N); }
void raise_flag(std::uint64_t address);

void mbarrier_init(smem_t b, int arrivals);
void mbarrier_expect(smem_t b, int bytes);
void mbarrier_arrive(smem_t b);
void mbarrier_wait(smem_t b, int phase);
ENLARGE_DEVICE void fence_barrier_init() {}
void tma_load3(smem_t dst, const void* map, smem_t barrier, int c0, int c1, int c2);
void tma_store3(const void* map, smem_t src, int c0, int c1, int c2);
void tma_store_wait_read();
void tma_store_wait_all();
ENLARGE_DEVICE void fence_async_proxy() {}
void named_barrier(int id, int threads);
void wait_turn(int id);
void pass_turn(int id);
void stmatrix_x4_trans(smem_t a, const std::uint32_t (&r)[4]);
ENLARGE_DEVICE void wgmma_fence() {}
ENLARGE_DEVICE void wgmma_commit() {}
void wgmma_wait_all();
template <int N>
ENLARGE_DEVICE __attribute__((always_inline)) void wgmma_wait() {
    static_assert(N == 0);
    wgmma_wait_all();
}
template <int R>
ENLARGE_DEVICE void registers_grow() {}
template <int R>
ENLARGE_DEVICE void registers_shrink() {}
void wgmma_f16(float (&d)[64], const std::uint32_t (&a)[4], std::uint64_t b);
void wgmma_s8(int (&d)[64], const std::uint32_t (&a)[4], std::uint64_t b, bool add);

}  // namespace enlarge::cuda
