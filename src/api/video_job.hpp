// SPDX-License-Identifier: Apache-2.0
// One call of enlarge_video(): what was decided, and what its stages share.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>

#include "api/video_output.hpp"
#include "api/video_source.hpp"
#include "enlarge/media.hpp"
#include "media/encoder.hpp"
#include "media/gpu.hpp"
#include "media/journal.hpp"
#include "media/output.hpp"
#include "run/pipeline.hpp"

namespace enlarge {

struct VideoJob {
    Upscaler& upscaler;
    std::string input, output;
    VideoOptions options;

    // Decided before work begins.
    std::shared_ptr<media::Gpu> gpu;    // when its codecs are to be used; outlives all frames
    std::unique_ptr<VideoSource> source;
    media::Frame first;                 // of the source
    media::VideoFormat in, out;         // frames before the network (tags filled in), and after it
    std::string frame_pixels;           // FFmpeg's name for `out`
    media::EncoderRequest request;
    media::EncoderChoice choice;
    media::StreamPlan plan;
    media::OutputOptions mux;           // path not final
    OutputStanding standing;            // of the final path
    media::Rational frame_rate;
    std::unique_ptr<media::Journal> journal;  // null: packets go straight to the output
    std::int64_t skip = 0;              // frames that are in the journal already
    std::int64_t total = 0;             // estimate

    std::unique_ptr<media::Output> direct;  // when there is no journal
    std::string part_folder;                // of pictures that have no names yet, when there is no journal

    // While it runs.
    std::atomic<bool> cancel{false};        // stop now
    std::atomic<bool> stop_soon{false};
    std::atomic<bool> end_input{false};     // stop_soon where there is no journal: what was read is finished
    std::atomic<std::int64_t> decoded{0}, encoded{0}, reused{0}, partial{0}, dropped{0}, recomputed{0}, bytes{0};
    std::atomic<double> position_s{0};      // of the last encoded frame, from the first
    double computed_pixels = 0, all_pixels = 0;  // infer stage
    bool room_said = false;                 // write stage
    std::int64_t frame_memory = 0;
    std::mutex notice_mutex;

    ~VideoJob();
    void notice(const Notice& said);
    // Runs all stages until the last frame is written (or, with stop_soon, a segment closed: Errc::cancelled).
    Result<void> run_line(VideoReport& report);
    VideoProgress progress_now(std::chrono::steady_clock::time_point start);
};

}  // namespace enlarge
