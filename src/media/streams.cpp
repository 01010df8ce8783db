// SPDX-License-Identifier: Apache-2.0
// What a container can hold, and the video track as bytes.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "media/ffmpeg.hpp"
#include "media/output.hpp"
#include "media/recoder.hpp"

namespace enlarge::media {

namespace {

template <std::size_t N>
bool among(AVCodecID id, const std::array<AVCodecID, N>& list) {
    return std::find(list.begin(), list.end(), id) != list.end();
}

bool holds(const AVOutputFormat& muxer, const std::string& container, const AVStream& stream) {
    const AVCodecParameters& par = *stream.codecpar;
    const AVCodecID id = par.codec_id;
    if (container == "matroska" && (stream.disposition & AV_DISPOSITION_ATTACHED_PIC)) return true;
    if (par.codec_type == AVMEDIA_TYPE_ATTACHMENT) return container == "matroska";
    if (container == "mpegts") {  // its muxer takes anything and writes what nobody can read
        static constexpr std::array<AVCodecID, 18> known{
            AV_CODEC_ID_AAC, AV_CODEC_ID_AAC_LATM, AV_CODEC_ID_MP2, AV_CODEC_ID_MP3, AV_CODEC_ID_AC3, AV_CODEC_ID_EAC3,
            AV_CODEC_ID_DTS, AV_CODEC_ID_TRUEHD, AV_CODEC_ID_OPUS, AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG2VIDEO,
            AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_DVB_SUBTITLE, AV_CODEC_ID_DVB_TELETEXT, AV_CODEC_ID_HDMV_PGS_SUBTITLE,
            AV_CODEC_ID_SMPTE_KLV, AV_CODEC_ID_TIMED_ID3};
        return among(id, known);
    }
    if (container == "ogg" || container == "ogv") {
        static constexpr std::array<AVCodecID, 6> known{AV_CODEC_ID_VORBIS, AV_CODEC_ID_OPUS, AV_CODEC_ID_FLAC,
                                                        AV_CODEC_ID_THEORA, AV_CODEC_ID_VP8, AV_CODEC_ID_SPEEX};
        return among(id, known);
    }
    if (container == "mp4" && (stream.disposition & AV_DISPOSITION_ATTACHED_PIC))
        return id == AV_CODEC_ID_MJPEG || id == AV_CODEC_ID_PNG || id == AV_CODEC_ID_BMP;
    if (container == "mp4" && par.codec_type == AVMEDIA_TYPE_DATA) return false;
    if (container == "vob" || container == "mpeg") {
        static constexpr std::array<AVCodecID, 8> known{AV_CODEC_ID_MP2, AV_CODEC_ID_MP3, AV_CODEC_ID_AC3, AV_CODEC_ID_DTS,
                                                        AV_CODEC_ID_PCM_DVD, AV_CODEC_ID_DVD_SUBTITLE, AV_CODEC_ID_MPEG2VIDEO,
                                                        AV_CODEC_ID_MPEG1VIDEO};
        return among(id, known);
    }
    return avformat_query_codec(&muxer, id, FF_COMPLIANCE_UNOFFICIAL) == 1;
}

void put32(std::string& out, std::int64_t value) {
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i)));
}
void put_bytes(std::string& out, const std::string& bytes) {
    put32(out, static_cast<std::int64_t>(bytes.size()));
    out += bytes;
}

struct Cursor {
    const std::string& bytes;
    std::size_t at = 0;
    bool good = true;
    std::int32_t get32() {
        if (bytes.size() - at < 4) {
            good = false;
            return 0;
        }
        std::uint32_t value = 0;
        for (int i = 0; i < 4; ++i) value |= std::uint32_t{static_cast<unsigned char>(bytes[at++])} << (8 * i);
        return static_cast<std::int32_t>(value);
    }
    std::string get_bytes() {
        const std::int32_t size = get32();
        if (!good || size < 0 || static_cast<std::size_t>(size) > bytes.size() - at) {
            good = false;
            return "";
        }
        at += static_cast<std::size_t>(size);
        return bytes.substr(at - static_cast<std::size_t>(size), static_cast<std::size_t>(size));
    }
};

}  // namespace

