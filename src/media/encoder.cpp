// SPDX-License-Identifier: Apache-2.0
#include "media/encoder.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "base/log.hpp"
#include "base/text.hpp"
#include "media/animation.hpp"
#include "media/ffmpeg.hpp"
#include "media/gpu.hpp"

namespace enlarge::media {

struct Encoder::State {
    Av<AVCodecContext> codec;
    std::unique_ptr<Filters> shape;  // to the encoder's pixel format; null when frames have it already
    std::optional<std::int64_t> first_pts, last_pts;
    std::int64_t last_duration = 0, repeated = 0;
    Av<AVFrame> last;         // where gaps are filled
    bool fills_gaps = false;  // the container has no times of its own
    bool drained = false;
};

namespace {

std::int64_t scaled(AVRational value, int unit) { return std::llround(av_q2d(value) * unit); }

// HDR10's two static blocks, in the words of the encoder's own parameters.
std::string hdr_parameters(const std::string& codec, const AVFrame& frame) {
    std::string out;
    char text[256];
    const auto* mastering_data = av_frame_get_side_data(&frame, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
    const auto* light_data = av_frame_get_side_data(&frame, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL);
    const auto add = [&](const char* part) { out += (out.empty() ? "" : ":") + std::string(part); };
    if (mastering_data) {
        const auto& m = *reinterpret_cast<const AVMasteringDisplayMetadata*>(mastering_data->data);
        if (m.has_primaries && m.has_luminance) {
            const auto& p = m.display_primaries;
            if (codec == "libsvtav1") {
                const auto pair = [](const AVRational& a, const AVRational& b) { return "(" + fixed(av_q2d(a), 5) + "," + fixed(av_q2d(b), 5) + ")"; };
                const std::string all = "mastering-display=G" + pair(p[1][0], p[1][1]) + "B" + pair(p[2][0], p[2][1]) + "R" + pair(p[0][0], p[0][1]) +
                                        "WP" + pair(m.white_point[0], m.white_point[1]) + "L(" + fixed(av_q2d(m.max_luminance), 4) + "," +
                                        fixed(av_q2d(m.min_luminance), 6) + ")";
                std::snprintf(text, sizeof text, "%s", all.c_str());
            } else {
                const auto n = [](AVRational v, int unit) { return static_cast<long long>(scaled(v, unit)); };
                std::snprintf(text, sizeof text, "%s=G(%lld,%lld)B(%lld,%lld)R(%lld,%lld)WP(%lld,%lld)L(%lld,%lld)",
                              codec == "libx265" ? "master-display" : "mastering-display", n(p[1][0], 50000), n(p[1][1], 50000),
                              n(p[2][0], 50000), n(p[2][1], 50000), n(p[0][0], 50000), n(p[0][1], 50000), n(m.white_point[0], 50000),
                              n(m.white_point[1], 50000), n(m.max_luminance, 10000), n(m.min_luminance, 10000));
            }
            add(text);
        }
    }
    if (light_data) {
        const auto& light = *reinterpret_cast<const AVContentLightMetadata*>(light_data->data);
        std::snprintf(text, sizeof text, "%s=%u,%u",
                      codec == "libx265" ? "max-cll" : codec == "libsvtav1" ? "content-light" : "cll", light.MaxCLL, light.MaxFALL);
        add(text);
    }
    if (codec == "libx265" && !out.empty()) add("hdr10=1:repeat-headers=1");
    return out;
}

// Chains that make the encoder's own kinds of frame.
std::string shape_chain(const std::string& codec, AVPixelFormat format) {
    if (codec == "gif" && format == AV_PIX_FMT_PAL8)  // a palette of its own for each frame, transparency kept
        return "split[a][b];[a]palettegen=stats_mode=single:reserve_transparent=1[p];[b][p]paletteuse=new=1";
    return "";
}

}  // namespace

Encoder::~Encoder() = default;
AVCodecContext* Encoder::av() const { return state_->codec.get(); }
bool Encoder::loses_captions(const Frame& frame) const {
    return av_frame_get_side_data(frame.av(), AV_FRAME_DATA_A53_CC) &&
           !av_opt_find(state_->codec.get(), "a53cc", nullptr, 0, AV_OPT_SEARCH_CHILDREN);
}
Rational Encoder::time_base() const { return from_av(state_->codec->time_base); }
std::int64_t Encoder::repeated() const { return state_->repeated; }
Rational Encoder::frame_rate() const { return from_av(state_->codec->framerate); }

Result<std::unique_ptr<Encoder>> Encoder::open(const EncoderRequest& request, const EncoderChoice& choice, const Frame& first,
                                               const Frame& hdr, Rational time_base, Rational frame_rate) {
    TRY(start_ffmpeg());
    forget_av_log();
    std::unique_ptr<Encoder> encoder(new Encoder);
    encoder->state_ = std::make_unique<State>();
    State& s = *encoder->state_;
    const AVCodec* codec = avcodec_find_encoder_by_name(choice.codec.c_str());
    if (!codec) return Error{Errc::unsupported, "FFmpeg's libraries here have no encoder " + choice.codec};
    s.codec.reset(avcodec_alloc_context3(codec));
    if (!s.codec) throw std::bad_alloc();
    AVCodecContext& c = *s.codec;
    const VideoFormat& format = first.format();
    c.width = format.size.width;
    c.height = format.size.height;
    c.pix_fmt = av_get_pix_fmt(choice.pixel_format.c_str());
    const bool on_gpu_already = on_gpu(first);
    if (on_gpu_already) {
        c.pix_fmt = AV_PIX_FMT_CUDA;
        c.hw_frames_ctx = av_buffer_ref(first.av()->hw_frames_ctx);
    }
    c.sample_aspect_ratio = media::av(format.sar);
    const ColorTags& tags = format.samples.tags;
    const bool rgb = !on_gpu_already && (av_pix_fmt_desc_get(c.pix_fmt)->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL)) != 0;
    c.color_primaries = static_cast<AVColorPrimaries>(tags.primaries);
    c.color_trc = static_cast<AVColorTransferCharacteristic>(tags.transfer);
    c.colorspace = rgb ? AVCOL_SPC_RGB : static_cast<AVColorSpace>(tags.matrix);
    c.color_range = static_cast<AVColorRange>(tags.range);
    c.chroma_sample_location = static_cast<AVChromaLocation>(tags.siting);
    c.framerate = media::av(frame_rate);
    c.time_base = media::av(time_base);
    const AVOutputFormat* muxer = av_guess_format(request.container.c_str(), nullptr, nullptr);
    const bool timeless = muxer && (muxer->flags & AVFMT_NOTIMESTAMPS);  // MXF, bare streams
    // Formats that count frames, or hold only small denominators.
    const bool counts = codec->id == AV_CODEC_ID_MPEG1VIDEO || codec->id == AV_CODEC_ID_MPEG2VIDEO || request.container == "avi" ||
                        request.container == "yuv4mpegpipe" || timeless || (codec->id == AV_CODEC_ID_MPEG4 && c.time_base.den > 65535);
    // A program stream has times for some of its frames only. Pictures stay one for each frame, and y4m repeats packets.
    constexpr std::string_view kProgramStreams[] = {"vob", "mpeg", "dvd", "svcd", "vcd"};
    s.fills_gaps = (timeless && request.container != "image2" && request.container != "yuv4mpegpipe") ||
                   std::find(std::begin(kProgramStreams), std::end(kProgramStreams), request.container) != std::end(kProgramStreams);
    if (counts) c.time_base = av_inv_q(c.framerate);
    if (request.container == "gif") c.time_base = {1, 100};
    if (codec->id == AV_CODEC_ID_MPEG4 || codec->id == AV_CODEC_ID_MPEG2VIDEO)
        c.framerate = av_inv_q(c.time_base);
    c.thread_count = request.threads;
    if (muxer && (muxer->flags & AVFMT_GLOBALHEADER)) c.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (request.container == "avi" || request.container == "mxf") c.max_b_frames = 0;  // their readers take the order of storage for that of time
    if (codec->id == AV_CODEC_ID_H264 || codec->id == AV_CODEC_ID_HEVC) c.flags |= AV_CODEC_FLAG_CLOSED_GOP;

