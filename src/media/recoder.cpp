// SPDX-License-Identifier: Apache-2.0
#include "media/recoder.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <vector>

#include "base/log.hpp"

namespace enlarge::media {

namespace {

constexpr AVRational kMilliseconds{1, 1000};

bool is_text(AVCodecID id) {
    static constexpr std::array kText{AV_CODEC_ID_SUBRIP,   AV_CODEC_ID_TEXT, AV_CODEC_ID_WEBVTT,
                                      AV_CODEC_ID_MOV_TEXT, AV_CODEC_ID_ASS,  AV_CODEC_ID_SSA};
    return std::find(kText.begin(), kText.end(), id) != kText.end();
}

// PCM whose samples FLAC holds: whole numbers of at most 24 bits.
bool is_flac_pcm(const AVCodecParameters& par) {
    const std::string name = avcodec_get_name(par.codec_id);
    const int bits = std::max(av_get_exact_bits_per_sample(par.codec_id), par.bits_per_coded_sample);
    return name.rfind("pcm_", 0) == 0 && name.rfind("pcm_f", 0) != 0 && bits > 0 && bits <= 24 &&
           par.ch_layout.nb_channels <= 8 && par.sample_rate > 0;
}

Result<Av<AVCodecContext>> open_decoder(const AVStream& stream) {
    const AVCodec* codec = avcodec_find_decoder(stream.codecpar->codec_id);
    if (!codec)
        return Error{Errc::unsupported, std::string("no decoder for ") + avcodec_get_name(stream.codecpar->codec_id)};
    Av<AVCodecContext> context(avcodec_alloc_context3(codec));
    if (!context || avcodec_parameters_to_context(context.get(), stream.codecpar) < 0) throw std::bad_alloc();
    context->pkt_timebase = stream.time_base;
    context->thread_count = 1;
    if (const int rc = avcodec_open2(context.get(), codec, nullptr); rc < 0) return av_error(rc, "decoder");
    return context;
}

class Subtitles : public Recoder {
public:
    static Result<std::unique_ptr<Recoder>> open(const AVStream& stream, const AVCodec& codec) {
        std::unique_ptr<Subtitles> made(new Subtitles);
        TRY(made->decoder_, open_decoder(stream));
        made->base_ = stream.time_base;
        made->encoder_.reset(avcodec_alloc_context3(&codec));
        if (!made->encoder_) throw std::bad_alloc();
        AVCodecContext& to = *made->encoder_;
        to.time_base = kMilliseconds;
        if (const AVCodecContext& from = *made->decoder_; from.subtitle_header_size > 0) {  // styles
            to.subtitle_header =
                static_cast<std::uint8_t*>(av_mallocz(static_cast<std::size_t>(from.subtitle_header_size) + 1));
            if (!to.subtitle_header) throw std::bad_alloc();
            std::memcpy(to.subtitle_header, from.subtitle_header, static_cast<std::size_t>(from.subtitle_header_size));
            to.subtitle_header_size = from.subtitle_header_size;
        }
        if (const int rc = avcodec_open2(&to, &codec, nullptr); rc < 0) return av_error(rc, codec.name);
        return std::unique_ptr<Recoder>(std::move(made));
    }

