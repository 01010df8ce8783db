// SPDX-License-Identifier: Apache-2.0
// FusedConv of backend/tensors/params.hpp for 3x3 convolutions of stride 1, by matrices: for each tap kOut channels x 16
// channels of halves times 16 channels x 16 pixels of a row, summed in single precision. A work group of 4 * kOut threads
// gives 16x16 pixels of kOut channels; a subgroup has all sums of some rows. Pixels of 16 channels and what is around
// them lie in shared memory. Weights are read where they are: for every 16 channels of the result, every 16 channels and
// every tap 16x16 (winograd.cpp). Sums run over channels, 16 at a time, and taps, in that order. See
// tensor_winograd_matrix.comp.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "tensor.glsl"
#include "conv.glsl"
#ifdef ENLARGE_EMULATED
#include "matrix_emulated.glsl"
#else
#include "matrix.glsl"
#endif

layout(constant_id = 1) const int kOut = 32;
layout(set = 0, binding = 3, std430) readonly buffer Weights { float16_t weights[]; };

const int kChunk = 16, kTile = 16, kSide = 16, kPitch = kSide + 2, kTaps = 9;
const int kThreads = 4 * kOut, kSubgroups = kThreads / kSubgroup, kOwn = (kSide + kSubgroups - 1) / kSubgroups;
const bool kEven = kSide % kSubgroups == 0;
const int kDown = kOut / kRows, kAcross = kSide / kColumns, kDownOfTile = kTile / kRows;

shared float16_t pixels[kPitch * kPitch * kChunk];  // row, column, channel
shared float made[kSide * kTile * kSide];           // row, channel, column

void load_pixels(int chunk, int x0, int y0) {
    for (int i = int(gl_LocalInvocationID.x); i < kPitch * kPitch * kChunk; i += kThreads) {
        const int c = i / (kPitch * kPitch), at = i - c * kPitch * kPitch;
        pixels[at * kChunk + c] = float16_t(pixel_at(chunk + c, y0 + at / kPitch - 1, x0 + at % kPitch - 1));
    }
}

void main() {
    const int tiles_x = (p.out_width + kSide - 1) / kSide, tiles_y = (p.out_height + kSide - 1) / kSide;
    const uint deep = uint(p.channels + kTile - 1) / kTile, last_out = uint(p.out_channels - 1) / kTile;
    const uint weights_at = p.weights_at.x * 2;
    for (uint item = range.first + gl_WorkGroupID.x; item < range.end; item += gl_NumWorkGroups.x) {
        const int tile = int(item) % (tiles_x * tiles_y), first_out = int(item) / (tiles_x * tiles_y) * kOut;
        const int x0 = tile % tiles_x * kSide, y0 = tile / tiles_x * kSide;
        MatrixC sums[kOwn * kDown * kAcross];
        [[unroll]] for (int j = 0; j < kOwn * kDown * kAcross; ++j) CLEAR_C(sums[j]);
        for (uint chunk = 0; chunk < deep; ++chunk) {
            barrier();
            load_pixels(int(chunk) * kChunk, x0, y0);
            barrier();
            if (SUBGROUP >= kSide) continue;  // more subgroups than rows
            for (uint tap = 0; tap < kTaps; ++tap) {
                [[unroll]] for (int k = 0; k < kChunk; k += kDepth) {
                    MatrixB b[kOwn * kAcross];
                    [[unroll]] for (int j = 0; j < kOwn; ++j) {
                        // A row that is none is the last one's, and is not stored.
                        const uint row = min(uint(j * kSubgroups) + SUBGROUP, uint(kSide - 1)) + tap / 3;
                        [[unroll]] for (int n = 0; n < kAcross; ++n)
                            LOAD_SHARED_B(b[j * kAcross + n], pixels,
                                          (row * kPitch + tap % 3 + n * kColumns) * kChunk + k, kChunk);
                    }
                    [[unroll]] for (int m = 0; m < kDown; ++m) {
                        const uint out_tile = min(uint(first_out + m * kRows) / kTile, last_out);
                        const uint at = ((out_tile * deep + chunk) * kTaps + tap) * (kTile * kTile) +
                                        uint(m * kRows % kTile * kTile + k);
                        MatrixA a;
                        LOAD_A(a, weights, weights_at + at, kTile);
                        [[unroll]] for (int j = 0; j < kOwn; ++j)
                            [[unroll]] for (int n = 0; n < kAcross; ++n)
                                MULTIPLY_ADD(a, b[j * kAcross + n], sums[(j * kDown + m) * kAcross + n]);
                    }
                }
            }
        }
        [[unroll]] for (int part = 0; part < kOut / kTile; ++part) {
            barrier();
            [[unroll]] for (int j = 0; j < kOwn; ++j) {
                const uint row = uint(j * kSubgroups) + SUBGROUP;
                if (!kEven && row >= kSide) continue;
                [[unroll]] for (int n = 0; n < kAcross; ++n)
                    [[unroll]] for (int m = 0; m < kDownOfTile; ++m)
                        STORE_SHARED_C(sums[(j * kDown + part * kDownOfTile + m) * kAcross + n], made,
                                       (row * kTile + m * kRows) * kSide + n * kColumns, kSide);
            }
            barrier();
            for (int i = int(gl_LocalInvocationID.x); i < kSide * kTile * kSide; i += kThreads) {
                const int x = x0 + i % kSide, y = y0 + i / (kTile * kSide);
                const int o = first_out + part * kTile + i / kSide % kTile;
                if (x < p.out_width && y < p.out_height && o < p.out_channels) finish(made[i] + bias_of(o), o, y, x);
            }
        }
    }
}
