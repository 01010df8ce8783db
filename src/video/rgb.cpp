// SPDX-License-Identifier: Apache-2.0
#include "video/rgb.hpp"

#include "image/samples.hpp"
#include "media/gpu.hpp"

namespace enlarge::video {

RgbChannels rgb_channels(const FrameFormat& in, const FrameFormat& out) {
    const auto colours = [](const FrameFormat& format) { return format.family == FrameFamily::grey ? 1 : 3; };
    const bool alpha = in.alpha && out.alpha;
    return {colours(in) + (in.alpha ? 1 : 0), colours(in) + (alpha ? 1 : 0), colours(out) + (out.alpha ? 1 : 0)};
}

Result<void> RgbReader::read(media::Frame& frame, const MutableImageView& rgb) {
    if (media::on_gpu(frame)) {
        TRY(frame, media::download(frame));
    }
    FrameFormat now = frame.format().samples;
    if (now.tags.range == Range::unspecified && format_.samples.tags.range == Range::full) now.tags.range = Range::full;
    if (!converter_ || !(made_for_ == now)) {
        TRY(Converter fresh, Converter::to_rgb(now, format_.size, rgb.format));
        converter_.emplace(std::move(fresh));
        made_for_ = now;
    }
    FrameView view = static_cast<const media::Frame&>(frame).view();
    view.format = now;
    TRY(converter_->convert(view, rgb));
    settle_grey(rgb, now.bits);
    return {};
}

Result<RgbWriter> RgbWriter::create(const media::VideoFormat& in, const media::VideoFormat& out) {
    const int channels = rgb_channels(in.samples, out.samples).out;
    const ConvertOptions options{.dither = out.samples.bits < in.samples.bits};
    TRY(Converter converter, Converter::from_rgb(planar_float(channels), out.size, out.samples, options));
    return RgbWriter(std::move(converter), channels);
}

Result<void> RgbWriter::write(const ImageView& rgb, media::Frame& frame) {
    return converter_.convert(with_channels(rgb, channels_), frame.view());
}

}  // namespace enlarge::video
