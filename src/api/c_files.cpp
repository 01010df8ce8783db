// SPDX-License-Identifier: Apache-2.0
// The C interface: picture files and video files.
#include "api/c_interface.hpp"
#include "api/picture_file.hpp"
#include "enlarge/media.hpp"

using enlarge::Errc;
using enlarge::Error;
using enlarge::Notice;
using enlarge::Result;
using enlarge::VideoOptions;
using namespace enlarge::c;

namespace {

std::function<void(const Notice&)> notice_of(enlarge_log notice, void* user) {
    if (!notice) return {};
    return [sink = sink_of(notice, user)](const Notice& said) { sink(enlarge::LogLevel::notice, said); };
}

Result<enlarge::PictureFileOptions> picture_options(const enlarge_picture_options* given) {
    TRY(const enlarge_picture_options from, known_or_zero(given, "options"));
    enlarge::PictureFileOptions to;
    to.size = {from.scale, from.width, from.height, from.fit != 0};
    if (from.page < 0) return Error{Errc::argument, "page " + std::to_string(from.page) + "; pages begin with 1"};
    if (from.quality < 0 || from.quality > 100)
        return Error{Errc::argument, "a quality of " + std::to_string(from.quality) + "; expected 1 to 100"};
    to.read.page = from.page - 1;
    to.read.allow_damaged = from.allow_damaged != 0;
    if (from.format) {
        TRY(to.write.format, enlarge::parse_picture_format(from.format));
    }
    to.write.quality = from.quality;
    to.write.lossless = from.lossless != 0;
    to.write.overwrite = from.overwrite != 0;
    to.provenance = from.no_provenance == 0;
    if (from.background) {
        TRY(to.background, enlarge::parse_background(from.background));
    }
    to.notice = notice_of(from.notice, from.notice_user);
    return to;
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Lines of key=value.
Result<Pairs> pairs_of(const char* given, const char* name) {
    Pairs pairs;
    const std::string text = text_of(given);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string line = text.substr(at, end - at);
        at = end + 1;
        if (line.empty()) continue;
        const std::size_t equals = line.find('=');
        if (equals == std::string::npos || equals == 0)
            return Error{Errc::argument, std::string(name) + ": '" + line + "' should be key=value"};
        pairs.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    }
    return pairs;
}

enlarge_video_progress c_progress(const enlarge::VideoProgress& from) {
    enlarge_video_progress to{};
    to.size = sizeof to;
    to.frames = from.frames;
    to.frames_total = from.frames_total;
    to.resumed_frames = from.resumed_frames;
    to.fraction = from.fraction;
    to.frames_per_second = from.frames_per_second;
    to.speed = from.speed;
    to.seconds_left = from.seconds_left;
    to.output_bytes = from.output_bytes;
    to.stopping = from.stopping;
    to.frames_to_stop = from.frames_to_stop;
    return to;
}

std::function<enlarge::VideoControl(const enlarge::VideoProgress&)> watch_of(enlarge_video_watch watch, void* user) {
    if (!watch) return {};
    return [watch, user](const enlarge::VideoProgress& progress) {
        const enlarge_video_progress shown = c_progress(progress);
        switch (watch(user, &shown)) {
            case ENLARGE_VIDEO_STOP_NOW: return enlarge::VideoControl::stop_now;
            case ENLARGE_VIDEO_STOP_SOON: return enlarge::VideoControl::stop_soon;
            default: return enlarge::VideoControl::go_on;
        }
    };
}

// What is a number, and 0 where the default is meant.
Result<void> fill_numbers(const enlarge_video_options& from, VideoOptions& to) {
    for (const double number : {from.from_seconds, from.to_seconds, from.frame_rate, from.timeout_seconds,
                                from.drop_after_seconds})
        if (!(number >= 0)) return Error{Errc::argument, "a time or rate of " + std::to_string(number)};
    if (from.segment_frames < 0 || from.codec_threads < 0 || from.max_pixels < 0 || from.max_side < 0)
        return Error{Errc::argument, "a negative number of frames, threads or pixels"};
    to.from_s = from.from_seconds;
    if (from.to_seconds > 0) to.to_s = from.to_seconds;
    to.frame_rate = from.frame_rate;
    if (from.timeout_seconds > 0) to.timeout_s = from.timeout_seconds;
    to.drop_after_s = from.drop_after_seconds;
    if (from.segment_frames) to.segment_frames = from.segment_frames;
    to.codec_threads = from.codec_threads;
    if (from.max_pixels) to.limits.pixels = from.max_pixels;
    if (from.max_side) to.limits.side = from.max_side;
    if (from.has_crf) to.crf = from.crf;
    return {};
}

void fill_switches(const enlarge_video_options& from, VideoOptions& to) {
    to.overwrite = from.overwrite != 0;
    to.deinterlace = from.no_deinterlace == 0;
    to.square_pixels = from.square_pixels != 0;
    to.skip_unsupported = from.skip_unsupported != 0;
    to.reuse = from.no_reuse == 0;
    to.restart = from.restart != 0;
    to.gpu_decode = from.gpu_decode != 0;
    to.live = from.live != 0;
}

Result<VideoOptions> video_options(const enlarge_video_options* given, const enlarge::Limits& limits) {
    TRY(const enlarge_video_options from, known_or_zero(given, "options"));
    VideoOptions to;
    to.limits = limits;
    to.size = {from.scale, from.width, from.height, from.fit != 0};
    to.input_format = text_of(from.input_format);
    to.container = text_of(from.container);
    to.video_codec = text_of(from.video_codec);
    to.preset = text_of(from.preset);
    to.pixel_format = text_of(from.pixel_format);
    to.filter_before = text_of(from.filter_before);
    to.filter_after = text_of(from.filter_after);
    TRY(to.input_options, pairs_of(from.input_options, "input_options"));
    TRY(to.container_options, pairs_of(from.container_options, "container_options"));
    TRY(to.encoder_options, pairs_of(from.encoder_options, "encoder_options"));
    TRY(fill_numbers(from, to));
    fill_switches(from, to);
    to.progress = watch_of(from.watch, from.watch_user);
    if (from.cancellation) to.cancel = from.cancellation->cancellation;
    to.notice = notice_of(from.notice, from.notice_user);
    return to;
}

enlarge_video_report c_report(const enlarge::VideoReport& from) {
    enlarge_video_report to{};
    to.in_width = from.input.width;
    to.in_height = from.input.height;
    to.out_width = from.output.width;
    to.out_height = from.output.height;
    to.frames_in = from.frames_in;
    to.frames_out = from.frames_out;
    to.resumed_frames = from.resumed_frames;
    to.reused_frames = from.reused_frames;
    to.partial_frames = from.partial_frames;
    to.damaged = from.damaged;
    to.dropped_frames = from.dropped_frames;
    to.retimed_frames = from.retimed_frames;
    to.recomputed_tiles = from.recomputed_tiles;
    to.output_bytes = from.output_bytes;
    to.input_cut_short = from.input_cut_short;
    to.computed_share = from.computed_share;
    to.seconds = from.seconds;
    return to;
}

enlarge_file_report c_report(const enlarge::PictureFileReport& from) {
    enlarge_file_report to{};
    to.in_width = from.input.width;
    to.in_height = from.input.height;
    to.out_width = from.work.output.width;
    to.out_height = from.work.output.height;
    to.passes = from.work.passes;
    to.tiles = from.work.tiles;
    to.recomputed_tiles = from.work.recomputed_tiles;
    to.seconds = from.work.seconds;
    return to;
}

}  // namespace

