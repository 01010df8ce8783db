// SPDX-License-Identifier: Apache-2.0
// The float planes in which a video's frames meet the network, and the way there and back.
#pragma once

#include <optional>

#include "color/convert.hpp"
#include "image/format.hpp"
#include "media/frame.hpp"

namespace enlarge::video {

// How many planes there are as RGB: of the frame that comes in, of what the network gets and gives, of the frame that
// goes out.
struct RgbChannels {
    int in = 3, work = 3, out = 3;
};
// Grey in needs one channel of work only; transparency that the output cannot hold is not worth any.
RgbChannels rgb_channels(const FrameFormat& in, const FrameFormat& out);

// `channels` of the picture's planes; a grey picture may stand for RGB with three equal planes.
template <class View>
View with_channels(View view, int channels) {
    if (view.format.channels == 1 && channels >= 3)
        for (std::size_t p = 1; p < 3; ++p) {
            view.plane[p] = view.plane[0];
            view.stride_bytes[p] = view.stride_bytes[0];
        }
    view.format.channels = static_cast<std::uint8_t>(channels);
    return view;
}

// Frames like `format`, in host memory or on a GPU, to RGB. Tags that a single frame lacks are those of `format`.
class RgbReader {
public:
    explicit RgbReader(const media::VideoFormat& format) : format_(format) {}
    // `rgb` has rgb_channels().in planes. A frame on a GPU is fetched: `frame` is then the one in host memory.
    Result<void> read(media::Frame& frame, const MutableImageView& rgb);

private:
    media::VideoFormat format_;
    std::optional<Converter> converter_;
    FrameFormat made_for_;
};

// RGB to frames like `out`, dithered where they have fewer bits than `in`.
class RgbWriter {
public:
    static Result<RgbWriter> create(const media::VideoFormat& in, const media::VideoFormat& out);
    // `rgb` has rgb_channels().work planes; the frame is in host memory.
    Result<void> write(const ImageView& rgb, media::Frame& frame);

private:
    RgbWriter(Converter converter, int channels) : converter_(std::move(converter)), channels_(channels) {}
    Converter converter_;
    int channels_;
};

}  // namespace enlarge::video
