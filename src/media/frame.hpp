// SPDX-License-Identifier: Apache-2.0
// Frames and packets as the rest of the program sees them: no FFmpeg header is needed to pass them along.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "enlarge/image.hpp"
#include "image/frame.hpp"

struct AVFrame;
struct AVPacket;
struct AVBufferPool;

namespace enlarge::media {

struct Rational {
    int num = 0;
    int den = 1;
    friend bool operator==(const Rational&, const Rational&) = default;
    [[nodiscard]] double value() const { return den ? static_cast<double>(num) / den : 0; }
};

// num / den in lowest terms that fit.
Rational reduced(std::int64_t num, std::int64_t den);

// How often the frame at `last` is written again before the one at `next` where a container only counts frames, one per
// tick of `time_base`. None, with a warning, when that takes more than an hour: such a gap is a broken time stamp.
std::int64_t repeats_between(std::int64_t last, std::int64_t next, Rational time_base);

// What a video frame is: how its samples lie, its size, and the shape of a pixel.
struct VideoFormat {
    FrameFormat samples;
    Size size;
    Rational sar{0, 1};  // sample aspect ratio; 0 = not stated
    friend bool operator==(const VideoFormat&, const VideoFormat&) = default;
};
// "1280x720 4:2:0 8 bit, BT.709, limited range"
std::string describe(const VideoFormat& format);

// PQ or HLG.
inline bool is_hdr(const ColorTags& tags) { return tags.transfer == 16 || tags.transfer == 18; }

// A decoded frame, or one to be encoded. Copies share the pixels.
class Frame {
public:
    Frame() = default;
    explicit Frame(std::shared_ptr<AVFrame> frame);

    [[nodiscard]] explicit operator bool() const { return frame_ != nullptr; }
    [[nodiscard]] const VideoFormat& format() const { return format_; }
    [[nodiscard]] FrameView view() const;
    [[nodiscard]] MutableFrameView view();

    std::int64_t pts = 0;       // in `time_base`
    std::int64_t duration = 0;  // 0 = not known
    Rational time_base{1, 1};
    bool damaged = false;       // the decoder had to conceal something

    // True when every sample and the format are the same. Never true of frames on a GPU.
    [[nodiscard]] bool same_pixels(const Frame& other) const;
    // A number that is the same for the same samples and, but for one chance in four thousand million, for no others. 0 of
    // frames on a GPU.
    [[nodiscard]] std::uint32_t pixel_sum() const;
    [[nodiscard]] AVFrame* av() const { return frame_.get(); }

private:
    std::shared_ptr<AVFrame> frame_;
    VideoFormat format_;
};

// Makes frames whose memory is used again once nobody refers to it any more.
class FramePool {
public:
    // `pixel_format` is an FFmpeg name ("yuv420p10le"). Fails with Errc::unsupported or Errc::limit.
    static Result<FramePool> create(const std::string& pixel_format, Size size);
    FramePool(FramePool&&) noexcept;
    FramePool& operator=(FramePool&&) noexcept;
    ~FramePool();

    // A frame with undefined pixels. Time stamps and side data come from `properties`, if given; colour and sample
    // aspect ratio from `format`.
    Result<Frame> get(const VideoFormat& format, const Frame* properties);
    [[nodiscard]] std::int64_t frame_bytes() const { return bytes_; }

private:
    FramePool() = default;
    struct Free {
        void operator()(AVBufferPool* pool) const;
    };
    std::unique_ptr<AVBufferPool, Free> pool_;
    int format_ = -1;
    Size size_;
    std::int64_t bytes_ = 0;
};

// The same pixels as `pixels` at another time: time stamps and side data come from `properties`.
Result<Frame> with_properties(const Frame& pixels, const Frame& properties);

// Whether a frame has alpha and is not opaque everywhere.
bool is_transparent(const Frame& frame);

// What a frame carries that is not carried further: "Dolby Vision and HDR10+"; empty if nothing. `dolby_vision`: its
// container says that there is some.
std::string dynamic_metadata(const Frame& frame, bool dolby_vision);

// A compressed packet.
class Packet {
public:
    Packet() = default;
    explicit Packet(std::shared_ptr<AVPacket> packet) : packet_(std::move(packet)) {}
    [[nodiscard]] explicit operator bool() const { return packet_ != nullptr; }
    [[nodiscard]] AVPacket* av() const { return packet_.get(); }
    [[nodiscard]] int stream() const;
    [[nodiscard]] std::size_t bytes() const;
    [[nodiscard]] bool key() const;                          // decoding may begin with it, says the file
    [[nodiscard]] std::optional<std::int64_t> time() const;  // when it is shown, in its stream's time base

private:
    std::shared_ptr<AVPacket> packet_;
};

}  // namespace enlarge::media
