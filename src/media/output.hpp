// SPDX-License-Identifier: Apache-2.0
// Writing a file: the new video, and everything else of the input untouched.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "enlarge/notice.hpp"
#include "media/encoder.hpp"
#include "media/input.hpp"

namespace enlarge::media {

// Which of the input's streams go where. Made before any work, so that what cannot be held is named first.
struct StreamPlan {
    std::vector<int> streams;          // of the input, in the output's order; the video among them
    // Streams that get another coding, and FFmpeg's name of the encoder.
    std::vector<std::pair<int, std::string>> recoded;
    std::vector<Notice> notices;       // what is left out or recoded, and why
    bool pictures_only = false;        // the container holds no sound: GIF, y4m, pictures
    bool holds_rotation = true;        // else the frames must be turned
};
// Fails with Errc::unsupported when the container cannot hold a stream, naming it and the fix; with `leave_out` such
// streams become notices.
Result<StreamPlan> plan_streams(const Input& input, const std::string& container, const std::string& output, bool leave_out);

// What a container must know of the video, apart from its packets. Can be stored.
struct VideoTrack {
    Rational time_base, frame_rate;
    Size size;
    Rational sar{0, 1};
    ColorTags tags;
    int codec_id = 0, pixel_format = -1, profile = -99, level = -99, reorder = 0, bits = 0;
    std::uint32_t codec_tag = 0;
    std::string extradata;
    std::vector<std::pair<int, std::string>> side_data;  // AVPacketSideDataType: mastering display, light levels
    friend bool operator==(const VideoTrack&, const VideoTrack&) = default;
};
// `hdr` as in Encoder::open.
VideoTrack track_of(const Encoder& encoder, const Frame& hdr);
std::string store(const VideoTrack& track);
Result<VideoTrack> restore_track(const std::string& bytes);

// How a stream of the input begins: read from its first packet.
struct StreamStart {
    int stream = 0;
    double time_s = 0;
    int skip_samples = 0;  // that a decoder makes and a player does not play (AAC's priming)
};
// Of the streams in `plan` that are among `packets`, the input's first.
std::vector<StreamStart> stream_starts(const std::vector<Packet>& packets, const Input& input, const StreamPlan& plan);

struct OutputOptions {
    std::string path;       // what to write, a file that is not there yet; "-" for stdout
    bool part = false;      // "<path>.part" is written instead, or "<path>.part2" ... when that is there: see Output::path()
    std::string container;  // FFmpeg muxer
    std::vector<std::pair<std::string, std::string>> options;  // passed to the muxer
    bool live = false;      // each packet goes out at once
    int first_number = 1;   // of an image sequence
    int plays = 0;          // of an animation; 0 = for ever
    std::int64_t offset_us = 0;  // taken off every time stamp
    double from_s = 0;      // packets that end before this, or begin after `to_s`, are left out (input's clock)
    double to_s = std::numeric_limits<double>::infinity();
    bool keep_rotation = true;
    std::vector<StreamStart> starts;  // what is known of them
};

// Whether `video` is to be written before `other`, a packet of the input.
bool not_later(const Packet& video, Rational video_base, const Packet& other, const Input& input);

class Output {
public:
    // `input` supplies streams, chapters and metadata; it must live until finish().
    static Result<std::unique_ptr<Output>> open(const OutputOptions& options, const Input& input, const StreamPlan& plan,
                                                const VideoTrack& track);
    ~Output();

    Result<void> write_video(const Packet& packet);  // times in track.time_base
    // How long the last frame stays, where its packet does not say; in track.time_base.
    void last_frame_lasts(std::int64_t duration);
    Result<void> write_other(const Packet& packet);  // as read from the input
    // Writes what is still held, closes the file and puts it on disk. Without this call the file goes away again.
    Result<void> finish();
    // What is written: the options' path, or the part's.
    [[nodiscard]] const std::string& path() const;
    [[nodiscard]] std::int64_t bytes() const { return bytes_; }

private:
    struct State;
    Output() = default;
    Result<void> put(Packet packet);
    Result<void> put_other(const AVPacket& packet, int from, Rational base);
    void say_last_delay();
    Result<void> put_y4m(const Packet& packet);
    Result<void> repeat_until(std::int64_t time);
    Result<void> write_counted(const Packet& packet);
    std::unique_ptr<State> state_;
    std::int64_t bytes_ = 0;
};

}  // namespace enlarge::media
