// SPDX-License-Identifier: Apache-2.0
// The stages of a video: demux | decode | to RGB | infer | from RGB | encode | write. Each runs on a thread of its own,
// takes from one queue and fills another, which it closes at its end; line.cpp joins them. A stage that finds a queue
// stopped leaves without an error: somebody else has one.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "media/filters.hpp"
#include "run/pipeline.hpp"
#include "run/ordered_workers.hpp"
#include "video/frame_upscaler.hpp"
#include "video/item.hpp"
#include "video/job.hpp"
#include "video/rgb.hpp"

namespace enlarge::video {

// Packets of the input: those of the video to the decoder, others to whoever writes them.
class Demux {
public:
    Demux(Job& job, Queue<Packet>& video, Queue<Written>& others) : job_(job), video_(video), others_(others) {}
    Result<void> run(Stage& stage);

private:
    // False when the line was stopped.
    bool pass_on(Packet packet);
    Job& job_;
    Queue<Packet>& video_;
    Queue<Written>& others_;
};

// Numbered frames of the chosen part, without those that are finished already and those that come too late.
class Decode {
public:
    Decode(Job& job, Queue<Packet>& in, Queue<Item>& out) : job_(job), in_(in), out_(out) {}
    Result<void> run(Stage& stage);

private:
    using Clock = std::chrono::steady_clock;
    bool is_late(const Item& item);
    bool is_held(std::int64_t number) const;
    // False when the line was stopped.
    Result<bool> pass_on(Frame frame, Stage& stage);

    Job& job_;
    Queue<Packet>& in_;
    Queue<Item>& out_;
    std::int64_t number_ = 0;
    Frame last_;  // that is no repetition
    Clock::time_point start_ = Clock::now();
    std::optional<double> start_time_;
};

// Frames to pictures.
class ToRgb {
public:
    ToRgb(Job& job, ObjectPool<Image>& pictures, Queue<Item>& in, Queue<Item>& out)
        : pictures_(pictures), in_(in), out_(out), reader_(job.in) {}
    Result<void> run(Stage& stage);

private:
    ObjectPool<Image>& pictures_;
    Queue<Item>&in_, &out_;
    RgbReader reader_;
};

// The network, on whatever its FrameUpscaler takes. Repetitions go past it.
class Infer {
public:
    Infer(Job& job, FrameUpscaler& upscaler, Queue<Item>& in, Queue<Item>& out)
        : job_(job), upscaler_(upscaler), in_(in), out_(out), workers_(upscaler.at_once()) {}
    Result<void> run(Stage& stage);
    [[nodiscard]] double all_pixels() const { return all_pixels_; }

private:
    Result<bool> begin(FrameWindow window, Stage& stage);
    Result<bool> finish(Stage& stage);
    Job& job_;
    FrameUpscaler& upscaler_;
    Queue<Item>&in_, &out_;
    std::deque<Item> under_way_;  // results, in order
    double all_pixels_ = 0;
    OrderedWorkers workers_;  // last: its workers use the others
};

// Pictures to frames.
class FromRgb {
public:
    FromRgb(Job& job, media::FramePool pool, Queue<Item>& in, Queue<Item>& out)
        : job_(job), pool_(std::move(pool)), in_(in), out_(out) {}
    Result<void> run(Stage& stage);

private:
    Job& job_;
    media::FramePool pool_;
    Queue<Item>&in_, &out_;
};

// Frames to packets, in segments where there is a journal, or in one endless one. A segment ends before a frame whose
// number is a multiple of VideoOptions::segment_frames, whoever makes it, and wherever the next frame is not the next.
class Encode {
public:
    Encode(Job& job, Queue<Item>& in, Queue<Written>& out) : job_(job), in_(in), out_(out) {}
    Result<void> run(Stage& stage);

private:
    // These return false when the line was stopped.
    Result<bool> add(Item& item);
    Result<bool> close();
    Result<void> encode(Frame frame);
    Result<void> open(const Frame& frame);
    void send(Written what) { alive_ = out_.push(std::move(what)) && alive_; }

    Job& job_;
    Queue<Item>& in_;
    Queue<Written>& out_;
    std::unique_ptr<media::Filters> after_;
    std::unique_ptr<media::Encoder> encoder_;
    Frame last_;  // before filters, for repetitions of it
    std::int64_t first_ = 0, frames_ = 0, last_duration_ = 0;  // of the segment
    std::int64_t repeated_ = 0;
    bool alive_ = true, said_captions_ = false;
};

// Puts what was encoded where it belongs: into the journal, or straight into the output.
class Write {
public:
    Write(Job& job, Queue<Written>& in) : job_(job), in_(in) {}
    Result<void> run(Stage& stage);

private:
    Result<void> take(SegmentBegin begin);
    Result<void> take(Packet packet);
    Result<void> take(SegmentEnd end);
    Result<void> take(OtherPacket other);

    Job& job_;
    Queue<Written>& in_;
    std::unique_ptr<media::SegmentWriter> segment_;
    std::deque<Packet> waiting_;  // others, until the output is open
    std::size_t held_ = 0;        // bytes of those
};

}  // namespace enlarge::video
