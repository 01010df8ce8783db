// SPDX-License-Identifier: Apache-2.0
// As matrix.glsl, for devices without: a matrix is an array and its subgroup one thread.
layout(constant_id = 4) const int kRows = 16;
layout(constant_id = 5) const int kColumns = 16;
layout(constant_id = 6) const int kDepth = 16;
const int kSubgroup = 1;

#define SUBGROUP gl_LocalInvocationIndex

struct MatrixA { float v[kRows * kDepth]; };
struct MatrixB { float v[kDepth * kColumns]; };
struct MatrixC { float v[kRows * kColumns]; };

#define LOAD_A(a, from, at, stride) \
    for (int i = 0; i < kRows * kDepth; ++i) a.v[i] = float(from[(at) + i / kDepth * (stride) + i % kDepth])
#define LOAD_SHARED_B(b, from, at, stride) \
    for (int i = 0; i < kDepth * kColumns; ++i) b.v[i] = float(from[(at) + i % kColumns * (stride) + i / kColumns])
#define STORE_SHARED_C(c, to, at, stride) \
    for (int i = 0; i < kRows * kColumns; ++i) to[(at) + i / kColumns * (stride) + i % kColumns] = c.v[i]
#define CLEAR_C(c) \
    for (int i = 0; i < kRows * kColumns; ++i) c.v[i] = 0.0
#define MULTIPLY_ADD(a, b, c)                                                              \
    for (int i = 0; i < kRows * kColumns; ++i)                                             \
        for (int q = 0; q < kDepth; ++q)                                                   \
            c.v[i] += a.v[i / kColumns * kDepth + q] * b.v[q * kColumns + i % kColumns]
