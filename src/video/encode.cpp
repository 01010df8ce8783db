// SPDX-License-Identifier: Apache-2.0
// The last two stages: frames to packets, packets to disk.
#include <algorithm>
#include <cmath>
#include <utility>

#include "video/room.hpp"
#include "video/stages.hpp"

namespace enlarge::video {

Result<bool> Encode::add(Item& item) {
    if (item.repeat) {
        TRY(item.frame, media::with_properties(last_, item.frame));
    }
    last_ = item.frame;
    if (frames_ > 0 && item.number != first_ + frames_) TRY(close());
    if (frames_ == 0) first_ = item.number;
    if (!after_) {
        const media::FilterOptions filters{.chain = job_.options.filter_after, .frame_rate = job_.frame_rate};
        after_ = std::make_unique<media::Filters>(filters);
    }
    TRY(after_->process(item.frame, [this](Frame filtered) { return encode(std::move(filtered)); }));
    ++frames_;
    job_.encoded.fetch_add(1);
    if (job_.journal && (item.number + 1) % job_.options.segment_frames == 0) return close();
    return alive_;
}

Result<bool> Encode::close() {
    if (frames_ == 0) return alive_;
    TRY(after_->process({}, [this](Frame filtered) { return encode(std::move(filtered)); }));
    if (!encoder_)
        return Error{Errc::argument, "the filters after the network let no frame of a segment through"};
    TRY(encoder_->encode({}, [this](Packet packet) -> Result<void> {
        send(std::move(packet));
        return {};
    }));
    send(SegmentEnd{frames_, last_duration_});
    repeated_ += encoder_->repeated();
    encoder_.reset();
    after_.reset();
    frames_ = 0;
    return alive_;
}

Result<void> Encode::open(const Frame& frame) {
    media::EncoderChoice choice = job_.choice;
    if (!job_.options.filter_after.empty()) {
        TRY(choice, media::choose_encoder(job_.request, frame.format(), false));
        if (!job_.filtered) job_.notice({"encoder", "encoder: " + choice.sentence});
        job_.filtered = choice;
    }
    TRY(encoder_,
        media::Encoder::open(job_.request, choice, frame, job_.first, frame.time_base, job_.frame_rate));
    send(SegmentBegin{first_, std::make_shared<media::VideoTrack>(media::track_of(*encoder_, job_.first))});
    return {};
}

Result<void> Encode::encode(Frame frame) {
    if (!encoder_) TRY(open(frame));
    const auto base = encoder_->time_base();
    const double seconds = frame.duration > 0 ? static_cast<double>(frame.duration) * frame.time_base.value()
                                              : 1 / job_.frame_rate.value();
    if (!said_captions_ && encoder_->loses_captions(frame)) {
        said_captions_ = true;
        job_.notice({"captions-dropped", "warning: closed captions in the video are lost: " + job_.choice.codec +
                                             " does not write them; --video-codec libx264 does"});
    }
    last_duration_ = std::max<std::int64_t>(1, std::llround(seconds / base.value()));
    return encoder_->encode(frame, [this](Packet packet) -> Result<void> {
        send(std::move(packet));
        return {};
    });
}

Result<void> Encode::run(Stage& stage) {
    std::optional<double> start_time;
    while (auto item = in_.pop()) {
        const double time = item->time_s();
        if (!start_time) start_time = time;
        TRY(const bool alive, stage.work([&] { return add(*item); }));
        if (!alive) return {};
        job_.position_s = time - *start_time;
    }
    if (stage.stopping()) return {};
    TRY(const bool alive, stage.work([&] { return close(); }));
    if (repeated_ > 0)
        job_.notice({"frames-repeated", std::to_string(repeated_) + " frames are repeats, because " +
                                            job_.request.container + " cannot say that a frame stays longer"});
    if (alive) out_.close();
    return {};
}

Result<void> Write::take(SegmentBegin begin) {
    if (job_.journal) {
        TRY(segment_, job_.journal->begin(begin.first, *begin.track));
        return {};
    }
    TRY(job_.direct, media::Output::open(job_.mux, job_.source->input(), job_.streams, *begin.track));
    for (const Packet& packet : waiting_) TRY(job_.direct->write_other(packet));
    waiting_.clear();
    return {};
}

Result<void> Write::take(Packet packet) {
    if (segment_) {
        job_.bytes.fetch_add(static_cast<std::int64_t>(packet.bytes()));
        return segment_->add(packet);
    }
    TRY(job_.direct->write_video(packet));
    job_.bytes = job_.direct->bytes();
    return {};
}

Result<void> Write::take(SegmentEnd end) {
    if (!segment_) {
        job_.direct->last_frame_lasts(end.last_duration);
        return {};
    }
    TRY(const media::Segment made, segment_->finish(end.frames, end.last_duration));
    segment_.reset();
    TRY(job_.journal->put(made));
    watch_room(job_);
    if (job_.stop_soon) return Error{Errc::cancelled, "stopped at a segment border"};
    return {};
}

Result<void> Write::take(OtherPacket other) {
    if (job_.direct) return job_.direct->write_other(other.packet);
    held_ += other.packet.bytes();
    if (held_ > (std::size_t{512} << 20))
        return Error{Errc::limit, "512 MiB of other streams arrived before the first frame was encoded"};
    waiting_.push_back(std::move(other.packet));
    return {};
}

Result<void> Write::run(Stage& stage) {
    while (auto item = in_.pop())
        TRY(stage.work([&] { return std::visit([&](auto& what) { return take(std::move(what)); }, *item); }));
    return {};
}

}  // namespace enlarge::video
