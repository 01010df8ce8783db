// SPDX-License-Identifier: Apache-2.0
// PictureNumbers of picture.hpp: a picture as the processor has it, its rows one after another in whole words, and the
// flags that say what was seen. After tensor.glsl.
layout(set = 0, binding = 0, std430) readonly buffer Parameters {
    uvec2 words_at, tensor_at, flags_at;
    int channels, height, width;           // of the tensor
    int left, top, core_width, core_rows;  // what of it is in the picture
    int sample_bytes, floats, planar, row_words;
    float largest;
} p;
layout(set = 0, binding = 1, std430) buffer Words { uint words[]; };
TENSOR(2, tensor)
layout(set = 0, binding = 3, std430) buffer Flags { uint flags[]; };  // not finite, not zero