    Dict dict;
    std::string preset = choice.preset;
    bool bit_rate = false;
    for (const auto& [key, value] : request.options) bit_rate = bit_rate || key == "b" || key == "qp" || key == "crf" || key == "q";
    std::string own;  // the encoder's own parameter list
    const char* own_name = choice.codec == "libx264" || choice.codec == "libx264rgb" ? "x264-params" : choice.codec == "libx265" ? "x265-params"
                           : choice.codec == "libsvtav1" ? "svtav1-params" : nullptr;
    if (!choice.quality.empty() && !(bit_rate && !request.crf)) {
        if (av_opt_find(&c, "crf", nullptr, 0, AV_OPT_SEARCH_CHILDREN)) {
            dict.set("crf", choice.quality);
        } else if (request.crf) {  // the old encoders' fixed quantiser
            c.flags |= AV_CODEC_FLAG_QSCALE;
            c.global_quality = static_cast<int>(std::lround(*request.crf * FF_QP2LAMBDA));
        }
    } else if (!bit_rate && (codec->id == AV_CODEC_ID_MPEG4 || codec->id == AV_CODEC_ID_MPEG2VIDEO || codec->id == AV_CODEC_ID_MJPEG ||
                             codec->id == AV_CODEC_ID_MPEG1VIDEO || codec->id == AV_CODEC_ID_H263P || codec->id == AV_CODEC_ID_FLV1)) {
        c.flags |= AV_CODEC_FLAG_QSCALE;
        c.global_quality = 3 * FF_QP2LAMBDA;
    } else if (!bit_rate && codec->id == AV_CODEC_ID_THEORA) {
        c.flags |= AV_CODEC_FLAG_QSCALE;
        c.global_quality = 8 * FF_QP2LAMBDA;  // of 10, larger is better
    }
    if (!processor_encoder(choice.codec).empty()) {  // constant quality in NVENC's words
        if (!bit_rate || request.crf) {
            dict.set("rc", "vbr");
            dict.set("cq", request.crf ? choice.quality : "19");
            dict.set("b", "0");
        }
        if (preset.empty()) preset = request.live ? "p2" : "p5";
    }
    if (!preset.empty()) dict.set("preset", preset);
    if (choice.codec == "libvpx-vp9" || choice.codec == "libvpx" || choice.codec == "libaom-av1") {
        if (!bit_rate) dict.set("b", "0");
        dict.set("cpu-used", request.live ? "8" : choice.codec == "libaom-av1" ? "6" : "4");
        if (choice.codec != "libvpx") dict.set("row-mt", "1");
        if (request.live) dict.set("deadline", "realtime"), dict.set("lag-in-frames", "0");
    }
    if (request.live && (choice.codec == "libx264" || choice.codec == "libx265")) dict.set("tune", "zerolatency");
    if (choice.codec == "libx265") own = "log-level=none";
    if (!choice.parameters.empty()) own += (own.empty() ? "" : ":") + choice.parameters;
    if (choice.codec == "png" || choice.codec == "apng") c.compression_level = 6;
    if (codec->id == AV_CODEC_ID_FFV1) dict.set("level", "3");
    if (choice.codec == "libwebp_anim" && !request.crf) dict.set("quality", "90");
    if (codec->id == AV_CODEC_ID_HEVC && (request.container == "mp4" || request.container == "mov"))
        c.codec_tag = MKTAG('h', 'v', 'c', '1');
    if (own_name && is_hdr(tags))
        if (const std::string blocks = hdr_parameters(choice.codec, *hdr.av()); !blocks.empty()) own += (own.empty() ? "" : ":") + blocks;
    for (const auto& [key, value] : request.options) {
        if (own_name && key == own_name) own += (own.empty() ? "" : ":") + value;
        else dict.set(key.c_str(), value);
    }
    if (own_name && !own.empty()) dict.set(own_name, own);

