// SPDX-License-Identifier: Apache-2.0
// The float planes in which a video's frames meet the network, on whichever way they get there.
#pragma once

#include "enlarge/image.hpp"
#include "image/format.hpp"

namespace enlarge {

inline int channels_of(const FrameFormat& format) {
    return (format.family == FrameFamily::grey ? 1 : 3) + (format.alpha ? 1 : 0);
}

inline PixelFormat float_planes(int channels) { return {SampleType::f32, 32, static_cast<std::uint8_t>(channels), true}; }

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

}  // namespace enlarge
