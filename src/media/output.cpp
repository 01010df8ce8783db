// SPDX-License-Identifier: Apache-2.0
#include "media/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>

extern "C" {
#include <libavutil/parseutils.h>
}

#include "base/log.hpp"
#include "media/matroska_date.hpp"
#include "media/place.hpp"
#include "media/recoder.hpp"
#include "media/snapshot.hpp"

namespace enlarge::media {

namespace {

constexpr AVRational kMicroseconds{1, AV_TIME_BASE};

// Tags that describe the bytes of the old stream, not the work.
bool describes_old_bytes(const std::string& key) {
    static constexpr const char* kKeys[] = {"encoder", "duration", "bps", "number_of_frames", "number_of_bytes",
                                            "major_brand", "minor_version", "compatible_brands", "rotate", "alpha_mode"};
    std::string lower = key.substr(0, key.find('-'));
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (lower.rfind("_statistics_", 0) == 0) return true;
    return std::any_of(std::begin(kKeys), std::end(kKeys), [&](const char* k) { return lower == k; });
}

void copy_tags(AVDictionary** to, const AVDictionary* from, bool bytes_are_new) {
    const AVDictionaryEntry* entry = nullptr;
    while ((entry = av_dict_get(from, "", entry, AV_DICT_IGNORE_SUFFIX)))
        if (!(bytes_are_new && describes_old_bytes(entry->key))) av_dict_set(to, entry->key, entry->value, 0);
}

// Keys that the iTunes form of MP4 metadata has a place for; others need the newer form, which holds any.
bool itunes_holds(const AVDictionary* tags) {
    static constexpr const char* kKeys[] = {
        "title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping", "lyrics",
        "description", "synopsis", "show", "episode_id", "network", "keywords", "episode_sort", "season_number", "media_type",
        "hd_video", "gapless_playback", "compilation", "track", "disc", "tmpo", "creation_time", "location", "location-eng",
        "encoder", "major_brand", "minor_version", "compatible_brands", "timecode"};
    const AVDictionaryEntry* entry = nullptr;
    while ((entry = av_dict_get(tags, "", entry, AV_DICT_IGNORE_SUFFIX)))
        if (std::none_of(std::begin(kKeys), std::end(kKeys), [&](const char* k) { return std::string_view(k) == entry->key; }))
            return false;
    return true;
}

void copy_chapters(AVFormatContext* to, const AVFormatContext* from, const OutputOptions& options) {
    for (unsigned i = 0; i < from->nb_chapters; ++i) {
        const AVChapter& old = *from->chapters[i];
        const auto limit = [&](double s) { return static_cast<std::int64_t>(std::llround(s / av_q2d(old.time_base))); };
        std::int64_t start = old.start, end = old.end;
        if (options.from_s > 0) start = std::max(start, limit(options.from_s));
        if (std::isfinite(options.to_s)) end = std::min(end, limit(options.to_s));
        if (end < start || (end == start && old.end != old.start)) continue;
        const std::int64_t shift = av_rescale_q(options.offset_us, kMicroseconds, old.time_base);
        copy_tags(&add_chapter(to, {old.id, old.time_base, start - shift, end - shift, nullptr})->metadata,
                  old.metadata, false);
    }
}

// The header of a y4m stream. Ours rather than FFmpeg's, whose writer takes frames in memory only, not packets.
Result<std::string> y4m_header(const VideoTrack& t) {
    const AVPixFmtDescriptor* d = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(t.pixel_format));
    std::string name = d->name;
    if (name.size() > 2 && name.compare(name.size() - 2, 2, "le") == 0) name.resize(name.size() - 2);
    std::string chroma;
    if (name == "gray" || name.rfind("gray1", 0) == 0) {
        chroma = name == "gray" ? "mono" : "mono" + name.substr(4);
    } else if (name.rfind("yuvj", 0) == 0 || name.rfind("yuv4", 0) == 0) {
        const std::string digits = name.substr(name[3] == 'j' ? 4 : 3, 3), depth = name.substr(name.find('p') + 1);
        chroma = digits + (depth.empty() ? "" : "p" + depth);
        if (chroma == "420") chroma = t.tags.siting == ChromaSiting::left ? "420mpeg2" : t.tags.siting == ChromaSiting::top_left ? "420paldv" : "420jpeg";
        if (!depth.empty()) chroma += " XYSCSS=" + digits + "P" + depth;
    } else {
        return Error{Errc::unsupported, "y4m does not hold " + name};
    }
    std::string text = "YUV4MPEG2 W" + std::to_string(t.size.width) + " H" + std::to_string(t.size.height) + " F" + std::to_string(t.frame_rate.num) +
                       ":" + std::to_string(t.frame_rate.den) + " Ip A" + std::to_string(t.sar.num) + ":" + std::to_string(t.sar.num ? t.sar.den : 0) + " C" + chroma;
    if (t.tags.range != Range::unspecified) text += std::string(" XCOLORRANGE=") + (t.tags.range == Range::full ? "FULL" : "LIMITED");
    return text + "\n";
}

}  // namespace

