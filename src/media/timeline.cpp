// SPDX-License-Identifier: Apache-2.0
#include "media/timeline.hpp"

#include <algorithm>

namespace enlarge::media {

namespace {

constexpr AVRational kMicroseconds{1, AV_TIME_BASE};
constexpr std::int64_t kGap = 10 * AV_TIME_BASE, kBack = AV_TIME_BASE / 10;

std::int64_t duration_us(const AVPacket& packet, const AVStream& stream) {
    if (packet.duration > 0) return av_rescale_q(packet.duration, stream.time_base, kMicroseconds);
    const AVRational rate = stream.avg_frame_rate.num > 0 ? stream.avg_frame_rate : stream.r_frame_rate;
    return stream.codecpar->codec_type == AVMEDIA_TYPE_VIDEO && rate.num > 0 && rate.den > 0
               ? av_rescale_q(1, av_inv_q(rate), kMicroseconds)
               : 0;
}

}  // namespace

bool Timeline::fits(const Track& track, std::int64_t time) {
    return time <= *track.next + kGap && time >= *track.next - kGap && time + kBack >= *track.last;
}

std::int64_t Timeline::offset_for(Track& track, std::int64_t time) {
    const std::size_t newest = offsets_.size() - 1;
    if (!track.next) {  // its first packet
        track.offset = newest;
        const std::int64_t here = time + offsets_[newest];
        if (last_ && (here < *last_ - kGap || here > *last_ + kGap)) offsets_.push_back(*last_ - time);
    } else if (!fits(track, time + offsets_[track.offset]) && !fits(track, time + offsets_[newest])) {
        offsets_.push_back(*track.next - time);
    } else if (fits(track, time + offsets_[track.offset])) {
        return offsets_[track.offset];
    }
    track.offset = offsets_.size() - 1;
    return offsets_[track.offset];
}

void Timeline::correct(AVPacket& packet, const AVStream& stream) {
    const auto index = static_cast<std::size_t>(packet.stream_index);
    if (index >= tracks_.size()) tracks_.resize(index + 1);
    Track& track = tracks_[index];
    const AVMediaType type = stream.codecpar->codec_type;
    const bool steady = (type == AVMEDIA_TYPE_VIDEO || type == AVMEDIA_TYPE_AUDIO) && packet.dts != AV_NOPTS_VALUE;
    std::int64_t offset = offsets_[steady ? track.offset : offsets_.size() - 1];
    if (steady) {
        const std::int64_t time = av_rescale_q(packet.dts, stream.time_base, kMicroseconds);
        offset = offset_for(track, time);
        track.last = time + offset;
        track.next = *track.last + duration_us(packet, stream);
        last_ = track.last;
    }
    const std::int64_t shift = av_rescale_q(offset, kMicroseconds, stream.time_base);
    if (packet.pts != AV_NOPTS_VALUE) packet.pts += shift;
    if (packet.dts != AV_NOPTS_VALUE) packet.dts += shift;
}

}  // namespace enlarge::media
