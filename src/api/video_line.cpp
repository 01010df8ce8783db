// SPDX-License-Identifier: Apache-2.0
// demux | decode | convert in | infer | convert out | encode | write: side by side, joined by short queues.
#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "api/tile_reuse.hpp"
#include "api/video_frames.hpp"
#include "api/video_job.hpp"
#include "api/video_planes.hpp"
#include "api/video_room.hpp"
#include "color/convert.hpp"
#include "image/format.hpp"
#include "media/gpu.hpp"
#include "run/team.hpp"

namespace enlarge {

using media::Frame;
using media::Packet;

namespace {

using Picture = std::shared_ptr<Image>;

// One frame on its way. `repeat`: its pixels are those of the frame before, whose result is used again.
struct Item {
    Frame frame;        // input frame; from "convert out" on: the frame to encode
    Picture picture;    // RGB before or after the network
    bool repeat = false;
};

struct Written {
    enum class Kind { begin, packet, end, other } kind = Kind::packet;
    Packet packet;
    std::shared_ptr<media::VideoTrack> track;  // begin
    std::int64_t frames = 0, last_duration = 0;  // end
};

std::vector<std::unique_ptr<Image>> pictures(Size size, int channels, int count, std::int64_t& bytes) {
    std::vector<std::unique_ptr<Image>> out;
    for (int i = 0; i < count; ++i)
        out.push_back(std::make_unique<Image>(size, float_planes(channels)));
    bytes += std::int64_t{size.width} * size.height * channels * 4 * count;
    return out;
}

// Encodes frames into segments, or into one endless one.
class SegmentedEncoder {
public:
    SegmentedEncoder(VideoJob& job, Queue<Written>& out) : job_(job), out_(out) {}

    // False when the line was stopped.
    Result<bool> add(const Frame& frame) {
        if (!after_)
            after_ = std::make_unique<media::Filters>(media::FilterOptions{.chain = job_.options.filter_after, .frame_rate = job_.frame_rate});
        TRY(after_->process(frame, [this](Frame filtered) { return encode(std::move(filtered)); }));
        ++frames_;
        job_.encoded.fetch_add(1);
        if (job_.journal && frames_ == job_.options.segment_frames) return close();
        return alive_;
    }
    Result<bool> close() {
        if (frames_ == 0) return alive_;
        TRY(after_->process({}, [this](Frame filtered) { return encode(std::move(filtered)); }));
        if (encoder_) {
            TRY(encoder_->encode({}, [this](Packet packet) { return send(std::move(packet)); }));
            alive_ = out_.push({Written::Kind::end, {}, nullptr, frames_, last_duration_}) && alive_;
        } else {
            return Error{Errc::argument, "the filters after the network let no frame of a segment through"};
        }
        encoder_.reset();
        after_.reset();
        frames_ = 0;
        return alive_;
    }

private:
    Result<void> encode(Frame frame) {
        if (!encoder_) {
            media::EncoderChoice choice = job_.choice;
            if (!job_.options.filter_after.empty()) {
                TRY(choice, media::choose_encoder(job_.request, frame.format(), false));
            }
            TRY(encoder_, media::Encoder::open(job_.request, choice, frame, job_.first, frame.time_base, job_.frame_rate));
            auto track = std::make_shared<media::VideoTrack>(media::track_of(*encoder_, job_.first));
            alive_ = out_.push({Written::Kind::begin, {}, std::move(track), 0, 0}) && alive_;
        }
        const auto base = encoder_->time_base();
        const double seconds = frame.duration > 0 ? static_cast<double>(frame.duration) * frame.time_base.value() : 1 / job_.frame_rate.value();
        if (!said_captions_ && encoder_->loses_captions(frame)) {
            said_captions_ = true;
            job_.notice({"captions-dropped", "warning: closed captions in the video are lost: " + job_.choice.codec +
                                                 " does not write them; --video-codec libx264 does"});
        }
        last_duration_ = std::max<std::int64_t>(1, std::llround(seconds / base.value()));
        return encoder_->encode(frame, [this](Packet packet) { return send(std::move(packet)); });
    }
    Result<void> send(Packet packet) {
        alive_ = out_.push({Written::Kind::packet, std::move(packet), nullptr, 0, 0}) && alive_;
        return {};
    }

    VideoJob& job_;
    Queue<Written>& out_;
    std::unique_ptr<media::Filters> after_;
    std::unique_ptr<media::Encoder> encoder_;
    std::int64_t frames_ = 0, last_duration_ = 0;
    bool alive_ = true, said_captions_ = false;
};

// Puts what was encoded where it belongs.
class Writer {
public:
    explicit Writer(VideoJob& job) : job_(job) {}

