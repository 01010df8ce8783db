// SPDX-License-Identifier: Apache-2.0
// Container by name, encoder by container and size, pixel format by encoder and source.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <sstream>

#include "base/text.hpp"
#include "media/encoder.hpp"
#include "media/ffmpeg.hpp"

namespace enlarge::media {

namespace {

std::string extension_of(const std::string& path) {
    const auto slash = path.find_last_of('/');
    const auto dot = path.find_last_of('.');
    if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) return "";
    std::string ext = path.substr(dot + 1);
    std::transform(ext.begin(), ext.end(), ext.begin(), [](unsigned char c) { return std::tolower(c); });
    return ext;
}

// Presets are fast ones: the network needs the processor more, and quality is the crf's affair.
// What an encoder asks of frames. Sides beyond `side` are refused before work begins.
struct Traits {
    const char* name;
    int side;
    bool even;           // chroma subsampling needs even sides
    const char* crf;     // default quality; null = no such option
    const char* preset;
    bool whole = false;  // knows no fractions of a crf
};
constexpr Traits kTraits[] = {
    {"libx264", 16384, true, "17", "veryfast"},   {"libx264rgb", 16384, true, "17", "veryfast"},
    {"libx265", 16384, true, "19", "veryfast"},   {"libsvtav1", 16384, true, "24", "10", true},
    {"libaom-av1", 65536, false, "24", nullptr, true},  {"libvpx-vp9", 65535, false, "24", nullptr, true},
    {"libvpx", 16383, false, "8", nullptr, true},       {"gif", 65535, false, nullptr, nullptr},
    {"apng", 65535, false, nullptr, nullptr},     {"png", 65535, false, nullptr, nullptr},
    {"libwebp_anim", 16383, false, nullptr, nullptr}, {"mjpeg", 65500, false, nullptr, nullptr},
    {"rawvideo", 65535, false, nullptr, nullptr}, {"ffv1", 65535, false, nullptr, nullptr},
};
Traits traits_of(const std::string& codec) {
    for (const Traits& t : kTraits)
        if (codec == t.name) return t;
    const bool hardware = codec.find("_nvenc") != std::string::npos || codec.find("_vaapi") != std::string::npos ||
                          codec.find("_qsv") != std::string::npos;
    return {codec.c_str(), hardware && codec.rfind("h264", 0) == 0 ? 4096 : hardware ? 8192 : 65535, hardware, nullptr, nullptr};
}

bool have(const char* encoder) { return avcodec_find_encoder_by_name(encoder) != nullptr; }

// The plain format with these properties; full-range duplicates (yuvj420p) are not meant.
AVPixelFormat find_format(const FrameFormat& wanted) {
    const AVPixFmtDescriptor* d = nullptr;
    while ((d = av_pix_fmt_desc_next(d))) {
        const AVPixelFormat format = av_pix_fmt_desc_get_id(d);
        if (!is_plain(format) || std::string_view(d->name).substr(0, 4) == "yuvj") continue;
        const bool rgb = (d->flags & AV_PIX_FMT_FLAG_RGB) != 0;
        const FrameFamily family = rgb ? FrameFamily::rgb : d->nb_components <= 2 ? FrameFamily::grey : FrameFamily::yuv;
        const bool alpha = (d->flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
        if (family == wanted.family && alpha == wanted.alpha && d->comp[0].depth == wanted.bits &&
            (family != FrameFamily::yuv || (d->log2_chroma_w == wanted.sub_x && d->log2_chroma_h == wanted.sub_y)))
            return format;
    }
    return AV_PIX_FMT_NONE;
}

std::string lossy_name(const FrameFormat& f, bool full_chroma) {
    const std::string chroma = full_chroma ? "444" : "420";
    return "yuv" + chroma + "p" + (f.bits <= 8 ? "" : f.bits <= 10 ? "10le" : "12le");
}

// The keys of "key=value:key=value", as x264 compares them: "no-mbtree" and "mb_tree" are "mbtree".
std::vector<std::string> keys_of(const std::string& list) {
    std::vector<std::string> keys;
    std::istringstream words(list);
    for (std::string word; std::getline(words, word, ':');) {
        std::string key;
        for (const char c : word.substr(0, word.find('='))) key += c == '_' ? '-' : c;
        if (key.rfind("no-", 0) == 0) key.erase(0, 3);
        keys.push_back(std::move(key));
    }
    return keys;
}

// What makes an encoder's bytes a matter of frames and settings only, without what the user set himself. SVT-AV1 needs
// nothing (one file with 1, 2, 8 and 16 threads), libvpx, libaom and FFmpeg's own encoders the number of threads only.
std::string repeatable_parameters(const std::string& codec, const EncoderRequest& request) {
    std::vector<std::pair<std::string, std::string>> wanted;
    std::string list;
    const std::string threads = std::to_string(request.threads);
    if (codec == "libx264" || codec == "libx264rgb") {
        // Without cpu-independent its AVX-512 code reads memory that nobody wrote, and each kind of processor gives other bytes.
        wanted = {{"cpu-independent", "1"}, {"lookahead-threads", std::to_string(std::max(1, request.threads / 4))}};
        list = "x264-params";
    } else if (codec == "libx265") {
        wanted = {{"pools", threads}, {"frame-threads", std::to_string(std::clamp(request.threads / 4, 1, 16))}};
        list = "x265-params";
    }
    std::vector<std::string> given;
    for (const auto& [key, value] : request.options)
        if (key == list || key == "x264opts")
            for (std::string& word : keys_of(value)) given.push_back(std::move(word));
    std::string out;
    for (const auto& [key, value] : wanted)
        if (std::find(given.begin(), given.end(), key) == given.end()) out += (out.empty() ? "" : ":") + key + "=" + value;
    return out;
}

Result<std::string> choose_codec(const EncoderRequest& request, const VideoFormat& output) {
    const std::string& c = request.container;
    if (!request.codec.empty()) {
        if (request.codec == "copy") return Error{Errc::argument, "the video is made anew; it cannot be copied"};
        if (have(request.codec.c_str())) return request.codec;
        const AVCodecDescriptor* descriptor = avcodec_descriptor_get_by_name(request.codec.c_str());
        if (!descriptor) return Error{Errc::argument, "no video encoder is called " + request.codec};
        // "h264" means the best of its encoders, not the first in the list.
        static constexpr std::array<std::pair<AVCodecID, const char*>, 4> preferred{
            {{AV_CODEC_ID_H264, "libx264"}, {AV_CODEC_ID_HEVC, "libx265"}, {AV_CODEC_ID_AV1, "libsvtav1"}, {AV_CODEC_ID_VP9, "libvpx-vp9"}}};
        for (const auto& [id, name] : preferred)
            if (descriptor->id == id && have(name)) return std::string(name);
        const AVCodec* codec = avcodec_find_encoder(descriptor->id);
        if (!codec) return Error{Errc::unsupported, "FFmpeg's libraries here have no encoder for " + request.codec};
        return std::string(codec->name);
    }
    if (c == "yuv4mpegpipe") return std::string("rawvideo");
    if (c == "nut" && request.to_pipe) return std::string("rawvideo");
    if (c == "gif" || c == "apng") return c;
    if (c == "webp") return std::string("libwebp_anim");
    const bool large = output.size.width > 4096 || output.size.height > 4096;
    const bool deep = output.samples.bits > 8;
    const AVOutputFormat* muxer = av_guess_format(c.c_str(), nullptr, nullptr);
    if (c == "image2") {
        const AVOutputFormat* by_name = av_guess_format(nullptr, request.path.c_str(), nullptr);
        const bool known = by_name && std::string_view(by_name->name) == "image2";
        const AVCodecID id = known ? av_guess_codec(by_name, nullptr, request.path.c_str(), nullptr, AVMEDIA_TYPE_VIDEO) : AV_CODEC_ID_PNG;
        if (const AVCodec* codec = avcodec_find_encoder(id)) return std::string(codec->name);
        return Error{Errc::unsupported, "FFmpeg's libraries here have no encoder for pictures named ." + extension_of(request.path) + "; use .png"};
    }
    if (!muxer) return std::string("png");
    // A bare stream is of the codec that its ending names.
    static constexpr std::pair<AVCodecID, const char*> kBest[] = {{AV_CODEC_ID_H264, "libx264"}, {AV_CODEC_ID_HEVC, "libx265"}};
    if ((muxer->flags & AVFMT_NOTIMESTAMPS) && muxer->audio_codec == AV_CODEC_ID_NONE) {
        for (const auto& [id, name] : kBest)
            if (id == muxer->video_codec && have(name)) return std::string(name);
        if (const AVCodec* codec = avcodec_find_encoder(muxer->video_codec)) return std::string(codec->name);
    }
    const auto fits = [&](const char* encoder) {
        const AVCodec* codec = avcodec_find_encoder_by_name(encoder);
        if (!codec || avformat_query_codec(muxer, codec->id, FF_COMPLIANCE_NORMAL) == 0) return false;  // < 0: it keeps no list (TS)
        const Traits t = traits_of(encoder);
        return output.size.width <= t.side && output.size.height <= t.side;
    };
    if (c == "webm") {
        for (const char* encoder : {"libvpx-vp9", "libsvtav1", "libaom-av1", "libvpx"})
            if (fits(encoder)) return std::string(encoder);
    }
    // Their writers take more than their players do.
    if ((c == "ogg" || c == "ogv") && have("libtheora")) return std::string("libtheora");
    if ((c == "vob" || c == "mpeg" || c == "dvd" || c == "svcd") && fits("mpeg2video")) return std::string("mpeg2video");
    if (output.samples.alpha && request.transparent) {  // what keeps it, in the containers where players look for it
        if (c == "matroska" && !deep && fits("libvpx-vp9")) return std::string("libvpx-vp9");
        if (c == "matroska" && fits("ffv1")) return std::string("ffv1");
        if (c == "mov" && fits("prores_ks")) return std::string("prores_ks");
    }
    // H.264 players stop at 4096 pixels and at 8 bits.
    if (!large && !deep && fits("libx264")) return std::string("libx264");
    for (const char* encoder : {"libx265", "libsvtav1", "libaom-av1", "libx264", "libvpx-vp9"})
        if (fits(encoder)) return std::string(encoder);
    if (const AVCodec* codec = avcodec_find_encoder(muxer->video_codec)) return std::string(codec->name);
    return Error{Errc::unsupported, "nothing here encodes video of " + std::to_string(output.size.width) + "x" +
                                        std::to_string(output.size.height) + " for " + c + "; -o frame_%06d.png takes any size"};
}

}  // namespace

Result<std::string> container_for(const std::string& path, const std::string& name) {
    const std::string ext = name.empty() ? extension_of(path) : name;
    static constexpr std::array<std::pair<const char*, const char*>, 12> aliases{
        {{"mkv", "matroska"}, {"m4v", "mp4"}, {"y4m", "yuv4mpegpipe"}, {"ts", "mpegts"}, {"m2ts", "mpegts"}, {"mts", "mpegts"},
         {"webm", "webm"}, {"mp4", "mp4"}, {"mov", "mov"}, {"webp", "webp"}, {"mpg", "vob"}, {"qt", "mov"}}};
    for (const auto& [alias, muxer] : aliases)
        if (ext == alias) return std::string(muxer);
    if (path.find('%') != std::string::npos && name.empty()) {
        const AVOutputFormat* format = av_guess_format(nullptr, path.c_str(), nullptr);
        if (format && std::string_view(format->name) == "image2") return std::string("image2");
    }
    if (ext.empty()) {
        if (path == "-") return std::string("nut");
        return Error{Errc::argument, "the output's name has no ending that says which container: use .mkv, .mp4, .webm, ..."};
    }
    const AVOutputFormat* format = name.empty() ? av_guess_format(nullptr, path.c_str(), nullptr) : av_guess_format(ext.c_str(), nullptr, nullptr);
    if (!format) format = av_guess_format(nullptr, ("x." + ext).c_str(), nullptr);
    if (!format || format->video_codec == AV_CODEC_ID_NONE)
        return Error{Errc::argument, "no video container is called ." + ext + "; use .mkv, .mp4, .mov, .webm, .ts, .gif, ..."};
    const std::string found = format->name;
    if (found == "image2" && path.find('%') == std::string::npos)
        return Error{Errc::argument, "a single picture cannot hold video; name the frames like frame_%06d." + ext};
    if (format->flags & AVFMT_NOFILE && found != "image2")
        return Error{Errc::unsupported, "output to " + found + " is not a single file"};
    return found;
}

std::string plain_name(const std::string& pixel_format, bool alpha) {
    const AVPixelFormat plain = plain_for(av_get_pix_fmt(pixel_format.c_str()));
    AVFrame probe{};
    probe.format = plain;
    probe.width = probe.height = 16;
    auto format = format_of(probe);
    if (format && format->samples.alpha && !alpha && format->samples.family != FrameFamily::grey) {  // nothing would fill it
        format->samples.alpha = false;
        if (const AVPixelFormat opaque = find_format(format->samples); opaque != AV_PIX_FMT_NONE) return av_get_pix_fmt_name(opaque);
    }
    return av_get_pix_fmt_name(plain);
}

Result<VideoFormat> video_format(const std::string& pixel_format, const VideoFormat& like) {
    const AVPixelFormat format = av_get_pix_fmt(pixel_format.c_str());
    if (format == AV_PIX_FMT_NONE) return Error{Errc::argument, "no pixel format is called " + pixel_format};
    AVFrame probe{};
    probe.format = format;
    probe.width = like.size.width;
    probe.height = like.size.height;
    TRY(VideoFormat out, format_of(probe));
    const bool full = out.samples.tags.range == Range::full;
    out.samples.tags = like.samples.tags;
    if (full) out.samples.tags.range = Range::full;
    out.sar = like.sar;
    return out;
}

Result<EncoderChoice> choose_encoder(const EncoderRequest& request, const VideoFormat& output, bool may_resize) {
    TRY(start_ffmpeg());
    EncoderChoice choice;
    choice.size = output.size;
    TRY(choice.codec, choose_codec(request, output));
    const AVCodec* codec = avcodec_find_encoder_by_name(choice.codec.c_str());
    if (!codec) return Error{Errc::unsupported, "FFmpeg's libraries here have no encoder " + choice.codec};
    if (codec->type != AVMEDIA_TYPE_VIDEO) return Error{Errc::argument, choice.codec + " does not encode video"};
    const Traits traits = traits_of(choice.codec);
    if (output.size.width > traits.side || output.size.height > traits.side)
        return Error{Errc::limit, choice.codec + " holds at most " + std::to_string(traits.side) + " pixels a side, and the output is " +
                                      std::to_string(output.size.width) + "x" + std::to_string(output.size.height)};

    // The pixel format: the source's where the encoder takes it, else the nearest that loses least.
    const bool delivery = choice.codec == "libx264" || choice.codec == "libx265" || choice.codec == "libsvtav1" ||
                          choice.codec == "libaom-av1" || choice.codec == "libvpx-vp9" || choice.codec == "libvpx";
    AVPixelFormat format = AV_PIX_FMT_NONE;
    if (!request.pixel_format.empty()) {
        format = av_get_pix_fmt(request.pixel_format.c_str());
        if (format == AV_PIX_FMT_NONE) return Error{Errc::argument, "no pixel format is called " + request.pixel_format};
        bool taken = codec->pix_fmts == nullptr;
        for (const AVPixelFormat* p = codec->pix_fmts; p && *p != AV_PIX_FMT_NONE; ++p) taken = taken || *p == format;
        if (!taken) return Error{Errc::argument, choice.codec + " does not take " + request.pixel_format};
    } else {
        FrameFormat wanted = output.samples;
        const bool opaque_yet = wanted.alpha && !request.transparent && delivery;
        if (opaque_yet) wanted.alpha = false;
        AVPixelFormat source = find_format(wanted);
        if (delivery && wanted.family != FrameFamily::yuv && !wanted.alpha) {
            // Players expect 4:2:0; --pixel-format yuv444p keeps all colour detail.
            source = av_get_pix_fmt(lossy_name(wanted, false).c_str());
        }
        if (request.container == "yuv4mpegpipe" && (wanted.family == FrameFamily::rgb || wanted.alpha || wanted.bits > 12)) source = AV_PIX_FMT_NONE;
        if (source == AV_PIX_FMT_NONE) source = av_get_pix_fmt(lossy_name(wanted, true).c_str());
        if (!codec->pix_fmts) {
            format = source;
        } else if (choice.codec == "gif") {
            format = AV_PIX_FMT_PAL8;  // a palette for each frame: FFmpeg thinks its fixed colours nearer
        } else {
            int loss = 0;
            format = avcodec_find_best_pix_fmt_of_list(codec->pix_fmts, source, wanted.alpha, &loss);
            // JPEG is full range; FFmpeg's encoder refuses the other.
            if (const std::string name = av_get_pix_fmt_name(format); codec->id == AV_CODEC_ID_MJPEG && name.rfind("yuv4", 0) == 0)
                format = av_get_pix_fmt(("yuvj" + name.substr(3)).c_str());
            const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(format);
            if (wanted.alpha && !(d->flags & (AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_PAL)))
                choice.notices.push_back({"alpha-dropped", "transparency is lost: " + choice.codec + " does not hold it"});
            if (opaque_yet)
                choice.notices.push_back({"alpha-dropped", "the transparency channel is left out: the first frame is opaque; --pixel-format yuva420p with .webm keeps it"});
            if (d->comp[0].depth < wanted.bits && !(d->flags & AV_PIX_FMT_FLAG_PAL))
                choice.notices.push_back({"samples-reduced", std::to_string(wanted.bits) + " bits become " + std::to_string(d->comp[0].depth) +
                                         ": " + choice.codec + " does not hold more"});
        }
    }
    const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(format);
    const bool odd = ((choice.size.width & ((1 << d->log2_chroma_w) - 1)) | (choice.size.height & ((1 << d->log2_chroma_h) - 1))) != 0;
    if (odd && traits.even) {
        const std::string was = std::to_string(choice.size.width) + "x" + std::to_string(choice.size.height);
        const AVPixelFormat full = av_get_pix_fmt(lossy_name(output.samples, true).c_str());
        bool has_full = false;
        for (const AVPixelFormat* p = codec->pix_fmts; p && *p != AV_PIX_FMT_NONE; ++p) has_full = has_full || *p == full;
        if (!may_resize && has_full && request.pixel_format.empty()) {
            format = full;
            choice.notices.push_back({"chroma-kept-full", "4:4:4 is used because 4:2:0 in " + choice.codec + " cannot hold the odd size " + was});
        } else if (may_resize) {
            choice.size.width += choice.size.width & ((1 << d->log2_chroma_w) - 1);
            choice.size.height += choice.size.height & ((1 << d->log2_chroma_h) - 1);
            choice.notices.push_back({"size-made-even", "the size becomes " + std::to_string(choice.size.width) + "x" + std::to_string(choice.size.height) +
                                     " because " + choice.codec + " needs even sides"});
        } else {
            return Error{Errc::unsupported, choice.codec + " needs even sides, and the output is " + was + "; use --video-codec libx264 or .webm"};
        }
    }
    choice.pixel_format = av_get_pix_fmt_name(format);
    choice.quality = request.crf ? exact(*request.crf) : traits.crf ? traits.crf : "";
    if (request.crf && traits.whole && std::round(*request.crf) != *request.crf) {
        choice.quality = exact(std::round(*request.crf));
        choice.notices.push_back({"quality-rounded", choice.codec + " knows whole qualities only: " + choice.quality + " is taken for " +
                                                         exact(*request.crf)});
    }
    choice.preset = !request.preset.empty() ? request.preset : traits.preset ? traits.preset : "";
    std::string settings;
    if (!choice.quality.empty()) settings += "crf " + choice.quality;
    if (!choice.preset.empty()) settings += (settings.empty() ? "" : ", ") + ("preset " + choice.preset);
    if (request.repeatable) choice.parameters = repeatable_parameters(choice.codec, request);
    choice.sentence = choice.codec + (settings.empty() ? "" : " (" + settings + ")") + ", " + std::to_string(choice.size.width) + "x" +
                      std::to_string(choice.size.height) + " " + choice.pixel_format;
    return choice;
}

}  // namespace enlarge::media
