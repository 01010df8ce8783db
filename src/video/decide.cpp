// SPDX-License-Identifier: Apache-2.0
// Everything that is decided before work begins: what goes where, how the output's frames are, who encodes them.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/cpu.hpp"
#include "base/text.hpp"
#include "image/format.hpp"
#include "video/job.hpp"

namespace enlarge::video {

namespace {

namespace fs = std::filesystem;

// The tags of the output: what was read or guessed, written down, so that no player needs to guess.
FrameFormat output_samples(const Job& job, const FrameFormat& target) {
    FrameFormat samples = target;
    const FrameFormat& in = job.in.samples;
    samples.tags = in.tags;
    if (target.family == FrameFamily::rgb) {
        samples.tags.matrix = 0;
        samples.tags.range = Range::full;
        samples.tags.siting = ChromaSiting::unspecified;
    } else if (in.family == FrameFamily::rgb) {
        samples.tags.matrix = 2;
        // What players expect.
        samples.tags.range = job.frame_pixels.rfind("yuvj", 0) == 0 ? Range::full : Range::limited;
        samples.tags = guess_missing(samples.tags, job.out.size, false);
    } else if (in.family == FrameFamily::grey && target.family == FrameFamily::yuv) {
        samples.tags = guess_missing(samples.tags, job.in.size, false);
    }
    if (target.family == FrameFamily::yuv && target.sub_x == 0) samples.tags.siting = ChromaSiting::unspecified;
    const bool full = target.tags.range == Range::full && in.family != FrameFamily::rgb;  // yuvj420p
    if (full) samples.tags.range = Range::full;
    return samples;
}

Result<Size> output_size(const VideoOptions& options, const media::VideoFormat& in, int scale) {
    TRY(Size size, resolve(options.size, in.size, scale));
    const bool both = options.size.width && options.size.height;
    if (options.square_pixels && in.sar.num > 0 && in.sar.num != in.sar.den && !both) {
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
    const double across = static_cast<double>(in.size.width) / out.width;
    const double down = static_cast<double>(in.size.height) / out.height;
    if (std::fabs(across / down - 1) < 0.01) return in.sar;  // rounding to whole pixels
    return media::reduced(std::int64_t{in.sar.num} * in.size.width * out.height,
                          std::int64_t{in.sar.den} * in.size.height * out.width);
}

// FFmpeg's side of the GPU that runs the network, when the GPU's own codecs are asked for.
void open_gpu(Job& job) {
    const bool encodes = !media::processor_encoder(job.options.video_codec).empty();
    if (!job.options.gpu_decode && !encodes) return;
    if (!job.network.enlarger) return;
    std::string why = "the network does not run on exactly one GPU";
    const Program& program = job.network.enlarger->engine().program();
    if (const NativeHandle context = program.devices() == 1 ? program.context() : NativeHandle{}) {
        auto gpu = media::Gpu::open(context);
        if (gpu.ok()) job.gpu = std::move(gpu).value();
        else why = gpu.error().message;
    }
    if (job.gpu && job.options.gpu_decode) job.source->decode_on(job.gpu);
    if (!job.gpu && job.options.gpu_decode) job.notice({"decoder", "the processor decodes: " + why});
}

// What the output's name does not say: y4m out of a pipe when y4m went in, and an animated picture named .png.
std::string container_name(const Job& job) {
    if (!job.options.container.empty()) return job.options.container;
    const std::string from = job.source->input().format_name();
    if (job.output == "-") return from == "yuv4mpegpipe" ? "y4m" : "";
    const bool animation = from == "gif" || from == "apng" || from == "animated webp";
    return animation && !is_pattern(job.output) && fs::path(job.output).extension() == ".png" ? "apng" : "";
}

Result<void> fill_request(Job& job) {
    const VideoOptions& o = job.options;
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
    job.request.repeatable = job.may_be_journalled();
    return {};
}

// Which streams go where.
Result<void> decide_streams(Job& job) {
    media::Input& input = job.source->input();
    TRY(job.streams, media::plan_streams(input, job.request.container, job.output, job.options.skip_unsupported));
    for (const Notice& said : job.streams.notices) job.notice(said);
    const media::Orientation orientation = media::orientation(input);
    if (!job.streams.holds_rotation && (orientation.turn || orientation.mirror)) {
        job.source->turn(orientation);
        job.notice({"turned-upright", "frames are turned upright, because " + job.request.container +
                                          " cannot say that they should be"});
    }
    const auto is_video = [](const media::StreamInfo& stream) { return stream.kind == "video"; };
    const auto videos = std::count_if(input.streams().begin(), input.streams().end(), is_video);
    if (videos > 1)
        job.notice({"several-videos", "there are " + std::to_string(videos) + " video streams: stream " +
                                          std::to_string(input.video_stream()) + " is enlarged, the others are " +
                                          (job.streams.pictures_only ? "left out" : "copied as they are")});
    return {};
}

void say_what_is_lost(Job& job) {
    const int dolby_vision = job.source->input().dolby_vision();
    if (dolby_vision == 5) {
        job.notice({"dolby-vision-colours",
                    "warning: Dolby Vision profile 5 has colours that only Dolby Vision players understand; the output "
                    "shows them wrong (green and purple)"});
        return;
    }
    const std::string lost = media::dynamic_metadata(job.first, dolby_vision >= 0);
    if (!lost.empty())
        job.notice({"dynamic-hdr-dropped", "warning: the " + lost + " metadata of single frames cannot be carried and "
                                           "is dropped; static HDR data is kept"});
}

// What the first frame is like.
Result<void> look_at_first_frame(Job& job) {
    media::Input& input = job.source->input();
    TRY(job.first, job.source->prime());
    job.in = job.first.format();
    if (job.gpu && job.options.gpu_decode)
        job.notice({"decoder", media::on_gpu(job.first) ? "the GPU decodes"
                                                        : "the processor decodes: the GPU does not take this video, or "
                                                          "a filter needs it here"});
    job.frame_rate = input.frame_rate();
    FrameFormat& samples = job.in.samples;
    const std::string container = input.format_name();
    const bool pictures =
        container.find("image2") != std::string::npos || container.find("_pipe") != std::string::npos;
    if (samples.family == FrameFamily::grey && samples.tags.range == Range::unspecified && pictures)
        samples.tags.range = Range::full;
    const bool guessed = samples.family == FrameFamily::yuv && samples.tags.matrix == 2;
    samples.tags = guess_missing(samples.tags, job.in.size, samples.family == FrameFamily::rgb);
    const std::string how = guessed ? " (matrix guessed from the height)" : "";
    job.notice({"input", "input: " + describe(job.in) + how + ", " + container});
    say_what_is_lost(job);
    if (job.source->filters().deinterlacing())
        job.notice({"deinterlaced", "the video is interlaced: it is deinterlaced (bwdif); --no-deinterlace keeps it as "
                                    "it is"});
    return {};
}

// A GPU's encoder that is not to be had gives way to the processor's for the same format.
void replace_missing_encoder(Job& job) {
    const std::string other = media::processor_encoder(job.options.video_codec);
    if (other.empty()) return;
    const int bits = job.in.samples.bits <= 8 ? 8 : 10;
    const auto works = media::probe_gpu_encoder(job.options.video_codec, job.gpu.get(), bits, job.out.size);
    if (works.ok()) return;
    job.notice({"encoder-replaced", job.options.video_codec + " cannot be used here (" + works.error().message +
                                        "): " + other + " is"});
    job.request.codec = other;
}

// Encodes a part of the frames alone.
Result<void> choose_part(Job& job) {
    TRY(const Rect part, part_of_output(*job.options.part, job.in.size, job.out.size));
    Rect whole_samples = part;
    for (bool settled = false; !settled;) {
        media::VideoFormat written = job.out;
        written.size = whole_samples.size();
        TRY(job.choice, media::choose_encoder(job.request, written, false));
        TRY(const media::VideoFormat target,
            media::video_format(media::plain_name(job.choice.pixel_format, job.in.samples.alpha), written));
        const bool subsampled = target.samples.family == FrameFamily::yuv;
        const int across = subsampled ? 1 << target.samples.sub_x : 1;
        const int down = subsampled ? 1 << target.samples.sub_y : 1;
        const int x = part.x / across * across, y = part.y / down * down;
        const int right = std::min((part.right() + across - 1) / across * across, job.out.size.width);
        const int bottom = std::min((part.bottom() + down - 1) / down * down, job.out.size.height);
        const Rect grown{x, y, right - x, bottom - y};
        // Odd sizes may be written without subsampling: then nothing has to grow.
        settled = grown == whole_samples || grown == part;
        whole_samples = grown;
    }
    if (!(whole_samples == part))
        job.notice({"part-grown", "the part becomes " + enlarge::describe(whole_samples.size()) + " at " +
                                      std::to_string(whole_samples.x) + "," + std::to_string(whole_samples.y) +
                                      ", where a chroma sample begins"});
    const auto text = [](int value) { return std::to_string(value); };
    const std::string crop = "crop=" + text(whole_samples.width) + ":" + text(whole_samples.height) + ":" +
                             text(whole_samples.x) + ":" + text(whole_samples.y) + ":exact=1";
    job.options.filter_after = crop + (job.options.filter_after.empty() ? "" : "," + job.options.filter_after);
    return {};
}

// How the output's frames are, and who encodes them.
Result<void> decide_output(Job& job) {
    const VideoOptions& o = job.options;
    job.out = job.in;
    TRY(job.out.size, output_size(o, job.in, job.network.scale));
    job.request.transparent = media::is_transparent(job.first);
    const bool whole =
        o.size.scale == 0 ? !o.size.width && !o.size.height : o.size.scale == std::floor(o.size.scale);
    replace_missing_encoder(job);
    if (o.part) {
        TRY(choose_part(job));
    } else {
        TRY(job.choice, media::choose_encoder(job.request, job.out, !whole || o.square_pixels));
        job.out.size = job.choice.size;
    }
    const std::int64_t pixels = std::int64_t{job.out.size.width} * job.out.size.height;
    if (std::max(job.out.size.width, job.out.size.height) > o.limits.side || pixels > o.limits.pixels)
        return Error{Errc::limit, "frames of " + enlarge::describe(job.out.size) + " pixels; at most " +
                                      std::to_string(o.limits.side) + " a side and " +
                                      std::to_string(o.limits.pixels) + " in all are allowed"};
    for (const Notice& said : job.choice.notices) job.notice(said);
    job.out.sar = output_sar(o, job.in, job.out.size);
    job.frame_pixels = media::plain_name(job.choice.pixel_format, job.in.samples.alpha);
    TRY(const media::VideoFormat target, media::video_format(job.frame_pixels, job.out));
    job.out.samples = output_samples(job, target.samples);
    if (o.filter_after.empty()) job.notice({"encoder", "encoder: " + job.choice.sentence});
    return {};
}

Result<void> check_memory(const Job& job) {
    const auto pixels_of = [](Size size) { return static_cast<double>(size.width) * size.height; };
    // Four frames of RGB in float, before the network and behind it.
    const double need = (pixels_of(job.out.size) + pixels_of(job.in.size)) * 3 * 4 * 4;
    const std::int64_t there = free_memory_bytes();
    if (need <= 0.9 * static_cast<double>(there)) return {};
    return Error{Errc::memory, "frames of " + enlarge::describe(job.out.size) + " need about " +
                                   std::to_string(static_cast<long long>(need / 1048576)) + " MiB, and " +
                                   std::to_string(there / 1048576) + " MiB are free"};
}

void fill_mux(Job& job) {
    const media::Input& input = job.source->input();
    const VideoOptions& o = job.options;
    job.mux.container = job.request.container;
    job.mux.options = o.container_options;
    job.mux.live = o.live;
    job.mux.first_number = is_pattern(job.input) ? input.first_number() : 1;
    job.mux.plays = input.plays().value_or(0);
    job.mux.offset_us = job.source->offset_us();
    job.mux.from_s = o.from_s > 0 ? job.source->from_s() : 0;
    job.mux.to_s = job.source->to_s();
    job.mux.keep_rotation = job.streams.holds_rotation;
    const double offset_s = static_cast<double>(job.mux.offset_us) / 1e6;
    if (job.mux.offset_us != 0 && o.from_s == 0)
        job.notice({"clock-moved", "the input's clock starts at " + exact(offset_s) + " s; the output's starts at 0"});
}

// Raw frames in these containers do not say which matrix, transfer and range they are of; whoever reads them guesses.
void say_untold_colours(Job& job) {
    const std::string& container = job.request.container;
    const bool silent = container == "yuv4mpegpipe" || (container == "nut" && job.choice.codec == "rawvideo");
    if (!silent || !job.options.filter_after.empty() || job.out.samples.family != FrameFamily::yuv) return;
    const ColorTags& tags = job.out.samples.tags;
    const ColorTags guessed = guess_missing({}, job.out.size, false);
    // 5 and 6 are the same matrix.
    const bool as_guessed = tags.matrix == guessed.matrix || (tags.matrix == 5 && guessed.matrix == 6);
    const bool hdr = tags.transfer == 16 || tags.transfer == 18;
    const bool range_told = container == "yuv4mpegpipe" || tags.range == guessed.range;
    if (as_guessed && range_told && !hdr) return;
    job.notice({"colours-untold", "raw frames in " + container +
                                      " do not say their colours; whoever reads them must be told: " +
                                      media::describe(job.out)});
}

}  // namespace

Result<void> decide(Job& job) {
    if (job.options.codec_threads == 0 && job.may_be_journalled())
        job.options.codec_threads = media::kRepeatableThreads;
    TRY(job.source, VideoSource::open(job.input, job.options, job.cancel, job.end_input));
    open_gpu(job);
    TRY(fill_request(job));
    TRY(decide_streams(job));
    TRY(look_at_first_frame(job));
    TRY(decide_output(job));
    TRY(check_memory(job));
    fill_mux(job);
    say_untold_colours(job);
    return {};
}

}  // namespace enlarge::video
