// SPDX-License-Identifier: Apache-2.0
#include "work/enlarge_work.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "enlarge/choice.hpp"
#include "enlarge/media.hpp"
#include "enlarge/picture.hpp"
#include "work/checksum.hpp"
#include "work/kinds.hpp"

namespace serve {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Picture;
using enlarge::PictureFormat;
using enlarge::Result;
using Clock = std::chrono::steady_clock;

double since(Clock::time_point from) { return std::chrono::duration<double>(Clock::now() - from).count(); }

// Ten times a second at most.
class Meter {
public:
    Meter(const Tell& tell, Clock::time_point started) : tell_(tell), started_(started) {}
    void at(double fraction, double seconds_left = -1, std::int64_t frames = 0) {
        if (fraction < 1 && since(told_) < 0.1) return;
        told_ = Clock::now();
        const double spent = since(started_);
        if (seconds_left < 0 && fraction > 0.02 && spent > 0.3) seconds_left = spent / fraction * (1 - fraction);
        tell_({.event = Said::Event::progress, .fraction = fraction, .seconds_left = seconds_left, .frames = frames});
    }

private:
    const Tell& tell_;
    Clock::time_point started_, told_{};
};

void remark(const Tell& tell, const std::string& text) {
    if (!text.empty()) tell({.event = Said::Event::remark, .text = text});
}

double factor_of(const enlarge::OutputSize& wanted, enlarge::Size in) {
    if (wanted.scale > 0 || (!wanted.width && !wanted.height)) return wanted.scale;
    const auto size = enlarge::resolve(wanted, in, 1);
    return size ? std::max(double(size->width) / in.width, double(size->height) / in.height) : 0;
}

// By the parameter, else the input's own where that can be written and holds what it needs to, else PNG.
Result<PictureFormat> output_format(const Options& options, const enlarge::PictureInfo& info) {
    if (!options.format.empty()) return enlarge::parse_picture_format(options.format);
    const enlarge::PictureFormatInfo& own = enlarge::format_info(info.file_format);
    const bool alpha_lost = info.format.channels % 2 == 0 && !own.alpha && options.background.empty();
    return own.writable && !alpha_lost ? info.file_format : PictureFormat::png;
}

// The part of the result that lies over `rect` of the input.
Result<enlarge::Rect> part_of(const std::optional<enlarge::Rect>& rect, enlarge::Size in, enlarge::Size out) {
    if (!rect) return enlarge::Rect{0, 0, out.width, out.height};
    auto part = enlarge::part_of_output(*rect, in, out);
    return part ? part : std::move(part.error()).within("preview");
}

// The size at which both wanted sides are filled.
enlarge::OutputSize covering(const Options& options, enlarge::Size in) {
    if (options.cover.empty()) return options.size;
    const double factor = std::max(double(options.size.width) / in.width, double(options.size.height) / in.height);
    enlarge::OutputSize size{.scale = 0,
                             .width = std::max(options.size.width, static_cast<int>(std::lround(in.width * factor))),
                             .height = std::max(options.size.height, static_cast<int>(std::lround(in.height * factor))),
                             .fit = false};
    return size;
}

// Its middle, as large as was wanted.
enlarge::Rect middle(const Options& options, enlarge::Size out) {
    return {(out.width - options.size.width) / 2, (out.height - options.size.height) / 2, options.size.width,
            options.size.height};
}

struct PictureJob {
    Picture picture;
    PictureFormat format;
    enlarge::RowSource* rows;
    std::unique_ptr<enlarge::RowSource> flat;
};

// What transparency is laid on: what was asked for; anything where it hides nothing and the format has none; else
// nothing. Before the picture's rows are read.
Result<std::optional<enlarge::Background>> background_for(Picture& picture, PictureFormat format,
                                                          const Options& options) {
    using Laid = std::optional<enlarge::Background>;
    if (picture.info().format.channels % 2 != 0) return Laid();
    if (options.background.empty()) {
        if (enlarge::format_info(format).alpha) return Laid();
        const auto opaque = picture.opaque();
        if (!opaque) return opaque.error();
        return *opaque ? Laid(enlarge::Background()) : Laid();
    }
    const auto background = enlarge::parse_background(options.background);
    if (!background) return background.error();
    return Laid(*background);
}

Result<PictureJob> open_picture(const Work& work, const Options& options, const enlarge::Cancellation& cancel) {
    enlarge::ReadOptions read{
        .page = options.page - 1, .allow_damaged = options.allow_damaged, .memory_bytes = work.memory_bytes};
    read.cancel = cancel;
    if (work.max_pixels > 0) read.max_pixels = work.max_pixels;
    auto picture = Picture::open(work.input, read);
    if (!picture) return std::move(picture).error();
    const auto format = output_format(options, picture->info());
    if (!format) return format.error();
    PictureJob job{std::move(picture).value(), *format, nullptr, nullptr};
    const auto background = background_for(job.picture, *format, options);
    if (!background) return background.error();
    job.rows = &job.picture.rows();
    if (!*background) return job;
    job.flat = enlarge::flatten(*job.rows, **background);
    job.rows = job.flat.get();
    return job;
}

Result<Said> enlarge_picture(const Work& work, const Options& options, Networks& networks,
                             const enlarge::Cancellation& cancel, const Tell& tell) {
    const auto started = Clock::now();
    auto job = open_picture(work, options, cancel);
    if (!job) return std::move(job).error();
    const enlarge::PictureInfo& info = job->picture.info();
    const auto network =
        networks.get(options, enlarge::Use::pictures, factor_of(covering(options, info.size), info.size), work);
    if (!network) return network.error();
    const auto size = enlarge::resolve(covering(options, info.size), info.size, (*network)->engine.info().model.scale);
    if (!size) return size.error();
    if (work.max_pixels > 0 && std::int64_t{size->width} * size->height > work.max_pixels)
        return Error{Errc::limit, "the result would have " + std::to_string(size->width) + "x" +
                                      std::to_string(size->height) + " pixels; at most " +
                                      std::to_string(work.max_pixels) + " are made here"};
    const bool cut = options.cover == "crop";
    const auto part = cut ? Result<enlarge::Rect>(middle(options, *size)) : part_of(options.preview, info.size, *size);
    if (!part) return part.error();
    enlarge::Notice lost;
    const enlarge::PixelFormat pixels = enlarge::output_pixels(job->rows->format(), job->format, &lost);
    const std::string extension = enlarge::format_info(job->format).extension;
    const std::string path = work.output + "." + extension;
    enlarge::WriteOptions write{
        .format = job->format, .quality = options.quality, .lossless = options.lossless, .overwrite = true};
    write.cancel = cancel;
    if (options.provenance) write.provenance_model = (*network)->engine.info().made_by;
    auto writer = enlarge::PictureWriter::create(path, part->size(), pixels, &job->picture, write);
    if (!writer) return std::move(writer).error();
    for (const enlarge::Notice& said : job->picture.notices()) remark(tell, said.text);
    for (const enlarge::Notice& said : writer->notices()) remark(tell, said.text);
    remark(tell, lost.text);
    Meter meter(tell, started);
    const enlarge::CallOptions call{[&](double fraction) { return meter.at(fraction), true; }, cancel};
    enlarge::Engine::Session& session = (*network)->session;
    auto report = options.preview || cut ? session.upscale_part(*job->rows, *writer, *size, pixels, *part, call)
                                         : session.upscale(*job->rows, *writer, *size, pixels, call);
    if (!report) return std::move(report).error();
    if (auto finished = writer->finish(); !finished) return std::move(finished).error();
    return Said{.event = Said::Event::done,
                .width = part->width,
                .height = part->height,
                .extension = extension,
                .model = (*network)->model,
                .seconds = since(started)};
}

// Where the input's own container cannot be written: Matroska.
std::string container_of(const Work& work, const Options& options) {
    if (!options.format.empty()) return options.format;
    const auto kind = kind_of_file(work.input);
    if (!kind) return "mkv";
    if (kind->extension == "png") return "apng";
    return is_container(kind->extension) ? kind->extension : "mkv";
}

enlarge::VideoOptions video_options(const Work& work, const Options& options, const std::string& container) {
    enlarge::VideoOptions video;
    video.size = options.size;
    video.input_format = work.demuxer;
    video.container = container;
    video.video_codec = options.codec;
    video.crf = options.crf;
    video.from_s = options.from_s;
    if (options.to_s > 0) video.to_s = options.to_s;
    video.deinterlace = options.deinterlace;
    video.skip_unsupported = true;
    video.segment_frames = 60;
    if (work.max_pixels > 0) video.limits.pixels = work.max_pixels;
    video.limits.memory_bytes = work.memory_bytes;
    if (options.purpose.empty()) return video;
    if (const auto kind = enlarge::parse_kind(options.purpose)) {
        const enlarge::Choice suited = enlarge::choose(*kind, enlarge::Use::video, options.size.scale);
        video.deinterlace = video.deinterlace && suited.deinterlace;
        if (options.deinterlace) video.filter_before = suited.filter_before;
    }
    return video;
}

Result<Said> enlarge_film(const Work& work, const Options& options, Networks& networks,
                          const enlarge::Cancellation& cancel, const Tell& tell) {
    const auto started = Clock::now();
    if (options.preview) return Error{Errc::argument, "preview is for pictures; for a film give from and to"};
    const auto network = networks.get(options, enlarge::Use::video, options.size.scale, work);
    if (!network) return network.error();
    const std::string container = container_of(work, options);
    enlarge::VideoOptions video = video_options(work, options, container);
    video.cancel = cancel;
    Meter meter(tell, started);
    video.progress = [&](const enlarge::VideoProgress& now) {
        meter.at(now.fraction, now.seconds_left, std::max<std::int64_t>(1, now.frames));
        return enlarge::VideoControl::go_on;
    };
    video.notice = [&](const enlarge::Notice& said) { remark(tell, said.text); };
    const auto report = enlarge::enlarge_video((*network)->session, work.input, work.output + "." + container, video);
    if (!report) return report.error();
    return Said{.event = Said::Event::done,
                .width = report->output.width,
                .height = report->output.height,
                .frames = report->frames_out,
                .extension = container,
                .model = (*network)->model,
                .seconds = since(started)};
}

// Pictures that may be animations; with a format that is a still picture's they are not meant as such.
bool is_film(const Work& work, const Options& options) {
    if (work.moving) return true;
    const bool still = !options.format.empty() && !is_container(options.format);
    return !still && !options.preview && enlarge::is_media_file(work.input);
}

}  // namespace

Result<Said> enlarge_work(const Work& work, Networks& networks, const enlarge::Cancellation& cancel, const Tell& tell) {
    const auto options = parse_options(work.options);
    if (!options) return options.error();
    if (auto going = cancel.check(); !going) return std::move(going).error();
    const bool film = is_film(work, *options);
    if (film && work.stills) return Said{.event = Said::Event::film};
    auto done = film ? enlarge_film(work, *options, networks, cancel, tell)
                                        : enlarge_picture(work, *options, networks, cancel, tell);
    if (!done || !work.checksum) return done;
    const auto sum = crc32_of_file(work.output + "." + done->extension);
    if (!sum) return Error{Errc::io, "the result cannot be read again"};
    done->checksum = *sum;
    return done;
}

}  // namespace serve
