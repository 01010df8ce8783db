// SPDX-License-Identifier: Apache-2.0
// NormGroups of backend/tensors/params.hpp: a work group for each. Sums of each thread's numbers meet in shared memory.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"

layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 in_at, out_at, scale_at, shift_at;
    uvec2 groups, size, plane;
    int mean;
    float epsilon;
} p;
TENSOR(1, source)
TENSOR(2, result)
CONSTANTS(3, scale)
CONSTANTS(4, shift)

shared float sums[gl_WorkGroupSize.x];

float group_sum(float own) {
    barrier();
    sums[gl_LocalInvocationID.x] = own;
    barrier();
    float sum = 0.0;
    for (uint i = 0; i < gl_WorkGroupSize.x; ++i) sum += sums[i];
    return sum;
}

void main() {
    const uint size = p.size.x, step = gl_WorkGroupSize.x, own = gl_LocalInvocationID.x;
    for (uint group = range.first + gl_WorkGroupID.x; group < range.end; group += gl_NumWorkGroups.x) {
        const uint from = p.in_at.x + group * size, to = p.out_at.x + group * size;
        float sum = 0.0;
        for (uint i = own; i < size; i += step) sum += float(source[from + i]);
        const float mean = group_sum(sum) / float(size);
        if (p.mean != 0) {
            if (own == 0) result[p.out_at.x + group] = REAL(mean);
            continue;
        }
        float squares = 0.0;
        for (uint i = own; i < size; i += step) {
            const float d = float(source[from + i]) - mean;
            squares += d * d;
        }
        const float factor = 1.0 / sqrt(group_sum(squares) / float(size) + p.epsilon);
        for (uint i = own; i < size; i += step) {
            const uint c = (group * size + i) / p.plane.x;
            result[to + i] =
                REAL((float(source[from + i]) - mean) * factor * scale[p.scale_at.x + c] + shift[p.shift_at.x + c]);
        }
    }
}
