// SPDX-License-Identifier: Apache-2.0
// GatherNumbers of backend/tensors/params.hpp.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, places_at, out_at;
    uvec2 count, inner, side, from;
    int slices;
} p;
TENSOR(1, source)
TENSOR(2, places)
TENSOR(3, result)

void main() {
    ITEMS(i) {
        const uint row = i / p.inner.x;
        const float at = places[p.places_at.x + (p.slices != 0 ? row % p.side.x : i)];
        const uint place = at > 0.0 ? min(uint(min(at, 1e9)), p.from.x - 1) : 0;
        result[p.out_at.x + i] =
            source[p.in_at.x + (row / p.side.x * p.from.x + place) * p.inner.x + i % p.inner.x];
    }
}
