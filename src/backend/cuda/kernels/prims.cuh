// SPDX-License-Identifier: Apache-2.0
// What the kernels are made of: every line of inline PTX is in this file. Kernels use these functions and plain C++
// only, so that tests/cuda can compile them for the CPU: with ENLARGE_EMULATED the same names come from the emulator.
#pragma once

#ifdef ENLARGE_EMULATED
#include "emulator.hpp"
#else

#include <cstdint>
#include <cuda_fp16.h>

#define ENLARGE_DEVICE __device__ __forceinline__
#define ENLARGE_MEMBER __device__ __forceinline__  // of a struct
// A kernel takes one struct by value. `blocks` is the least number of blocks per multiprocessor.
#define ENLARGE_KERNEL(name, Params, threads, blocks) \
    extern "C" __global__ void __launch_bounds__(threads, blocks) name(const __grid_constant__ Params p)
#define ENLARGE_SHARED_MEMORY(name) extern __shared__ __align__(128) unsigned char name[]

namespace enlarge::cuda {

using h16 = std::uint16_t;       // half precision, as stored
using smem_t = std::uint32_t;    // an address in shared memory

ENLARGE_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
ENLARGE_DEVICE int thread_count() { return static_cast<int>(blockDim.x); }
ENLARGE_DEVICE int block_index() { return static_cast<int>(blockIdx.x); }
ENLARGE_DEVICE int block_count() { return static_cast<int>(gridDim.x); }
ENLARGE_DEVICE smem_t smem_address(const void* p) { return static_cast<smem_t>(__cvta_generic_to_shared(p)); }
ENLARGE_DEVICE void cta_sync() { __syncthreads(); }
ENLARGE_DEVICE int warp_uniform(int v) { return __shfl_sync(0xffffffffu, v, 0); }

ENLARGE_DEVICE float half_to_float(h16 v) { return __half2float(__ushort_as_half(v)); }
ENLARGE_DEVICE h16 float_to_half(float v) { return __half_as_ushort(__float2half_rn(v)); }
ENLARGE_DEVICE std::uint32_t pack_halves(float lo, float hi) {
    const __half2 h = __floats2half2_rn(lo, hi);
    return *reinterpret_cast<const std::uint32_t*>(&h);
}
ENLARGE_DEVICE float2 unpack_halves(std::uint32_t v) { return __half22float2(*reinterpret_cast<const __half2*>(&v)); }
ENLARGE_DEVICE float fast_exp(float v) { return __expf(v); }
ENLARGE_DEVICE bool is_finite(float v) { return isfinite(v); }
ENLARGE_DEVICE int round_even(float v) { return __float2int_rn(v); }
// Rounds to even and clamps to -128..127.
ENLARGE_DEVICE int round_s8(float v) {
    int r;
    asm("cvt.rni.sat.s8.f32 %0, %1;" : "=r"(r) : "f"(v));
    return r;
}

// Four 8x8 matrices of 16-bit values; lane i supplies the address of row i % 8 of matrix i / 8.
ENLARGE_DEVICE void ldmatrix_x4(std::uint32_t (&r)[4], smem_t a) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(a));
}

// d += a (16x16, rows) * b (16x8, columns), accumulated in float.
ENLARGE_DEVICE void mma_f32(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(b0));
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[2]), "r"(a[3]), "r"(b1));
#endif
}

// The same, accumulated in half precision: twice as fast on GeForce.
ENLARGE_DEVICE void mma_f16(std::uint32_t (&d)[2], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1},{%2,%3,%4,%5},{%6,%7},{%0,%1};"
                 : "+r"(d[0]), "+r"(d[1]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0,%1},{%2,%3},{%4},{%0,%1};"
                 : "+r"(d[0]), "+r"(d[1]) : "r"(a[0]), "r"(a[1]), "r"(b0));
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0,%1},{%2,%3},{%4},{%0,%1};"
                 : "+r"(d[0]), "+r"(d[1]) : "r"(a[2]), "r"(a[3]), "r"(b1));
#endif
}

// d += a (16x32, rows) * b (32x8, columns) of signed bytes.
ENLARGE_DEVICE void mma_s8(int (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
    asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1},{%2},{%3},{%0,%1};"
                 : "+r"(d[0]), "+r"(d[1]) : "r"(a[0]), "r"(b0));
    asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1},{%2},{%3},{%0,%1};"
                 : "+r"(d[2]), "+r"(d[3]) : "r"(a[1]), "r"(b0));
    asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1},{%2},{%3},{%0,%1};"
                 : "+r"(d[0]), "+r"(d[1]) : "r"(a[2]), "r"(b1));
    asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1},{%2},{%3},{%0,%1};"
                 : "+r"(d[2]), "+r"(d[3]) : "r"(a[3]), "r"(b1));
#endif
}

