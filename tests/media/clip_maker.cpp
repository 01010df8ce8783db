// SPDX-License-Identifier: Apache-2.0
#include "media/clip_maker.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/dovi_meta.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
}

namespace enlarge::test {

namespace {

void check(int rc, const char* what) {
    if (rc >= 0) return;
    char text[AV_ERROR_MAX_STRING_SIZE] = {};
    av_strerror(rc, text, sizeof text);
    std::fprintf(stderr, "clip maker: %s: %s\n", what, text);
    std::abort();
}

std::uint64_t fnv(std::uint64_t hash, const std::uint8_t* data, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) hash = (hash ^ data[i]) * 1099511628211u;
    return hash;
}
constexpr std::uint64_t kHash = 14695981039346656037u;

// A moving gradient with a sharp square; the same for the same number.
void paint(AVFrame* f, const ClipSpec& spec, int number) {
    const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(f->format));
    const int shift = d->comp[0].depth - 8;
    const int n = spec.still_from >= 0 ? std::min(number, spec.still_from) : number;
    const bool grey = spec.colourless_from >= 0 && number >= spec.colourless_from;
    for (int c = 0; c < d->nb_components; ++c) {
        const bool chroma = c > 0 && !(d->flags & AV_PIX_FMT_FLAG_RGB);
        const int w = chroma ? AV_CEIL_RSHIFT(f->width, d->log2_chroma_w) : f->width, h = chroma ? AV_CEIL_RSHIFT(f->height, d->log2_chroma_h) : f->height;
        for (int y = 0; y < h; ++y)
            for (int x = 0; x < w; ++x) {
                const int move = spec.small_motion ? 0 : 3 * n;
                int v = chroma ? 90 + ((x * 2 + y * (c + 1) + move) % 70) : 40 + ((x * 2 + y + move) % 150);
                const int bx = (n * 5) % (w * 3 / 4), by = h / 3;
                if (x >= bx && x < bx + w / 8 && y >= by && y < by + h / 5) v = chroma ? 128 : 210;
                if (chroma && grey) v = 128;
                const int step = chroma && grey ? (x + 2 * y) % 3 - 1 : 0;
                std::uint8_t* row = f->data[d->comp[c].plane] + y * f->linesize[d->comp[c].plane];
                const int fine = (v << shift | (chroma && grey ? 0 : x & ((1 << shift) - 1))) + step;
                if (shift) reinterpret_cast<std::uint16_t*>(row)[x] = static_cast<std::uint16_t>(fine);
                else row[x * d->comp[c].step + d->comp[c].offset] = static_cast<std::uint8_t>(fine);
            }
    }
}

struct Track {
    AVStream* stream = nullptr;
    AVCodecContext* codec = nullptr;
};

void drain(AVFormatContext* oc, const Track& t) {
    AVPacket* p = av_packet_alloc();
    while (avcodec_receive_packet(t.codec, p) >= 0) {
        p->stream_index = t.stream->index;
        av_packet_rescale_ts(p, t.codec->time_base, t.stream->time_base);
        check(av_interleaved_write_frame(oc, p), "write");
    }
    av_packet_free(&p);
}

}  // namespace

