// SPDX-License-Identifier: Apache-2.0
// Numbers in memory, and loops over as many items as there are (grid-stride), for plain kernels.
#pragma once

#include "prims.cuh"

namespace enlarge::cuda {

ENLARGE_DEVICE void load8(const h16* p, float (&v)[8]) {
    const uint4 u = *reinterpret_cast<const uint4*>(p);
    const std::uint32_t w[4] = {u.x, u.y, u.z, u.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const float2 f = unpack_halves(w[i]);
        v[2 * i] = f.x;
        v[2 * i + 1] = f.y;
    }
}
ENLARGE_DEVICE void load8(const float* p, float (&v)[8]) {
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i] = p[i];
}
ENLARGE_DEVICE void store8(h16* p, const float (&v)[8]) {
    *reinterpret_cast<uint4*>(p) =
        make_uint4(pack_halves(v[0], v[1]), pack_halves(v[2], v[3]), pack_halves(v[4], v[5]), pack_halves(v[6], v[7]));
}
ENLARGE_DEVICE void store8(float* p, const float (&v)[8]) {
#pragma unroll
    for (int i = 0; i < 8; ++i) p[i] = v[i];
}
ENLARGE_DEVICE float load1(const h16* p) { return half_to_float(*p); }
ENLARGE_DEVICE float load1(const float* p) { return *p; }
ENLARGE_DEVICE void store1(h16* p, float v) { *p = float_to_half(v); }
ENLARGE_DEVICE void store1(float* p, float v) { *p = v; }

ENLARGE_DEVICE std::int64_t first_item() {
    return static_cast<std::int64_t>(block_index()) * thread_count() + thread_index();
}
ENLARGE_DEVICE std::int64_t item_step() { return static_cast<std::int64_t>(block_count()) * thread_count(); }

}  // namespace enlarge::cuda
