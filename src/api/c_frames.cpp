// SPDX-License-Identifier: Apache-2.0
// The C interface: frames of video in memory.
#include <unistd.h>

#include "api/c_interface.hpp"
#include "api/frame_stream.hpp"

using enlarge::ColorTags;
using enlarge::Errc;
using enlarge::Error;
using enlarge::FrameFamily;
using enlarge::FrameFormat;
using enlarge::Result;
using enlarge::StreamFormat;
using namespace enlarge::c;

struct enlarge_stream {
    std::unique_ptr<enlarge::FrameStream> stream;
    pid_t maker = getpid();  // where its thread is
};

namespace {

Result<void> check_stream(const enlarge_stream* stream) {
    if (!stream) return null_argument("stream");
    if (stream->maker != getpid())
        return Error{Errc::argument, "the stream was made before this process was forked, and its thread is not here; "
                                     "make another one"};
    return {};
}

Error wrong(const char* name, const std::string& what) { return {Errc::argument, std::string(name) + ": " + what}; }

// H.273's number, where 0 stands for "not known" too: it means RGB as a matrix, and nothing elsewhere.
Result<std::uint8_t> code_point(std::int32_t given, const char* name, const char* what) {
    if (given < 0 || given > 255)
        return wrong(name, std::string(what) + " " + std::to_string(given) + "; expected a number of H.273, 0 to 255");
    return static_cast<std::uint8_t>(given == 0 ? 2 : given);
}

Result<ColorTags> tags_of(const enlarge_frame& frame, const char* name) {
    ColorTags tags;
    TRY(tags.matrix, code_point(frame.matrix, name, "matrix"));
    TRY(tags.primaries, code_point(frame.primaries, name, "primaries"));
    TRY(tags.transfer, code_point(frame.transfer, name, "transfer"));
    if (frame.range < ENLARGE_RANGE_UNKNOWN || frame.range > ENLARGE_RANGE_FULL)
        return wrong(name, "unknown range " + std::to_string(frame.range));
    if (frame.siting < ENLARGE_SITING_UNKNOWN || frame.siting > ENLARGE_SITING_BOTTOM)
        return wrong(name, "unknown chroma siting " + std::to_string(frame.siting));
    tags.range = static_cast<enlarge::Range>(frame.range);
    tags.siting = static_cast<enlarge::ChromaSiting>(frame.siting);
    if (frame.layout == ENLARGE_FRAME_RGB) tags.matrix = 0;
    return tags;
}

Result<FrameFormat> samples_of(const enlarge_frame& frame, const char* name) {
    FrameFormat format;
    format.family = FrameFamily::yuv;
    switch (frame.layout) {
        case ENLARGE_FRAME_GREY: format.family = FrameFamily::grey; break;
        case ENLARGE_FRAME_RGB: format.family = FrameFamily::rgb; break;
        case ENLARGE_FRAME_I420:
        case ENLARGE_FRAME_I422:
        case ENLARGE_FRAME_I444: break;
        case ENLARGE_FRAME_NV12: format.semi_planar = true; break;
        case ENLARGE_FRAME_P010: format.semi_planar = format.high_bits = true; break;
        default: return wrong(name, "unknown layout " + std::to_string(frame.layout));
    }
    const bool whole = format.family != FrameFamily::yuv || frame.layout == ENLARGE_FRAME_I444;
    format.sub_x = whole ? 0 : 1;
    format.sub_y = whole || frame.layout == ENLARGE_FRAME_I422 ? 0 : 1;
    const int bits = frame.bits ? frame.bits : format.high_bits ? 10 : 8;
    const int fewest = format.high_bits ? 9 : 8;
    if (bits < fewest || bits > 16)
        return wrong(name, std::to_string(bits) + " bits; expected " + std::to_string(fewest) + " to 16");
    format.bits = static_cast<std::uint8_t>(bits);
    format.alpha = frame.alpha != 0;
    if (format.alpha && format.semi_planar) return wrong(name, "no alpha where chroma is interleaved");
    TRY(format.tags, tags_of(frame, name));
    return format;
}

Result<StreamFormat> format_of(const enlarge_frame* given, const char* name) {
    TRY(const enlarge_frame frame, known_part(given, name));
    TRY(const FrameFormat samples, samples_of(frame, name));
    return StreamFormat{samples, {frame.width, frame.height}};
}

// How many planes the caller gives.
std::size_t planes_of(const FrameFormat& format) {
    const std::size_t colours = format.family == FrameFamily::grey ? 1 : format.semi_planar ? 2 : 3;
    return colours + (format.alpha ? 1 : 0);
}

template <class View>
Result<View> view_of(const enlarge_frame* given, const char* name) {
    TRY(const enlarge_frame frame, known_part(given, name));
    TRY(const StreamFormat format, format_of(given, name));
    View view{format.samples, format.size, {}, {}};
    for (std::size_t p = 0; p < planes_of(format.samples); ++p) {
        if (!frame.plane[p]) return wrong(name, "plane " + std::to_string(p) + " is null");
        view.plane[p] = static_cast<std::byte*>(frame.plane[p]);
        view.stride_bytes[p] = frame.stride_bytes[p];
    }
    return view;
}

// The caller's words for a format: its own layout, and what is known now.
enlarge_frame c_frame(const enlarge_frame& like, const FrameFormat& samples, enlarge::Size size) {
    enlarge_frame frame{};
    frame.width = size.width;
    frame.height = size.height;
    frame.layout = like.layout;
    frame.bits = samples.bits;
    frame.alpha = samples.alpha;
    frame.matrix = samples.tags.matrix;
    frame.primaries = samples.tags.primaries;
    frame.transfer = samples.tags.transfer;
    frame.range = static_cast<std::int32_t>(samples.tags.range);
    frame.siting = static_cast<std::int32_t>(samples.tags.siting);
    return frame;
}

}  // namespace

