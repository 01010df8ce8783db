// SPDX-License-Identifier: Apache-2.0
#include "api/frame_stream.hpp"

#include <chrono>
#include <new>
#include <system_error>
#include <utility>

#include "image/format.hpp"
#include "image/samples.hpp"

namespace enlarge {
namespace {

Result<void> check(const StreamFormat& frames, const Limits& limits, const char* what) {
    const auto& [samples, size] = frames;
    if (size.width <= 0 || size.height <= 0)
        return Error{Errc::argument, std::string(what) + " have " + describe(size) + " pixels"};
    const std::int64_t pixels = std::int64_t{size.width} * size.height;
    if (size.width > limits.side || size.height > limits.side || pixels > limits.pixels)
        return Error{Errc::limit, std::string(what) + " have " + describe(size) + " pixels; at most " +
                                      std::to_string(limits.side) + " a side and " + std::to_string(limits.pixels) +
                                      " in all are allowed"};
    return {};
}

Result<void> check_pair(const FrameFormat& in, const FrameFormat& out) {
    if (out.family == FrameFamily::grey && in.family != FrameFamily::grey)
        return Error{Errc::unsupported, "frames in colour cannot become grey ones"};
    if (out.alpha && !in.alpha) return Error{Errc::unsupported, "frames without alpha cannot become frames with alpha"};
    return {};
}

// What `out` leaves open is as in `in`, where both can say it.
ColorTags completed(FrameFormat out, const StreamFormat& in) {
    const ColorTags from = guess_missing(in.samples.tags, in.size, in.samples.family == FrameFamily::rgb);
    const bool same_family = out.family == in.samples.family;
    ColorTags& tags = out.tags;
    if (tags.matrix == 2 && same_family) tags.matrix = from.matrix;
    if (tags.primaries == 2) tags.primaries = from.primaries;
    if (tags.transfer == 2) tags.transfer = from.transfer;
    if (tags.range == Range::unspecified && same_family) tags.range = from.range;
    if (tags.siting == ChromaSiting::unspecified) tags.siting = from.siting;
    return tags;
}

template <class View>
Result<void> check_view(const View& view, const StreamFormat& expected, const char* what) {
    FrameFormat shape = view.format;
    shape.tags = expected.samples.tags;
    if (!(shape == expected.samples) || !(view.size == expected.size))
        return Error{Errc::argument, std::string(what) + " is not like the frames that the stream was made for, of " +
                                         describe(expected.size) + " pixels"};
    return {};
}

}  // namespace

FrameFormat output_samples(const StreamFormat& in) {
    FrameFormat samples = in.samples;
    samples.tags = guess_missing(samples.tags, in.size, samples.family == FrameFamily::rgb);
    const bool subsampled = samples.family == FrameFamily::yuv && samples.sub_x > 0;
    if (!subsampled) samples.tags.siting = ChromaSiting::unspecified;
    return samples;
}

Result<std::unique_ptr<FrameStream>> FrameStream::create(const Engine& engine, StreamFormat in, StreamFormat out,
                                                         bool reuse) {
    const Limits& limits = engine.info().limits;
    TRY(check(in, limits, "the frames"));
    TRY(check(out, limits, "the enlarged frames"));
    TRY(check_pair(in.samples, out.samples));
    out.samples.tags = completed(out.samples, in);
    std::unique_ptr<FrameStream> made(new FrameStream(engine, in, out, reuse));
    ThreadPool* pool = made->engine_->pool.get();
    const video::RgbChannels& channels = made->channels_;
    TRY(Converter read, Converter::to_rgb(in.samples, in.size, planar_float(channels.in), {.pool = pool}));
    TRY(Converter write, Converter::from_rgb(planar_float(channels.out), out.size, out.samples,
                                             {.dither = out.samples.bits < in.samples.bits, .pool = pool}));
    made->read_.emplace(std::move(read));
    made->write_.emplace(std::move(write));
    for (int i = 0; i < (made->remembers_ ? 2 : 1); ++i) {
        made->rgb_in_[i] = Image(in.size, planar_float(channels.in));
        made->rgb_out_[i] = Image(out.size, planar_float(channels.work));
    }
    try {
        made->thread_ = std::thread([stream = made.get()] { stream->work(); });
    } catch (const std::system_error& e) {
        return Error{Errc::memory, std::string("no thread can be started for the frames: ") + e.what()};
    }
    return made;
}

FrameStream::FrameStream(const Engine& engine, StreamFormat in, StreamFormat out, bool reuse)
    : engine_(engine.state()), in_(in), out_(out), channels_(video::rgb_channels(in.samples, out.samples)),
      enlarger_(engine_->network, engine_->options), remembers_(reuse && channels_.work == 3),
      reuse_(enlarger_, in.size, out.size, remembers_) {}

FrameStream::~FrameStream() {
    {
        const std::lock_guard lock(mutex_);
        waiting_.clear();
        stop_ = end_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

Result<void> FrameStream::submit(const FrameView& in, const MutableFrameView& out, void* user) {
    TRY(check_view(in, in_, "in"));
    TRY(check_view(out, out_, "out"));
    Job job{in, out, user};
    job.in.format = in_.samples;
    job.out.format = out_.samples;
    {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(job);
    }
    changed_.notify_all();
    return {};
}

std::optional<FrameStream::Done> FrameStream::next(double seconds) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return !finished_.empty() || (waiting_.empty() && !busy_); };
    if (seconds < 0) changed_.wait(lock, ready);
    // A year is as good as for ever, and fits the clock.
    else changed_.wait_for(lock, std::chrono::duration<double>(seconds < 3e7 ? seconds : 3e7), ready);
    if (finished_.empty()) return std::nullopt;
    Done done = std::move(finished_.front());
    finished_.pop_front();
    done.waiting = static_cast<int>(finished_.size() + waiting_.size()) + (busy_ ? 1 : 0);
    return done;
}

void FrameStream::flush() {
    std::unique_lock lock(mutex_);
    waiting_.clear();
    stop_ = true;
    changed_.wait(lock, [this] { return !busy_; });
    stop_ = false;
    finished_.clear();
    changed_.notify_all();
}

void FrameStream::work() {
    const LogScope scope(engine_->log);
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return end_ || !waiting_.empty(); });
        if (end_) return;
        const Job job = waiting_.front();
        waiting_.pop_front();
        busy_ = true;
        lock.unlock();
        Done done = run(job);
        lock.lock();
        busy_ = false;
        if (!stop_) finished_.push_back(std::move(done));
        changed_.notify_all();
    }
}

