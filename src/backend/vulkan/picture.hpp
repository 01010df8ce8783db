// SPDX-License-Identifier: Apache-2.0
// Pictures on their way to and from a device: as the processor has them, but for rows that are whole words. Kernels
// turn them into numbers and back, so that a picture of 8 bits is moved as 8 bits.
#pragma once

#include "backend/tensors/lower.hpp"
#include "enlarge/image.hpp"

namespace enlarge::vulkan {

struct PictureNumbers {
    std::uint64_t words, tensor, flags;
    int channels, height, width;
    int left, top, core_width, core_rows;
    int sample_bytes, floats, planar, row_words;
    float largest;
};

// Bytes of a picture's rows in a staging block.
std::uint64_t packed_bytes(const PixelFormat& format, Size size);
// Rows from and to a staging block of that many bytes. False: all of it is zero.
bool pack_rows(const ImageView& in, std::byte* to);
void unpack_rows(const std::byte* from, const MutableImageView& out);
void fill_black(const MutableImageView& out);

// What a device writes for a picture of this format: itself, but for half precision, whose rounding GLSL leaves open.
PixelFormat written_format(const PixelFormat& format);

// From the words to the tensor, all of it; or back, its part `core`.
tensors::Call picture_in(const PixelFormat& format, Size size, tensors::Address words, tensors::Address tensor,
                         tensors::Address flags);
tensors::Call picture_out(const PixelFormat& format, Size size, const Rect& core, tensors::Address words,
                          tensors::Address tensor, tensors::Address flags);

}  // namespace enlarge::vulkan
