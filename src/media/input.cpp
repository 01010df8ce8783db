// SPDX-License-Identifier: Apache-2.0
#include "media/input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "base/log.hpp"
#include "media/animation.hpp"
#include "media/ffmpeg.hpp"
#include "media/snapshot.hpp"
#include "media/timeline.hpp"
#include "media/webp.hpp"
#include "media/whole.hpp"

namespace enlarge::media {

namespace {

// What may be opened because of an address, and what because of a file. A file never reaches the network, an address
// never reaches files, whatever a playlist says.
constexpr const char* kNetworkProtocols =
    "http,https,httpproxy,tcp,tls,udp,udplite,rtp,srtp,rtsp,rtmp,rtmps,rtmpt,srt,crypto,data";
constexpr const char* kFileProtocols = "file,crypto,data";

// "rtsp" of "rtsp://host/x"; empty for paths.
std::string scheme_of(const std::string& path) {
    const auto end = path.find("://");
    if (end == std::string::npos || end == 0) return "";
    const std::string scheme = path.substr(0, end);
    const bool good = std::all_of(scheme.begin(), scheme.end(), [](unsigned char c) {
        return std::isalnum(c) || c == '+' || c == '-' || c == '.';
    });
    return good ? scheme : "";
}

bool listed(const std::string& list, const std::string& word) {
    return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

bool is_pattern(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) return false;
    char name[4096];
    return av_get_frame_filename2(name, sizeof name, path.c_str(), 1, 0) == 0;
}

bool is_animated_webp(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "rbe");
    if (!file) return false;
    unsigned char head[21] = {};
    const std::size_t got = std::fread(head, 1, sizeof head, file);
    std::fclose(file);
    return got == sizeof head && std::memcmp(head, "RIFF", 4) == 0 && std::memcmp(head + 8, "WEBPVP8X", 8) == 0 && (head[20] & 2) != 0;
}

// The number the sequence starts with: FFmpeg looks at the first few only.
int first_number_of(const std::string& pattern) {
    for (int number = 0; number < 100'000; ++number) {
        char name[4096];
        struct stat info {};
        if (av_get_frame_filename2(name, sizeof name, pattern.c_str(), number, 0) == 0 && ::stat(name, &info) == 0)
            return number;
    }
    return -1;
}

const char* kind_of(const AVStream& stream) {
    if (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) return "cover";
    const char* name = av_get_media_type_string(stream.codecpar->codec_type);
    return name ? name : "data";
}

Error encrypted(const std::string& kind) {
    return {Errc::unsupported, "its " + kind + " is encrypted, and there is no key for it (MP4 takes --input-option decryption_key=HEX)"};
}

bool is_encrypted(const AVStream& stream) {
    if (av_stream_get_side_data(&stream, AV_PKT_DATA_ENCRYPTION_INIT_INFO, nullptr)) return true;
    return stream.codecpar->codec_tag == MKTAG('e', 'n', 'c', 'v');
}

}  // namespace

bool sequence_name(const std::string& pattern, int number, char* name, int size) {
    return av_get_frame_filename2(name, size, pattern.c_str(), number, 0) == 0;
}

int Input::interrupted(void* self) {
    auto* input = static_cast<Input*>(self);
    if (input->options_.cancel && input->options_.cancel->load(std::memory_order_relaxed)) return 1;
    if (input->ended_by_caller() || input->stopped_.load(std::memory_order_relaxed)) return 1;
    if (input->options_.poll && input->opening_.load(std::memory_order_relaxed)) {
        const std::int64_t now = av_gettime_relative();
        if (now - input->polled_us_ > 100'000) {
            input->polled_us_ = now;
            if (!input->options_.poll()) {
                input->stopped_ = true;
                return 1;
            }
        }
    }
    const std::int64_t deadline = input->deadline_us_.load(std::memory_order_relaxed);
    return deadline != 0 && av_gettime_relative() > deadline;
}

Input::Input() = default;
const AVFormatContext* Input::known() const { return known_->av(); }
const AVStream* Input::video() const { return known_->av()->streams[video_]; }

void Input::opened() {
    opening_.store(false);
    known_->renew_tags(*context_);
    context_->event_flags = 0;
}