    Result<void> take(Written item) {
        using Kind = Written::Kind;
        if (item.kind == Kind::other) {
            if (job_.direct) return job_.direct->write_other(item.packet);
            held_ += item.packet.bytes();
            if (held_ > (std::size_t{512} << 20))
                return Error{Errc::limit, "512 MiB of other streams arrived before the first frame was encoded"};
            waiting_.push_back(std::move(item.packet));
            return {};
        }
        if (job_.journal) {
            if (item.kind == Kind::begin) return job_.journal->begin(*item.track);
            if (item.kind == Kind::packet) {
                job_.bytes.fetch_add(static_cast<std::int64_t>(item.packet.bytes()));
                return job_.journal->add(item.packet);
            }
            TRY(job_.journal->close(item.frames, item.last_duration));
            watch_room(job_);
            if (job_.stop_soon) return Error{Errc::cancelled, "stopped at a segment border"};
            return {};
        }
        if (item.kind == Kind::begin) {
            TRY(job_.direct, media::Output::open(job_.mux, job_.source->input(), job_.plan, *item.track));
            for (const Packet& packet : waiting_) TRY(job_.direct->write_other(packet));
            waiting_.clear();
        } else if (item.kind == Kind::packet) {
            TRY(job_.direct->write_video(item.packet));
            job_.bytes = job_.direct->bytes();
        } else {
            job_.direct->last_frame_lasts(item.last_duration);
        }
        return {};
    }

private:
    VideoJob& job_;
    std::deque<Packet> waiting_;
    std::size_t held_ = 0;
};

}  // namespace

Result<void> VideoJob::run_line(VideoReport& report) {
    Pipeline line;
    const std::size_t depth = options.live ? 1 : 2;
    auto& packets = line.queue<Packet>(options.live ? 16 : 64);
    auto& decoded_frames = line.queue<Item>(depth + 1);
    auto& converted = line.queue<Item>(depth);
    auto& enlarged = line.queue<Item>(depth);
    auto& ready = line.queue<Item>(depth + 1);
    auto& written = line.queue<Written>(256);

    // Grey in needs one channel of work only; transparency that the output cannot hold is not worth any.
    const int in_channels = channels_of(in.samples);
    const bool alpha = in.samples.alpha && out.samples.alpha;
    const int work_channels = (in.samples.family == FrameFamily::grey ? 1 : 3) + (alpha ? 1 : 0);
    const int out_channels = channels_of(out.samples);
    const bool tiles = options.reuse && !options.live && work_channels == 3;
    // On their way: one being made, `depth` waiting, one in use; two more are remembered for comparison.
    TRY(const auto workers, FrameWorkers::create(upscaler, in, out, frame_pixels));
    if (workers) notice({"frames-on-gpu", workers->sentence()});
    const int count = workers ? 0 : static_cast<int>(depth) + 2 + (tiles ? 1 : 0);
    auto& in_pictures = line.recycler(pictures(in.size, in_channels, count, frame_memory));
    auto& out_pictures = line.recycler(pictures(out.size, work_channels, count, frame_memory));
    TRY(media::FramePool pool, media::FramePool::create(frame_pixels, out.size));
    // NVENC takes frames where they are made.
    std::optional<media::GpuFramePool> gpu_pool;
    if (gpu && workers && workers->shares_gpu() && options.filter_after.empty() && !media::processor_encoder(choice.codec).empty()) {
        TRY(media::GpuFramePool made, media::GpuFramePool::create(*gpu, out.samples.bits, out.size));
        gpu_pool.emplace(std::move(made));
    }
    frame_memory += pool.frame_bytes() * static_cast<std::int64_t>(depth + 3 + static_cast<std::size_t>(workers ? workers->count() : 0));
    report.frame_memory_bytes = frame_memory;

    line.stage("demux", [&](Stage& stage) -> Result<void> {
        for (Packet& packet : source->take_others())
            if (!journal && !written.push({Written::Kind::other, std::move(packet), nullptr, 0, 0})) return {};
        for (;;) {
            auto packet = stage.work([&] { return source->read(); });
            if (!packet) return std::move(packet).error();
            // Without a journal nothing can be continued: Ctrl-C then simply ends the input.
            if (!*packet || end_input) {
                packets.close();
                return {};
            }
            if (packet->stream() == source->input().video_stream()) {
                if (!packets.push(std::move(*packet))) return {};
            } else if (!journal && !written.push({Written::Kind::other, std::move(*packet), nullptr, 0, 0})) {
                return {};
            }
        }
    });

    line.stage("decode", [&](Stage& stage) -> Result<void> {
        std::int64_t index = 0;
        const auto start = std::chrono::steady_clock::now();
        std::optional<double> start_time;
        std::deque<Frame> got;
        bool more = true;
        while (more) {
            auto packet = packets.pop();
            if (!packet && stage.stopping()) return {};
            more = packet.has_value();
            TRY(stage.work([&] {
                return source->decode(packet ? *packet : Packet{}, [&](Frame frame) -> Result<void> {
                    got.push_back(std::move(frame));
                    return {};
                });
            }));
            for (; !got.empty(); got.pop_front()) {
                Frame& frame = got.front();
                decoded.fetch_add(1);
                if (index++ < skip) continue;
                if (options.live && options.drop_after_s > 0) {
                    const double time = static_cast<double>(frame.pts) * frame.time_base.value();
                    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
                    if (!start_time) start_time = time;
                    if (passed.count() - (time - *start_time) > options.drop_after_s) {
                        dropped.fetch_add(1);
                        continue;
                    }
                }
                if (!decoded_frames.push({std::move(frame), nullptr, false})) return {};
            }
        }
        decoded_frames.close();
        return {};
    });

    if (!workers) line.stage("convert in", [&](Stage& stage) -> Result<void> {
        std::optional<Converter> converter;
        FrameFormat made_for;
        Frame last;
        const PixelFormat rgb{SampleType::f32, 32, static_cast<std::uint8_t>(in_channels), true};
        while (auto item = decoded_frames.pop()) {
            if (options.reuse && last && stage.work([&] { return item->frame.same_pixels(last); })) {
                item->repeat = true;
            } else {
                item->picture = Picture(in_pictures.take());
                if (!item->picture) return {};
                TRY(stage.work([&]() -> Result<void> {
                    if (media::on_gpu(item->frame)) {
                        TRY(item->frame, media::download(item->frame));
                    }
                    FrameFormat now = item->frame.format().samples;
                    if (now.tags.range == Range::unspecified && in.samples.tags.range == Range::full) now.tags.range = Range::full;
                    if (!converter || !(made_for == now)) {
                        TRY(Converter fresh, Converter::to_rgb(now, in.size, rgb));
                        converter.emplace(std::move(fresh));
                        made_for = now;
                    }
                    FrameView view = static_cast<const Frame&>(item->frame).view();
                    view.format = now;
                    return converter->convert(view, item->picture->view());
                }));
                last = item->frame;
            }
            if (!converted.push(std::move(*item))) return {};
        }
        converted.close();
        return {};
    });

    if (!workers) line.stage("infer", [&](Stage& stage) -> Result<void> {
        TileReuse reuse(upscaler, in.size, out.size, tiles);
        Picture last_in, last_out;
        while (auto item = converted.pop()) {
            const double pixels = static_cast<double>(in.size.width) * in.size.height;
            all_pixels += pixels;
            if (item->repeat) {
                reused.fetch_add(1);
            } else {
                Picture result(out_pictures.take());
                if (!result) return {};
                TRY(stage.work([&]() -> Result<void> {
                    const auto view = with_channels(std::as_const(*item->picture).view(), work_channels);
                    if (last_in) {
                        TRY(const double share, reuse.run(last_in->view(), view, last_out->view(), result->view()));
                        if (share < 1) {
                            partial.fetch_add(1);
                            computed_pixels += share * pixels;
                            return {};
                        }
                    }
                    TRY(const UpscaleReport done, FrameWorkers::run_alone(upscaler, view, result->view(), [&](double) {
                            return !stage.stopping() && !cancel;
                        }));
                    recomputed.fetch_add(done.recomputed_tiles);
                    computed_pixels += pixels;
                    return {};
                }));
                if (tiles) {
                    last_in = item->picture;
                    last_out = result;
                }
                item->picture = std::move(result);
            }
            if (!enlarged.push(std::move(*item))) return {};
        }
        enlarged.close();
        return {};
    });

    // GPUs: conversion is theirs, and several frames are in work at once.
    if (workers) line.stage("infer", [&](Stage& stage) -> Result<void> {
        Team team(workers->count());
        std::deque<Item> order;  // under way; what came in is needed for the times of repeated frames only
        Frame last_in, last_out;
        const auto finish = [&]() -> Result<bool> {
            Item item = std::move(order.front());
            order.pop_front();
            if (item.repeat) {
                TRY(item.frame, media::with_properties(last_out, item.frame));
            } else {
                TRY(stage.work([&] { return team.next(); }));
                last_out = item.frame;
            }
            return ready.push(std::move(item));
        };
        const double pixels = static_cast<double>(in.size.width) * in.size.height;
        while (auto item = decoded_frames.pop()) {
            all_pixels += pixels;
            if (options.reuse && last_in && item->frame.same_pixels(last_in)) {
                reused.fetch_add(1);
                order.push_back({std::move(item->frame), nullptr, true});
            } else {
                TRY(Frame made, gpu_pool ? gpu_pool->get(out, &item->frame) : pool.get(out, &item->frame));
                last_in = item->frame;
                TRY(team.submit([this, &workers, from = item->frame, to = made](int number) mutable {
                    return workers->run(number, from, to, [this](double) { return !cancel; });
                }));
                order.push_back({std::move(made), nullptr, false});
                computed_pixels += pixels;
            }
            while (!order.empty() && (options.live || order.front().repeat || team.under_way() == team.size())) {
                TRY(const bool alive, finish());
                if (!alive) return {};
            }
        }
        while (!order.empty()) {
            TRY(const bool alive, finish());
            if (!alive) return {};
        }
        recomputed = workers->recomputed();
        ready.close();
        return {};
    });

    if (!workers) line.stage("convert out", [&](Stage& stage) -> Result<void> {
        const PixelFormat rgb{SampleType::f32, 32, static_cast<std::uint8_t>(out_channels), true};
        TRY(Converter converter, Converter::from_rgb(rgb, out.size, out.samples, {.dither = out.samples.bits < in.samples.bits}));
        Frame last;
        while (auto item = enlarged.pop()) {
            TRY(Frame frame, stage.work([&]() -> Result<Frame> {
                if (item->repeat) return media::with_properties(last, item->frame);
                TRY(Frame made, pool.get(out, &item->frame));
                TRY(converter.convert(with_channels(std::as_const(*item->picture).view(), out_channels), made.view()));
                return made;
            }));
            last = frame;
            if (!ready.push({std::move(frame), nullptr, false})) return {};
        }
        ready.close();
        return {};
    });

    line.stage("encode", [&](Stage& stage) -> Result<void> {
        SegmentedEncoder encoder(*this, written);
        std::optional<double> start_time;
        while (auto item = ready.pop()) {
            const double time = static_cast<double>(item->frame.pts) * item->frame.time_base.value();
            if (!start_time) start_time = time;
            TRY(const bool alive, stage.work([&] { return encoder.add(item->frame); }));
            if (!alive) return {};
            position_s = time - *start_time;
        }
        if (stage.stopping()) return {};
        TRY(const bool alive, stage.work([&] { return encoder.close(); }));
        if (alive) written.close();
        return {};
    });

    line.stage("write", [&](Stage& stage) -> Result<void> {
        Writer writer(*this);
        while (auto item = written.pop()) TRY(stage.work([&] { return writer.take(std::move(*item)); }));
        return {};
    });

    const auto start = std::chrono::steady_clock::now();
    Result<void> result = line.run([&] {
        if (!options.progress) return true;
        switch (options.progress(progress_now(start))) {
            case VideoControl::go_on: return true;
            case VideoControl::stop_soon:
                stop_soon = true;
                if (!journal) end_input = true;
                return true;
            case VideoControl::stop_now: cancel = true; return false;
        }
        return true;
    });
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    report.seconds = spent.count();
    double busiest = -1;
    for (const StageTimes& times : line.times()) {
        report.stages.push_back({times.name, times.busy_s, times.items});
        if (times.busy_s > busiest) {
            busiest = times.busy_s;
            report.bottleneck = times.name;
        }
    }
    return result;
}

VideoProgress VideoJob::progress_now(std::chrono::steady_clock::time_point start) {
    VideoProgress now;
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    const std::int64_t done = encoded;
    now.frames = skip + done;
    now.frames_total = total;
    now.resumed_frames = skip;
    if (total > 0) now.fraction = std::min(1.0, static_cast<double>(now.frames) / static_cast<double>(total));
    if (done > 0 && passed.count() > 0) {
        now.frames_per_second = static_cast<double>(done) / passed.count();
        now.speed = position_s / passed.count();
        if (total > now.frames) now.seconds_left = static_cast<double>(total - now.frames) / now.frames_per_second;
    }
    now.output_bytes = bytes;
    now.stopping = stop_soon;
    if (journal && stop_soon) now.frames_to_stop = options.segment_frames - done % options.segment_frames;
    return now;
}

}  // namespace enlarge