void make_clip(const std::string& path, const ClipSpec& spec) {
    av_log_set_level(AV_LOG_ERROR);
    AVFormatContext* oc = nullptr;
    check(avformat_alloc_output_context2(&oc, nullptr, nullptr, path.c_str()), path.c_str());
    oc->flags |= AVFMT_FLAG_BITEXACT;
    Track video, sound;
    const AVCodec* codec = avcodec_find_encoder_by_name(spec.codec.c_str());
    check(codec ? 0 : AVERROR_ENCODER_NOT_FOUND, spec.codec.c_str());
    video.stream = avformat_new_stream(oc, nullptr);
    video.codec = avcodec_alloc_context3(codec);
    AVCodecContext& v = *video.codec;
    v.width = spec.width;
    v.height = spec.height;
    v.pix_fmt = av_get_pix_fmt(spec.pixel_format.c_str());
    v.time_base = {1, spec.time_base_den};
    v.framerate = {spec.time_base_den, spec.frame_step};
    v.sample_aspect_ratio = video.stream->sample_aspect_ratio = {spec.sar_num, spec.sar_den};
    v.color_primaries = static_cast<AVColorPrimaries>(spec.primaries);
    v.color_trc = static_cast<AVColorTransferCharacteristic>(spec.transfer);
    v.colorspace = static_cast<AVColorSpace>(spec.matrix);
    v.color_range = static_cast<AVColorRange>(spec.range);
    v.thread_count = 1;
    if (spec.interlaced) v.flags |= AV_CODEC_FLAG_INTERLACED_DCT | AV_CODEC_FLAG_INTERLACED_ME;
    if (spec.codec == "mpeg2video" || spec.codec == "mpeg4" || spec.codec == "gif") v.time_base = av_inv_q(v.framerate);
    if (oc->oformat->flags & AVFMT_GLOBALHEADER) v.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    v.flags |= AV_CODEC_FLAG_BITEXACT;
    for (const auto& [key, value] : spec.codec_options) av_opt_set(&v, key.c_str(), value.c_str(), AV_OPT_SEARCH_CHILDREN);
    check(avcodec_open2(&v, codec, nullptr), "video encoder");
    check(avcodec_parameters_from_context(video.stream->codecpar, &v), "parameters");
    video.stream->time_base = v.time_base;
    video.stream->avg_frame_rate = v.framerate;
    if (spec.rotation) {
        auto* matrix = reinterpret_cast<std::int32_t*>(av_stream_new_side_data(video.stream, AV_PKT_DATA_DISPLAYMATRIX, 9 * 4));
        av_display_rotation_set(matrix, spec.rotation);
    }
    if (spec.dolby_vision >= 0) {
        std::size_t size = 0;
        AVDOVIDecoderConfigurationRecord* record = av_dovi_alloc(&size);
        record->dv_version_major = 1;
        record->dv_profile = static_cast<std::uint8_t>(spec.dolby_vision);
        record->dv_level = 1;
        record->rpu_present_flag = record->bl_present_flag = 1;
        check(av_stream_add_side_data(video.stream, AV_PKT_DATA_DOVI_CONF, reinterpret_cast<std::uint8_t*>(record), size), "Dolby Vision");
        oc->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL;
    }
    if (spec.sound) {
        sound.stream = avformat_new_stream(oc, nullptr);
        const AVCodec* aac = avcodec_find_encoder(path.ends_with(".webm") ? AV_CODEC_ID_OPUS : AV_CODEC_ID_AAC);
        sound.codec = avcodec_alloc_context3(aac);
        AVCodecContext& a = *sound.codec;
        a.sample_rate = 48000;
        a.ch_layout = AV_CHANNEL_LAYOUT_MONO;
        a.sample_fmt = aac->sample_fmts ? aac->sample_fmts[0] : AV_SAMPLE_FMT_FLTP;
        a.time_base = {1, 48000};
        a.bit_rate = 48000;
        a.strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
        if (oc->oformat->flags & AVFMT_GLOBALHEADER) a.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
        a.flags |= AV_CODEC_FLAG_BITEXACT;
        check(avcodec_open2(&a, aac, nullptr), "sound encoder");
        check(avcodec_parameters_from_context(sound.stream->codecpar, &a), "parameters");
        sound.stream->time_base = a.time_base;
        av_dict_set(&sound.stream->metadata, "language", "deu", 0);
        sound.stream->disposition = AV_DISPOSITION_DEFAULT;
    }
    AVStream* text = nullptr;
    if (spec.subtitles) {
        text = avformat_new_stream(oc, nullptr);
        text->codecpar->codec_type = AVMEDIA_TYPE_SUBTITLE;
        text->codecpar->codec_id = AV_CODEC_ID_SUBRIP;
        text->time_base = {1, 1000};
        av_dict_set(&text->metadata, "language", "fra", 0);
        av_dict_set(&text->metadata, "title", "Sous-titres", 0);
        text->disposition = AV_DISPOSITION_FORCED;
    }
    if (spec.font) {
        AVStream* font = avformat_new_stream(oc, nullptr);
        font->codecpar->codec_type = AVMEDIA_TYPE_ATTACHMENT;
        font->codecpar->codec_id = AV_CODEC_ID_TTF;
        const std::string bytes(2000, 'F');
        font->codecpar->extradata = static_cast<std::uint8_t*>(av_mallocz(bytes.size() + AV_INPUT_BUFFER_PADDING_SIZE));
        std::memcpy(font->codecpar->extradata, bytes.data(), bytes.size());
        font->codecpar->extradata_size = static_cast<int>(bytes.size());
        av_dict_set(&font->metadata, "filename", "letters.ttf", 0);
        av_dict_set(&font->metadata, "mimetype", "application/x-truetype-font", 0);
    }
    if (spec.chapters) {
        oc->chapters = static_cast<AVChapter**>(av_calloc(2, sizeof(AVChapter*)));
        oc->nb_chapters = 2;
        for (int i = 0; i < 2; ++i) {
            oc->chapters[i] = static_cast<AVChapter*>(av_mallocz(sizeof(AVChapter)));
            *oc->chapters[i] = {i + 1, {1, 1000}, i * 800, (i + 1) * 800, nullptr};
            av_dict_set(&oc->chapters[i]->metadata, "title", i ? "Second" : "First", 0);
        }
    }
    if (spec.tags) {
        av_dict_set(&oc->metadata, "title", "A clip", 0);
        av_dict_set(&oc->metadata, "artist", "enlarge", 0);
        av_dict_set(&oc->metadata, "comment", "made by a test", 0);
        av_dict_set(&oc->metadata, "creation_time", "2020-01-02T03:04:05.000000Z", 0);
    }
    if (!(oc->oformat->flags & AVFMT_NOFILE)) check(avio_open(&oc->pb, path.c_str(), AVIO_FLAG_WRITE), path.c_str());
    check(avformat_write_header(oc, nullptr), "header");
    if (text) {
        AVPacket* p = av_packet_alloc();
        const char* line = "Bonjour";
        av_new_packet(p, static_cast<int>(std::strlen(line)));
        std::memcpy(p->data, line, std::strlen(line));
        p->pts = p->dts = av_rescale_q(200, {1, 1000}, text->time_base);
        p->duration = av_rescale_q(900, {1, 1000}, text->time_base);
        p->stream_index = text->index;
        check(av_interleaved_write_frame(oc, p), "subtitle");
        av_packet_free(&p);
    }
    AVFrame* frame = av_frame_alloc();
    frame->format = v.pix_fmt;
    frame->width = v.width;
    frame->height = v.height;
    check(av_frame_get_buffer(frame, 0), "frame");
    std::int64_t samples = 0, pts = spec.start;
    for (int i = 0; i < spec.frames; ++i) {
        check(av_frame_make_writable(frame), "frame");
        paint(frame, spec, i);
        frame->pts = av_rescale_q(pts, {1, spec.time_base_den}, v.time_base);
        if (spec.captions) {  // "enlarge" in pairs of letters, of the first field
            av_frame_remove_side_data(frame, AV_FRAME_DATA_A53_CC);
            AVFrameSideData* side = av_frame_new_side_data(frame, AV_FRAME_DATA_A53_CC, 3);
            const std::uint8_t triplet[3] = {0xfc, static_cast<std::uint8_t>("enlarge!"[i % 4 * 2]),
                                             static_cast<std::uint8_t>("enlarge!"[i % 4 * 2 + 1])};
            std::memcpy(side->data, triplet, 3);
        }
        frame->interlaced_frame = spec.interlaced;
        frame->top_field_first = spec.interlaced;
        check(avcodec_send_frame(video.codec, frame), "encode");
        drain(oc, video);
        pts += spec.variable_rate ? spec.frame_step / 2 * (1 + (i * 7) % 4) : spec.frame_step;
        while (sound.codec && samples * spec.time_base_den < (pts - spec.start) * 48000) {
            AVFrame* a = av_frame_alloc();
            a->format = sound.codec->sample_fmt;
            a->nb_samples = sound.codec->frame_size ? sound.codec->frame_size : 1024;
            a->sample_rate = 48000;
            av_channel_layout_copy(&a->ch_layout, &sound.codec->ch_layout);
            check(av_frame_get_buffer(a, 0), "sound");
            for (int k = 0; k < a->nb_samples; ++k) {
                const double s = 0.3 * std::sin(0.05759 * static_cast<double>(samples + k));
                if (a->format == AV_SAMPLE_FMT_FLTP) reinterpret_cast<float*>(a->data[0])[k] = static_cast<float>(s);
                else if (a->format == AV_SAMPLE_FMT_FLT) reinterpret_cast<float*>(a->data[0])[k] = static_cast<float>(s);
                else reinterpret_cast<std::int16_t*>(a->data[0])[k] = static_cast<std::int16_t>(s * 32767);
            }
            a->pts = samples;
            samples += a->nb_samples;
            check(avcodec_send_frame(sound.codec, a), "encode sound");
            drain(oc, sound);
            av_frame_free(&a);
        }
    }
    avcodec_send_frame(video.codec, nullptr);
    drain(oc, video);
    if (sound.codec) {
        avcodec_send_frame(sound.codec, nullptr);
        drain(oc, sound);
    }
    check(av_write_trailer(oc), "trailer");
    if (!(oc->oformat->flags & AVFMT_NOFILE)) avio_closep(&oc->pb);
    av_frame_free(&frame);
    avcodec_free_context(&video.codec);
    avcodec_free_context(&sound.codec);
    avformat_free_context(oc);
}