struct Output::State {
    AVFormatContext* context = nullptr;
    OutputOptions options;
    const Input* input = nullptr;
    std::vector<std::unique_ptr<Recoder>> recoders;  // by input stream; mostly null
    std::vector<int> target;                 // input stream -> output stream, -1 = left out
    std::vector<std::int64_t> last_dts;      // by output stream, in its time base
    std::vector<std::int64_t> delay;         // by output stream: samples a reader takes off and the writer forgets to add
    int video = 0;
    Rational video_base;
    bool header = false, to_file = false, complete = false, y4m = false;
    int file = -1;  // what is written, where it is a file
    Packet last_frame;  // of containers that count frames
    std::int64_t last_time = 0, repeated = 0;
    std::int64_t last_duration = 0;  // of the video, in the output's time base
    bool uneven = false;             // pictures were not equally far apart
    std::string date;                // of a Matroska file: when it was made
};

Output::~Output() {
    if (!state_ || !state_->context) return;
    if (state_->context->pb && !(state_->context->oformat->flags & AVFMT_NOFILE)) avio_closep(&state_->context->pb);
    avformat_free_context(state_->context);
    if (state_->file < 0) return;
    ::close(state_->file);
    if (!state_->complete) ::unlink(state_->options.path.c_str());
}

const std::string& Output::path() const { return state_->options.path; }

namespace {

// Makes the file and returns its address for FFmpeg: by the open file, since FFmpeg would follow a link and empty a file
// that took the name meanwhile.
Result<std::string> make_file(OutputOptions& options, int& file) {
    if (options.part) {
        TRY(const NewFile made, create_part(options.path));
        file = made.fd;
        options.path = made.path;
    } else {
        TRY(file, create_new(options.path));
    }
    const std::string open_file = "/proc/self/fd/" + std::to_string(file);
    return "file:" + (::access(open_file.c_str(), W_OK) == 0 ? open_file : options.path);
}

}  // namespace

