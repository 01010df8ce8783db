// SPDX-License-Identifier: Apache-2.0
#include "video_command.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "CLI/CLI.hpp"
#include "checks.hpp"
#include "command.hpp"
#include "enlarge/engine.hpp"
#include "enlarge/picture.hpp"
#include "text.hpp"

namespace cli {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;
using Pairs = std::vector<std::pair<std::string, std::string>>;

Result<Pairs> pairs(const std::vector<std::string>& words, const char* option) {
    Pairs out;
    for (const std::string& word : words) {
        const auto equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            return Error{Errc::argument, std::string(option) + " '" + word + "' should be key=value"};
        out.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
    return out;
}

std::string extension(const std::string& path) {
    std::string ext = std::filesystem::path(path).extension().string();
    std::transform(ext.begin(), ext.end(), ext.begin(), [](unsigned char c) { return std::tolower(c); });
    return ext.empty() ? ext : ext.substr(1);
}

// The ending of a container's name or FFmpeg's word for it.
std::string ending_of(const std::string& container) {
    static constexpr std::pair<const char*, const char*> kWords[] = {
        {"matroska", "mkv"}, {"mpegts", "ts"}, {"yuv4mpegpipe", "y4m"}, {"vob", "mpg"}, {"mpeg", "mpg"}, {"ogg", "ogv"}, {"ipod", "m4v"}};
    for (const auto& [word, ending] : kWords)
        if (container == word) return ending;
    return container;
}

}  // namespace

bool is_one_frame(const UpscaleOptions& options, const VideoChoice& choice) { return !options.preview.empty() && choice.to.empty(); }

std::string container_of(const UpscaleOptions& options, const VideoChoice& choice) {
    if (!choice.options.container.empty()) return choice.options.container;
    return options.format.empty() && is_one_frame(options, choice) ? "png" : options.format;
}

// What cannot be written as video becomes Matroska.
std::string video_output(const Job& job, const std::string& suffix, const std::string& container) {
    if (!job.output.empty()) return job.output;
    if (job.input == "-") return "-";
    std::string ext = container.empty() ? extension(job.input) : ending_of(container);
    static constexpr const char* kWritten[] = {"mp4", "m4v", "mov", "mkv", "webm", "ts", "m2ts", "avi", "flv", "gif", "apng", "webp", "nut", "y4m", "ogv", "mpg", "3gp"};
    if (container.empty() && std::none_of(std::begin(kWritten), std::end(kWritten), [&](const char* k) { return ext == k; })) ext = ext == "png" ? "apng" : "mkv";
    if (job.input.find("://") != std::string::npos) return "live" + suffix + "." + (container.empty() ? "mkv" : ext);
    return default_output(job.input, job.folder, suffix, ext);
}

namespace {

// What --preview asks for: that part of every frame, or of one.
Result<void> show_part(const std::string& preview, bool one_frame, const std::string& output, enlarge::VideoOptions& video) {
    const auto rect = parse_rect(preview, "--preview");
    if (!rect) return rect.error();
    video.part = *rect;
    if (!one_frame) return {};
    video.filter_before += (video.filter_before.empty() ? "" : ",") + std::string("trim=end_frame=1");
    video.to_s = video.from_s + 2;  // there is a frame within
    if (video.container == "png") video.container = extension(output) == "png" ? "apng" : "";  // of one frame: a picture
    return {};
}

}  // namespace

std::string detail_of(const enlarge::VideoProgress& p) {
    char text[200];
    int n = p.frames_total > 0 ? std::snprintf(text, sizeof text, "%3.0f%%, frame %lld of %lld", p.fraction * 100,
                                               static_cast<long long>(p.frames), static_cast<long long>(p.frames_total))
                               : std::snprintf(text, sizeof text, "frame %lld", static_cast<long long>(p.frames));
    const auto more = [&](auto... arguments) {
        if (n >= 0 && n < static_cast<int>(sizeof text)) n += std::snprintf(text + n, sizeof text - static_cast<std::size_t>(n), arguments...);
    };
    if (p.frames_per_second > 0) more(", %.1f frames/s, %.2fx", p.frames_per_second, p.speed);
    if (p.seconds_left >= 0) more(", %s left", clock(p.seconds_left).c_str());
    if (p.stopping) more(" - stopping in %lld frames, Ctrl-C again to stop at once", static_cast<long long>(p.frames_to_stop));
    return text;
}

namespace {

void print_stats(const enlarge::VideoReport& r) {
    std::fprintf(stderr, "stage          busy s   share of %.2f s\n", r.seconds);
    for (const auto& stage : r.stages)
        std::fprintf(stderr, "  %-12s %7.2f   %5.1f %%%s\n", stage.name.c_str(), stage.busy_s, r.seconds > 0 ? 100 * stage.busy_s / r.seconds : 0.0,
                     stage.name == r.bottleneck ? "  <- the bottleneck" : "");
    std::fprintf(stderr, "  frames: %lld in, %lld out, %lld identical to the one before, %lld computed in part (%.1f %% of all pixels computed)\n",
                 static_cast<long long>(r.frames_in), static_cast<long long>(r.frames_out), static_cast<long long>(r.reused_frames),
                 static_cast<long long>(r.partial_frames), 100 * r.computed_share);
    std::fprintf(stderr, "  memory of the frames on their way: %.1f MiB\n", static_cast<double>(r.frame_memory_bytes) / 1048576);
}

}  // namespace

Result<double> parse_time(const std::string& text) {
    double total = 0;
    std::string_view rest = text;
    for (int part = 0; part < 3; ++part) {
        const auto value = leading_number(rest, rest);
        if (!value || !(*value >= 0) || !std::isfinite(*value)) break;
        total = total * 60 + *value;
        if (rest.empty()) return total;
        if (rest.front() != ':') break;
        rest.remove_prefix(1);
    }
    return Error{Errc::argument, "'" + text + "' is not a time; write seconds (90.5) or 1:30 or 0:01:30.5"};
}

void define_video_options(CLI::App& app, VideoChoice& c) {
    enlarge::VideoOptions& o = c.options;
    const char* g = "Video";
    app.add_option("--video-codec", o.video_codec, "Encoder: libx264, libx265, libsvtav1, libvpx-vp9, ffv1 ... (default: by container and size)")->type_name("NAME")->group(g);
    app.add_option_function<double>("--crf", [&c](const double& value) { c.crf = value; c.crf_given = true; }, "Quality in the encoder's own scale; smaller is better (default: libx264 17, libx265 19)")->type_name("N")->check(number(-100, 1000))->group(g);
    app.add_option("--preset", o.preset, "The encoder's speed: ultrafast ... veryslow, or a number")->type_name("NAME")->group(g);
    app.add_option("--encoder-option", c.encoder_options, "Passed to the encoder; may be given several times")->type_name("KEY=VALUE")->group(g);
    app.add_option("--pixel-format", o.pixel_format, "Of the output, by FFmpeg's name: yuv420p10le, yuv444p (default: as the input)")->type_name("NAME")->group(g);
    app.add_option("--container", o.container, "mkv, mp4, mov, webm, ts, gif, y4m, nut ... (default: by the output's ending; NUT to a pipe)")->type_name("NAME")->group(g);
    app.add_option("--container-option", c.container_options, "Passed to the container's writer")->type_name("KEY=VALUE")->group(g);
    app.add_option("--from", c.from, "Begin here: seconds, or 1:30")->type_name("TIME")->group(g);
    app.add_option("--to", c.to, "End here")->type_name("TIME")->group(g);
    app.add_option("--filter-before", o.filter_before, "FFmpeg filters before the network: crop=640:360,hqdn3d")->type_name("CHAIN")->group(g);
    app.add_option("--filter-after", o.filter_after, "FFmpeg filters after it")->type_name("CHAIN")->group(g);
    app.add_flag("--no-deinterlace", c.no_deinterlace, "Enlarge interlaced frames as they are")->group(g);
    app.add_flag("--square-pixels", o.square_pixels, "Stretch to square pixels")->group(g);
    app.add_flag("--skip-unsupported", o.skip_unsupported, "Leave out streams that the container cannot hold")->group(g);
    app.add_flag("--restart", o.restart, "Throw away the unfinished work of an earlier run")->group(g);
    app.add_option("--segment-frames", o.segment_frames, "How many frames can be lost to a crash")->type_name("N")->check(whole(1, 1'000'000))->capture_default_str()->group(g);
    app.add_flag("--no-reuse", c.no_reuse, "Compute every frame, even if nothing changed")->group(g);
    app.add_option("--codec-threads", o.codec_threads, "Threads of decoder and encoder (default: 8 from file to file, so that every machine makes the same file; else theirs to choose)")
        ->type_name("N")->check(whole(0, 1024))->group(g);
    app.add_flag("--gpu-decode", o.gpu_decode, "Let the NVIDIA GPU that runs the network decode too; with --video-codec hevc_nvenc frames never leave it")->group(g);
    app.add_option("--frame-rate", o.frame_rate, "Of an image sequence (default 25)")->type_name("N")->check(number(0.001, 1000))->group(g);
    app.add_flag("--stats", c.stats, "How long each stage was at work, and which is the bottleneck")->group(g);
    const char* l = "Live input";
    app.add_option("--input-format", o.input_format, "Of a pipe or address: y4m, nut, mpegts ... (default: found out)")->type_name("NAME")->group(l);
    app.add_option("--input-option", c.input_options, "Passed to the input's reader")->type_name("KEY=VALUE")->group(l);
    app.add_flag("--live", o.live, "Short queues, no look-ahead, output at once")->group(l);
    app.add_option("--drop-after", o.drop_after_s, "With --live: drop frames that are this late")->type_name("SECONDS")->check(number(0.001, 1e6))->group(l);
    app.add_option("--timeout", o.timeout_s, "How long an address may be silent")->type_name("SECONDS")->check(number(0.001, 1e6))->capture_default_str()->group(l);
    app.add_option("--allow-protocol", o.allow_protocols, "Also open addresses of this protocol")->type_name("NAME")->group(l);
}

bool is_video_job(const Job& job, const UpscaleOptions& options, const VideoChoice& choice) {
    if (!options.format.empty() && enlarge::parse_picture_format(options.format).ok()) return false;
    // What is found in a folder is what it is; a single picture may be meant as a film of one frame.
    if (job.folder.empty() && !(choice.options.container.empty() && choice.options.input_format.empty())) return true;
    if (!options.format.empty() && job.input == "-") return true;
    return enlarge::is_media_file(job.input);
}

Result<enlarge::VideoOptions> video_options(const EngineChoice& engine, const VideoChoice& choice) {
    enlarge::VideoOptions video = choice.options;
    const auto size = output_size(engine);
    if (!size) return size.error();
    video.size = *size;
    if (choice.crf_given) video.crf = choice.crf;
    const auto settings = settings_for(engine, enlarge::Use::video, size->scale);
    if (!settings) return settings.error();
    video.deinterlace = settings->deinterlace && !choice.no_deinterlace;
    if (!settings->filter_before.empty() && !choice.no_deinterlace)
        video.filter_before = settings->filter_before + (video.filter_before.empty() ? "" : "," + video.filter_before);
    video.reuse = !choice.no_reuse;
    for (const auto& [words, target, name] :
         {std::tuple{&choice.encoder_options, &video.encoder_options, "--encoder-option"},
          std::tuple{&choice.container_options, &video.container_options, "--container-option"},
          std::tuple{&choice.input_options, &video.input_options, "--input-option"}}) {
        auto parsed = pairs(*words, name);
        if (!parsed) return std::move(parsed).error();
        *target = std::move(*parsed);
    }
    for (const auto& [text, target, name] : {std::tuple{&choice.from, &video.from_s, "--from"},
                                             std::tuple{&choice.to, &video.to_s, "--to"}}) {
        if (text->empty()) continue;
        const auto time = parse_time(*text);
        if (!time) return Error{time.error().code, std::string(name) + ": " + time.error().message};
        *target = *time;
    }
    return video;
}

Result<void> upscale_video(const Job& job, const UpscaleOptions& options, const VideoChoice& choice,
                           Upscalers& upscalers, Reporter& reporter) {
    auto made = video_options(options.engine, choice);
    if (!made) return std::move(made).error();
    enlarge::VideoOptions video = std::move(*made);
    const enlarge::OutputSize* const size = &video.size;
    video.container = container_of(options, choice);
    video.overwrite = options.force;
    const bool one_frame = is_one_frame(options, choice);
    const std::string output = video_output(job, options.inputs.suffix, video.container);
    if (auto made = make_folder(job.folder); !made) return made;
    const auto upscaler = upscalers.upscaler(enlarge::Use::video, size->scale);
    if (!upscaler) return upscaler.error();
    if (!options.preview.empty())
        if (auto part = show_part(options.preview, one_frame, output, video); !part) return part;

    reporter.start(job.input, output);
    if (const std::string said = upscalers.remark(enlarge::Use::video, size->scale); !said.empty())
        reporter.note({"chosen", said});
    const auto settings = upscalers.settings(enlarge::Use::video, size->scale);
    if (!settings) return settings.error();
    reporter.detail("network: " + (*upscaler)->info().made_by);
    reporter.detail("engine: " + (*upscaler)->description());
    video.notice = [&](const enlarge::Notice& said) {
        if (one_frame && (said.code == "stream-dropped" || said.code == "room")) return;  // a picture has no sound
        reporter.note(said);
    };
    bool told = false;
    video.progress = [&](const enlarge::VideoProgress& p) {
        if (interrupted() && !told) {
            told = true;
            reporter.note({"stopping", p.frames_to_stop > 0 ? "stopping when this segment is closed; Ctrl-C again stops at once" : "stopping; Ctrl-C again stops at once"});
        }
        reporter.progress(p.fraction, reporter.json() ? std::string() : detail_of(p));
        return interrupted() ? enlarge::VideoControl::stop_soon : enlarge::VideoControl::go_on;
    };
    auto done = enlarge::enlarge_video(**upscaler, job.input, output, video);
    if (!done) return Error{done.error().code, job.input + ": " + done.error().message};
    const enlarge::VideoReport& r = *done;
    if (r.damaged > 0)
        reporter.note({"input-damaged", "warning: " + std::to_string(r.damaged) + " damaged packets or frames; what the decoder could conceal is in the output"});
    if (r.input_cut_short) reporter.note({"input-ended-early", "warning: the input ends before its end; what could be read is in the output"});
    if (r.retimed_frames > 0) reporter.note({"frames-retimed", std::to_string(r.retimed_frames) + " frames had no usable time stamp of their own"});
    if (r.dropped_frames > 0) reporter.note({"frames-dropped", std::to_string(r.dropped_frames) + " late frames were dropped"});
    if (choice.stats && !reporter.json()) print_stats(r);
    char text[256];
    std::snprintf(text, sizeof text, "%dx%d -> %dx%d, %lld frames, %.1f MB", r.input.width, r.input.height, r.output.width, r.output.height,
                  static_cast<long long>(r.frames_out), static_cast<double>(r.output_bytes) / 1e6);
    JsonLine line("done");
    line.add("input", job.input).add("output", output).add("width", r.output.width).add("height", r.output.height);
    line.add("frames_in", r.frames_in).add("frames_out", r.frames_out).add("resumed_frames", r.resumed_frames);
    line.add("reused_frames", r.reused_frames).add("partial_frames", r.partial_frames).add("damaged", r.damaged);
    line.add("dropped_frames", r.dropped_frames).add("cut_short", r.input_cut_short).add("bytes", r.output_bytes).add("seconds", r.seconds);
    line.add("encoder", r.encoder).add("bottleneck", r.bottleneck);
    line.add("model", (*upscaler)->model().name).add("strength", settings->strength);
    for (const auto& stage : r.stages) line.add(("busy_s " + stage.name).c_str(), stage.busy_s);
    reporter.done(text, std::move(line));
    return {};
}

}  // namespace cli