    if (const int rc = avcodec_open2(&c, codec, dict.out()); rc < 0)
        return av_error(rc, choice.codec + " cannot be set up for " + std::to_string(c.width) + "x" + std::to_string(c.height) + " " +
                                choice.pixel_format, Errc::argument);
    if (const std::string left = dict.left(); !left.empty() && left != "preset" && left != "row-mt" && left != "tune" && left != "cpu-used")
        return Error{Errc::argument, choice.codec + " has no option called " + left};
    if (first.av()->format != c.pix_fmt)
        s.shape = std::make_unique<Filters>(FilterOptions{.chain = shape_chain(choice.codec, c.pix_fmt), .format = choice.pixel_format,
                                                          .frame_rate = frame_rate});
    return encoder;
}

// The last frame again, until the next is at `pts`.
Result<void> Encoder::repeat_until(std::int64_t pts, const Sink& sink) {
    State& s = *state_;
    for (std::int64_t left = repeats_between(*s.last_pts, pts, time_base()); left > 0; --left, ++s.repeated) {
        s.last->pts = ++*s.last_pts;
        TRY(put(s.last.get(), sink));
    }
    return {};
}

// One frame to the encoder, null to drain it, and what it has ready to the sink.
Result<void> Encoder::put(const AVFrame* frame, const Sink& sink) {
    State& s = *state_;
    int rc = avcodec_send_frame(s.codec.get(), frame);
    while (true) {
        if (rc < 0 && rc != AVERROR(EAGAIN) && rc != AVERROR_EOF)
            return av_error(rc, "the encoder failed" + (frame ? " at the frame of " + std::to_string(static_cast<double>(frame->pts) *
                                                                                    av_q2d(s.codec->time_base)) + " s" : std::string()), Errc::io);
        const bool again = rc == AVERROR(EAGAIN);
        for (;;) {
            Av<AVPacket> packet = new_packet();
            const int got = avcodec_receive_packet(s.codec.get(), packet.get());
            if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) break;
            if (got < 0) return av_error(got, "the encoder failed", Errc::io);
            packet->time_base = s.codec->time_base;
            if (s.codec->codec_id == AV_CODEC_ID_WEBP && s.last_duration > 0)
                set_webp_length(*packet, av_rescale_q(*s.last_pts + s.last_duration - *s.first_pts,
                                                      s.codec->time_base, {1, 1000}));
            TRY(sink(Packet{std::shared_ptr<AVPacket>(packet.release(), FreeAv{})}));
        }
        if (!again) return {};
        rc = avcodec_send_frame(s.codec.get(), frame);
    }
}

