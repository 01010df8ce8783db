// SPDX-License-Identifier: Apache-2.0
#include "video/source.hpp"

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace enlarge::video {

using media::Frame;
using media::Packet;

namespace {

constexpr std::int64_t kRateUnit = 100'000;

// Not-a-number compares false with everything, so that what is allowed is asked, not what is forbidden.
Result<void> check_numbers(const VideoOptions& options) {
    if (!(options.frame_rate == 0 || (options.frame_rate > 0.001 && options.frame_rate < 1000)))
        return Error{Errc::argument, "a frame rate of " + shortest(options.frame_rate) +
                                         "; more than 0.001 and less than 1000 frames a second are possible"};
    if (options.crf && !(std::fabs(*options.crf) <= 1000))
        return Error{Errc::argument,
                     "a quality (crf) of " + shortest(*options.crf) + "; encoders know small numbers only"};
    if (!(options.timeout_s > 0 && options.timeout_s <= 1e6))
        return Error{Errc::argument, "a timeout of " + shortest(options.timeout_s) +
                                         " s; more than 0 and at most 1000000 s are possible"};
    if (!(options.drop_after_s >= 0))
        return Error{Errc::argument,
                     "frames that are " + shortest(options.drop_after_s) + " s late cannot be told from others"};
    return {};
}

}  // namespace

Result<std::unique_ptr<VideoSource>> VideoSource::open(const std::string& path, const VideoOptions& options,
                                                       const std::atomic<bool>& cancel, const std::atomic<bool>& end) {
    if (!(options.from_s >= 0) || !(options.to_s > options.from_s))
        return Error{Errc::argument, "the part to enlarge must end after it begins (from " +
                                         std::to_string(options.from_s) + " s to " + std::to_string(options.to_s) +
                                         " s)"};
    TRY(check_numbers(options));
    std::unique_ptr<VideoSource> source(new VideoSource);
    source->options_ = options;
    media::InputOptions in;
    in.path = path;
    in.format = options.input_format;
    if (options.frame_rate > 0) in.frame_rate = media::reduced(std::llround(options.frame_rate * kRateUnit), kRateUnit);
    in.allow_protocols = options.allow_protocols;
    in.timeout_s = options.timeout_s;
    in.low_latency = options.live;
    in.options = options.input_options;
    in.cancel = &cancel;
    in.end = &end;
    if (options.progress || options.cancel.possible())
        in.poll = [poll = options.progress, cancel = options.cancel] {
            return !cancel.requested() && (!poll || poll({}) == VideoControl::go_on);
        };
    in.threads = options.codec_threads;
    in.limits = options.limits;
    in.limits.pixels = std::min(in.limits.pixels, std::int64_t{1} << 28);  // of a decoded frame: 16384x16384
    in.limits.side = std::min(in.limits.side, 65535);
    TRY(source->input_, media::Input::open(in));
    const double start = source->input_->start_s();
    const bool trimmed = options.from_s > 0;
    source->from_ = trimmed ? start + options.from_s : -std::numeric_limits<double>::infinity();
    source->to_ = start + options.to_s;
    source->offset_us_ = trimmed ? std::llround(source->from_ * 1e6) : source->input_->clock_offset_us();
    return source;
}

Result<void> VideoSource::start() {
    TRY(decoder_, media::Decoder::open(*input_, gpu_.get()));
    media::FilterOptions filters;
    filters.chain = options_.filter_before;
    filters.deinterlace = options_.deinterlace;
    filters.interlaced = input_->interlaced();
    filters.turn = turn_.turn;
    filters.mirror = turn_.mirror;
    filters.frame_rate = input_->frame_rate();
    filters_ = std::make_unique<media::Filters>(std::move(filters));
    if (options_.from_s > 0) TRY(input_->seek(from_));
    return {};
}

Result<void> VideoSource::jump_to(double seconds) {
    TRY(start());
    ended_ = drained_ = false;
    past_end_.store(false);
    primed_.clear();
    return input_->seek(seconds);
}

std::int64_t VideoSource::frames_estimate() const {
    const std::int64_t all = input_->frames_estimate();
    if (!(options_.from_s > 0) && std::isinf(options_.to_s)) return all;
    const double rate = input_->frame_rate().value(), length = input_->duration_s();
    double part = options_.to_s - options_.from_s;
    if (length > 0) part = std::min(part, length - options_.from_s);
    return std::isfinite(part) && part > 0 ? std::llround(part * rate) : 0;
}

Result<Packet> VideoSource::read() {
    if (ended_ || past_end_.load()) return Packet{};
    TRY(Packet packet, input_->read());
    if (!packet) ended_ = true;
    return packet;
}

Result<void> VideoSource::decode(const Packet& packet, const media::Filters::Sink& sink) {
    while (!primed_.empty()) {
        Frame frame = std::move(primed_.front());
        primed_.pop_front();
        TRY(sink(std::move(frame)));
    }
    if (drained_) return {};
    TRY(decoder_->decode(packet, [&](Frame frame) -> Result<void> {
        const double time = static_cast<double>(frame.pts) * frame.time_base.value();
        if (time < from_ - 1e-6) return {};
        if (time >= to_ - 1e-6) {
            past_end_.store(true);
            return {};
        }
        return filters_->process(frame, sink);
    }));
    if (!packet) {
        drained_ = true;
        return filters_->process({}, sink);
    }
    return {};
}

Result<Frame> VideoSource::prime() {
    TRY(start());
    std::size_t held = 0;
    for (;;) {
        TRY(Packet packet, read());
        if (packet && packet.stream() != input_->video_stream()) {
            held += packet.bytes();
            if (held > (std::size_t{256} << 20))
                return Error{Errc::format, "256 MiB of other streams came before the first frame of its video"};
            others_.push_back(std::move(packet));
            continue;
        }
        if (packet && packet.key() && packet.time()) primed_keys_.push_back(*packet.time());
        std::deque<Frame> got;
        TRY(decode(packet, [&](Frame frame) -> Result<void> {
            got.push_back(std::move(frame));
            return {};
        }));
        primed_ = std::move(got);
        if (!primed_.empty()) {
            input_->opened();
            return primed_.front();
        }
        if (!packet) {
            if (decoder_->frames() > 0) return Error{Errc::argument, "the chosen part has no frame"};
            std::string why = "no frame of its video can be decoded";
            if (input_->options().path == "-" && input_->format_name().starts_with("mov,"))
                why += "; a pipe can carry an MP4 only when its index comes first (-movflags +faststart)";
            if (const auto damaged = decoder_->damaged()) why += " (" + std::to_string(damaged) + " damaged packets)";
            return Error{Errc::format, why};
        }
    }
}

}  // namespace enlarge::video