void Input::say_what_came_late() {
    const bool tags = (context_->event_flags & AVFMT_EVENT_FLAG_METADATA_UPDATED) != 0,
               streams = context_->nb_streams > known_->av()->nb_streams;
    context_->event_flags = 0;
    if (said_late_ || opening_.load() || !(tags || streams)) return;
    said_late_ = true;
    log(LogLevel::notice,
        {"late-data-dropped", options_.path + ": " + (streams ? "a stream" : "tags") +
                                  " that came in after the start " + (streams ? "is" : "are") + " not in the output"});
}

Input::~Input() {
    if (context_) avformat_close_input(&context_);
    if (pipe_ >= 0) ::close(pipe_);
}

Result<std::unique_ptr<Input>> Input::open(const InputOptions& options) {
    TRY(start_ffmpeg());
    forget_av_log();
    std::unique_ptr<Input> input(new Input);
    input->options_ = options;
    const std::string& path = options.path;
    if (path.empty()) return Error{Errc::argument, "no input is named"};

    std::string url = path, protocols;
    Dict dict;
    std::string format = options.format;
    if (const std::string scheme = scheme_of(path); !scheme.empty()) {
        const bool allowed = listed(kNetworkProtocols, scheme) ||
                             std::find(options.allow_protocols.begin(), options.allow_protocols.end(), scheme) !=
                                 options.allow_protocols.end();
        if (!allowed)
            return Error{Errc::argument, "the protocol " + scheme + " is not among the safe ones (" + kNetworkProtocols +
                                             "); --allow-protocol " + scheme + " opens it"};
        protocols = kNetworkProtocols;
        input->network_ = true;
        const std::string timeout = std::to_string(static_cast<std::int64_t>(options.timeout_s * 1e6));
        if (scheme.rfind("http", 0) == 0) {
            dict.set("reconnect", "1");
            dict.set("reconnect_streamed", "1");
            dict.set("reconnect_on_network_error", "1");
            dict.set("reconnect_delay_max", "5");
            dict.set("rw_timeout", timeout);
        } else if (scheme == "udp" || scheme == "rtp") {
            dict.set("fifo_size", "262144");  // packets of 188 bytes: 47 MiB, seconds of a broadcast
            dict.set("overrun_nonfatal", "1");
        } else if (scheme == "rtsp") {
            dict.set("rtsp_transport", "tcp");
            dict.set("timeout", timeout);
        }
        avformat_network_init();
    } else if (path == "-") {
        // A second, non-blocking view of the same pipe: reading it asks now and then whether to go on.
        struct stat info {};
        if (::fstat(0, &info) == 0 && S_ISFIFO(info.st_mode)) input->pipe_ = ::open("/proc/self/fd/0", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        url = "pipe:" + std::to_string(std::max(0, input->pipe_));
        protocols = "pipe";
    } else if (is_pattern(path)) {
        const int first = first_number_of(path);
        if (first < 0) return Error{Errc::not_found, "no file matches the pattern with the numbers 0 to 99999"};
        input->first_number_ = first;
        input->repeatable_ = true;
        url = path;
        protocols = kFileProtocols;
        if (format.empty()) format = "image2";
        dict.set("pattern_type", "sequence");
        dict.set("start_number", std::to_string(first));
        const Rational rate = options.frame_rate.num > 0 ? options.frame_rate : Rational{25, 1};
        dict.set("framerate", std::to_string(rate.num) + "/" + std::to_string(rate.den));
    } else {
        struct stat info {};
        if (::stat(path.c_str(), &info) != 0) return Error{Errc::not_found, std::strerror(errno)};
        if (S_ISDIR(info.st_mode)) return Error{Errc::argument, "is a folder; name a file or a pattern like frame_%06d.png"};
        if (S_ISREG(info.st_mode) && info.st_size == 0) return Error{Errc::format, "the file is empty (0 bytes)"};
        input->repeatable_ = S_ISREG(info.st_mode);
        if (is_animated_webp(path)) {
            TRY(input->webp_, WebpAnimation::open(path, options.limits));
            format = "nut";
        }
        url = "file:" + path;
        protocols = kFileProtocols;
        if (options.frame_rate.num > 0)
            dict.set("framerate", std::to_string(options.frame_rate.num) + "/" + std::to_string(options.frame_rate.den));
    }
    for (const std::string& more : options.allow_protocols) protocols += "," + more;
    dict.set("protocol_whitelist", protocols);
    if (options.low_latency) {
        dict.set("probesize", "500000");
        dict.set("analyzeduration", "1000000");
    }
    for (const auto& [key, value] : options.options) dict.set(key.c_str(), value);

    const AVInputFormat* demuxer = nullptr;
    if (!format.empty()) {
        if (format == "y4m") format = "yuv4mpegpipe";
        if (format == "ts") format = "mpegts";
        if (format == "mkv") format = "matroska";
        demuxer = av_find_input_format(format.c_str());
        if (!demuxer) return Error{Errc::argument, "no input format is called " + format};
    }
    input->context_ = avformat_alloc_context();
    if (!input->context_) throw std::bad_alloc();
    if (input->webp_) input->context_->pb = input->webp_->io();
    input->context_->interrupt_callback = {&Input::interrupted, input.get()};
    if (input->network_) input->deadline_us_ = av_gettime_relative() + static_cast<std::int64_t>(options.timeout_s * 1e6);
    if (const int rc = avformat_open_input(&input->context_, url.c_str(), demuxer, dict.out()); rc < 0) {
        if (rc == AVERROR_EXIT && input->stopped_) return Error{Errc::cancelled, "stopped; nothing was kept"};
        if (rc == AVERROR_EXIT && input->network_ && !(options.cancel && *options.cancel))
            return Error{Errc::network, "no answer within " + std::to_string(static_cast<int>(options.timeout_s)) + " s"};
        if (rc == AVERROR_INVALIDDATA)
            return av_error(rc, "not a video file that can be read, or damaged at its start", Errc::format);
        return av_error(rc, "cannot be opened", input->network_ ? Errc::network : Errc::format);
    }
    for (const auto& [key, value] : options.options)
        if (av_dict_get(dict.get(), key.c_str(), nullptr, 0)) return Error{Errc::argument, "no input option is called " + key};
    TRY(input->look());
    return input;
}

Result<void> Input::look() {
    if (network_) deadline_us_ = av_gettime_relative() + static_cast<std::int64_t>(options_.timeout_s * 2e6);
    context_->max_probe_packets = 5000;
    if (const int rc = avformat_find_stream_info(context_, nullptr); rc < 0) {
        if (stopped_) return Error{Errc::cancelled, "stopped; nothing was kept"};
        if (rc == AVERROR_EXIT && network_)
            return Error{Errc::network, "sent nothing that can be recognised within " +
                                            std::to_string(static_cast<int>(2 * options_.timeout_s)) + " s"};
        return av_error(rc, "its streams cannot be read");
    }
    deadline_us_ = 0;
    known_ = std::make_unique<Snapshot>(*context_);
    start_timeline();
    bool audio = false;
    for (unsigned i = 0; i < known_->av()->nb_streams; ++i) {
        const AVStream& stream = *known_->av()->streams[i];
        const AVCodecID id = stream.codecpar->codec_id;
        streams_.push_back({static_cast<int>(i), kind_of(stream), id == AV_CODEC_ID_NONE ? "unknown" : avcodec_get_name(id)});
        audio = audio || stream.codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
    }
    const int best = av_find_best_stream(context_, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (best < 0 || (context_->streams[best]->disposition & AV_DISPOSITION_ATTACHED_PIC))
        return Error{Errc::format, audio ? "has sound but no video" : "has no video stream"};
    video_ = best;
    find_frame_rate();
    const AVStream& stream = *video();
    const AVCodecParameters& par = *stream.codecpar;
    if (is_encrypted(stream)) return encrypted("video");
    if (par.codec_id == AV_CODEC_ID_NONE || !avcodec_find_decoder(par.codec_id)) {
        char tag[AV_FOURCC_MAX_STRING_SIZE];
        return Error{Errc::unsupported, "no decoder here for its video (" +
                                            (par.codec_id == AV_CODEC_ID_NONE
                                                 ? "codec tag " + std::string(av_fourcc_make_string(tag, par.codec_tag))
                                                 : std::string(avcodec_get_name(par.codec_id))) +
                                            ")"};
    }
    const std::int64_t pixels = std::int64_t{par.width} * par.height;
    if (par.width > options_.limits.side || par.height > options_.limits.side || pixels > options_.limits.pixels)
        return Error{Errc::limit, "frames of " + std::to_string(par.width) + "x" + std::to_string(par.height) +
                                      " pixels are more than allowed"};
    return {};
}

std::string Input::format_name() const { return webp_ ? "animated webp" : context_->iformat->name; }
Rational Input::time_base() const { return from_av(video()->time_base); }

void Input::find_frame_rate() {
    AVStream* stream = context_->streams[video_];
    // Where a file says nothing, its clock's ticks may show as the rate: 90000, or 1000 in Matroska.
    for (const AVRational rate :
         {av_guess_frame_rate(context_, stream, nullptr), stream->avg_frame_rate, stream->r_frame_rate})
        if (rate.num > 0 && rate.den > 0 && av_q2d(rate) < 1000 && av_q2d(rate) > 0.001) {
            frame_rate_ = from_av(rate);
            return;
        }
}

double Input::start_s() const {
    return context_->start_time == AV_NOPTS_VALUE ? 0 : static_cast<double>(context_->start_time) / AV_TIME_BASE;
}

double Input::duration_s() const {
    if (context_->duration != AV_NOPTS_VALUE && context_->duration > 0)
        return static_cast<double>(context_->duration) / AV_TIME_BASE;
    const AVStream* stream = video();
    return stream->duration != AV_NOPTS_VALUE && stream->duration > 0
               ? static_cast<double>(stream->duration) * av_q2d(stream->time_base) : 0;
}

std::int64_t Input::frames_estimate() const {
    if (webp_) return webp_->frames();
    if (video()->nb_frames > 0) return video()->nb_frames;
    const auto frames = static_cast<std::int64_t>(std::llround(duration_s() * frame_rate().value()));
    // A clock that leaps makes a broadcast seem long; a frame takes a packet of 188 bytes at least.
    struct stat info {};
    const bool broadcast = repeatable_ && std::string_view(context_->iformat->name) == "mpegts";
    if (!broadcast || ::stat(options_.path.c_str(), &info) != 0) return frames;
    return std::min<std::int64_t>(frames, info.st_size / 188);
}

std::optional<int> Input::plays() const {
    if (webp_) return webp_->plays();
    return repeatable_ && !is_pattern(options_.path) ? plays_of(options_.path) : std::nullopt;
}

std::int64_t Input::clock_offset_us() const {
    const bool clocked = (context_->iformat->flags & AVFMT_TS_DISCONT) != 0 || network_;
    constexpr std::int64_t kSmall = 10'000'000;  // the usual 1.4 s of a TS is carried like any other start offset
    const std::int64_t start = context_->start_time;
    // One that begins before 0 (a clock that wraps early in the file) is shifted whatever its size: MP4 would hide it.
    return clocked && start != AV_NOPTS_VALUE && (start < 0 || start > kSmall) ? start : 0;
}

bool Input::interlaced() const {
    const AVFieldOrder order = video()->codecpar->field_order;
    return order != AV_FIELD_UNKNOWN && order != AV_FIELD_PROGRESSIVE;
}

int Input::dolby_vision() const {
    std::size_t size = 0;
    const std::uint8_t* data = av_stream_get_side_data(video(), AV_PKT_DATA_DOVI_CONF, &size);
    return data && size >= sizeof(AVDOVIDecoderConfigurationRecord)
               ? reinterpret_cast<const AVDOVIDecoderConfigurationRecord*>(data)->dv_profile : -1;
}

void Input::start_timeline() {
    if (context_->iformat->flags & AVFMT_TS_DISCONT) timeline_ = std::make_unique<Timeline>();
}

void Input::only_video() {
    only_video_ = true;
    if (timeline_) return;  // any stream may be the first to meet a break: all who read see the same breaks
    for (unsigned i = 0; i < context_->nb_streams; ++i)
        if (static_cast<int>(i) != video_) context_->streams[i]->discard = AVDISCARD_ALL;
}

Result<void> Input::seek(double seconds) {
    const auto target = static_cast<std::int64_t>(seconds * AV_TIME_BASE);
    start_timeline();
    if (const int rc = avformat_seek_file(context_, -1, INT64_MIN, target, target, 0); rc < 0) {
        log(LogLevel::debug, "no seeking in this file: reading from its start");
        if (!repeatable_) return {};
        avformat_seek_file(context_, -1, INT64_MIN, INT64_MIN + 1, INT64_MAX, AVSEEK_FLAG_BYTE);
    }
    return {};
}

void Input::watch_the_end(const AVPacket& packet) {
    const AVStream& stream = *context_->streams[packet.stream_index];
    const auto index = static_cast<std::size_t>(packet.stream_index);
    if (index >= torn_.size()) torn_.resize(index + 1);
    const AVMediaType type = stream.codecpar->codec_type;
    torn_[index] = (packet.flags & AV_PKT_FLAG_CORRUPT) && (type == AVMEDIA_TYPE_VIDEO || type == AVMEDIA_TYPE_AUDIO);
    if (first_byte_ < 0) first_byte_ = packet.pos;
    if (packet.pos >= 0) last_byte_ = packet.pos + packet.size;
    if (const std::int64_t time = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts; time != AV_NOPTS_VALUE)
        last_us_ = std::max(last_us_, av_rescale_q(time + std::max<std::int64_t>(0, packet.duration), stream.time_base,
                                                   AVRational{1, AV_TIME_BASE}));
}

// At the end of the input: was there to be more?
bool Input::ended_early() const {
    if (ended_by_caller()) return false;
    if (std::find(torn_.begin(), torn_.end(), true) != torn_.end()) return true;
    const std::string format = context_->iformat->name;
    if (repeatable_ && !is_pattern(options_.path) && promises_more(options_.path, *context_, first_byte_)) return true;
    const std::int64_t at = context_->pb ? avio_seek(context_->pb, 0, SEEK_CUR) : -1;
    constexpr std::int64_t kFrameHead = 6;  // "FRAME\n"
    if (format == "yuv4mpegpipe") return last_byte_ >= 0 && at > last_byte_ + kFrameHead;
    // What cannot be looked at a second time: an index, or a promised length.
    const bool indexed = format.rfind("mov,", 0) == 0;
    if (!repeatable_ && indexed && at > 0 && index_exceeds(*context_, at)) return true;
    const bool promised = context_->duration > 0 && context_->duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
    const bool counted = format == "flv" || format == "asf" ||
                         (!repeatable_ && (indexed || format == "avi" || format.rfind("matroska", 0) == 0));
    const std::int64_t length =
        last_us_ - std::max<std::int64_t>(0, context_->start_time == AV_NOPTS_VALUE ? 0 : context_->start_time);
    return promised && counted &&
           context_->duration - length > std::max<std::int64_t>(AV_TIME_BASE, context_->duration / 50);
}

Result<Packet> Input::read() {
    for (;;) {
        Av<AVPacket> packet = new_packet();
        if (network_) deadline_us_ = av_gettime_relative() + static_cast<std::int64_t>(options_.timeout_s * 1e6);
        const int rc = av_read_frame(context_, packet.get());
        if (rc == AVERROR(EAGAIN)) {
            if (interrupted(this)) return Error{Errc::network, "no data came in time"};
            av_usleep(2000);
            continue;
        }
        if (rc == AVERROR_EOF) {
            cut_short_ = cut_short_ || ended_early();
            return Packet{};
        }
        if (rc >= 0 && av_packet_get_side_data(packet.get(), AV_PKT_DATA_ENCRYPTION_INFO, nullptr))  // MP4 says so only here
            return encrypted(static_cast<std::size_t>(packet->stream_index) < streams_.size()
                                 ? streams_[static_cast<std::size_t>(packet->stream_index)].kind
                                 : "data");
        say_what_came_late();
        watch_the_end(*packet);
        if (timeline_) timeline_->correct(*packet, *context_->streams[packet->stream_index]);
        if (only_video_ && packet->stream_index != video_) continue;
        if (rc < 0) {
            if (options_.cancel && options_.cancel->load()) return Error{Errc::cancelled, "stopped"};
            if (stopped_) return Error{Errc::cancelled, "stopped; nothing was kept"};
            if (ended_by_caller()) return Packet{};
            if (network_ && rc == AVERROR_EXIT) {
                // A sender that has gone quiet has ended, as far as anybody can tell.
                log(LogLevel::warning, {"input-silent", options_.path + ": nothing arrived for " +
                                           std::to_string(static_cast<int>(options_.timeout_s)) + " s; taken as its end"});
                return Packet{};
            }
            if (rc == AVERROR(ENOMEM)) return av_error(rc, "reading", Errc::memory);
            cut_short_ = true;
            log(LogLevel::warning, {"input-ended-early", options_.path + ": reading stopped early (" + av_error(rc, "damaged").message + ")"});
            return Packet{};
        }
        if (webp_) packet->duration = av_rescale_q(webp_->duration_ms(av_rescale_q(packet->pts, video()->time_base, {1, 1000})), {1, 1000}, video()->time_base);
        return Packet{std::shared_ptr<AVPacket>(packet.release(), FreeAv{})};
    }
}

}  // namespace enlarge::media
