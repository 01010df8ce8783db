// SPDX-License-Identifier: Apache-2.0
// FusedConv of backend/tensors/params.hpp where it is 3x3 with steps of one, padding of one and one group: most of
// what networks compute. A work group gives 32x8 pixels of as many channels as it has threads for eight pixels: of
// kChunk input channels at a time the pixels and the weights lie in shared memory (20 KB with 256 threads and 8), and a
// thread sums four pixels of eight channels in registers. Every result sums in one order, wherever its tile begins.
// With ENLARGE_HALF_SUMS all of that is in half precision, and what kSums channels of a chunk give is added up in single.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"
#include "conv.glsl"

CONSTANTS(3, weights)

layout(constant_id = 2) const int kChunk = 8;

const int kWide = 32, kHigh = 8, kPitch = kWide + 2, kRows = kHigh + 2;
const int kOut = int(gl_WorkGroupSize.x) / 8;  // channels of a work group: 8 for each 64 threads

#ifdef ENLARGE_HALF_SUMS
#define NUMBER float16_t
#define FOUR f16vec4
const int kSums = 2;
#extension GL_EXT_control_flow_attributes : require
#define KNOWN [[unroll]]  // see tensor_winograd.comp
#else
#define KNOWN
#define NUMBER float
#define FOUR vec4
#endif
shared NUMBER pixels[kChunk * kRows * kPitch];
shared FOUR factors[kChunk * 9 * kOut / 4];

void load_pixels(int chunk, int x0, int y0) {
    for (int i = int(gl_LocalInvocationID.x); i < kChunk * kRows * kPitch; i += int(gl_WorkGroupSize.x)) {
        const int c = i / (kRows * kPitch), rest = i - c * kRows * kPitch, row = rest / kPitch;
        const int y = y0 + row - 1, x = x0 + rest - row * kPitch - 1, channel = chunk + c;
        pixels[i] = NUMBER(pixel_at(channel, y, x));
    }
}

float weight_of(int o, int c, int tap) {
    const bool there = all(lessThan(ivec2(o, c), ivec2(p.out_channels, p.channels)));
    const uint at = p.weights_at.x + uint((o * p.channels + c) * 9 + tap);
    const float v = weights[there ? at : p.weights_at.x];
    return there ? v : 0.0;
}

// In the order [channel][tap][output].
void load_weights(int chunk, int first_out) {
    for (int i = int(gl_LocalInvocationID.x); i < kChunk * 9 * kOut / 4; i += int(gl_WorkGroupSize.x)) {
        const int four = i % (kOut / 4), tap = i / (kOut / 4) % 9, c = chunk + i / (kOut / 4) / 9;
        const int o = first_out + 4 * four;
        factors[i] = FOUR(weight_of(o, c, tap), weight_of(o + 1, c, tap), weight_of(o + 2, c, tap),
                          weight_of(o + 3, c, tap));
    }
}

void main() {
    const int tiles_x = (p.out_width + kWide - 1) / kWide, tiles_y = (p.out_height + kHigh - 1) / kHigh;
    const int thread = int(gl_LocalInvocationID.x), own_x = thread % 8 * 4, own_y = thread / 8 % 8, part = thread / 64;
    for (uint item = range.first + gl_WorkGroupID.x; item < range.end; item += gl_NumWorkGroups.x) {
        const int tile = int(item) % (tiles_x * tiles_y), first_out = int(item) / (tiles_x * tiles_y) * kOut;
        const int x0 = tile % tiles_x * kWide, y0 = tile / tiles_x * kHigh;
        vec4 low[4], high[4];  // of four pixels, channels 0..3 and 4..7 of this thread's eight
        for (int i = 0; i < 4; ++i) low[i] = high[i] = vec4(0.0);
        for (int chunk = 0; chunk < p.channels; chunk += kChunk) {
            barrier();
            load_pixels(chunk, x0, y0);
            load_weights(chunk, first_out);
            barrier();
#ifdef ENLARGE_HALF_SUMS
            f16vec4 few_low[4], few_high[4];
            for (int i = 0; i < 4; ++i) few_low[i] = few_high[i] = f16vec4(0.0);
#else
#define few_low low
#define few_high high
#endif
            KNOWN for (int c = 0; c < kChunk; ++c) {
                for (int v = 0; v < 3; ++v) {
                    NUMBER row[6];
                    const int from = (c * kRows + own_y + v) * kPitch + own_x;
                    for (int i = 0; i < 6; ++i) row[i] = pixels[from + i];
                    for (int u = 0; u < 3; ++u) {
                        const int at = ((c * 9 + v * 3 + u) * kOut) / 4 + part * 2;
                        const FOUR a = factors[at], b = factors[at + 1];
                        for (int i = 0; i < 4; ++i) {
                            few_low[i] += a * row[u + i];
                            few_high[i] += b * row[u + i];
                        }
                    }
                }
#ifdef ENLARGE_HALF_SUMS
                if (c % kSums == kSums - 1 || c == kChunk - 1)
                    for (int i = 0; i < 4; ++i) {
                        low[i] += vec4(few_low[i]);
                        high[i] += vec4(few_high[i]);
                        few_low[i] = few_high[i] = f16vec4(0.0);
                    }
#endif
            }
        }
        const int y = y0 + own_y;
        for (int i = 0; i < 4; ++i)
            for (int k = 0; k < 8; ++k) {
                const int x = x0 + own_x + i, o = first_out + part * 8 + k;
                if (x >= p.out_width || y >= p.out_height || o >= p.out_channels) continue;
                finish(bias_of(o) + (k < 4 ? low[i][k] : high[i][k - 4]), o, y, x);
            }
    }
}
