// SPDX-License-Identifier: Apache-2.0
// A tensor to a picture's samples: integers clamped and rounded half to even, floats as they are. A thread for each word
// of the picture. What is not finite or not zero is told.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"
#include "picture.glsl"

void main() {
    const int each = 4 / p.sample_bytes, wide = p.planar != 0 ? p.core_width : p.core_width * p.channels;
    ITEMS(item) {
        const int row = int(item) / p.row_words, first = (int(item) - row * p.row_words) * each;
        uint word = 0, seen = 0;
        for (int i = 0; i < each && first + i < wide; ++i) {
            const int c = p.planar != 0 ? row / p.core_rows : (first + i) % p.channels;
            const int y = p.planar != 0 ? row - c * p.core_rows : row;
            const int x = p.planar != 0 ? first + i : (first + i) / p.channels;
            const float v =
                float(tensor[p.tensor_at.x + uint((c * p.height + p.top + y) * p.width + p.left + x)]);
            const uint bits = floatBitsToUint(v);
            if ((bits & 0x7f800000u) == 0x7f800000u) seen |= 1;
            if ((bits & 0x7fffffffu) != 0) seen |= 2;
            if (p.floats != 0) word = bits;
            else word |= uint(roundEven((v > 0.0 ? v < 1.0 ? v : 1.0 : 0.0) * p.largest)) << (i * p.sample_bytes * 8);
        }
        words[p.words_at.x + item] = word;
        if ((seen & 1) != 0 && flags[p.flags_at.x] == 0) atomicOr(flags[p.flags_at.x], 1);
        if ((seen & 2) != 0 && flags[p.flags_at.x + 1] == 0) atomicOr(flags[p.flags_at.x + 1], 1);
    }
}
