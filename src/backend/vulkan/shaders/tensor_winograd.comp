// SPDX-License-Identifier: Apache-2.0
// FusedConv of backend/tensors/params.hpp as in tensor_conv3.comp, by Winograd's F(4x4, 3x3): a quarter of the
// multiplications. `weights` are transformed (winograd.cpp): fours of channels of the result x channels x 36 places.
// A work group gives 16x16 pixels, 16 blocks of 4x4, of kOut channels. Of kChunk channels at a time the transformed
// pixels and weights lie in shared memory; a thread sums one of the 36 places for 8 blocks and 8 channels in registers.
// Sums run over the channels in their order, whatever kChunk is. Blocks begin at multiples of 4 of the tile. With
// ENLARGE_HALF_SUMS transformed pixels and weights are halves, kChunk products are summed as such, and those sums in
// single precision, as are the transforms.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"
#include "conv.glsl"
#ifdef ENLARGE_HALF_SUMS
#define ENLARGE_NEAR_POINTS
#endif
#include "winograd.glsl"

layout(constant_id = 1) const int kOut = 32;
layout(constant_id = 2) const int kChunk = 4;

#ifdef ENLARGE_HALF_SUMS
// Four halves in two words.
#define FOUR uvec2
const int kFourWords = 2;
#extension GL_EXT_control_flow_attributes : require
// Sums in half precision that go round a loop are taken apart and put together in each turn (RADV: 64 moves beside 32
// packed multiply-adds).
#define KNOWN [[unroll]]
f16vec4 numbers_of(uvec2 four) { return f16vec4(unpackFloat2x16(four.x), unpackFloat2x16(four.y)); }
#else
#define FOUR vec4
#define KNOWN
const int kFourWords = 4;
#endif
layout(set = 0, binding = 3, std430) readonly buffer Transformed { FOUR weights[]; };

const int kBlocks = 16, kFours = kOut / 4;
const int kPixels = kChunk * kBlocks / 4 * kPlaces;  // fours of transformed pixels; the weights come after them
const int kInputs = kPixels + kChunk * kFours * kPlaces, kSums = 2 * kBlocks * kPlaces * 4 / kFourWords;
const int kMost = kInputs > kSums ? kInputs : kSums;
shared FOUR pool[kMost];

// pool[(channel * 4 + block / 4) * 36 + place][block % 4]; of halves a thread makes two blocks, a word of each four.
void load_pixels(int chunk, int x0, int y0) {
    const int each = 4 / kFourWords;
    for (int i = int(gl_LocalInvocationID.x); i < kChunk * kBlocks / each; i += int(gl_WorkGroupSize.x)) {
        const int block = i * each % kBlocks, c = i * each / kBlocks;
        const int x = x0 + block % 4 * 4 - 1, y = y0 + block / 4 * 4 - 1;
        const int at = (c * (kBlocks / 4) + block / 4) * kPlaces;
        float d[36];
        transform_block(chunk + c, y, x, d);
#ifdef ENLARGE_HALF_SUMS
        float e[36];
        transform_block(chunk + c, y, x + 4, e);
        [[unroll]] for (int k = 0; k < 36; ++k) pool[at + k][block % 4 / 2] = packFloat2x16(f16vec2(d[k], e[k]));
#else
        [[unroll]] for (int k = 0; k < 36; ++k) pool[at + k][block % 4] = d[k];
#endif
    }
}

// pool[kPixels + (channel * kFours + four) * 36 + place]
void load_weights(int chunk, int first_out) {
    for (int i = int(gl_LocalInvocationID.x); i < kChunk * kFours * kPlaces; i += int(gl_WorkGroupSize.x)) {
        const int place = i % kPlaces, four = i / kPlaces % kFours, c = i / kPlaces / kFours;
        const bool there = all(lessThan(ivec2(chunk + c, first_out + 4 * four), ivec2(p.channels, p.out_channels)));
        const uint begin = p.weights_at.x / kFourWords;
        const uint at = begin + uint(((first_out / 4 + four) * p.channels + chunk + c) * kPlaces + place);
        const FOUR all_four = weights[there ? at : begin];  // always read: see pixel_at()
        pool[kPixels + i] = there ? all_four : FOUR(0);
    }
}

float sum_at(int block, int channel, int place) {
    const int at = (block * 2 + channel / 4) * kPlaces + place;
#ifdef ENLARGE_HALF_SUMS
    return uintBitsToFloat(pool[at * 2 + channel % 4 / 2][channel % 2]);
#else
    return pool[at][channel % 4];
#endif
}