Result<std::unique_ptr<Output>> Output::open(const OutputOptions& options, const Input& input, const StreamPlan& plan,
                                             const VideoTrack& track) {
    TRY(start_ffmpeg());
    forget_av_log();
    std::unique_ptr<Output> output(new Output);
    output->state_ = std::make_unique<State>();
    State& s = *output->state_;
    s.options = options;
    s.input = &input;
    const bool to_stdout = options.path == "-";
    const AVOutputFormat* muxer = av_guess_format(options.container.c_str(), nullptr, nullptr);
    s.to_file = !to_stdout && !(muxer && (muxer->flags & AVFMT_NOFILE));
    std::string url = to_stdout ? "pipe:1" : options.path;
    if (s.to_file) {
        TRY(url, make_file(s.options, s.file));
    }
    s.y4m = options.container == "yuv4mpegpipe";
    if (const int rc = avformat_alloc_output_context2(&s.context, nullptr, s.y4m ? "rawvideo" : options.container.c_str(), url.c_str()); rc < 0)
        return av_error(rc, "the container " + options.container, Errc::argument);
    AVFormatContext& oc = *s.context;
    const AVFormatContext& ic = *input.known();
    // Opus in MP4 is called unofficial, FLAC an experiment in it; both are long since specified and played.
    oc.strict_std_compliance = options.container == "mp4" ? FF_COMPLIANCE_EXPERIMENTAL : FF_COMPLIANCE_UNOFFICIAL;
    if (options.live) oc.flags |= AVFMT_FLAG_FLUSH_PACKETS;
    oc.max_interleave_delta = options.live ? 500'000 : 10'000'000;
    copy_tags(&oc.metadata, ic.metadata, true);
    // No random identifiers: the same work gives the same file. Matroska's writer then leaves out the date, too, which is
    // put in at the end; where there is no going back, the date is worth more.
    if (const AVDictionaryEntry* date = av_dict_get(oc.metadata, "creation_time", nullptr, 0);
        date && options.container == "matroska")
        s.date = date->value;
    if (s.date.empty() || s.to_file) oc.flags |= AVFMT_FLAG_BITEXACT;
    const bool mp4 = options.container == "mp4" || options.container == "mov" || options.container == "3gp" || options.container == "ipod";

    s.target.assign(ic.nb_streams, -1);
    s.recoders.resize(ic.nb_streams);
    // Sound that begins with priming begins before zero. Matroska has a field for that; without it all would be shifted.
    const bool matroska = options.container == "matroska" || options.container == "webm";
    bool begins_before_zero = false;
    for (const int index : plan.streams) {
        const AVStream& from = *ic.streams[index];
        AVStream* to = avformat_new_stream(&oc, nullptr);
        if (!to) throw std::bad_alloc();
        s.target[static_cast<std::size_t>(index)] = to->index;
        AVCodecParameters& par = *to->codecpar;
        to->disposition = from.disposition;
        if (index == input.video_stream()) {
            s.video = to->index;
            s.video_base = track.time_base;
            copy_tags(&to->metadata, from.metadata, true);
            par.codec_type = AVMEDIA_TYPE_VIDEO;
            par.codec_id = static_cast<AVCodecID>(track.codec_id);
            par.codec_tag = track.codec_tag;
            par.format = track.pixel_format;
            par.width = track.size.width;
            par.height = track.size.height;
            par.profile = track.profile;
            par.level = track.level;
            par.video_delay = track.reorder;
            par.bits_per_raw_sample = track.bits;
            par.field_order = AV_FIELD_PROGRESSIVE;
            par.sample_aspect_ratio = to->sample_aspect_ratio = av(track.sar);
            par.color_primaries = static_cast<AVColorPrimaries>(track.tags.primaries);
            par.color_trc = static_cast<AVColorTransferCharacteristic>(track.tags.transfer);
            par.color_space = static_cast<AVColorSpace>(track.tags.matrix);
            par.color_range = static_cast<AVColorRange>(track.tags.range);
            par.chroma_location = static_cast<AVChromaLocation>(track.tags.siting);
            if (!track.extradata.empty()) {
                par.extradata = static_cast<std::uint8_t*>(av_mallocz(track.extradata.size() + AV_INPUT_BUFFER_PADDING_SIZE));
                if (!par.extradata) throw std::bad_alloc();
                std::memcpy(par.extradata, track.extradata.data(), track.extradata.size());
                par.extradata_size = static_cast<int>(track.extradata.size());
            }
            for (const auto& [type, data] : track.side_data) add_side_data(to, type, data.data(), data.size());
            std::size_t size = 0;
            const std::uint8_t* matrix = av_stream_get_side_data(&from, AV_PKT_DATA_DISPLAYMATRIX, &size);
            if (matrix && options.keep_rotation) add_side_data(to, AV_PKT_DATA_DISPLAYMATRIX, matrix, size);
            for (const auto type : {AV_PKT_DATA_STEREO3D, AV_PKT_DATA_SPHERICAL})
                if (const std::uint8_t* data = av_stream_get_side_data(&from, type, &size)) add_side_data(to, type, data, size);
            to->time_base = av(track.time_base);
            to->avg_frame_rate = to->r_frame_rate = av(track.frame_rate);
            continue;
        }
        copy_tags(&to->metadata, from.metadata, false);
        to->time_base = from.time_base;
        const bool cover = (from.disposition & AV_DISPOSITION_ATTACHED_PIC) != 0;
        if (cover && options.container == "matroska") {
            // Matroska keeps covers as attachments; as a track they would play as a second video.
            par.codec_type = AVMEDIA_TYPE_ATTACHMENT;
            par.codec_id = from.codecpar->codec_id;
            const AVPacket& picture = from.attached_pic;
            par.extradata = static_cast<std::uint8_t*>(av_mallocz(static_cast<std::size_t>(picture.size) + AV_INPUT_BUFFER_PADDING_SIZE));
            if (!par.extradata) throw std::bad_alloc();
            std::memcpy(par.extradata, picture.data, static_cast<std::size_t>(picture.size));
            par.extradata_size = picture.size;
            const bool png = par.codec_id == AV_CODEC_ID_PNG;
            if (!av_dict_get(to->metadata, "mimetype", nullptr, 0)) av_dict_set(&to->metadata, "mimetype", png ? "image/png" : "image/jpeg", 0);
            if (!av_dict_get(to->metadata, "filename", nullptr, 0)) av_dict_set(&to->metadata, "filename", png ? "cover.png" : "cover.jpg", 0);
            to->disposition = 0;
            s.target[static_cast<std::size_t>(index)] = -1;  // its packet went into the header
            continue;
        }
        const auto recoded =
            std::find_if(plan.recoded.begin(), plan.recoded.end(), [&](const auto& r) { return r.first == index; });
        if (recoded != plan.recoded.end()) {
            TRY(s.recoders[static_cast<std::size_t>(index)], Recoder::open(from, recoded->second));
            s.recoders[static_cast<std::size_t>(index)]->describe(par);
            to->time_base = s.recoders[static_cast<std::size_t>(index)]->time_base();
            continue;
        }
        if (avcodec_parameters_copy(&par, from.codecpar) < 0) throw std::bad_alloc();
        unsigned tag = 0;
        if (oc.oformat->codec_tag && av_codec_get_id(oc.oformat->codec_tag, par.codec_tag) != par.codec_id &&
            av_codec_get_tag2(oc.oformat->codec_tag, par.codec_id, &tag))
            par.codec_tag = 0;
        const auto start = std::find_if(options.starts.begin(), options.starts.end(), [&](const StreamStart& k) { return k.stream == index; });
        if (matroska && par.codec_type == AVMEDIA_TYPE_AUDIO && start != options.starts.end()) {
            if (par.initial_padding == 0) par.initial_padding = start->skip_samples;
            const double first = start->time_s - static_cast<double>(options.offset_us) / 1e6 + static_cast<double>(par.initial_padding) / std::max(1, par.sample_rate);
            begins_before_zero = begins_before_zero || first < -0.0006;
        }
        to->avg_frame_rate = from.avg_frame_rate;
        to->r_frame_rate = from.r_frame_rate;
        to->sample_aspect_ratio = from.sample_aspect_ratio;
        for (int i = 0; i < from.nb_side_data; ++i) add_side_data(to, from.side_data[i].type, from.side_data[i].data, from.side_data[i].size);
    }
    if (matroska && !options.starts.empty() && !begins_before_zero && options.from_s == 0) oc.avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
    s.last_dts.assign(oc.nb_streams, AV_NOPTS_VALUE);
    // Matroska's times of Opus include its codec delay. FFmpeg's reader takes it off; its writer, up to version 5, does not add it.
    s.delay.assign(oc.nb_streams, 0);
    for (unsigned i = 0; matroska && avformat_version() < AV_VERSION_INT(60, 0, 0) && i < oc.nb_streams; ++i)
        if (oc.streams[i]->codecpar->codec_id == AV_CODEC_ID_OPUS) s.delay[i] = oc.streams[i]->codecpar->initial_padding;
    copy_chapters(s.context, &ic, options);

    Dict dict;
    if (mp4) {
        std::string flags = to_stdout || options.live ? "+frag_keyframe+empty_moov+default_base_moof" : "+faststart";
        if (!itunes_holds(oc.metadata)) {
            flags += "+use_metadata_tags";
            // In this form players know the place by Apple's name only.
            constexpr const char* kPlace = "com.apple.quicktime.location.ISO6709";
            const AVDictionaryEntry* place = av_dict_get(oc.metadata, "location", nullptr, 0);
            if (place && !av_dict_get(oc.metadata, kPlace, nullptr, 0)) av_dict_set(&oc.metadata, kPlace, place->value, 0);
        }
        dict.set("movflags", flags);
        // Edit lists count in this unit; its default of 1 ms would round start offsets.
        dict.set("movie_timescale", std::to_string(track.time_base.den >= 10000 && track.time_base.den <= 1'000'000 ? track.time_base.den : 90000));
    }
    if (options.container == "image2") dict.set("start_number", std::to_string(options.first_number));
    const int repeats = options.plays == 0   ? 0
                        : options.plays == 1 ? -1
                                             : options.plays - 1;  // a GIF's; -1: not a word of it
    if (options.container == "gif") dict.set("loop", std::to_string(std::min(repeats, 65535)));
    if (options.container == "apng") dict.set("plays", std::to_string(std::min(options.plays, 65535)));
    if (options.container == "webp") dict.set("loop", std::to_string(std::min(options.plays, 65535)));
    if (options.container == "mpegts") dict.set("mpegts_copyts", "1");
    for (const auto& [key, value] : options.options) dict.set(key.c_str(), value);
    if (!(oc.oformat->flags & AVFMT_NOFILE))
        if (const int rc = avio_open2(&oc.pb, url.c_str(), AVIO_FLAG_WRITE, nullptr, nullptr); rc < 0)
            return av_error(rc, "cannot be written", Errc::io);
    if (const int rc = avformat_write_header(s.context, dict.out()); rc < 0)
        return av_error(rc, "the container " + options.container + " refuses its streams", Errc::unsupported);
    s.header = true;
    if (s.y4m) {
        TRY(const std::string text, y4m_header(track));
        avio_write(oc.pb, reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    }
    if (const std::string left = dict.left(); !left.empty() && std::any_of(options.options.begin(), options.options.end(), [&](const auto& o) { return o.first == left; }))
        return Error{Errc::argument, "the container " + options.container + " has no option called " + left};
    return output;
}

Result<void> Output::put(Packet packet) {
    State& s = *state_;
    AVPacket& p = *packet.av();
    const auto stream = static_cast<std::size_t>(p.stream_index);
    const bool strict = !(s.context->oformat->flags & AVFMT_TS_NONSTRICT);
    std::int64_t& last = s.last_dts[stream];
    if (!(s.context->oformat->flags & AVFMT_NOTIMESTAMPS) && p.dts != AV_NOPTS_VALUE) {
        if (last != AV_NOPTS_VALUE && p.dts < last + (strict ? 1 : 0)) {
            const std::int64_t lift = last + (strict ? 1 : 0);
            if (p.pts != AV_NOPTS_VALUE && p.pts < lift) p.pts = lift;
            p.dts = lift;
        }
        last = p.dts;
    }
    const int rc = av_interleaved_write_frame(s.context, &p);
    if (rc < 0) return av_error(rc, "writing failed", Errc::io);
    if (s.context->pb) {
        if (s.context->pb->error < 0) return av_error(s.context->pb->error, "writing failed", Errc::io);
        bytes_ = avio_seek(s.context->pb, 0, SEEK_CUR);
    }
    return {};
}

Result<void> Output::put_y4m(const Packet& packet) {
    AVIOContext* pb = state_->context->pb;
    avio_write(pb, reinterpret_cast<const unsigned char*>("FRAME\n"), 6);
    avio_write(pb, packet.av()->data, packet.av()->size);
    avio_flush(pb);
    if (pb->error < 0) return av_error(pb->error, "writing failed", Errc::io);
    bytes_ = avio_seek(pb, 0, SEEK_CUR);
    return {};
}

// The last frame again until `time`, in frames: y4m has no other way to say how long it stays.
Result<void> Output::repeat_until(std::int64_t time) {
    State& s = *state_;
    for (std::int64_t left = repeats_between(s.last_time, time, s.video_base); left > 0; --left, ++s.repeated)
        TRY(put_y4m(s.last_frame));
    return {};
}

Result<void> Output::write_counted(const Packet& packet) {
    State& s = *state_;
    const std::int64_t time = packet.av()->pts;
    s.uneven = s.uneven || (s.last_frame && time != s.last_time + 1);
    if (s.y4m && s.last_frame) TRY(repeat_until(time));
    s.last_frame = packet;
    s.last_time = time;
    return s.y4m ? put_y4m(packet) : Result<void>{};
}

Result<void> Output::write_video(const Packet& packet) {
    State& s = *state_;
    if (s.y4m || s.options.container == "image2") TRY(write_counted(packet));
    if (s.y4m) return {};
    Av<AVPacket> copy(av_packet_clone(packet.av()));
    if (!copy) throw std::bad_alloc();
    const std::int64_t shift = av_rescale_q(s.options.offset_us, kMicroseconds, av(s.video_base));
    if (copy->pts != AV_NOPTS_VALUE) copy->pts -= shift;
    if (copy->dts != AV_NOPTS_VALUE) copy->dts -= shift;
    copy->stream_index = s.video;
    copy->pos = -1;
    av_packet_rescale_ts(copy.get(), av(s.video_base), s.context->streams[s.video]->time_base);
    if (copy->duration > 0) s.last_duration = copy->duration;
    return put(Packet{std::shared_ptr<AVPacket>(copy.release(), FreeAv{})});
}

void Output::last_frame_lasts(std::int64_t duration) {
    State& s = *state_;
    s.last_duration = av_rescale_q(duration, av(s.video_base), s.context->streams[s.video]->time_base);
    if (s.last_frame) s.last_frame.av()->duration = duration;
}

// The writers of GIF and PNG take a frame's length from the next one's time; the last has none.
void Output::say_last_delay() {
    State& s = *state_;
    const auto given = std::find_if(s.options.options.begin(), s.options.options.end(),
                                    [](const auto& o) { return o.first == "final_delay"; });
    if (s.last_duration <= 0 || given != s.options.options.end()) return;
    const AVRational base = s.context->streams[s.video]->time_base;
    if (s.options.container == "gif")
        av_opt_set_int(s.context->priv_data, "final_delay",
                       std::min<std::int64_t>(65535, av_rescale_q(s.last_duration, base, {1, 100})), 0);
    if (s.options.container == "apng")
        av_opt_set_q(s.context->priv_data, "final_delay", av(reduced(s.last_duration * base.num, base.den)), 0);
}

Result<void> Output::write_other(const Packet& packet) {
    State& s = *state_;
    const int from = packet.stream();
    if (from < 0 || static_cast<std::size_t>(from) >= s.target.size() || from == s.input->video_stream()) return {};
    if (s.target[static_cast<std::size_t>(from)] < 0) return {};
    Recoder* recoder = s.recoders[static_cast<std::size_t>(from)].get();
    if (!recoder) return put_other(*packet.av(), from, from_av(s.input->known()->streams[from]->time_base));
    return recoder->recode(
        packet.av(), [&](const Packet& made) { return put_other(*made.av(), from, from_av(recoder->time_base())); });
}

// `packet` of input stream `from`, its times in `time_base`.
Result<void> Output::put_other(const AVPacket& packet, int from, Rational time_base) {
    State& s = *state_;
    const int to = s.target[static_cast<std::size_t>(from)];
    Av<AVPacket> copy(av_packet_clone(&packet));
    if (!copy) throw std::bad_alloc();
    const AVRational base = av(time_base);
    const bool cover = (s.input->known()->streams[from]->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0;
    std::int64_t& last = s.last_dts[static_cast<std::size_t>(to)];
    if (copy->dts == AV_NOPTS_VALUE) copy->dts = copy->pts;
    if (copy->dts == AV_NOPTS_VALUE)  // nothing said: right after the one before
        copy->dts = copy->pts = last == AV_NOPTS_VALUE ? 0 : av_rescale_q(last + 1, s.context->streams[to]->time_base, base);
    const std::int64_t time = copy->pts != AV_NOPTS_VALUE ? copy->pts : copy->dts;
    if (!cover) {
        const double start = static_cast<double>(time) * av_q2d(base);
        const double end = start + static_cast<double>(std::max<std::int64_t>(copy->duration, 1)) * av_q2d(base);
        if ((s.options.from_s > 0 && end <= s.options.from_s) || start >= s.options.to_s) return {};
    }
    const std::int64_t shift = cover ? 0 : av_rescale_q(s.options.offset_us, kMicroseconds, base);
    if (copy->pts != AV_NOPTS_VALUE) copy->pts -= shift;
    copy->dts -= shift;
    copy->stream_index = to;
    copy->pos = -1;
    av_packet_rescale_ts(copy.get(), base, s.context->streams[to]->time_base);
    if (const std::int64_t samples = s.delay[static_cast<std::size_t>(to)]; samples > 0) {
        const std::int64_t delay = av_rescale_q(samples, {1, 48000}, s.context->streams[to]->time_base);
        if (copy->pts != AV_NOPTS_VALUE) copy->pts += delay;
        copy->dts += delay;
    }
    return put(Packet{std::shared_ptr<AVPacket>(copy.release(), FreeAv{})});
}

Result<void> Output::finish() {
    State& s = *state_;
    ENSURE(s.header && !s.complete);
    for (std::size_t from = 0; from < s.recoders.size(); ++from)
        if (Recoder* recoder = s.recoders[from].get())
            TRY(recoder->recode(nullptr, [&](const Packet& made) {
                return put_other(*made.av(), static_cast<int>(from), from_av(recoder->time_base()));
            }));
    say_last_delay();
    if (s.y4m && s.last_frame) TRY(repeat_until(s.last_time + s.last_frame.av()->duration));
    if (s.repeated > 0)
        log(LogLevel::notice,
            {"frames-repeated",
             std::to_string(s.repeated) + " frames are repeats, because y4m cannot say that a frame stays longer"});
    if (!s.y4m && s.uneven)
        log(LogLevel::notice,
            {"times-dropped",
             "the frames are not equally far apart in time, which pictures cannot say: one picture is "
             "written for each frame"});
    if (const int rc = av_write_trailer(s.context); rc < 0) return av_error(rc, "writing failed", Errc::io);
    if (s.context->pb && !(s.context->oformat->flags & AVFMT_NOFILE)) {
        bytes_ = avio_seek(s.context->pb, 0, SEEK_CUR);
        avio_flush(s.context->pb);
        const int error = s.context->pb->error;
        const int rc = avio_closep(&s.context->pb);
        if (error < 0 || rc < 0) return av_error(error < 0 ? error : rc, "writing failed", Errc::io);
    }
    std::int64_t date = 0;
    if (s.to_file && !s.date.empty() &&
        (av_parse_time(&date, s.date.c_str(), 0) < 0 || !put_matroska_date(s.file, date)))
        log(LogLevel::notice, {"metadata-dropped", "the date " + s.date + " has no place in this file"});
    if (s.to_file) {  // on disk before it gets its final name
        if (::fsync(s.file) != 0) return Error{Errc::io, std::string("writing failed: ") + std::strerror(errno)};
    }
    s.complete = true;
    return {};
}

}  // namespace enlarge::media