extern "C" {

enlarge_status enlarge_output_frame(enlarge_context* ctx, const enlarge_engine* engine, const enlarge_frame* in,
                                    double scale, int32_t width, int32_t height, int fit, enlarge_frame* out) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!engine) return null_argument("engine");
        if (!out) return null_argument("out");
        TRY(const enlarge_frame given, known_part(in, "in"));
        TRY(const StreamFormat format, format_of(in, "in"));
        const enlarge::OutputSize wanted{scale, width, height, fit != 0};
        TRY(const enlarge::Size size, enlarge::resolve(wanted, format.size, engine->engine.info().model.scale));
        return fill_known(out, c_frame(given, enlarge::output_samples(format), size), "out");
    });
}

enlarge_status enlarge_stream_create(enlarge_context* ctx, const enlarge_engine* engine, const enlarge_frame* in,
                                     const enlarge_frame* out, const enlarge_stream_options* options,
                                     enlarge_stream** stream) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!engine) return null_argument("engine");
        if (!stream) return null_argument("stream");
        TRY(const StreamFormat from, format_of(in, "in"));
        TRY(const StreamFormat to, format_of(out, "out"));
        TRY(const enlarge_stream_options how, known_or_zero(options, "options"));
        TRY(auto made, enlarge::FrameStream::create(engine->engine, from, to, how.no_reuse == 0));
        *stream = new enlarge_stream{std::move(made)};
        return {};
    });
}
void enlarge_stream_destroy(enlarge_stream* stream) {
    // In a fork nobody would wake: what the thread waits with stays.
    if (stream && stream->maker != getpid()) static_cast<void>(stream->stream.release());
    delete stream;
}

enlarge_status enlarge_stream_submit(enlarge_context* ctx, enlarge_stream* stream, const enlarge_frame* in,
                                     const enlarge_frame* out, void* user) {
    return guarded(ctx, [&]() -> Result<void> {
        TRY(check_stream(stream));
        TRY(const auto from, view_of<enlarge::FrameView>(in, "in"));
        TRY(const auto to, view_of<enlarge::MutableFrameView>(out, "out"));
        return stream->stream->submit(from, to, user);
    });
}

enlarge_status enlarge_stream_next(enlarge_context* ctx, enlarge_stream* stream, double seconds,
                                   enlarge_frame_done* done) {
    return guarded(ctx, [&]() -> Result<void> {
        TRY(check_stream(stream));
        if (!done) return null_argument("done");
        TRY(known_part(done, "done"));
        enlarge_frame_done to{};
        auto made = stream->stream->next(seconds);
        if (made) {
            to.finished = 1;
            to.waiting = made->waiting;
            to.user = made->user;
            to.computed = made->computed;
            to.recomputed_tiles = made->recomputed_tiles;
        }
        TRY(fill_known(done, to, "done"));
        return made ? std::move(made->outcome) : Result<void>{};
    });
}

enlarge_status enlarge_stream_flush(enlarge_context* ctx, enlarge_stream* stream) {
    return guarded(ctx, [&]() -> Result<void> {
        TRY(check_stream(stream));
        stream->stream->flush();
        return {};
    });
}

}  // extern "C"
