// SPDX-License-Identifier: Apache-2.0
// Video frames to planar RGB and back: matrix, range, bit depth, chroma resolution and siting, dither. The transfer
// characteristic (gamma, PQ, HLG) is kept, since the networks work on coded values. Done by zimg.
#pragma once

#include <memory>

#include "base/result.hpp"
#include "base/thread_pool.hpp"
#include "enlarge/image.hpp"
#include "image/frame.hpp"

namespace enlarge {

struct ConvertOptions {
    bool dither = false;        // ordered dither when float or deeper samples become integers; else rounded half to even
    ThreadPool* pool = nullptr; // null: on the caller's thread; else rows are shared among its threads. Same bits.
};

// One conversion for frames of one format and size. Made once, used for every frame: convert() allocates nothing.
// Missing tags are guessed with guess_missing(). One call at a time per converter.
class Converter {
public:
    // Frames to pictures. `to` is planar: 3 channels (RGB), or 1 for a grey frame; u8, u16, f16 or f32; one channel more
    // when the frame has alpha. Integer RGB is full range. Out-of-gamut values (below 0, above 1) survive in floats.
    static Result<Converter> to_rgb(const FrameFormat& from, Size size, const PixelFormat& to,
                                    const ConvertOptions& options = {});
    // Pictures to frames; `from` as `to` above.
    static Result<Converter> from_rgb(const PixelFormat& from, Size size, const FrameFormat& to,
                                      const ConvertOptions& options = {});
    Converter(Converter&&) noexcept;
    Converter& operator=(Converter&&) noexcept;
    ~Converter();

    // Views must have the formats and sizes given above. Planes and strides aligned to 64 bytes are fastest.
    Result<void> convert(const FrameView& in, const MutableImageView& out);
    Result<void> convert(const ImageView& in, const MutableFrameView& out);

    // The frame's format with all tags filled in.
    [[nodiscard]] const FrameFormat& frame_format() const;

private:
    struct State;
    explicit Converter(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace enlarge