Result<StreamPlan> plan_streams(const Input& input, const std::string& container, const std::string& output, bool leave_out) {
    StreamPlan plan;
    const AVOutputFormat* muxer = av_guess_format(container.c_str(), nullptr, nullptr);
    if (!muxer) return Error{Errc::unsupported, "FFmpeg's libraries here cannot write " + container};
    static constexpr const char* kPictures[] = {"gif", "apng", "webp", "image2", "yuv4mpegpipe"};
    plan.pictures_only = std::any_of(std::begin(kPictures), std::end(kPictures), [&](const char* k) { return container == k; });
    plan.holds_rotation = container == "mp4" || container == "mov";
    std::string problems, left_out;
    const AVFormatContext& ic = *input.known();
    for (const StreamInfo& stream : input.streams()) {
        if (stream.index == input.video_stream()) {
            plan.streams.push_back(stream.index);
            continue;
        }
        const AVStream& av = *ic.streams[stream.index];
        const std::string name = "stream " + std::to_string(stream.index) + " (" + stream.kind + ", " + stream.codec + ")";
        const auto skip = [&] { left_out += (left_out.empty() ? "" : ", ") + name; };
        if (plan.pictures_only) {
            skip();
        } else if (stream.kind == "data" && (av.codecpar->codec_tag == MKTAG('t', 'e', 'x', 't') || av.codecpar->codec_tag == MKTAG('t', 'm', 'c', 'd'))) {
            continue;  // chapters and time codes: written anew from what was read
        } else if (av.codecpar->codec_id == AV_CODEC_ID_NONE && stream.kind != "attachment") {
            plan.notices.push_back({"stream-dropped", name + " is left out: FFmpeg's libraries here do not know what it is"});
        } else if (holds(*muxer, container, av)) {
            plan.streams.push_back(stream.index);
        } else if (const std::string encoder = Recoder::encoder_for(av, container);
                   !encoder.empty() && Recoder::open(av, encoder).ok()) {
            plan.streams.push_back(stream.index);
            plan.recoded.emplace_back(stream.index, encoder);
            plan.notices.push_back({"stream-recoded", name + " becomes " + encoder +
                                                          (encoder == "flac"       ? ", without loss"
                                                           : encoder == "mov_text" ? ", without places on the screen"
                                                                                   : "") +
                                                          ": " +
                                                          container + " cannot hold it as it is"});
        } else if (stream.kind == "data" || leave_out) {
            skip();
        } else {
            problems += (problems.empty() ? "" : ", ") + name;
        }
    }
    if (!problems.empty()) {
        const auto dot = output.find_last_of('.');
        const std::string mkv = (dot == std::string::npos ? output : output.substr(0, dot)) + ".mkv";
        return Error{Errc::unsupported, container + " cannot hold " + problems + "; use " +
                                            (container == "matroska" ? "--skip-unsupported to leave it out"
                                                                     : "-o " + mkv + ", or --skip-unsupported to leave it out")};
    }
    if (!left_out.empty()) plan.notices.push_back({"stream-dropped", "left out, since " + container + " cannot hold it: " + left_out});
    return plan;
}

