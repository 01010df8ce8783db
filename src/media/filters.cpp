// SPDX-License-Identifier: Apache-2.0
#include "media/filters.hpp"

#include "base/log.hpp"
#include "media/ffmpeg.hpp"
#include "media/gpu.hpp"

namespace enlarge::media {

namespace {

std::string plain_formats() {
    std::string list;
    const AVPixFmtDescriptor* d = nullptr;
    while ((d = av_pix_fmt_desc_next(d))) {
        if (!is_plain(av_pix_fmt_desc_get_id(d))) continue;
        if (!list.empty()) list += '|';
        list += d->name;
    }
    return list;
}

struct InOut {
    AVFilterInOut* list = nullptr;
    ~InOut() { avfilter_inout_free(&list); }
};

}  // namespace

struct Filters::State {
    FilterOptions options;
    Av<AVFilterGraph> graph;
    AVFilterContext* source = nullptr;
    AVFilterContext* sink = nullptr;
    bool deinterlacing = false, resizing = false;
    // What the graph was made for.
    bool passing = false;
    int width = 0, height = 0, format = -1;
    AVRational sar{0, 1}, time_base{0, 1};
    Size first{0, 0};  // of what came out first
    std::string first_format;

    [[nodiscard]] bool same(const AVFrame& f, Rational tb) const {
        return (graph || passing) && f.width == width && f.height == height && f.format == format &&
               av_cmp_q(f.sample_aspect_ratio, sar) == 0 && time_base.num == tb.num && time_base.den == tb.den;
    }
    Result<void> build(const AVFrame& f, Rational tb);
    Result<void> pull(const Sink& out, const Frame* damaged);
    Result<void> close(const Sink& out);
    Result<void> emit(Frame frame, const Sink& out);
};

Filters::Filters(FilterOptions options) : state_(std::make_unique<State>()) {
    state_->options = std::move(options);
    state_->deinterlacing = state_->options.deinterlace && state_->options.interlaced;
}
Filters::Filters(Filters&&) noexcept = default;
Filters::~Filters() = default;
bool Filters::deinterlacing() const { return state_->deinterlacing; }
bool Filters::resizing() const { return state_->resizing; }

Result<void> Filters::State::build(const AVFrame& f, Rational tb) {
    width = f.width;
    height = f.height;
    format = f.format;
    sar = f.sample_aspect_ratio;
    time_base = av(tb);
    const auto pixel_format = static_cast<AVPixelFormat>(f.format);

    std::string chain;
    const auto add = [&](const std::string& filter) { chain += (chain.empty() ? "" : ",") + filter; };
    if (deinterlacing) add("bwdif=mode=send_frame:parity=auto:deint=interlaced");
    if (options.mirror) add("hflip");
    if (options.turn == 90) add("transpose=clock");
    if (options.turn == 180) add("hflip,vflip");
    if (options.turn == 270) add("transpose=cclock");
    if (!options.chain.empty()) add(options.chain);
    // Later sizes follow the first. With a chain of the user's one cannot know before it ran, so the scaler is always there
    // (it passes what fits).
    const bool other_size = first.width > 0 && (!chain.empty() || width != first.width || height != first.height);
    if (other_size)
        add("scale=" + std::to_string(first.width) + ":" + std::to_string(first.height) + ":flags=bicubic+accurate_rnd");
    // So do later pixel formats.
    std::string target = first_format.empty() ? options.format : first_format;
    if (target.empty() && !is_plain(pixel_format) && chain.empty()) target = av_get_pix_fmt_name(plain_for(pixel_format));
    if (!target.empty() && (!chain.empty() || av_get_pix_fmt(target.c_str()) != pixel_format)) add("format=" + target);
    if (target.empty() && !chain.empty()) {
        static const std::string all = plain_formats();
        add("format=" + all);
    }
    passing = chain.empty();
    if (passing) return {};

    graph.reset(avfilter_graph_alloc());
    if (!graph) throw std::bad_alloc();
    graph->nb_threads = 1;  // the network needs the cores
    graph->scale_sws_opts = av_strdup("flags=bicubic+accurate_rnd+full_chroma_int");
    char arguments[256];
    std::snprintf(arguments, sizeof arguments, "video_size=%dx%d:pix_fmt=%d:time_base=%d/%d:pixel_aspect=%d/%d:frame_rate=%d/%d",
                  width, height, format, tb.num, tb.den, sar.num, sar.den > 0 ? sar.den : 1, options.frame_rate.num,
                  options.frame_rate.den);
    forget_av_log();
    int rc = avfilter_graph_create_filter(&source, avfilter_get_by_name("buffer"), "in", arguments, nullptr, graph.get());
    if (rc >= 0) rc = avfilter_graph_create_filter(&sink, avfilter_get_by_name("buffersink"), "out", nullptr, nullptr, graph.get());
    if (rc < 0) return av_error(rc, "filters");
    InOut outputs{avfilter_inout_alloc()}, inputs{avfilter_inout_alloc()};
    if (!outputs.list || !inputs.list) throw std::bad_alloc();
    *outputs.list = {av_strdup("in"), source, 0, nullptr};
    *inputs.list = {av_strdup("out"), sink, 0, nullptr};
    rc = avfilter_graph_parse_ptr(graph.get(), chain.c_str(), &inputs.list, &outputs.list, nullptr);
    if (rc >= 0) rc = avfilter_graph_config(graph.get(), nullptr);
    if (rc < 0) {
        graph.reset();
        return av_error(rc, "the filter chain \"" + (options.chain.empty() ? chain : options.chain) + "\" cannot be set up",
                        Errc::argument);
    }
    return {};
}

Result<void> Filters::State::emit(Frame frame, const Sink& out) {
    const Size size{frame.av()->width, frame.av()->height};
    if (frame.format().size.width == 0 && options.format.empty()) return Error{Errc::unsupported, "a frame's pixel format cannot be used"};
    if (first.width == 0) first = size;
    ENSURE(first == size);
    if (first_format.empty()) first_format = av_get_pix_fmt_name(static_cast<AVPixelFormat>(frame.av()->format));
    return out(std::move(frame));
}

Result<void> Filters::State::pull(const Sink& out, const Frame* origin) {
    for (;;) {
        Av<AVFrame> raw = new_frame();
        const int rc = av_buffersink_get_frame(sink, raw.get());
        if (rc == AVERROR(EAGAIN) || rc == AVERROR_EOF) return {};
        if (rc < 0) return av_error(rc, "filtering a frame failed");
        const AVRational tb = av_buffersink_get_time_base(sink);
        // Our own filters keep the times, some on a finer base (bwdif halves it); the user's may change them.
        std::int64_t pts = raw->pts;
        Rational base = from_av(tb);
        if (options.chain.empty()) {
            pts = av_rescale_q(pts, tb, time_base);
            base = from_av(time_base);
        }
        const std::int64_t duration = av_rescale_q(std::max<std::int64_t>(0, raw->pkt_duration), time_base, av(base));
        raw->pts = pts;
        Frame frame{std::shared_ptr<AVFrame>(raw.release(), FreeAv{})};
        frame.pts = pts;
        frame.duration = duration;
        frame.time_base = base;
        frame.damaged = origin && origin->damaged;
        TRY(emit(std::move(frame), out));
    }
}

Result<void> Filters::State::close(const Sink& out) {
    if (graph) {
        if (const int rc = av_buffersrc_add_frame(source, nullptr); rc < 0) return av_error(rc, "draining the filters failed");
        TRY(pull(out, nullptr));
        graph.reset();
    }
    passing = false;
    return {};
}

Result<void> Filters::process(const Frame& frame, const Sink& out) {
    State& s = *state_;
    if (!frame) return s.close(out);
    if (on_gpu(frame)) {
        const FilterOptions& o = s.options;
        const bool nothing = o.chain.empty() && o.format.empty() && o.turn == 0 && !o.mirror && !s.deinterlacing && !(o.deinterlace && frame.av()->interlaced_frame);
        const Size size{frame.av()->width, frame.av()->height};
        if (nothing && (s.first.width == 0 || s.first == size)) {
            s.first = size;
            return out(frame);
        }
        TRY(const Frame here, download(frame));
        return process(here, out);
    }
    const AVFrame& raw = *frame.av();
    const bool interlaced = s.options.deinterlace && raw.interlaced_frame && !s.deinterlacing;
    if (interlaced || !s.same(raw, frame.time_base)) {
        TRY(s.close(out));
        if (interlaced) s.deinterlacing = true;
        if (s.first.width > 0 && s.width > 0 && (s.width != raw.width || s.height != raw.height) && !s.resizing) {
            s.resizing = true;
            log(LogLevel::warning, {"size-changes", "the video changes its size from " + std::to_string(s.width) + "x" + std::to_string(s.height) +
                                       " to " + std::to_string(raw.width) + "x" + std::to_string(raw.height) +
                                       "; later frames are brought to the first size"});
        }
        TRY(s.build(raw, frame.time_base));
    }
    if (s.passing) return s.emit(frame, out);
    Av<AVFrame> copy = new_frame();
    if (const int rc = av_frame_ref(copy.get(), &raw); rc < 0) return av_error(rc, "frame", Errc::memory);
    copy->pts = frame.pts;  // not the decoder's: a result that is used again is at another time
    copy->pkt_duration = frame.duration;
    if (const int rc = av_buffersrc_add_frame(s.source, copy.get()); rc < 0) return av_error(rc, "filtering a frame failed");
    return s.pull(out, &frame);
}

}  // namespace enlarge::media
