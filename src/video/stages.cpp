// SPDX-License-Identifier: Apache-2.0
// The stages before and behind the encoder's: see encode.cpp for that one and the last.
#include "video/stages.hpp"

#include <algorithm>
#include <utility>

namespace enlarge::video {

bool Demux::pass_on(Packet packet) { return job_.journal || others_.push(OtherPacket{std::move(packet)}); }

Result<void> Demux::run(Stage& stage) {
    for (Packet& packet : job_.source->take_others())
        if (!pass_on(std::move(packet))) return {};
    for (;;) {
        TRY(Packet packet, stage.work([&] { return job_.source->read(); }));
        // Without a journal nothing can be continued: Ctrl-C then simply ends the input.
        if (!packet || job_.end_input) {
            video_.close();
            return {};
        }
        const bool is_video = packet.stream() == job_.source->input().video_stream();
        if (!(is_video ? video_.push(std::move(packet)) : pass_on(std::move(packet)))) return {};
    }
}

bool Decode::is_late(const Item& item) {
    if (!job_.options.live || !(job_.options.drop_after_s > 0)) return false;
    const std::chrono::duration<double> passed = Clock::now() - start_;
    if (!start_time_) start_time_ = item.time_s();
    return passed.count() - (item.time_s() - *start_time_) > job_.options.drop_after_s;
}

bool Decode::is_held(std::int64_t number) const {
    return std::any_of(job_.held.begin(), job_.held.end(), [&](const FrameRange& r) { return r.contains(number); });
}

Result<bool> Decode::pass_on(Frame frame, Stage& stage) {
    job_.decoded.fetch_add(1);
    if (job_.planned) {
        TRY(const auto number, stage.work([&] { return job_.planned->number_of(frame); }));
        if (job_.planned->done()) job_.source->finish_early();
        if (!number) return true;
        number_ = *number;
    }
    Item item{number_, std::move(frame), nullptr, false};
    if (is_held(number_)) {
        ++number_;
        return true;
    }
    if (is_late(item)) {
        job_.dropped.fetch_add(1);
        return true;
    }
    ++number_;
    if (job_.options.reuse) {
        item.repeat = last_ && stage.work_more([&] { return item.frame.same_pixels(last_); });
        if (item.repeat) job_.reused.fetch_add(1);
        else last_ = item.frame;
    }
    return out_.push(std::move(item));
}

Result<void> Decode::run(Stage& stage) {
    start_ = Clock::now();
    std::deque<Frame> got;
    bool more = true;
    while (more) {
        const auto packet = in_.pop();
        if (!packet && stage.stopping()) return {};
        more = packet.has_value();
        TRY(stage.work([&] {
            return job_.source->decode(packet ? *packet : Packet{}, [&](Frame frame) -> Result<void> {
                got.push_back(std::move(frame));
                return {};
            });
        }));
        for (; !got.empty(); got.pop_front()) {
            TRY(const bool alive, pass_on(std::move(got.front()), stage));
            if (!alive) return {};
        }
    }
    out_.close();
    return {};
}

Result<void> ToRgb::run(Stage& stage) {
    while (auto item = in_.pop()) {
        if (!item->repeat) {
            item->picture = PooledImage(pictures_.take());
            if (!item->picture) return {};
            TRY(stage.work([&] { return reader_.read(item->frame, item->picture->view()); }));
        }
        if (!out_.push(std::move(*item))) return {};
    }
    out_.close();
    return {};
}

// What is under way is at most what the workers hold, and repetitions of it.
Result<bool> Infer::begin(FrameWindow window, Stage& stage) {
    const Size size = job_.in.size;
    all_pixels_ += static_cast<double>(size.width) * size.height;
    Item result = window.frame();
    if (!result.repeat) {
        result.picture = nullptr;
        TRY(const bool alive, upscaler_.prepare(result));
        if (!alive) return false;
        const auto job = [this, &stage, window = std::move(window), result](int worker) mutable {
            return upscaler_.run(worker, window, result, [&](double) { return !stage.stopping() && !job_.cancel; });
        };
        TRY(stage.work_more([&] { return workers_.submit(job); }));
    }
    under_way_.push_back(std::move(result));
    return true;
}

Result<bool> Infer::finish(Stage& stage) {
    Item result = std::move(under_way_.front());
    under_way_.pop_front();
    if (!result.repeat) TRY(stage.work([&] { return workers_.next(); }));
    return out_.push(std::move(result));
}

Result<void> Infer::run(Stage& stage) {
    WindowReader windows(in_, upscaler_.reach());
    while (auto window = windows.next()) {
        TRY(const bool begun, begin(std::move(*window), stage));
        if (!begun) return {};
        window.reset();
        while (!under_way_.empty() &&
               (job_.options.live || under_way_.front().repeat || workers_.under_way() == workers_.size())) {
            TRY(const bool alive, finish(stage));
            if (!alive) return {};
        }
    }
    while (!under_way_.empty()) {
        TRY(const bool alive, finish(stage));
        if (!alive) return {};
    }
    out_.close();
    return {};
}

Result<void> FromRgb::run(Stage& stage) {
    TRY(RgbWriter writer, RgbWriter::create(job_.in, job_.out));
    while (auto item = in_.pop()) {
        if (!item->repeat)
            TRY(stage.work([&]() -> Result<void> {
                TRY(Frame made, pool_.get(job_.out, &item->frame));
                TRY(writer.write(std::as_const(*item->picture).view(), made));
                item->frame = std::move(made);
                item->picture = nullptr;
                return {};
            }));
        if (!out_.push(std::move(*item))) return {};
    }
    out_.close();
    return {};
}

}  // namespace enlarge::video
