// SPDX-License-Identifier: Apache-2.0
// Which encoder, with which settings, and the encoding itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "enlarge/notice.hpp"
#include "media/filters.hpp"
#include "media/frame.hpp"

struct AVCodecContext;
struct AVCodecParameters;

namespace enlarge::media {

struct EncoderRequest {
    std::string container;           // FFmpeg muxer: "mp4", "matroska", "yuv4mpegpipe"
    std::string path;                // of the output: the ending of a picture sequence says which kind
    std::string codec;               // encoder or codec by name; empty = chosen
    std::optional<double> crf;       // quality in the encoder's own scale; none = a good default
    std::string preset;              // the encoder's own word or number; empty = a good default
    std::vector<std::pair<std::string, std::string>> options;  // passed through
    std::string pixel_format;        // empty = the nearest to the source's that the encoder takes
    bool live = false;               // no looking ahead
    bool to_pipe = false;            // raw frames rather than compressed ones, for NUT
    bool transparent = false;        // frames with alpha are not all opaque: an encoder that keeps it is preferred
    int threads = 0;
    bool repeatable = false;         // the same frames give the same bytes on every machine; needs `threads`
};

// Threads of work that must come out the same everywhere. Of x264, x265, libvpx, libaom, MPEG-2 and MPEG-4 each number
// gives other bytes, and by themselves they take as many as there are processors. 8 keep up with a GPU.
constexpr int kRepeatableThreads = 8;

// The decision. Say `sentence` to the user.
struct EncoderChoice {
    std::string codec;          // "libx264"
    std::string pixel_format;   // "yuv420p"
    std::string sentence;       // "libx264 (crf 17, medium), 1920x1080 4:2:0 8 bit"
    std::string quality;        // the crf in the encoder's words, empty without one: "17"
    std::string preset;         // "veryfast"
    std::string parameters;     // what EncoderRequest::repeatable adds to the encoder's own list: "cpu-independent=1:..."
    std::vector<Notice> notices;
    Size size;                  // the wanted size, or the nearest the encoder takes
};
// `output` is what the frames are like before encoding, at the output size; `may_resize`: the size may grow by a pixel to
// become even. Fails with Errc::unsupported or Errc::limit when nothing can hold it.
Result<EncoderChoice> choose_encoder(const EncoderRequest& request, const VideoFormat& output, bool may_resize);

// What the FFmpeg muxer for a file name (or a --container name) is called. Fails with Errc::argument.
Result<std::string> container_for(const std::string& path, const std::string& name);

// The format that frames have before FFmpeg brings them to `pixel_format`: the same where possible ("rgba" -> "gbrap").
std::string plain_name(const std::string& pixel_format, bool alpha);

// What `pixel_format` is as a frame format, with the size, shape and tags of `like`.
Result<VideoFormat> video_format(const std::string& pixel_format, const VideoFormat& like);

class Encoder {
public:
    using Sink = std::function<Result<void>(Packet)>;
    // `first` is the first frame that will come: its format and colour decide the headers; `hdr`, the video's first
    // frame, has the mastering display and light levels that go with them when the transfer is PQ or HLG.
    static Result<std::unique_ptr<Encoder>> open(const EncoderRequest& request, const EncoderChoice& choice,
                                                 const Frame& first, const Frame& hdr, Rational time_base,
                                                 Rational frame_rate);
    ~Encoder();

    // Frames' times are brought to time_base(). An empty frame drains; nothing can be encoded after that.
    Result<void> encode(const Frame& frame, const Sink& sink);
    // Whether the frame has closed captions that this encoder does not write.
    [[nodiscard]] bool loses_captions(const Frame& frame) const;
    [[nodiscard]] Rational time_base() const;
    [[nodiscard]] Rational frame_rate() const;
    [[nodiscard]] AVCodecContext* av() const;
    // How many frames were written again, since the container cannot say that one stays longer.
    [[nodiscard]] std::int64_t repeated() const;

private:
    struct State;
    Result<void> repeat_until(std::int64_t pts, const Sink& sink);
    Result<void> put(const AVFrame* frame, const Sink& sink);
    Encoder() = default;
    std::unique_ptr<State> state_;
};

}  // namespace enlarge::media
