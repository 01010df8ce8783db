// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <string_view>

#include "base/log.hpp"
#include "media/ffmpeg.hpp"
#include "media/gpu.hpp"
#include "media/input.hpp"

namespace enlarge::media {

struct Decoder::State {
    Av<AVCodecContext> codec;
    const AVStream* stream = nullptr;  // of Input::known()
    Rational time_base, frame_rate;
    std::optional<std::int64_t> last_pts;
    std::int64_t step = 1;  // one frame of the nominal rate, at least 1
    bool draining = false, drained = false;
};

namespace {

// FFmpeg's own VP8 and VP9 decoders pass over transparency, libvpx's shows it.
const AVCodec* decoder_of(const AVStream& stream) {
    const AVCodecID id = stream.codecpar->codec_id;
    const AVDictionaryEntry* alpha = av_dict_get(stream.metadata, "alpha_mode", nullptr, 0);
    if ((id == AV_CODEC_ID_VP8 || id == AV_CODEC_ID_VP9) && alpha && std::string_view(alpha->value) == "1")
        if (const AVCodec* codec = avcodec_find_decoder_by_name(id == AV_CODEC_ID_VP8 ? "libvpx" : "libvpx-vp9")) return codec;
    return avcodec_find_decoder(id);
}

}  // namespace

Decoder::~Decoder() = default;

namespace {

// The GPU's own frames where the decoder offers them: it does so only while the hardware takes the video.
AVPixelFormat prefer_gpu(AVCodecContext* context, const AVPixelFormat* offered) {
    for (const AVPixelFormat* p = offered; *p != AV_PIX_FMT_NONE; ++p)
        if (*p == AV_PIX_FMT_CUDA) return *p;
    return avcodec_default_get_format(context, offered);
}

}  // namespace

Result<std::unique_ptr<Decoder>> Decoder::open(const Input& input, const Gpu* gpu) {
    std::unique_ptr<Decoder> decoder(new Decoder);
    decoder->state_ = std::make_unique<State>();
    State& s = *decoder->state_;
    s.stream = input.video();
    const AVCodec* codec = decoder_of(*s.stream);
    if (!codec) return Error{Errc::unsupported, std::string("no decoder for ") + avcodec_get_name(s.stream->codecpar->codec_id)};
    s.codec.reset(avcodec_alloc_context3(codec));
    if (!s.codec) throw std::bad_alloc();
    if (const int rc = avcodec_parameters_to_context(s.codec.get(), s.stream->codecpar); rc < 0) return av_error(rc, "decoder");
    s.codec->pkt_timebase = s.stream->time_base;
    s.codec->thread_count = input.options().threads;
    s.codec->max_pixels = input.options().limits.pixels;
    if (input.options().low_latency) {
        s.codec->flags |= AV_CODEC_FLAG_LOW_DELAY;
        s.codec->thread_type = FF_THREAD_SLICE;  // frame threads hold one frame each
    }
    if (gpu) {
        s.codec->hw_device_ctx = av_buffer_ref(gpu->av());
        s.codec->get_format = prefer_gpu;
        s.codec->extra_hw_frames = 8;  // on their way to the network
        if (s.codec->thread_count == 0) s.codec->thread_count = 2;  // each thread wants surfaces of its own; there are 32
    }
    if (const int rc = avcodec_open2(s.codec.get(), codec, nullptr); rc < 0)
        return av_error(rc, std::string("the ") + codec->name + " decoder does not take it");
    s.time_base = input.time_base();
    s.frame_rate = input.frame_rate();
    s.step = std::max<std::int64_t>(1, av_rescale_q(1, av_inv_q(av(s.frame_rate)), s.stream->time_base));
    return decoder;
}

Result<void> Decoder::decode(const Packet& packet, const Sink& sink) {
    State& s = *state_;
    if (s.drained) return {};
    if (packet && (packet.av()->flags & AV_PKT_FLAG_CORRUPT)) ++damaged_;
    s.draining = !packet;
    for (;;) {
        const int rc = avcodec_send_packet(s.codec.get(), packet ? packet.av() : nullptr);
        if (rc == AVERROR(EAGAIN)) {
            TRY(receive(sink));
            continue;
        }
        if (rc == AVERROR(ENOMEM)) throw std::bad_alloc();
        if (rc < 0 && rc != AVERROR_EOF) {
            ++damaged_;
            log(LogLevel::debug, av_error(rc, "damaged packet").message);
        }
        break;
    }
    TRY(receive(sink));
    if (!packet) s.drained = true;
    return {};
}

Result<void> Decoder::receive(const Sink& sink) {
    State& s = *state_;
    for (int failures = 0;;) {
        Av<AVFrame> raw = new_frame();
        const int rc = avcodec_receive_frame(s.codec.get(), raw.get());
        if (rc == AVERROR(EAGAIN) || rc == AVERROR_EOF) return {};
        if (rc == AVERROR(ENOMEM)) throw std::bad_alloc();
        if (rc < 0) {  // what follows may still be good
            ++damaged_;
            if (++failures > 1000) return av_error(rc, "the decoder gave up");
            continue;
        }
        const bool damaged = raw->decode_error_flags != 0 || (raw->flags & AV_FRAME_FLAG_CORRUPT) != 0;
        if (damaged) ++damaged_;
        ++frames_;
        // FFmpeg's estimate: the presentation stamp, or where those jump about (they were decode order all along) the
        // other.
        std::int64_t pts = raw->best_effort_timestamp;
        if (pts == AV_NOPTS_VALUE || (s.last_pts && pts <= *s.last_pts)) {
            // No time of its own: one frame after the last where that is free (at the end it is), else the least step.
            const bool free = pts == AV_NOPTS_VALUE || s.draining;
            const std::int64_t made = !s.last_pts ? 0 : *s.last_pts + (free ? s.step : 1);
            pts = made;
            if (s.last_pts) ++retimed_;
        }
        s.last_pts = pts;
        raw->pts = pts;
        if (s.stream->sample_aspect_ratio.num > 0) raw->sample_aspect_ratio = s.stream->sample_aspect_ratio;
        // The container's colour tags fill what the bitstream leaves out.
        const AVCodecParameters& par = *s.stream->codecpar;
        if (raw->color_primaries == AVCOL_PRI_UNSPECIFIED) raw->color_primaries = par.color_primaries;
        if (raw->color_trc == AVCOL_TRC_UNSPECIFIED) raw->color_trc = par.color_trc;
        if (raw->colorspace == AVCOL_SPC_UNSPECIFIED) raw->colorspace = par.color_space;
        if (raw->color_range == AVCOL_RANGE_UNSPECIFIED) raw->color_range = par.color_range;
        if (raw->chroma_location == AVCHROMA_LOC_UNSPECIFIED) raw->chroma_location = par.chroma_location;
        // So do its mastering display and light levels.
        for (const auto& [packet_type, frame_type] :
             {std::pair{AV_PKT_DATA_MASTERING_DISPLAY_METADATA, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA},
              std::pair{AV_PKT_DATA_CONTENT_LIGHT_LEVEL, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL}}) {
            std::size_t size = 0;
            const std::uint8_t* data = av_stream_get_side_data(s.stream, packet_type, &size);
            if (!data || av_frame_get_side_data(raw.get(), frame_type)) continue;
            AVFrameSideData* copy = av_frame_new_side_data(raw.get(), frame_type, size);
            if (!copy) throw std::bad_alloc();
            std::copy(data, data + size, copy->data);
        }
        const std::int64_t duration = raw->pkt_duration > 0 ? raw->pkt_duration : 0;
        Frame frame{std::shared_ptr<AVFrame>(raw.release(), FreeAv{})};
        frame.pts = pts;
        frame.duration = duration;
        frame.time_base = s.time_base;
        frame.damaged = damaged;
        TRY(sink(std::move(frame)));
    }
}

}  // namespace enlarge::media
