// SPDX-License-Identifier: Apache-2.0
// enlarge_video(): decide everything, run the line, put the file together.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <deque>
#include <filesystem>

#include "api/video_frames.hpp"
#include "api/video_job.hpp"
#include "api/video_room.hpp"
#include "base/cpu.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "image/format.hpp"

namespace enlarge {

namespace {

namespace fs = std::filesystem;
using media::Frame;
using media::Packet;

bool is_pattern(const std::string& path) { return path.find('%') != std::string::npos; }
bool is_address(const std::string& path) { return path.find("://") != std::string::npos; }

std::uint64_t fnv(std::uint64_t hash, const std::byte* data, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<std::uint64_t>(data[i])) * 1099511628211u;
    return hash;
}

std::string hex(std::uint64_t value) {
    char text[20];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
}

// What the network makes of a fixed picture says which network, precision and kernels it is.
Result<std::string> fingerprint(Upscaler& upscaler) {
    Image probe({24, 24}, kRgbF32Planar);
    std::uint32_t state = 1;
    for (int p = 0; p < 3; ++p)
        for (int y = 0; y < 24; ++y) {
            auto* row = reinterpret_cast<float*>(probe.view().row(p, y));
            for (int x = 0; x < 24; ++x) row[x] = static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) / 16777216.0f;
        }
    const int scale = upscaler.model().scale;
    Image result({24 * scale, 24 * scale}, kRgbF32Planar);
    TRY(FrameWorkers::run_alone(upscaler, std::as_const(probe).view(), result.view(), {}));
    std::uint64_t hash = 14695981039346656037u;
    const ImageView view = std::as_const(result).view();
    for (int p = 0; p < 3; ++p)
        for (int y = 0; y < view.size.height; ++y) hash = fnv(hash, view.row(p, y), static_cast<std::size_t>(view.size.width) * 4);
    return hex(hash);
}

std::string joined(const std::vector<std::pair<std::string, std::string>>& options) {
    std::string out;
    for (const auto& [key, value] : options) {
        if (!out.empty()) out += ' ';
        for (const char c : key + "=" + value) out += c == ' ' || c == '\\' ? std::string{'\\', c} : std::string{c};
    }
    return out;
}

// Whether work is kept in a journal, as far as names tell.
bool may_be_journalled(const VideoJob& job) {
    return job.output != "-" && job.input != "-" && !is_address(job.output) && !is_address(job.input) && !job.options.live;
}

