// SPDX-License-Identifier: Apache-2.0
// Other streams in another coding, where a container cannot hold the one they have: text subtitles of another kind, PCM
// sound as FLAC, sample for sample. For .cpp files of this module only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "media/ffmpeg.hpp"

namespace enlarge::media {

class Recoder {
public:
    using Sink = std::function<Result<void>(Packet)>;

    // FFmpeg's name of the encoder that makes of `stream` what `container` holds; empty when there is none that keeps
    // what matters.
    static std::string encoder_for(const AVStream& stream, const std::string& container);
    static Result<std::unique_ptr<Recoder>> open(const AVStream& stream, const std::string& encoder);
    virtual ~Recoder() = default;

    // What comes out, and the time base of its packets.
    void describe(AVCodecParameters& parameters) const;
    [[nodiscard]] AVRational time_base() const { return encoder_->time_base; }
    // Null drains; nothing can be recoded after that. What cannot be decoded is left out, with a warning.
    virtual Result<void> recode(const AVPacket* packet, const Sink& sink) = 0;

protected:
    Recoder() = default;
    void warn(const std::string& what);

    Av<AVCodecContext> decoder_, encoder_;
    AVRational base_{};  // of the packets that come in

private:
    bool warned_ = false;
};

}  // namespace enlarge::media
