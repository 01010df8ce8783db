// SPDX-License-Identifier: Apache-2.0
// Frames of codecs to float planes and back: range, bit depth, interleaved chroma, high bits, odd sizes, dither.
#pragma once

#include "base/aligned.hpp"
#include "image/frame.hpp"

namespace enlarge {

// Planes of a frame when none are interleaved: colours, then alpha.
inline int plane_count(const FrameFormat& format) {
    return (format.family == FrameFamily::grey ? 1 : 3) + (format.alpha ? 1 : 0);
}
// Where plane p of plane_count() stands in a FrameView.
inline std::size_t plane_slot(const FrameFormat& format, int p) {
    const bool is_alpha = format.alpha && p == plane_count(format) - 1;
    return is_alpha && format.family != FrameFamily::grey ? 3 : static_cast<std::size_t>(p);
}
inline bool is_chroma(const FrameFormat& format, int p) { return format.family == FrameFamily::yuv && (p == 1 || p == 2); }
// Size of plane p in samples; what is subsampled is rounded up.
inline Size plane_size(const FrameFormat& format, Size size, int p) {
    if (!is_chroma(format, p)) return size;
    return {(size.width + (1 << format.sub_x) - 1) >> format.sub_x,
            (size.height + (1 << format.sub_y) - 1) >> format.sub_y};
}

// The planes of a frame as floats: luma, grey, RGB and alpha 0..1, chroma -0.5..0.5. Rows are aligned to 64 bytes; the
// size is rounded up to whole chroma samples.
class FloatPlanes {
public:
    FloatPlanes() = default;
    FloatPlanes(const FrameFormat& format, Size size);

    [[nodiscard]] Size padded() const { return padded_; }
    [[nodiscard]] std::ptrdiff_t stride_bytes(int p) const { return stride_[p]; }
    [[nodiscard]] float* row(int p, int y) {
        return reinterpret_cast<float*>(memory_.data() + offset_[p] + static_cast<std::size_t>(stride_[p]) * static_cast<std::size_t>(y));
    }

    // Fills row y of plane p (0 <= y < the padded height) from a codec's frame; beyond its edge the last sample repeats.
    void load(const FrameView& in, int p, int y);
    // Writes row y of plane p of a codec's frame from row `from` here, rounded half to even, or with an ordered dither.
    void store(const MutableFrameView& out, int p, int y, int from, bool dither);

private:
    FrameFormat format_;
    Size padded_;
    AlignedBuffer<std::byte> memory_;
    std::size_t offset_[4] = {};
    std::ptrdiff_t stride_[4] = {};
};

}  // namespace enlarge