void keep(int at, vec4 sums) {
#ifdef ENLARGE_HALF_SUMS
    const uvec4 bits = floatBitsToUint(sums);
    pool[at * 2] = bits.xy;
    pool[at * 2 + 1] = bits.zw;
#else
    pool[at] = sums;
#endif
}

// From the sums of eight channels, pool[(block * 2 + four) * 36 + place], to pixels.
void store(int first_out, int x0, int y0) {
    for (int i = int(gl_LocalInvocationID.x); i < kBlocks * 8; i += int(gl_WorkGroupSize.x)) {
        const int channel = i % 8, block = i / 8, o = first_out + channel;
        if (o >= p.out_channels) continue;
        float part[24];  // four rows of six
        [[unroll]] for (int u = 0; u < 6; ++u) {
            float r[4];
            gather_six(sum_at(block, channel, u), sum_at(block, channel, 6 + u), sum_at(block, channel, 12 + u),
                       sum_at(block, channel, 18 + u), sum_at(block, channel, 24 + u),
                       sum_at(block, channel, 30 + u), r);
            [[unroll]] for (int v = 0; v < 4; ++v) part[v * 6 + u] = r[v];
        }
        const float more = bias_of(o);
        const int x = x0 + block % 4 * 4, y = y0 + block / 4 * 4;
        for (int v = 0; v < 4; ++v) {
            float r[4];
            const int k = v * 6;
            gather_six(part[k], part[k + 1], part[k + 2], part[k + 3], part[k + 4], part[k + 5], r);
            for (int u = 0; u < 4; ++u)
                if (x + u < p.out_width && y + v < p.out_height)
                    finish(r[u] + more, o, y + v, x + u);
        }
    }
}

void main() {
    const int tiles_x = (p.out_width + 15) / 16, tiles_y = (p.out_height + 15) / 16;
    // This thread's place, its half of the blocks, its eighth channels.
    const int thread = int(gl_LocalInvocationID.x), place = thread % kPlaces, half_of = thread / kPlaces % 2;
    const int eight = thread / kPlaces / 2;
    for (uint item = range.first + gl_WorkGroupID.x; item < range.end; item += gl_NumWorkGroups.x) {
        const int tile = int(item) % (tiles_x * tiles_y), first_out = int(item) / (tiles_x * tiles_y) * kOut;
        const int x0 = tile % tiles_x * 16, y0 = tile / tiles_x * 16;
        vec4 low[8], high[8];  // of eight blocks, channels 0..3 and 4..7 of this thread's eight
        for (int i = 0; i < 8; ++i) low[i] = high[i] = vec4(0.0);
        for (int chunk = 0; chunk < p.channels; chunk += kChunk) {
            barrier();
            load_pixels(chunk, x0, y0);
            load_weights(chunk, first_out);
            barrier();
#ifdef ENLARGE_HALF_SUMS
            f16vec4 few_low[8], few_high[8];
            for (int i = 0; i < 8; ++i) few_low[i] = few_high[i] = f16vec4(0.0);
#else
#define few_low low
#define few_high high
#endif
            KNOWN for (int c = 0; c < kChunk; ++c) {
                const int own = (c * 4 + half_of * 2) * kPlaces + place;
                const int factors = kPixels + (c * kFours + eight * 2) * kPlaces + place;
#ifdef ENLARGE_HALF_SUMS
                const f16vec4 a = numbers_of(pool[own]), b = numbers_of(pool[own + kPlaces]);
                const f16vec4 f = numbers_of(pool[factors]), g = numbers_of(pool[factors + kPlaces]);
#else
                const vec4 a = pool[own], b = pool[own + kPlaces];
                const vec4 f = pool[factors], g = pool[factors + kPlaces];
#endif
                for (int i = 0; i < 4; ++i) {
                    few_low[i] += f * a[i];
                    few_high[i] += g * a[i];
                    few_low[4 + i] += f * b[i];
                    few_high[4 + i] += g * b[i];
                }
            }
#ifdef ENLARGE_HALF_SUMS
            for (int i = 0; i < 8; ++i) {
                low[i] += vec4(few_low[i]);
                high[i] += vec4(few_high[i]);
            }
#endif
        }
        for (int turn = 0; turn < kOut / 8; ++turn) {
            barrier();
            if (eight == turn)
                for (int i = 0; i < 8; ++i) {
                    const int at = (half_of * 8 + i) * 2 * kPlaces + place;
                    keep(at, low[i]);
                    keep(at + kPlaces, high[i]);
                }
            barrier();
            store(first_out + 8 * turn, x0, y0);
        }
    }
}