Orientation orientation(const Input& input) {
    std::size_t size = 0;
    const auto* data = av_stream_get_side_data(input.video(), AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (!data || size < 9 * sizeof(std::int32_t)) return {};
    std::int32_t m[9];
    std::memcpy(m, data, sizeof m);
    Orientation out;
    // A negative determinant is a mirror image: undo it first by exchanging left and right.
    if (static_cast<double>(m[0]) * m[4] - static_cast<double>(m[1]) * m[3] < 0) {
        out.mirror = true;
        av_display_matrix_flip(m, 1, 0);
    }
    const double degrees = -av_display_rotation_get(m);  // clockwise
    if (!std::isfinite(degrees)) return {};
    out.turn = ((static_cast<int>(std::lround(degrees / 90)) * 90) % 360 + 360) % 360;
    return out;
}

std::vector<StreamStart> stream_starts(const std::vector<Packet>& packets, const Input& input, const StreamPlan& plan) {
    std::vector<StreamStart> out;
    for (const Packet& packet : packets) {
        const AVPacket& p = *packet.av();
        const bool known = std::any_of(out.begin(), out.end(), [&](const StreamStart& s) { return s.stream == p.stream_index; });
        const bool wanted = std::find(plan.streams.begin(), plan.streams.end(), p.stream_index) != plan.streams.end();
        const std::int64_t time = p.pts != AV_NOPTS_VALUE ? p.pts : p.dts;
        if (known || !wanted || time == AV_NOPTS_VALUE) continue;
        StreamStart start{p.stream_index,
                          static_cast<double>(time) * av_q2d(input.known()->streams[p.stream_index]->time_base), 0};
        std::size_t size = 0;
        if (const std::uint8_t* skip = av_packet_get_side_data(&p, AV_PKT_DATA_SKIP_SAMPLES, &size); skip && size >= 4)
            start.skip_samples = static_cast<int>(skip[0] | skip[1] << 8 | skip[2] << 16) | skip[3] << 24;
        if (start.skip_samples < 0) start.skip_samples = 0;
        out.push_back(start);
    }
    return out;
}

bool not_later(const Packet& video, Rational video_base, const Packet& other, const Input& input) {
    const AVPacket& o = *other.av();
    const std::int64_t time = o.dts != AV_NOPTS_VALUE ? o.dts : o.pts;
    const AVFormatContext& ic = *input.known();
    if (time == AV_NOPTS_VALUE || o.stream_index >= static_cast<int>(ic.nb_streams)) return false;
    return av_compare_ts(video.av()->dts, av(video_base), time, ic.streams[o.stream_index]->time_base) <= 0;
}

VideoTrack track_of(const Encoder& encoder, const Frame& hdr) {
    const AVCodecContext& c = *encoder.av();
    VideoTrack track;
    track.time_base = encoder.time_base();
    track.frame_rate = encoder.frame_rate();
    track.size = {c.width, c.height};
    track.sar = from_av(c.sample_aspect_ratio);
    const auto code = [](int value) { return static_cast<std::uint8_t>(value); };
    track.tags = {code(c.colorspace), code(c.color_primaries), code(c.color_trc), static_cast<Range>(c.color_range),
                  static_cast<ChromaSiting>(c.chroma_sample_location)};
    track.codec_id = c.codec_id;
    track.pixel_format = c.pix_fmt;
    track.profile = c.profile;
    track.level = c.level;
    track.reorder = c.has_b_frames;
    track.bits = c.bits_per_raw_sample;
    track.codec_tag = c.codec_tag;
    if (c.extradata_size > 0) track.extradata.assign(reinterpret_cast<const char*>(c.extradata), static_cast<std::size_t>(c.extradata_size));
    for (int i = 0; i < c.nb_coded_side_data; ++i)
        track.side_data.emplace_back(c.coded_side_data[i].type,
                                     std::string(reinterpret_cast<const char*>(c.coded_side_data[i].data), c.coded_side_data[i].size));
    if (!is_hdr(track.tags)) return track;
    for (const auto& [frame_type, type] : {std::pair{AV_FRAME_DATA_MASTERING_DISPLAY_METADATA, AV_PKT_DATA_MASTERING_DISPLAY_METADATA},
                                           std::pair{AV_FRAME_DATA_CONTENT_LIGHT_LEVEL, AV_PKT_DATA_CONTENT_LIGHT_LEVEL}})
        if (const AVFrameSideData* side = av_frame_get_side_data(hdr.av(), frame_type))
            track.side_data.emplace_back(type, std::string(reinterpret_cast<const char*>(side->data), side->size));
    return track;
}

std::string store(const VideoTrack& t) {
    std::string out;
    for (const std::int64_t value : {std::int64_t{t.time_base.num}, std::int64_t{t.time_base.den}, std::int64_t{t.frame_rate.num},
                                     std::int64_t{t.frame_rate.den}, std::int64_t{t.size.width}, std::int64_t{t.size.height},
                                     std::int64_t{t.sar.num}, std::int64_t{t.sar.den}, std::int64_t{t.tags.matrix},
                                     std::int64_t{t.tags.primaries}, std::int64_t{t.tags.transfer},
                                     static_cast<std::int64_t>(t.tags.range), static_cast<std::int64_t>(t.tags.siting),
                                     std::int64_t{t.codec_id}, std::int64_t{t.pixel_format}, std::int64_t{t.profile},
                                     std::int64_t{t.level}, std::int64_t{t.reorder}, std::int64_t{t.bits}, std::int64_t{t.codec_tag}})
        put32(out, value);
    put_bytes(out, t.extradata);
    put32(out, static_cast<std::int64_t>(t.side_data.size()));
    for (const auto& [type, data] : t.side_data) {
        put32(out, type);
        put_bytes(out, data);
    }
    return out;
}

Result<VideoTrack> restore_track(const std::string& bytes) {
    Cursor in{bytes};
    VideoTrack t;
    t.time_base = {in.get32(), 1};
    t.time_base.den = in.get32();
    t.frame_rate.num = in.get32();
    t.frame_rate.den = in.get32();
    t.size.width = in.get32();
    t.size.height = in.get32();
    t.sar.num = in.get32();
    t.sar.den = in.get32();
    t.tags.matrix = static_cast<std::uint8_t>(in.get32());
    t.tags.primaries = static_cast<std::uint8_t>(in.get32());
    t.tags.transfer = static_cast<std::uint8_t>(in.get32());
    t.tags.range = static_cast<Range>(in.get32());
    t.tags.siting = static_cast<ChromaSiting>(in.get32());
    t.codec_id = in.get32();
    t.pixel_format = in.get32();
    t.profile = in.get32();
    t.level = in.get32();
    t.reorder = in.get32();
    t.bits = in.get32();
    t.codec_tag = static_cast<std::uint32_t>(in.get32());
    t.extradata = in.get_bytes();
    const std::int32_t count = in.get32();
    for (std::int32_t i = 0; in.good && i < count; ++i) {
        const int type = in.get32();
        t.side_data.emplace_back(type, in.get_bytes());
    }
    if (!in.good || in.at != bytes.size()) return Error{Errc::format, "a damaged segment header"};
    return t;
}

}  // namespace enlarge::media