    Result<void> recode(const AVPacket* packet, const Sink& sink) override {
        if (!packet || packet->size == 0) return {};
        struct Text {
            AVSubtitle s{};
            ~Text() { avsubtitle_free(&s); }
        } text;
        int got = 0;
        Av<AVPacket> in(av_packet_clone(packet));
        if (!in) throw std::bad_alloc();
        if (avcodec_decode_subtitle2(decoder_.get(), &text.s, &got, in.get()) < 0) warn("a line of subtitles");
        if (!got || text.s.num_rects == 0 || packet->pts == AV_NOPTS_VALUE) return {};
        const std::int64_t begin = av_rescale_q(packet->pts, base_, kMilliseconds) + text.s.start_display_time;
        const std::int64_t shown = packet->duration > 0
                                       ? av_rescale_q(packet->duration, base_, kMilliseconds)
                                       : std::int64_t{text.s.end_display_time} - text.s.start_display_time;
        text.s.end_display_time -= text.s.start_display_time;
        text.s.start_display_time = 0;
        text.s.pts = av_rescale_q(begin, kMilliseconds, {1, AV_TIME_BASE});
        std::vector<std::uint8_t> bytes(std::size_t{1} << 20);
        const int size = avcodec_encode_subtitle(encoder_.get(), bytes.data(), static_cast<int>(bytes.size()), &text.s);
        if (size < 0) warn("a line of subtitles");
        if (size <= 0) return {};
        Av<AVPacket> out = new_packet();
        if (av_new_packet(out.get(), size) < 0) throw std::bad_alloc();
        std::memcpy(out->data, bytes.data(), static_cast<std::size_t>(size));
        out->pts = out->dts = begin;
        out->duration = std::max<std::int64_t>(0, shown);
        out->flags |= AV_PKT_FLAG_KEY;
        return sink(Packet{std::shared_ptr<AVPacket>(out.release(), FreeAv{})});
    }
};

class Pcm : public Recoder {
public:
    static Result<std::unique_ptr<Recoder>> open(const AVStream& stream, const AVCodec& codec) {
        std::unique_ptr<Pcm> made(new Pcm);
        TRY(made->decoder_, open_decoder(stream));
        made->base_ = stream.time_base;
        const AVCodecContext& from = *made->decoder_;
        made->encoder_.reset(avcodec_alloc_context3(&codec));
        if (!made->encoder_) throw std::bad_alloc();
        AVCodecContext& to = *made->encoder_;
        const AVSampleFormat packed = av_get_packed_sample_fmt(from.sample_fmt);
        if (packed != AV_SAMPLE_FMT_U8 && packed != AV_SAMPLE_FMT_S16 && packed != AV_SAMPLE_FMT_S32)
            return Error{Errc::unsupported, "sound in a form that FLAC does not hold"};
        to.sample_fmt = packed == AV_SAMPLE_FMT_S32 ? AV_SAMPLE_FMT_S32 : AV_SAMPLE_FMT_S16;
        if (packed == AV_SAMPLE_FMT_S32) to.bits_per_raw_sample = 24;
        to.sample_rate = from.sample_rate;
        to.time_base = {1, from.sample_rate};
        to.flags |= AV_CODEC_FLAG_BITEXACT | AV_CODEC_FLAG_GLOBAL_HEADER;
        if (from.ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
            av_channel_layout_default(&to.ch_layout, from.ch_layout.nb_channels);
        else if (av_channel_layout_copy(&to.ch_layout, &from.ch_layout) < 0)
            throw std::bad_alloc();
        if (const int rc = avcodec_open2(&to, &codec, nullptr); rc < 0) return av_error(rc, codec.name);
        return std::unique_ptr<Recoder>(std::move(made));
    }

    Result<void> recode(const AVPacket* packet, const Sink& sink) override {
        if (avcodec_send_packet(decoder_.get(), packet) < 0 && packet) warn("a piece of the sound");
        for (;;) {
            Av<AVFrame> frame = new_frame();
            if (avcodec_receive_frame(decoder_.get(), frame.get()) < 0) break;
            if (frame->ch_layout.nb_channels != channels()) continue;
            fill_gap(*frame);
            take(*frame);
            while (waiting() >= encoder_->frame_size) TRY(encode(encoder_->frame_size, sink));
        }
        if (packet) return {};
        if (waiting() > 0) TRY(encode(waiting(), sink));
        avcodec_send_frame(encoder_.get(), nullptr);
        return receive(sink);
    }

private:
    [[nodiscard]] int channels() const { return encoder_->ch_layout.nb_channels; }
    [[nodiscard]] std::int64_t waiting() const {
        return static_cast<std::int64_t>(samples_.size() - taken_) / channels();
    }

    // The encoder's frames are all of one length, so that silence must keep the place of what is missing.
    void fill_gap(const AVFrame& frame) {
        const std::int64_t stamp = frame.best_effort_timestamp;
        if (stamp == AV_NOPTS_VALUE) return;
        const std::int64_t time = av_rescale_q(stamp, base_, encoder_->time_base);
        if (!started_) next_ = time;
        started_ = true;
        const std::int64_t gap = time - (next_ + waiting()), rate = encoder_->sample_rate;
        if (gap > rate / 100 && gap < 600 * rate)
            samples_.resize(samples_.size() + static_cast<std::size_t>(gap * channels()));
    }

    void take(const AVFrame& frame) {
        const auto format = static_cast<AVSampleFormat>(frame.format);
        const bool planar = av_sample_fmt_is_planar(format) != 0;
        const int bytes = av_get_bytes_per_sample(format);
        for (int i = 0; i < frame.nb_samples; ++i)
            for (int c = 0; c < channels(); ++c) {
                const std::uint8_t* at =
                    planar ? frame.extended_data[c] + static_cast<std::ptrdiff_t>(i) * bytes
                           : frame.extended_data[0] + (static_cast<std::ptrdiff_t>(i) * channels() + c) * bytes;
                std::int16_t half = 0;
                std::int32_t value = 0;
                if (bytes == 2)
                    std::memcpy(&half, at, 2), value = half;
                else if (bytes == 4)
                    std::memcpy(&value, at, 4);
                else
                    value = (*at - 128) * 256;
                samples_.push_back(value);
            }
    }

    Result<void> encode(std::int64_t count, const Sink& sink) {
        Av<AVFrame> frame = new_frame();
        frame->format = encoder_->sample_fmt;
        frame->nb_samples = static_cast<int>(count);
        frame->sample_rate = encoder_->sample_rate;
        if (av_channel_layout_copy(&frame->ch_layout, &encoder_->ch_layout) < 0 ||
            av_frame_get_buffer(frame.get(), 0) < 0)
            throw std::bad_alloc();
        const std::int32_t* from = samples_.data() + taken_;
        const std::int64_t values = count * channels();
        if (encoder_->sample_fmt == AV_SAMPLE_FMT_S32)
            std::copy(from, from + values, reinterpret_cast<std::int32_t*>(frame->data[0]));
        else
            std::transform(from, from + values, reinterpret_cast<std::int16_t*>(frame->data[0]),
                           [](std::int32_t v) { return static_cast<std::int16_t>(v); });
        frame->pts = next_;
        next_ += count;
        taken_ += static_cast<std::size_t>(values);
        if (taken_ > samples_.size() / 2) {
            samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(taken_));
            taken_ = 0;
        }
        if (const int rc = avcodec_send_frame(encoder_.get(), frame.get()); rc < 0)
            return av_error(rc, "the sound's encoder failed", Errc::io);
        return receive(sink);
    }

