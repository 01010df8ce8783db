// SPDX-License-Identifier: Apache-2.0
// FFmpeg's C objects as owners, and its errors as ours. For .cpp files of this module only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

extern "C" {
#include <libavutil/avutil.h>
#include <libavutil/dict.h>
#include <libavutil/display.h>
#include <libavutil/dovi_meta.h>
#include <libavutil/hdr_dynamic_metadata.h>
#include <libavutil/hwcontext.h>
#include <libavutil/imgutils.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libavutil/time.h>
}

#include "base/result.hpp"
#include "media/frame.hpp"
#include "media/libraries.hpp"

namespace enlarge::media {

struct FreeAv {
    void operator()(AVPacket* p) const { av_packet_free(&p); }
    void operator()(AVFrame* p) const { av_frame_free(&p); }
    void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
    void operator()(AVFilterGraph* p) const { avfilter_graph_free(&p); }
};
template <class T>
using Av = std::unique_ptr<T, FreeAv>;

// An options dictionary.
class Dict {
public:
    Dict() = default;
    Dict(const Dict&) = delete;
    Dict& operator=(const Dict&) = delete;
    ~Dict() { av_dict_free(&dict_); }
    void set(const char* key, const std::string& value) { av_dict_set(&dict_, key, value.c_str(), 0); }
    AVDictionary** out() { return &dict_; }
    AVDictionary* get() const { return dict_; }
    // The first key that nobody took; empty if none is left.
    [[nodiscard]] std::string left() const {
        const AVDictionaryEntry* entry = av_dict_get(dict_, "", nullptr, AV_DICT_IGNORE_SUFFIX);
        return entry ? entry->key : "";
    }

private:
    AVDictionary* dict_ = nullptr;
};

inline AVRational av(Rational r) { return {r.num, r.den}; }
inline Rational from_av(AVRational r) { return {r.num, r.den}; }

// An FFmpeg error code as an Error: "what: reason". The code decides the Errc; `fallback` when it says nothing.
// The last line FFmpeg logged on this thread since the previous call is added when it explains more.
Error av_error(int code, const std::string& what, Errc fallback = Errc::format);

// Loads FFmpeg's libraries and sends their own log lines to log() as debug lines instead of stderr. Called by everything
// that opens something.
Result<void> start_ffmpeg();
// Forgets the explanation remembered for av_error() on this thread.
void forget_av_log();

Av<AVPacket> new_packet();
Av<AVFrame> new_frame();

// What `frame` (any format) is for us; fails when the layout is not one of FrameFormat's.
Result<VideoFormat> format_of(const AVFrame& frame);
// Whether frames of this AVPixelFormat can be handed to the rest of the program without change.
bool is_plain(AVPixelFormat format);
// The plain format that holds everything `format` holds ("bgra" -> gbrap).
AVPixelFormat plain_for(AVPixelFormat format);

}  // namespace enlarge::media
