// SPDX-License-Identifier: Apache-2.0
// A picture's samples to a tensor: value / largest, or the float itself. A thread for each number.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "tensor.glsl"
#include "picture.glsl"

void main() {
    const int plane = p.height * p.width;
    ITEMS(item) {
        if (item == 0) flags[p.flags_at.x] = flags[p.flags_at.x + 1] = 0;
        const int i = int(item), c = i / plane, pixel = i - c * plane, y = pixel / p.width, x = pixel - y * p.width;
        const int row = p.planar != 0 ? c * p.height + y : y, at = p.planar != 0 ? x : x * p.channels + c;
        const int bytes = at * p.sample_bytes;
        const uint word = words[p.words_at.x + uint(row * p.row_words + bytes / 4)];
        float value;
        if (p.sample_bytes == 4) value = uintBitsToFloat(word);
        else if (p.floats != 0) value = unpackHalf2x16(bytes % 4 == 0 ? word : word >> 16).x;
        else value = float(bitfieldExtract(word, bytes % 4 * 8, p.sample_bytes * 8)) / p.largest;
        tensor[p.tensor_at.x + item] = REAL(value);
    }
}
