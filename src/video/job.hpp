// SPDX-License-Identifier: Apache-2.0
// One call of enlarge_video(): what was decided, and what its stages share.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "enlarge/media.hpp"
#include "media/encoder.hpp"
#include "media/gpu.hpp"
#include "media/output.hpp"
#include "run/enlarger.hpp"
#include "run/pipeline.hpp"
#include "video/frame_list.hpp"
#include "video/journal.hpp"
#include "video/names.hpp"
#include "video/source.hpp"

namespace enlarge::video {

// What enlarges the frames, and what that is called.
struct NamedEnlarger {
    Enlarger* enlarger;       // null where nothing is to be enlarged: finished work is put together
    std::string model;        // "swift-x4"
    std::string description;  // of the way it is computed
    int scale = 1;            // of the model
};

struct Job {
    NamedEnlarger network;
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
    media::StreamPlan streams;
    media::OutputOptions mux;           // path not final
    OutputStanding standing;            // of the final path
    media::Rational frame_rate;
    std::unique_ptr<Journal> journal;   // null: packets go straight to the output
    std::vector<FrameRange> held;       // frames that were in the journal before
    std::int64_t skip = 0;              // how many those are
    std::unique_ptr<PlannedFrames> planned;  // of a part: no other frames are made, and these must be as they were
    std::int64_t total = 0;             // estimate

    std::unique_ptr<media::Output> direct;  // when there is no journal
    std::string part_folder;                // of pictures that have no names yet, when there is no journal

    // While it runs.
    std::atomic<bool> cancel{false};        // stop now
    std::atomic<bool> stop_soon{false};
    std::atomic<bool> end_input{false};     // stop_soon where there is no journal: what was read is finished
    std::atomic<std::int64_t> decoded{0}, encoded{0}, reused{0}, dropped{0}, bytes{0};
    std::atomic<double> position_s{0};      // of the last encoded frame, from the first
    bool room_said = false;                 // write stage
    std::optional<media::EncoderChoice> filtered;  // in place of `choice` where filters come after; encode stage
    std::optional<std::chrono::steady_clock::time_point> began, ended;  // work on frames
    std::mutex notice_mutex;

    Job(NamedEnlarger network_, std::string input_, std::string output_, VideoOptions options_)
        : network(std::move(network_)), input(std::move(input_)), output(std::move(output_)),
          options(std::move(options_)) {}
    ~Job();

    [[nodiscard]] bool to_file() const;
    // Whether work is kept in a journal, as far as names tell.
    [[nodiscard]] bool may_be_journalled() const;
    [[nodiscard]] bool stateful() const;  // a container whose frames build on all before
    void notice(const Notice& said);
    // What is done by now. Rates are those of the frames' work: from `began` until `ended`.
    [[nodiscard]] VideoProgress progress_now() const;
    // Asks the caller, after the last frame, whether the file shall still be put together.
    [[nodiscard]] bool may_go_on() const;
};

bool is_pattern(const std::string& path);  // of numbered pictures
bool is_address(const std::string& path);

// Opens the source and decides all that its first frame and the container ask for (decide.cpp).
Result<void> decide(Job& job);
// What is to be done, and what must be the same for everybody who does a part of it. After decide().
Result<JobPlan> plan_of(Job& job);
// Which network it is and how it is computed.
Result<media::JobFingerprint> network_facts(const NamedEnlarger& network);
// Runs all stages until the last frame is written (or, with stop_soon, a segment closed: Errc::cancelled).
Result<void> run_line(Job& job, VideoReport& report);
// The final file, under job.mux.path and then under its name, from these packets and the input's other streams.
Result<void> put_together(Job& job, media::SegmentPackets& packets, bool& cut_short);
// The final file from the journal's packets and the input's other streams. `cut_short`: the input ends before its end.
Result<void> assemble(Job& job, bool& cut_short);

}  // namespace enlarge::video