    Result<void> receive(const Sink& sink) {
        for (;;) {
            Av<AVPacket> out = new_packet();
            if (avcodec_receive_packet(encoder_.get(), out.get()) < 0) return {};
            TRY(sink(Packet{std::shared_ptr<AVPacket>(out.release(), FreeAv{})}));
        }
    }

    std::vector<std::int32_t> samples_;  // interleaved; the first taken_ are done
    std::size_t taken_ = 0;
    std::int64_t next_ = 0;  // time of the first that is not
    bool started_ = false;
};

}  // namespace

void Recoder::warn(const std::string& what) {
    if (!warned_)
        log(LogLevel::warning, {"stream-damaged", what + " cannot be decoded and is left out; so may be others"});
    warned_ = true;
}

std::string Recoder::encoder_for(const AVStream& stream, const std::string& container) {
    const AVCodecParameters& par = *stream.codecpar;
    const bool mp4 = container == "mp4" || container == "mov" || container == "ipod" || container == "3gp";
    std::string encoder;
    if (is_text(par.codec_id))
        encoder = mp4 ? "mov_text" : container == "matroska" ? "subrip" : container == "webm" ? "webvtt" : "";
    else if (par.codec_type == AVMEDIA_TYPE_AUDIO && is_flac_pcm(par) && container == "mp4")
        encoder = "flac";
    if (encoder.empty() || !avcodec_find_decoder(par.codec_id) || !avcodec_find_encoder_by_name(encoder.c_str()))
        return "";
    return encoder;
}

Result<std::unique_ptr<Recoder>> Recoder::open(const AVStream& stream, const std::string& encoder) {
    const AVCodec* codec = avcodec_find_encoder_by_name(encoder.c_str());
    if (!codec) return Error{Errc::unsupported, "FFmpeg's libraries here have no encoder " + encoder};
    return codec->type == AVMEDIA_TYPE_SUBTITLE ? Subtitles::open(stream, *codec) : Pcm::open(stream, *codec);
}

void Recoder::describe(AVCodecParameters& parameters) const {
    if (avcodec_parameters_from_context(&parameters, encoder_.get()) < 0) throw std::bad_alloc();
}

}  // namespace enlarge::media
