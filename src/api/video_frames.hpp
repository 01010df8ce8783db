// SPDX-License-Identifier: Apache-2.0
// Frames of a video on GPUs: each worker has a session of its own, takes a decoded frame and fills the frame to encode.
// Where the program takes the frames themselves (4:2:0), RGB never exists in host memory; else the worker converts.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "backend/frames.hpp"
#include "color/convert.hpp"
#include "enlarge/enlarge.hpp"
#include "media/frame.hpp"
#include "run/enlarger.hpp"

namespace enlarge {

class FrameWorkers {
public:
    // Null when there is nothing to gain: the program runs on one device that wants pictures (CPUs).
    // `frame_pixels` is FFmpeg's name of `out`.
    static Result<std::unique_ptr<FrameWorkers>> create(Upscaler& upscaler, const media::VideoFormat& in, const media::VideoFormat& out,
                                                        const std::string& frame_pixels);
    // As Upscaler::upscale() in memory, for a frame of video: in the precision that was chosen for it, whatever its
    // samples.
    static Result<UpscaleReport> run_alone(Upscaler& upscaler, const ImageView& in, const MutableImageView& out,
                                           const Progress& progress);
    // The context of the one GPU that the network runs on, null otherwise: codecs there may share it.
    static void* context(Upscaler& upscaler);
    // Frames may be in the memory of that GPU.
    [[nodiscard]] bool shares_gpu() const { return direct_ && devices_ == 1; }

    // How many frames may be in work at the same time.
    [[nodiscard]] int count() const { return static_cast<int>(workers_.size()); }
    // For the user: "2 GPUs take alternate frames, which go as they are".
    [[nodiscard]] std::string sentence() const;
    // Fills `out`, which has the formats given above; either frame may be on the GPU. One call per worker at a time. False from `go_on` stops it.
    Result<void> run(int worker, const media::Frame& in, media::Frame& out, const Progress& go_on);
    [[nodiscard]] std::int64_t recomputed() const { return recomputed_; }

private:
    struct Worker {
        std::unique_ptr<Session> session;
        FrameSession* frames = nullptr;  // null: over RGB
        std::unique_ptr<Enlarger> enlarger;
        std::optional<Converter> to_rgb, from_rgb;
        FrameFormat made_for;
        Image in, out;
        std::optional<media::FramePool> host;  // made when results over RGB go to a GPU
    };
    FrameWorkers() = default;
    Result<void> over_rgb(Worker& worker, const media::Frame& in, media::Frame& out, const Progress& go_on);

    media::VideoFormat in_, out_;
    std::string frame_pixels_;
    std::shared_ptr<Engine> engine_;
    EnlargerOptions options_;
    std::vector<Worker> workers_;
    int devices_ = 1;
    bool direct_ = false;
    std::atomic<bool> said_memory_{false};
    std::atomic<std::int64_t> recomputed_{0};
};

}  // namespace enlarge