// Copies 16 bytes to shared memory in the background, or zeros where !ok. `g` must be readable only if ok.
ENLARGE_DEVICE void copy_async16(smem_t s, const void* g, bool ok) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(s), "l"(g), "r"(ok ? 16 : 0) : "memory");
#else
    uint4 v = make_uint4(0, 0, 0, 0);
    if (ok) v = *reinterpret_cast<const uint4*>(g);
    asm volatile("st.shared.v4.u32 [%0], {%1,%2,%3,%4};" ::"r"(s), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
#endif
}
ENLARGE_DEVICE void copy_commit() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Waits until at most N groups of this thread's copies are under way.
template <int N>
ENLARGE_DEVICE void copy_wait() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

ENLARGE_DEVICE void raise_flag(std::uint64_t address) { *reinterpret_cast<volatile std::uint32_t*>(address) = 1; }

// ---- Hopper: mbarrier, TMA, wgmma ----
ENLARGE_DEVICE void mbarrier_init(smem_t b, int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(b), "r"(arrivals) : "memory");
}
#if __CUDA_ARCH__ >= 900
ENLARGE_DEVICE void mbarrier_expect(smem_t b, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(b), "r"(bytes) : "memory");
}
ENLARGE_DEVICE void mbarrier_arrive(smem_t b) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(b) : "memory"); }
ENLARGE_DEVICE void mbarrier_wait(smem_t b, int phase) {
    asm volatile("{\n.reg .pred p;\nWAIT:\nmbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n@p bra DONE;\n"
                 "bra WAIT;\nDONE:\n}" ::"r"(b), "r"(phase) : "memory");
}
// Makes the barriers' initialisation visible to the copy engine.
ENLARGE_DEVICE void fence_barrier_init() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
// Loads a box; coordinates outside the tensor read as zeros.
ENLARGE_DEVICE void tma_load3(smem_t dst, const void* map, smem_t barrier, int c0, int c1, int c2) {
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%3,%4,%5}], [%2];" ::"r"(dst),
        "l"(map), "r"(barrier), "r"(c0), "r"(c1), "r"(c2)
        : "memory");
}
// Stores a box; coordinates outside the tensor are dropped.
ENLARGE_DEVICE void tma_store3(const void* map, smem_t src, int c0, int c1, int c2) {
    asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group [%0, {%2,%3,%4}], [%1];" ::"l"(map),
                 "r"(src), "r"(c0), "r"(c1), "r"(c2)
                 : "memory");
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}
ENLARGE_DEVICE void tma_store_wait_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }
ENLARGE_DEVICE void tma_store_wait_all() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }
ENLARGE_DEVICE void fence_async_proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
ENLARGE_DEVICE void named_barrier(int id, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"); }
// Turns of two warpgroups that need no order for what they compute: one waits for its turn, the other passes it on.
ENLARGE_DEVICE void wait_turn(int id) { asm volatile("bar.sync %0, 256;" ::"r"(id) : "memory"); }
ENLARGE_DEVICE void pass_turn(int id) { asm volatile("bar.arrive %0, 256;" ::"r"(id) : "memory"); }
// Four 8x8 matrices of 16-bit values to shared memory, transposed; lane i supplies the address of row i % 8 of
// matrix i / 8.
ENLARGE_DEVICE void stmatrix_x4_trans(smem_t a, const std::uint32_t (&r)[4]) {
    asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1,%2,%3,%4};"
                 ::"r"(a), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
}
#endif

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
ENLARGE_DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
ENLARGE_DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int N>
ENLARGE_DEVICE void wgmma_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory"); }
template <int R>
ENLARGE_DEVICE void registers_grow() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(R)); }
template <int R>
ENLARGE_DEVICE void registers_shrink() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(R)); }
#define ENLARGE_D64                                                                                       \
    "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26," \
    "%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,"    \
    "%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}"
#define ENLARGE_R8(c, i) \
    c(d[i]), c(d[i + 1]), c(d[i + 2]), c(d[i + 3]), c(d[i + 4]), c(d[i + 5]), c(d[i + 6]), c(d[i + 7])
#define ENLARGE_R64(c)                                                                                          \
    ENLARGE_R8(c, 0), ENLARGE_R8(c, 8), ENLARGE_R8(c, 16), ENLARGE_R8(c, 24), ENLARGE_R8(c, 32), ENLARGE_R8(c, 40), \
        ENLARGE_R8(c, 48), ENLARGE_R8(c, 56)
// d += a (64x16, in registers) * b (16x128, in shared memory), by the 128 threads of a warpgroup, in the background.
ENLARGE_DEVICE void wgmma_f16(float (&d)[64], const std::uint32_t (&a)[4], std::uint64_t b) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 " ENLARGE_D64 ",{%64,%65,%66,%67},%68,1,1,1,0;"
                 : ENLARGE_R64("+f") : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
// The same for signed bytes, 64x32 times 32x128; !add: d = a * b.
ENLARGE_DEVICE void wgmma_s8(int (&d)[64], const std::uint32_t (&a)[4], std::uint64_t b, bool add) {
    asm volatile("{.reg .pred p; setp.ne.b32 p, %69, 0; wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8 " ENLARGE_D64
                 ",{%64,%65,%66,%67},%68,p;}"
                 : ENLARGE_R64("+r") : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(add)));
}
#endif

}  // namespace enlarge::cuda
#endif