FrameStream::Done FrameStream::run(const Job& job) noexcept {
    Done done;
    done.user = job.user;
    try {
        done.outcome = upscale(job, done);
    } catch (const std::bad_alloc&) {
        done.outcome = Error{Errc::memory, "out of memory"};
    } catch (const std::exception& e) {
        done.outcome = Error{Errc::internal, e.what()};
    }
    if (!done.outcome) has_last_ = false;
    return done;
}

Result<void> FrameStream::upscale(const Job& job, Done& done) {
    Image &in = rgb_in_[now_], &out = rgb_out_[now_];
    TRY(read_->convert(job.in, in.view()));
    settle_grey(in.view(), job.in.format.bits);
    const auto seen = [this](Image& image) {
        return video::with_channels(std::as_const(image).view(), channels_.work);
    };
    double share = 1;
    if (has_last_) share = reuse_.look(seen(rgb_in_[1 - now_]), seen(in));
    if (share < 1) {
        const auto made = reuse_.run(seen(in), std::as_const(rgb_out_[1 - now_]).view(), out.view());
        if (!made.ok() && made.error().code != Errc::device) return made;
        if (!made.ok()) {  // the device was lost: who computes all of the frame goes on elsewhere
            reuse_.stop();
            share = 1;
        }
    }
    if (share >= 1) {
        const auto go_on = [this](double) {
            const std::lock_guard lock(mutex_);
            return !stop_;
        };
        TRY(const UpscaleReport made, enlarger_.run(seen(in), out.view(), go_on, InputKind::frame));
        done.recomputed_tiles = made.recomputed_tiles;
    }
    done.computed = share;
    TRY(write_->convert(video::with_channels(std::as_const(out).view(), channels_.out), job.out));
    if (remembers_) {
        has_last_ = true;
        now_ = 1 - now_;
    }
    return {};
}

}  // namespace enlarge