SeenClip look_at(const std::string& path) {
    SeenClip out;
    av_log_set_level(AV_LOG_ERROR);
    AVFormatContext* ic = nullptr;
    if (avformat_open_input(&ic, path.c_str(), nullptr, nullptr) < 0) return out;
    if (avformat_find_stream_info(ic, nullptr) < 0) return out;
    const int video = av_find_best_stream(ic, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (video < 0) return out;
    std::vector<int> order{video};
    for (unsigned i = 0; i < ic->nb_streams; ++i)
        if (static_cast<int>(i) != video) order.push_back(static_cast<int>(i));
    std::vector<std::size_t> place(ic->nb_streams);
    const auto tag = [](const AVDictionary* d, const char* key) {
        const AVDictionaryEntry* e = av_dict_get(d, key, nullptr, 0);
        return std::string(e ? e->value : "");
    };
    for (std::size_t k = 0; k < order.size(); ++k) {
        const AVStream& s = *ic->streams[order[k]];
        place[static_cast<std::size_t>(order[k])] = k;
        out.streams.push_back({av_get_media_type_string(s.codecpar->codec_type), avcodec_get_name(s.codecpar->codec_id), tag(s.metadata, "language"),
                               tag(s.metadata, "title"), 0, kHash, 0});
        if (s.codecpar->codec_type == AVMEDIA_TYPE_ATTACHMENT)
            out.streams.back().hash = fnv(kHash, s.codecpar->extradata, static_cast<std::size_t>(s.codecpar->extradata_size));
    }
    const AVStream& vs = *ic->streams[video];
    for (unsigned i = 0; i < ic->nb_chapters; ++i)
        out.chapters.emplace_back(static_cast<double>(ic->chapters[i]->start) * av_q2d(ic->chapters[i]->time_base), tag(ic->chapters[i]->metadata, "title"));
    const AVDictionaryEntry* e = nullptr;
    while ((e = av_dict_get(ic->metadata, "", e, AV_DICT_IGNORE_SUFFIX))) out.tags.emplace_back(e->key, e->value);
    if (const auto* matrix = av_stream_get_side_data(&vs, AV_PKT_DATA_DISPLAYMATRIX, nullptr))
        out.rotation = static_cast<int>(std::lround(av_display_rotation_get(reinterpret_cast<const std::int32_t*>(matrix))));
    out.mastering_display = av_stream_get_side_data(&vs, AV_PKT_DATA_MASTERING_DISPLAY_METADATA, nullptr) != nullptr;
    out.light_level = av_stream_get_side_data(&vs, AV_PKT_DATA_CONTENT_LIGHT_LEVEL, nullptr) != nullptr;
    AVCodecContext* codec = avcodec_alloc_context3(avcodec_find_decoder(vs.codecpar->codec_id));
    avcodec_parameters_to_context(codec, vs.codecpar);
    codec->pkt_timebase = vs.time_base;
    codec->thread_count = 1;
    check(avcodec_open2(codec, nullptr, nullptr), "decoder");
    AVPacket* p = av_packet_alloc();
    AVFrame* f = av_frame_alloc();
    const auto receive = [&] {
        while (avcodec_receive_frame(codec, f) >= 0) {
            out.times.push_back(static_cast<double>(f->best_effort_timestamp) * av_q2d(vs.time_base));
            if (const AVFrameSideData* side = av_frame_get_side_data(f, AV_FRAME_DATA_A53_CC))
                out.captions.emplace_back(reinterpret_cast<const char*>(side->data), side->size);
            const auto format = static_cast<AVPixelFormat>(f->format);
            std::vector<std::uint8_t> bytes(static_cast<std::size_t>(av_image_get_buffer_size(format, f->width, f->height, 1)));
            av_image_copy_to_buffer(bytes.data(), static_cast<int>(bytes.size()), f->data, f->linesize, format, f->width, f->height, 1);
            out.pixels.push_back(std::move(bytes));
            out.width = f->width;
            out.height = f->height;
            out.pixel_format = av_get_pix_fmt_name(format);
            out.bits = av_pix_fmt_desc_get(format)->comp[0].depth;
            out.primaries = f->color_primaries;
            out.transfer = f->color_trc;
            out.matrix = f->colorspace;
            out.range = f->color_range;
            out.mastering_display = out.mastering_display || av_frame_get_side_data(f, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA);
            out.light_level = out.light_level || av_frame_get_side_data(f, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL);
        }
    };
    while (av_read_frame(ic, p) >= 0) {
        SeenStream& s = out.streams[place[static_cast<std::size_t>(p->stream_index)]];
        const AVRational base = ic->streams[p->stream_index]->time_base;
        const double time = static_cast<double>(p->pts != AV_NOPTS_VALUE ? p->pts : p->dts) * av_q2d(base);
        if (s.packets++ == 0) s.first_s = time;
        if (place[static_cast<std::size_t>(p->stream_index)] == 1) out.sound_times.push_back(time);
        s.hash = fnv(s.hash, p->data, static_cast<std::size_t>(p->size));
        if (p->stream_index == video) {
            out.packets.push_back({p->pts, p->dts, p->duration, p->flags, fnv(kHash, p->data, static_cast<std::size_t>(p->size))});
            avcodec_send_packet(codec, p);
            receive();
        }
        av_packet_unref(p);
    }
    avcodec_send_packet(codec, nullptr);
    receive();
    out.sar_num = vs.sample_aspect_ratio.num ? vs.sample_aspect_ratio.num : codec->sample_aspect_ratio.num;
    out.sar_den = vs.sample_aspect_ratio.num ? vs.sample_aspect_ratio.den : codec->sample_aspect_ratio.den;
    av_packet_free(&p);
    av_frame_free(&f);
    avcodec_free_context(&codec);
    avformat_close_input(&ic);
    return out;
}

double mean_difference(const SeenClip& a, const SeenClip& b) {
    if (a.pixels.size() != b.pixels.size() || a.pixels.empty() || a.bits != b.bits) return 1e9;
    double sum = 0, count = 0;
    for (std::size_t i = 0; i < a.pixels.size(); ++i) {
        const auto& x = a.pixels[i];
        const auto& y = b.pixels[i];
        if (x.size() != y.size()) return 1e9;
        const std::size_t step = a.bits > 8 ? 2 : 1;
        for (std::size_t k = 0; k + step <= x.size(); k += step) {
            const int u = step == 2 ? x[k] | x[k + 1] << 8 : x[k], w = step == 2 ? y[k] | y[k + 1] << 8 : y[k];
            sum += std::abs(u - w);
        }
        count += static_cast<double>(x.size() / step);
    }
    return sum / count;
}

}  // namespace enlarge::test
