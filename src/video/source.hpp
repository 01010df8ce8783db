// SPDX-License-Identifier: Apache-2.0
// The frames of the chosen part of a video, ready for the network: demultiplexed, decoded, trimmed, filtered.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "enlarge/media.hpp"
#include "media/filters.hpp"
#include "media/gpu.hpp"
#include "media/input.hpp"

namespace enlarge::video {

// One thread reads packets with read(), another turns them into frames with decode(); prime() comes before both.
class VideoSource {
public:
    // `cancel`: reading fails soon. `end`: it ends soon, as if the input had.
    static Result<std::unique_ptr<VideoSource>> open(const std::string& path, const VideoOptions& options,
                                                     const std::atomic<bool>& cancel, const std::atomic<bool>& end);

    [[nodiscard]] media::Input& input() { return *input_; }
    [[nodiscard]] const media::Input& input() const { return *input_; }
    [[nodiscard]] media::Orientation turned() const { return turn_; }
    // Frames come out upright. To be called before prime().
    void turn(media::Orientation orientation) { turn_ = orientation; }
    // The GPU decodes, where it can. To be called before prime().
    void decode_on(std::shared_ptr<media::Gpu> gpu) { gpu_ = std::move(gpu); }
    // Only the video is read: the rest is copied by somebody else.
    void only_video() { input_->only_video(); }

    // Reads until the first frame is there, and returns it; the frame is also the first that decode() gives.
    Result<media::Frame> prime();
    // Times of the video's packets that prime() met and that decoding may begin with.
    [[nodiscard]] const std::vector<std::int64_t>& primed_keys() const { return primed_keys_; }
    // Packets of other streams that prime() met.
    std::vector<media::Packet> take_others() { return std::move(others_); }

    // The next packet of any stream; empty at the end of the part.
    Result<media::Packet> read();
    // Frames of a video packet; an empty packet drains.
    Result<void> decode(const media::Packet& packet, const media::Filters::Sink& sink);

    // The part's limits on the input's clock, and what is taken off all times of the output.
    [[nodiscard]] double from_s() const { return from_; }
    [[nodiscard]] double to_s() const { return to_; }
    [[nodiscard]] std::int64_t offset_us() const { return offset_us_; }
    [[nodiscard]] std::int64_t frames_estimate() const;
    // The video is decoded anew from the last key frame at or before `seconds` (of the input's clock); what comes out
    // before that time is passed on as well. To be called after prime() and before read().
    Result<void> jump_to(double seconds);
    [[nodiscard]] const media::Decoder& decoder() const { return *decoder_; }
    [[nodiscard]] const media::Filters& filters() const { return *filters_; }
    void finish_early() { past_end_.store(true); }

private:
    VideoSource() = default;
    Result<void> start();

    VideoOptions options_;
    std::shared_ptr<media::Gpu> gpu_;
    std::unique_ptr<media::Input> input_;
    std::unique_ptr<media::Decoder> decoder_;
    std::unique_ptr<media::Filters> filters_;
    media::Orientation turn_;
    double from_ = 0, to_ = 0;
    std::int64_t offset_us_ = 0;
    bool ended_ = false, drained_ = false;
    std::atomic<bool> past_end_{false};
    std::deque<media::Frame> primed_;
    std::vector<std::int64_t> primed_keys_;
    std::vector<media::Packet> others_;
};

}  // namespace enlarge::video