// Everything that changes packets.
Result<media::Facts> facts_of(const VideoJob& job) {
    media::Facts facts;
    const VideoOptions& o = job.options;
    std::error_code ignored;
    if (is_pattern(job.input) && !fs::exists(job.input, ignored)) {
        std::uint64_t hash = 14695981039346656037u;
        int count = 0;
        char name[4096];
        for (int i = job.source->input().first_number();; ++i, ++count) {
            struct stat info {};
            if (!media::sequence_name(job.input, i, name, sizeof name) || ::stat(name, &info) != 0) break;
            const std::int64_t numbers[3] = {info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
            hash = fnv(hash, reinterpret_cast<const std::byte*>(numbers), sizeof numbers);
        }
        facts.emplace_back("the number of pictures", std::to_string(count));
        facts.emplace_back("the pictures (sizes and dates)", hex(hash));
    } else {
        TRY(facts, media::file_facts(job.input));
    }
    TRY(const std::string network, fingerprint(job.upscaler));
    const std::pair<const char*, std::string> options[] = {
        {"the network", job.upscaler.model().name},
        {"the engine", job.upscaler.path()},
        {"the network's results (checksum)", network},
        {"the output size", std::to_string(job.choice.size.width) + "x" + std::to_string(job.choice.size.height)},
        {"the encoder", job.choice.sentence},
        {"--crf", o.crf ? exact(*o.crf) : ""},
        {"--preset", o.preset},
        {"the encoder's own parameters", job.choice.parameters},
        {"--encoder-option", joined(o.encoder_options)},
        {"the container", job.request.container},
        {"--container-option", joined(o.container_options)},
        {"--input-format", o.input_format},
        {"--input-option", joined(o.input_options)},
        {"--frame-rate", exact(o.frame_rate)},
        {"--from", exact(o.from_s)},
        {"--to", exact(o.to_s)},
        {"--filter-before", o.filter_before},
        {"--filter-after", o.filter_after},
        {"deinterlacing", o.deinterlace ? "on" : "off"},
        {"--square-pixels", o.square_pixels ? "on" : "off"},
        {"--segment-frames", std::to_string(o.segment_frames)},
        {"--codec-threads", std::to_string(o.codec_threads)},
        {"--gpu-decode", o.gpu_decode ? "on" : "off"},
        {"enlarge", version()},
        {"FFmpeg's libraries", media::library_versions()},
    };
    for (const auto& [name, value] : options) facts.emplace_back(name, value);
    return facts;
}

// The tags of the output: what was read or guessed, said so that nobody need guess again.
FrameFormat output_samples(const VideoJob& job, const FrameFormat& target) {
    FrameFormat samples = target;
    const ColorTags& from = job.in.samples.tags;
    samples.tags = from;
    if (target.family == FrameFamily::rgb) {
        samples.tags.matrix = 0;
        samples.tags.range = Range::full;
        samples.tags.siting = ChromaSiting::unspecified;
    } else if (job.in.samples.family == FrameFamily::rgb) {
        samples.tags.matrix = 2;
        samples.tags.range = job.frame_pixels.rfind("yuvj", 0) == 0 ? Range::full : Range::limited;  // what players expect
        samples.tags = guess_missing(samples.tags, job.out.size, false);
    } else if (job.in.samples.family == FrameFamily::grey && target.family == FrameFamily::yuv) {
        samples.tags = guess_missing(samples.tags, job.in.size, false);
    }
    if (target.family == FrameFamily::yuv && target.sub_x == 0) samples.tags.siting = ChromaSiting::unspecified;
    if (target.tags.range == Range::full && job.in.samples.family != FrameFamily::rgb) samples.tags.range = Range::full;  // yuvj420p
    return samples;
}

Result<Size> output_size(const VideoOptions& options, const media::VideoFormat& in, int scale) {
    TRY(Size size, resolve(options.size, in.size, scale));
    if (options.square_pixels && in.sar.num > 0 && in.sar.num != in.sar.den && !(options.size.width && options.size.height)) {
        const double sar = in.sar.value();
        // The longer direction grows, so that nothing is thrown away.
        if (sar > 1) size.width = static_cast<int>(std::lround(size.width * sar));
        else size.height = static_cast<int>(std::lround(size.height / sar));
    }
    return size;
}

media::Rational output_sar(const VideoOptions& options, const media::VideoFormat& in, Size out) {
    if (in.sar.num <= 0) return {0, 1};
    if (options.square_pixels) return {1, 1};
    const double change = (static_cast<double>(in.size.width) / out.width) / (static_cast<double>(in.size.height) / out.height);
    if (std::fabs(change - 1) < 0.01) return in.sar;  // rounding to whole pixels
    return media::reduced(std::int64_t{in.sar.num} * in.size.width * out.height, std::int64_t{in.sar.den} * in.size.height * out.width);
}

// FFmpeg's side of the GPU that runs the network, when the GPU's own codecs are asked for.
void open_gpu(VideoJob& job) {
    const bool encodes = !media::processor_encoder(job.options.video_codec).empty();
    if (!job.options.gpu_decode && !encodes) return;
    std::string why = "the network does not run on exactly one GPU";
    if (void* const context = FrameWorkers::context(job.upscaler)) {
        auto gpu = media::Gpu::open(context);
        if (gpu.ok()) job.gpu = std::move(gpu).value();
        else why = gpu.error().message;
    }
    if (job.gpu && job.options.gpu_decode) job.source->decode_on(job.gpu);
    if (!job.gpu && job.options.gpu_decode) job.notice({"decoder", "the processor decodes: " + why});
}

// What the output's name does not say: y4m out of a pipe when y4m went in, and an animated picture named .png.
std::string container_name(const VideoJob& job) {
    if (!job.options.container.empty()) return job.options.container;
    const std::string from = job.source->input().format_name();
    if (job.output == "-") return from == "yuv4mpegpipe" ? "y4m" : "";
    const bool animation = from == "gif" || from == "apng" || from == "animated webp";
    return animation && !is_pattern(job.output) && fs::path(job.output).extension() == ".png" ? "apng" : "";
}

// Decisions that need the first frame and the container.
Result<void> decide(VideoJob& job) {
    const VideoOptions& o = job.options;
    media::Input& input = job.source->input();
    TRY(job.request.container, media::container_for(job.output, container_name(job)));
    job.request.path = job.output;
    job.request.codec = o.video_codec;
    job.request.crf = o.crf;
    job.request.preset = o.preset;
    job.request.options = o.encoder_options;
    job.request.pixel_format = o.pixel_format;
    job.request.live = o.live;
    job.request.to_pipe = job.output == "-";
    job.request.threads = o.codec_threads;
    job.request.repeatable = may_be_journalled(job);
    TRY(job.plan, media::plan_streams(input, job.request.container, job.output, o.skip_unsupported));
    for (const Notice& said : job.plan.notices) job.notice(said);
    const media::Orientation orientation = media::orientation(input);
    if (!job.plan.holds_rotation && (orientation.turn || orientation.mirror)) {
        job.source->turn(orientation);
        job.notice({"turned-upright", "frames are turned upright, because " + job.request.container + " cannot say that they should be"});
    }

    const auto is_video = [](const media::StreamInfo& stream) { return stream.kind == "video"; };
    if (const auto videos = std::count_if(input.streams().begin(), input.streams().end(), is_video); videos > 1)
        job.notice({"several-videos", "there are " + std::to_string(videos) + " video streams: stream " + std::to_string(input.video_stream()) + " is enlarged, the others are " +
                   (job.plan.pictures_only ? "left out" : "copied as they are")});

    TRY(job.first, job.source->prime());
    job.in = job.first.format();
    if (job.gpu && o.gpu_decode)
        job.notice({"decoder", media::on_gpu(job.first) ? "the GPU decodes" : "the processor decodes: the GPU does not take this video, or a filter needs it here"});
    job.frame_rate = input.frame_rate();
    FrameFormat& samples = job.in.samples;
    const std::string container_in = input.format_name();
    const bool pictures_in = container_in.find("image2") != std::string::npos || container_in.find("_pipe") != std::string::npos;
    if (samples.family == FrameFamily::grey && samples.tags.range == Range::unspecified && pictures_in) samples.tags.range = Range::full;
    const bool guessed = samples.family == FrameFamily::yuv && samples.tags.matrix == 2;
    samples.tags = guess_missing(samples.tags, job.in.size, samples.family == FrameFamily::rgb);
    job.notice({"input", "input: " + describe(job.in) + (guessed ? " (matrix guessed from the height)" : "") + ", " + container_in});
    const int dolby_vision = input.dolby_vision();
    if (dolby_vision == 5)
        job.notice({"dolby-vision-colours", "warning: Dolby Vision profile 5 has colours that only Dolby Vision players understand; the output shows them wrong (green and purple)"});
    else if (const std::string lost = media::dynamic_metadata(job.first, dolby_vision >= 0); !lost.empty())
        job.notice({"dynamic-hdr-dropped", "warning: the " + lost + " metadata of single frames cannot be carried and is dropped; static HDR data is kept"});
    if (job.source->filters().deinterlacing()) job.notice({"deinterlaced", "the video is interlaced: it is deinterlaced (bwdif); --no-deinterlace keeps it as it is"});

    job.out = job.in;
    TRY(job.out.size, output_size(o, job.in, job.upscaler.model().scale));
    job.request.transparent = media::is_transparent(job.first);
    const bool whole = o.size.scale == 0 ? !o.size.width && !o.size.height : o.size.scale == std::floor(o.size.scale);
    if (const std::string other = media::processor_encoder(o.video_codec); !other.empty()) {
        const auto works = media::probe_gpu_encoder(o.video_codec, job.gpu.get(), samples.bits <= 8 ? 8 : 10, job.out.size);
        if (!works.ok()) {
            job.notice({"encoder-replaced", o.video_codec + " cannot be used here (" + works.error().message + "): " + other + " is"});
            job.request.codec = other;
        }
    }
    TRY(job.choice, media::choose_encoder(job.request, job.out, !whole || o.square_pixels));
    job.out.size = job.choice.size;
    for (const Notice& said : job.choice.notices) job.notice(said);
    job.out.sar = output_sar(o, job.in, job.out.size);
    const bool alpha = samples.alpha;
    job.frame_pixels = media::plain_name(job.choice.pixel_format, alpha);
    TRY(const media::VideoFormat target, media::video_format(job.frame_pixels, job.out));
    job.out.samples = output_samples(job, target.samples);
    if (o.filter_after.empty()) job.notice({"encoder", "encoder: " + job.choice.sentence});

    const double pixels = static_cast<double>(job.out.size.width) * job.out.size.height + static_cast<double>(job.in.size.width) * job.in.size.height;
    if (const double need = pixels * 3 * 4 * 4; need > 0.9 * static_cast<double>(free_memory_bytes()))
        return Error{Errc::memory, "frames of " + std::to_string(job.out.size.width) + "x" + std::to_string(job.out.size.height) + " need about " +
                                       std::to_string(static_cast<long long>(need / 1048576)) + " MiB, and " +
                                       std::to_string(free_memory_bytes() / 1048576) + " MiB are free"};

    job.mux.container = job.request.container;
    job.mux.options = o.container_options;
    job.mux.live = o.live;
    job.mux.first_number = is_pattern(job.input) ? input.first_number() : 1;
    job.mux.plays = input.plays().value_or(0);
    job.mux.offset_us = job.source->offset_us();
    job.mux.from_s = o.from_s > 0 ? job.source->from_s() : 0;
    job.mux.to_s = job.source->to_s();
    job.mux.keep_rotation = job.plan.holds_rotation;
    if (job.mux.offset_us != 0 && o.from_s == 0) job.notice({"clock-moved", "the input's clock starts at " + exact(static_cast<double>(job.mux.offset_us) / 1e6) + " s; the output's starts at 0"});
    return {};
}

// The final file from the journal's packets and the input's other streams. `cut_short`: the input ends before its end.
Result<void> assemble(VideoJob& job, bool& cut_short) {
    media::InputOptions again = job.source->input().options();
    TRY(const auto input, media::Input::open(again));
    if (job.options.from_s > 0) TRY(input->seek(job.source->from_s()));
    TRY(const auto packets, job.journal->packets());
    job.mux.path = work_file(job);
    // The first packets tell how the streams begin, which the header must say.
    bool others = job.plan.streams.size() > 1;
    std::deque<Packet> ahead;
    {
        std::vector<Packet> first;
        std::size_t bytes = 0;
        while (others && first.size() < 300 && bytes < (std::size_t{32} << 20)) {
            TRY(Packet packet, input->read());
            if (!packet) break;
            bytes += packet.bytes();
            first.push_back(std::move(packet));
            job.mux.starts = media::stream_starts(first, *input, job.plan);
            if (job.mux.starts.size() >= job.plan.streams.size()) break;
        }
        ahead.assign(first.begin(), first.end());
    }
    TRY(const auto output, media::Output::open(job.mux, *input, job.plan, packets->track()));
    TRY(Packet video, packets->next());
    Packet other;
    const auto read_other = [&]() -> Result<void> {
        do {
            if (!ahead.empty()) {
                other = std::move(ahead.front());
                ahead.pop_front();
            } else {
                TRY(other, input->read());
            }
            if (!other) others = false;
        } while (others && other.stream() == input->video_stream());
        return {};
    };
    if (others) TRY(read_other());
    while (video || others) {
        if (job.options.progress && job.options.progress(job.progress_now(std::chrono::steady_clock::now())) == VideoControl::stop_now)
            return Error{Errc::cancelled, "stopped while the file was put together"};
        for (int i = 0; i < 256 && (video || others); ++i) {
            const bool video_first = video && (!others || media::not_later(video, packets->track().time_base, other, *input));
            if (video_first) {
                TRY(output->write_video(video));
                TRY(video, packets->next());
            } else {
                TRY(output->write_other(other));
                TRY(read_other());
            }
        }
    }
    cut_short = cut_short || input->cut_short();
    TRY(output->finish());
    job.bytes = output->bytes();
    TRY(give_final_names(job, output->path()));
    if (const auto removed = job.journal->remove(); !removed)
        job.notice({"work-folder-left", "warning: the folder of the finished work is left: " + removed.error().message});
    return {};
}

Result<VideoReport> work(VideoJob& job) {
    VideoReport report;
    if (job.options.codec_threads == 0 && may_be_journalled(job)) job.options.codec_threads = media::kRepeatableThreads;
    TRY(job.source, VideoSource::open(job.input, job.options, job.cancel, job.end_input));
    open_gpu(job);
    TRY(decide(job));
    const media::Input& input = job.source->input();
    const bool to_file = job.output != "-" && !is_address(job.output);
    if (to_file) {
        TRY(job.standing, OutputStanding::look(job));
    }
    const bool taken = to_file && !job.options.overwrite && !job.standing.taken.empty();
    const Error exists{Errc::exists, job.standing.taken + ": there already; use --force to overwrite it, or -o with another name"};
    // A run that was killed between giving the output its name and removing its journal is finished by the same command.
    if (taken && (job.options.restart || !has_work_folder(job))) return exists;
    const bool journalled = to_file && input.repeatable() && !job.options.live;
    if (is_address(job.output)) return Error{Errc::unsupported, "output to an address; write to stdout (-o -) and send that"};

    report.input = job.in.size;
    report.output = job.out.size;
    report.input_format = describe(job.in);
    report.encoder = job.choice.sentence;
    job.total = job.source->frames_estimate();
    if (journalled) {
        TRY(const media::Facts facts, facts_of(job));
        const bool stateful = job.request.container == "gif" || job.request.container == "apng" || job.request.container == "webp";
        if (stateful) job.options.segment_frames = std::numeric_limits<int>::max();  // their frames build on all before
        TRY(job.journal, media::Journal::open(work_folder(job), facts, job.options.restart));
        if (taken && !job.journal->complete()) return exists;
        job.skip = job.journal->frames();
        job.bytes = job.journal->bytes();
        if (job.skip > 0) job.notice({"work-resumed", "continuing after " + std::to_string(job.skip) + " frames of an earlier run"});
        job.source->only_video();
        TRY(check_room(job));
    } else {
        if (taken) return exists;
        job.mux.path = "-";
        if (to_file) TRY(write_beside(job));
    }

    Result<void> ran;
    if (!job.journal || !job.journal->complete()) ran = job.run_line(report);
    const std::int64_t done = job.journal ? job.journal->frames() : job.encoded.load();
    if (!ran) {
        job.direct.reset();
        if (ran.error().code == Errc::cancelled)
            return Error{Errc::cancelled, job.journal && done > 0 ? "stopped after " + std::to_string(done) + " frames, which are kept; the same command continues" : "stopped; nothing was kept"};
        Error error = std::move(ran).error();
        if (job.journal && done > 0) error.message += "; " + std::to_string(done) + " finished frames are kept, and the same command continues";
        return error;
    }
    report.resumed_frames = job.skip;
    if (job.journal) {
        if (!job.journal->complete()) TRY(job.journal->finish());
        TRY(assemble(job, report.input_cut_short));
        report.frames_out = done;
    } else {
        if (!job.direct) return Error{Errc::format, "no frame was written"};
        TRY(job.direct->finish());
        job.bytes = job.direct->bytes();
        if (auto named = to_file ? give_final_names(job, job.direct->path()) : Result<void>(); !named) {
            job.part_folder.clear();  // what is in it stays
            return std::move(named).error();
        }
        report.frames_out = job.encoded;
    }
    const media::Decoder& decoder = job.source->decoder();
    report.frames_in = job.journal && job.decoded == 0 ? done : job.decoded.load();
    report.reused_frames = job.reused;
    report.partial_frames = job.partial;
    report.computed_share = job.all_pixels > 0 ? job.computed_pixels / job.all_pixels : 0;
    report.damaged = decoder.damaged();
    report.dropped_frames = job.dropped;
    report.retimed_frames = decoder.retimed();
    report.recomputed_tiles = job.recomputed;
    report.input_cut_short = report.input_cut_short || input.cut_short();
    report.output_bytes = job.bytes;
    return report;
}

}  // namespace

VideoJob::~VideoJob() {
    std::error_code ignored;
    if (!part_folder.empty()) fs::remove_all(part_folder, ignored);
}

void VideoJob::notice(const Notice& said) {
    const std::lock_guard lock(notice_mutex);
    if (options.notice) options.notice(said);
    else log(LogLevel::notice, said);
}

Result<VideoReport> enlarge_video(Upscaler& upscaler, const std::string& input, const std::string& output, const VideoOptions& options) {
    if (options.segment_frames < 1) return Error{Errc::argument, "a segment must have at least one frame"};
    VideoJob job{upscaler, input, output, options};
    return work(job);
}

bool is_media_file(const std::string& path) { return media::is_media_file(path); }

}  // namespace enlarge