extern "C" {

enlarge_status enlarge_picture_file(enlarge_context* ctx, enlarge_session* session, const char* input,
                                    const char* output, const enlarge_picture_options* options,
                                    const enlarge_call* call, enlarge_file_report* report) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!session) return null_argument("session");
        if (!input || !output) return null_argument("a path");
        if (report) TRY(known_part(report, "report"));
        TRY(const auto how, picture_options(options));
        TRY(const auto with, call_options(call));
        TRY(const auto made, enlarge::enlarge_picture(session->session, input, output, how, with));
        return report ? fill_known(report, c_report(made), "report") : Result<void>{};
    });
}

enlarge_status enlarge_video_file(enlarge_context* ctx, enlarge_session* session, const char* input,
                                  const char* output, const enlarge_video_options* options,
                                  enlarge_video_report* report) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!session) return null_argument("session");
        if (!input || !output) return null_argument("a path");
        if (report) TRY(known_part(report, "report"));
        TRY(const VideoOptions how, video_options(options, session->session.info().limits));
        auto made = enlarge::enlarge_video(session->session, input, output, how);
        if (!made) return std::move(made).error().within(input);
        return report ? fill_known(report, c_report(*made), "report") : Result<void>{};
    });
}

int enlarge_is_video_file(const char* path) {
    try {
        return path && enlarge::is_media_file(path) ? 1 : 0;
    } catch (...) {
        return 0;
    }
}

}  // extern "C"