Result<void> Encoder::encode(const Frame& frame, const Sink& sink) {
    State& s = *state_;
    if (s.drained) return {};
    const auto send = [&](const Frame& ready) -> Result<void> {
        if (!ready) {
            if (s.last) TRY(repeat_until(*s.last_pts + s.last_duration, sink));
            return put(nullptr, sink);
        }
        Av<AVFrame> raw = new_frame();
        if (const int rc = av_frame_ref(raw.get(), ready.av()); rc < 0) return av_error(rc, "frame", Errc::memory);
        std::int64_t pts = av_rescale_q(ready.pts, media::av(ready.time_base), s.codec->time_base);
        if (s.last_pts && pts <= *s.last_pts) pts = *s.last_pts + 1;  // the coarser base made two times one
        if (s.last) TRY(repeat_until(pts, sink));
        s.last_pts = pts;
        if (!s.first_pts) s.first_pts = pts;
        raw->pts = pts;
        raw->pkt_duration = s.last_duration =
            av_rescale_q(ready.duration, media::av(ready.time_base), s.codec->time_base);
        raw->pict_type = AV_PICTURE_TYPE_NONE;
        raw->interlaced_frame = 0;
        TRY(put(raw.get(), sink));
        if (s.fills_gaps) s.last = std::move(raw);
        return {};
    };
    if (!frame) {
        if (s.shape) TRY(s.shape->process({}, send));
        s.drained = true;
        return send({});
    }
    return s.shape ? s.shape->process(frame, send) : send(frame);
}

}  // namespace enlarge::media
