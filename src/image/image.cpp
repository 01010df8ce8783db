// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <new>

#include "base/aligned.hpp"
#include "image/format.hpp"

namespace enlarge {

void Image::Free::operator()(std::byte* p) const { std::free(p); }

Image::Image(Size size, PixelFormat format) {
    view_.format = format;
    view_.size = size;
    const int planes = plane_count(format);
    const std::size_t step = static_cast<std::size_t>(sample_bytes(format.sample)) *
                             static_cast<std::size_t>(format.planar ? 1 : format.channels);
    const std::size_t stride =
        (static_cast<std::size_t>(size.width) * step + kAlignment - 1) / kAlignment * kAlignment;
    std::size_t plane_bytes = 0, bytes = 0;
    if (__builtin_mul_overflow(stride, static_cast<std::size_t>(size.height), &plane_bytes) ||
        __builtin_mul_overflow(plane_bytes, static_cast<std::size_t>(planes), &bytes))
        throw std::bad_alloc();
    if (bytes == 0) bytes = kAlignment;
    storage_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, bytes)));
    if (!storage_) throw std::bad_alloc();
    for (int p = 0; p < planes; ++p) {
        view_.plane[static_cast<std::size_t>(p)] = storage_.get() + plane_bytes * static_cast<std::size_t>(p);
        view_.stride_bytes[static_cast<std::size_t>(p)] = static_cast<std::ptrdiff_t>(stride);
    }
}

}  // namespace enlarge
