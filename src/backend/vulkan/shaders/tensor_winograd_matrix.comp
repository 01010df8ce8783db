// SPDX-License-Identifier: Apache-2.0
// FusedConv of backend/tensors/params.hpp as in tensor_winograd.comp, its products by matrices: for each of the 36 places
// kOut channels x channels of halves times channels x 16 blocks of halves, summed in single precision. A work group of
// 6 * kOut threads gives 16x16 pixels of kOut channels; a subgroup has all sums of some places. Transformed pixels of 16
// channels lie in shared memory. Weights are read where they are, each once in a work group, as matrices of 16x16: for
// every 16 channels of the result, every 16 channels and every place one (winograd.cpp); what is beyond the channels is
// zero. With ENLARGE_EMULATED matrices are arrays and a subgroup is one thread: tests run it where no driver has matrices.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "tensor.glsl"
#include "conv.glsl"
#define ENLARGE_NEAR_POINTS
#include "winograd.glsl"
#ifdef ENLARGE_EMULATED
#include "matrix_emulated.glsl"
#else
#include "matrix.glsl"
#endif

layout(constant_id = 1) const int kOut = 32;
layout(set = 0, binding = 3, std430) readonly buffer Transformed { float16_t weights[]; };

const int kChunk = 16, kBlocks = 16, kTile = 16;
// Matrices of sums: of a place down and across; places of a subgroup, at most.
const int kDown = kOut / kRows, kAcross = kBlocks / kColumns;
const int kThreads = 6 * kOut, kSubgroups = kThreads / kSubgroup, kOwn = (kPlaces + kSubgroups - 1) / kSubgroups;
const bool kEven = kPlaces % kSubgroups == 0;
const int kPixels = kOut * kBlocks;                          // blocks of channels
const int kShare = (kPixels + kThreads - 1) / kThreads;      // of which a thread makes pixels

shared float16_t pixels[kPlaces * kBlocks * kChunk];  // place, block, channel
shared float row_sums[6 * kPixels];                   // sums of six places, channel, block

void load_pixels(int chunk, int x0, int y0) {
    for (int i = int(gl_LocalInvocationID.x); i < kChunk * kBlocks; i += kThreads) {
        const int block = i % kBlocks, c = i / kBlocks;
        float d[36];
        transform_block(chunk + c, y0 + block / 4 * 4 - 1, x0 + block % 4 * 4 - 1, d);
        [[unroll]] for (int k = 0; k < kPlaces; ++k) pixels[(k * kBlocks + block) * kChunk + c] = float16_t(d[k]);
    }
}

// The column of A transposed that belongs to a row of places.
vec4 column_of(int v) {
    const float at = v == 0 ? 0.0 : v == 1 ? kNear : v == 2 ? -kNear : v == 3 ? kWide : -kWide;
    return v == 5 ? vec4(0, 0, 0, 1) : vec4(1, at, at * at, at * at * at);
}

void main() {
    const int tiles_x = (p.out_width + 15) / 16, tiles_y = (p.out_height + 15) / 16;
    const int thread = int(gl_LocalInvocationID.x);
    const uint deep = uint(p.channels + kTile - 1) / kTile, last_out = uint(p.out_channels - 1) / kTile;
    const uint weights_at = p.weights_at.x * 2;
    for (uint item = range.first + gl_WorkGroupID.x; item < range.end; item += gl_NumWorkGroups.x) {
        const int tile = int(item) % (tiles_x * tiles_y), first_out = int(item) / (tiles_x * tiles_y) * kOut;
        const int x0 = tile % tiles_x * 16, y0 = tile / tiles_x * 16;
        MatrixC sums[kOwn * kDown * kAcross];
        [[unroll]] for (int j = 0; j < kOwn * kDown * kAcross; ++j) CLEAR_C(sums[j]);
        for (uint chunk = 0; chunk < deep; ++chunk) {
            barrier();
            load_pixels(int(chunk) * kChunk, x0, y0);
            barrier();
            [[unroll]] for (int j = 0; j < kOwn; ++j) {
                const uint place = uint(j * kSubgroups) + SUBGROUP;
                if (!kEven && place >= kPlaces) continue;
                [[unroll]] for (int k = 0; k < kChunk; k += kDepth) {
                    MatrixB b[kAcross];
                    [[unroll]] for (int n = 0; n < kAcross; ++n)
                        LOAD_SHARED_B(b[n], pixels, (place * kBlocks + n * kColumns) * kChunk + k, kChunk);
                    [[unroll]] for (int m = 0; m < kDown; ++m) {
                        // Of channels beyond the last some others' sums are made, which nobody reads.
                        const uint out_tile = min(uint(first_out + m * kRows) / kTile, last_out);
                        const uint at = ((out_tile * deep + chunk) * kPlaces + place) * (kTile * kTile) +
                                        uint(m * kRows % kTile * kTile + k);
                        MatrixA a;
                        LOAD_A(a, weights, weights_at + at, kTile);
                        [[unroll]] for (int n = 0; n < kAcross; ++n)
                            MULTIPLY_ADD(a, b[n], sums[(j * kDown + m) * kAcross + n]);
                    }
                }
            }
        }
        mat4 made[kShare];  // columns are those of the block
        [[unroll]] for (int i = 0; i < kShare; ++i) made[i] = mat4(0.0);
        for (uint v = 0; v < 6; ++v) {
            barrier();
            [[unroll]] for (int j = 0; j < kOwn; ++j) {
                const uint place = uint(j * kSubgroups) + SUBGROUP;
                if (place / 6 != v) continue;
                [[unroll]] for (int m = 0; m < kDown; ++m)
                    [[unroll]] for (int n = 0; n < kAcross; ++n)
                        STORE_SHARED_C(sums[(j * kDown + m) * kAcross + n], row_sums,
                                       (place % 6 * kOut + m * kRows) * kBlocks + n * kColumns, kBlocks);
            }
            barrier();
            const vec4 column = column_of(int(v));
            [[unroll]] for (int i = 0; i < kShare; ++i) {
                const int at = thread + i * kThreads;
                if (at >= kPixels) continue;
                float r[4];
                gather_six(row_sums[at], row_sums[at + kPixels], row_sums[at + 2 * kPixels], row_sums[at + 3 * kPixels],
                           row_sums[at + 4 * kPixels], row_sums[at + 5 * kPixels], r);
                made[i] += outerProduct(column, vec4(r[0], r[1], r[2], r[3]));
            }
        }
        for (int i = 0; i < kShare; ++i) {
            const int at = thread + i * kThreads, block = at % kBlocks, o = first_out + at / kBlocks;
            if (at >= kPixels || o >= p.out_channels) continue;
            const float more = bias_of(o);
            const int x = x0 + block % 4 * 4, y = y0 + block / 4 * 4;
            const mat4 own = made[i];
            [[unroll]] for (int v = 0; v < 4; ++v)
                for (int u = 0; u < 4; ++u)
                    if (x + u < p.out_width && y + v < p.out_height) finish(own[u][v] + more, o, y + v, x + u);
        }
    }
}
