// SPDX-License-Identifier: Apache-2.0
// A video file, pipe or live address, opened for reading: its streams, its packets, its decoder.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "media/frame.hpp"

struct AVFormatContext;
struct AVStream;

namespace enlarge::media {

class Snapshot;
class Timeline;
class WebpAnimation;

struct InputOptions {
    std::string path;                          // a file, a pattern ("f_%06d.png"), an address, or "-" for stdin
    std::string format;                        // FFmpeg demuxer; empty = found out
    Rational frame_rate{0, 1};                 // of image sequences; 0 = 25
    std::vector<std::string> allow_protocols;  // beyond the safe ones
    double timeout_s = 15;                     // how long an address may be silent
    bool low_latency = false;                  // keep as little as possible in buffers
    std::vector<std::pair<std::string, std::string>> options;  // passed to the demuxer
    const std::atomic<bool>* cancel = nullptr; // true: reading returns Errc::cancelled soon
    const std::atomic<bool>* end = nullptr;    // true: reading ends soon, as if the input had
    std::function<bool()> poll;                // called about ten times a second until opened(); false: Errc::cancelled
    int threads = 0;                           // of the decoder; 0 = as FFmpeg thinks
    Limits limits;
};

struct StreamInfo {
    int index = 0;
    std::string kind;   // "video", "audio", "subtitle", "data", "attachment", "cover"
    std::string codec;  // "aac"; "unknown" when nothing here knows it
};

class Input {
public:
    static Result<std::unique_ptr<Input>> open(const InputOptions& options);
    ~Input();
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;

    [[nodiscard]] const std::string& name() const { return options_.path; }
    [[nodiscard]] const InputOptions& options() const { return options_; }
    [[nodiscard]] std::string format_name() const;  // "matroska,webm"
    // A regular file that can be opened again and gives the same bytes.
    [[nodiscard]] bool repeatable() const { return repeatable_; }
    // An address, not a file or pipe.
    [[nodiscard]] bool network() const { return network_; }
    [[nodiscard]] const std::vector<StreamInfo>& streams() const { return streams_; }
    [[nodiscard]] int video_stream() const { return video_; }
    [[nodiscard]] Rational time_base() const;   // of the video stream
    [[nodiscard]] Rational frame_rate() const { return frame_rate_; }  // nominal, never 0
    [[nodiscard]] double start_s() const;       // the file's first presentation time; 0 if not known
    [[nodiscard]] double duration_s() const;    // 0 if not known
    [[nodiscard]] std::int64_t frames_estimate() const;  // 0 if not known
    [[nodiscard]] int first_number() const { return first_number_; }  // of an image sequence
    [[nodiscard]] bool interlaced() const;      // the stream says so
    [[nodiscard]] int dolby_vision() const;     // its profile, where the container names one; -1 otherwise
    // How often an animation is to be played, 0 = for ever; nothing when the input does not say.
    [[nodiscard]] std::optional<int> plays() const;
    // A time stamp of the input's clock that says nothing (a broadcast's), to be taken off, in microseconds.
    [[nodiscard]] std::int64_t clock_offset_us() const;

    // The next packet in file order; empty at the end. A file that ends in garbage ends there, with a warning. Where
    // the clock of a broadcast breaks, time goes on.
    Result<Packet> read();
    // Packets of other streams are not delivered.
    void only_video();
    // From now on InputOptions::poll is not called any more, and packets may be read on one thread while others look at
    // known(): its tags and chapters are those of this moment. What arrives later is not carried; read() says so.
    void opened();
    // Goes to the key frame at or before `seconds` of presentation time.
    Result<void> seek(double seconds);
    // Reading stopped early because of damage, or the end came before the file's own structure has it.
    [[nodiscard]] bool cut_short() const { return cut_short_; }

    // Streams, chapters and tags: a copy that reading does not touch.
    [[nodiscard]] const AVFormatContext* known() const;
    [[nodiscard]] const AVStream* video() const;  // of known()

private:
    Input();
    Result<void> look();
    void find_frame_rate();
    void start_timeline();
    void say_what_came_late();
    void watch_the_end(const AVPacket& packet);
    [[nodiscard]] bool ended_early() const;
    static int interrupted(void* self);
    [[nodiscard]] bool ended_by_caller() const { return options_.end && options_.end->load(std::memory_order_relaxed); }

    InputOptions options_;
    std::unique_ptr<Snapshot> known_;
    std::unique_ptr<Timeline> timeline_;   // of formats whose clock may break; empty for others
    std::unique_ptr<WebpAnimation> webp_;  // where the packets come from, if it is one
    AVFormatContext* context_ = nullptr;
    std::vector<StreamInfo> streams_;
    int video_ = -1;
    int first_number_ = 1;
    Rational frame_rate_{25, 1};
    bool repeatable_ = false, network_ = false, cut_short_ = false, said_late_ = false, only_video_ = false;
    std::atomic<std::int64_t> deadline_us_{0};
    std::atomic<bool> opening_{true}, stopped_{false};  // stopped_: by poll
    std::int64_t polled_us_ = 0;
    std::int64_t first_byte_ = -1, last_byte_ = -1, last_us_ = 0;  // of packets; last_us_: their latest end
    std::vector<bool> torn_;                                       // by stream: its last packet was not whole
    int pipe_ = -1;  // stdin once more, so that waiting for it can be interrupted
};

// How the stream's picture must be turned to be upright: clockwise degrees after an optional mirror image.
struct Orientation {
    int turn = 0;
    bool mirror = false;
};
Orientation orientation(const Input& input);

// Turns packets of the video stream into frames, in presentation order, all of them.
class Gpu;

class Decoder {
public:
    using Sink = std::function<Result<void>(Frame)>;
    // With `gpu` its decoder is used where it can: frames then come out in its memory (on_gpu()). Where it cannot, they
    // come from the processor as ever.
    static Result<std::unique_ptr<Decoder>> open(const Input& input, const Gpu* gpu = nullptr);
    ~Decoder();

    // An empty packet drains what the decoder still holds. Damaged packets are counted, not errors.
    Result<void> decode(const Packet& packet, const Sink& sink);
    // Packets that could not be decoded, and frames in which something was concealed.
    [[nodiscard]] std::int64_t damaged() const { return damaged_; }
    [[nodiscard]] std::int64_t frames() const { return frames_; }
    // Frames whose time stamp was missing or not after the one before, and was made up.
    [[nodiscard]] std::int64_t retimed() const { return retimed_; }

private:
    struct State;
    Decoder() = default;
    Result<void> receive(const Sink& sink);
    std::unique_ptr<State> state_;
    std::int64_t damaged_ = 0, frames_ = 0, retimed_ = 0;
};

// File `number` of a pattern, written to `name`; false when the pattern has no place for a number.
bool sequence_name(const std::string& pattern, int number, char* name, int size);

// Whether `path` should be treated as video: by its content where it can be read, else by its name. Still pictures,
// animations with one frame included, are not.
bool is_media_file(const std::string& path);

}  // namespace enlarge::media
