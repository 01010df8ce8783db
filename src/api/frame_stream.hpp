// SPDX-License-Identifier: Apache-2.0
// Frames in the caller's memory, one after another, in a thread of the stream's own: as the stages of video do it
// (video/stages.hpp), without files.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "api/engine_state.hpp"
#include "color/convert.hpp"
#include "image/frame.hpp"
#include "video/rgb.hpp"
#include "video/tile_reuse.hpp"

namespace enlarge {

// What all frames of a stream are like.
struct StreamFormat {
    FrameFormat samples;
    Size size;
};

// What frames like `in` become: `in` with all that was guessed written down, so that nobody needs to guess.
FrameFormat output_samples(const StreamFormat& in);

class FrameStream {
public:
    struct Done {
        void* user = nullptr;
        Result<void> outcome;
        double computed = 0;               // share of the pixels
        std::int64_t recomputed_tiles = 0;
        int waiting = 0;                   // submitted after it and not yet given back
    };

    // Tags that `out` leaves open are those of `in`. Fails with Errc::unsupported where one cannot become the other.
    static Result<std::unique_ptr<FrameStream>> create(const Engine& engine, StreamFormat in, StreamFormat out,
                                                       bool reuse);
    ~FrameStream();
    FrameStream(const FrameStream&) = delete;
    FrameStream& operator=(const FrameStream&) = delete;

    // The views' planes must live until next() gives `user` back, or until flush() or the end of the stream.
    Result<void> submit(const FrameView& in, const MutableFrameView& out, void* user);
    // The next frame in order, or nothing after so many seconds; negative: as long as it takes. Nothing at once where
    // no frame was submitted.
    std::optional<Done> next(double seconds);
    // Forgets all frames; those in work are stopped.
    void flush();

    [[nodiscard]] const StreamFormat& in() const { return in_; }
    [[nodiscard]] const StreamFormat& out() const { return out_; }

private:
    struct Job {
        FrameView in;
        MutableFrameView out;
        void* user;
    };
    FrameStream(const Engine& engine, StreamFormat in, StreamFormat out, bool reuse);
    void work();
    Done run(const Job& job) noexcept;
    Result<void> upscale(const Job& job, Done& done);

    std::shared_ptr<const Engine::State> engine_;
    StreamFormat in_, out_;
    video::RgbChannels channels_;
    Enlarger enlarger_;
    std::optional<Converter> read_, write_;
    // Of this frame and of the one before, in turn.
    Image rgb_in_[2], rgb_out_[2];
    int now_ = 0;
    bool remembers_, has_last_ = false;
    video::TileReuse reuse_;

    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::deque<Job> waiting_;
    std::deque<Done> finished_;
    bool busy_ = false, stop_ = false, end_ = false;  // stop_: the frame in work is not wanted any more
    std::thread thread_;
};

}  // namespace enlarge
