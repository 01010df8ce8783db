// SPDX-License-Identifier: Apache-2.0
// What makes frames larger. One kind takes pictures in RGB, which stages beside it make and turn back; the other takes
// decoded frames and fills the frames to encode, several at a time, wherever they lie.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "media/frame.hpp"
#include "media/gpu.hpp"
#include "run/enlarger.hpp"
#include "run/pipeline.hpp"
#include "video/item.hpp"

namespace enlarge::video {

// What is to be done with each frame.
struct FrameTask {
    media::VideoFormat in, out;  // before the network, with all tags, and behind it
    std::string frame_pixels;    // FFmpeg's name of `out`
    bool reuse = false;          // compute only what changed since the frame before
    int waiting = 1;             // frames that wait before and behind this stage
    const media::Gpu* encoder_gpu = nullptr;  // frames are to be made in its memory, where the network runs there
};

// What was done so far.
struct FrameTally {
    std::int64_t partial = 0;     // frames that were computed in part
    std::int64_t recomputed = 0;  // tiles that overflowed
    double computed_pixels = 0;   // of the input
};

class FrameUpscaler {
public:
    virtual ~FrameUpscaler() = default;

    // Where frames go as RGB: the pictures that the stage before fills. Null: frames go as they are.
    [[nodiscard]] virtual ObjectPool<Image>* rgb_pictures() { return nullptr; }
    // How many frames may be in work at the same time.
    [[nodiscard]] virtual int at_once() const { return 1; }
    [[nodiscard]] virtual Reach reach() const { return {}; }
    // For the user: "2 GPUs take alternate frames, which go in and out as 4:2:0"; empty when there is nothing to say.
    [[nodiscard]] virtual std::string sentence() const { return {}; }
    [[nodiscard]] virtual std::int64_t memory_bytes() const = 0;  // of all pictures and frames that this makes

    // Puts what the result is written to into `item`, which is the frame to work on. False when the line was stopped.
    virtual Result<bool> prepare(Item& item) = 0;
    // Computes the middle of the window into `result`. One call per worker, 0 ... at_once() - 1, at a time. False from
    // `go_on` stops it.
    virtual Result<void> run(int worker, const FrameWindow& window, Item& result, const Progress& go_on) = 0;
    [[nodiscard]] virtual FrameTally tally() const = 0;
};

// The kind for this network and these frames. The line must outlive it.
Result<std::unique_ptr<FrameUpscaler>> choose_upscaler(Enlarger& enlarger, const FrameTask& task, Pipeline& line);

// Each kind. make_surface_upscaler() gives null when there is nothing to gain: the program runs on one device that
// wants pictures (CPUs).
Result<std::unique_ptr<FrameUpscaler>> make_rgb_upscaler(Enlarger& enlarger, const FrameTask& task, Pipeline& line);
Result<std::unique_ptr<FrameUpscaler>> make_surface_upscaler(Enlarger& enlarger, const FrameTask& task);

}  // namespace enlarge::video
