// SPDX-License-Identifier: Apache-2.0
// The stages joined by short queues, and watched while they run.
#include <algorithm>

#include "media/gpu.hpp"
#include "video/stages.hpp"

namespace enlarge::video {

namespace {

FrameTask task_of(const Job& job, int waiting) {
    FrameTask task;
    task.in = job.in;
    task.out = job.out;
    task.frame_pixels = job.frame_pixels;
    task.reuse = job.options.reuse && !job.options.live;
    task.waiting = waiting;
    // NVENC takes frames where they are made; filters want them here.
    if (job.options.filter_after.empty() && !media::processor_encoder(job.choice.codec).empty())
        task.encoder_gpu = job.gpu.get();
    return task;
}

// What the caller says when asked, until the line has ended.
Result<void> watch(Job& job, Pipeline& line) {
    job.began = std::chrono::steady_clock::now();
    job.ended.reset();
    auto ran = line.run([&] {
        if (job.options.cancel.requested()) {
            job.cancel = true;
            return false;
        }
        if (!job.options.progress) return true;
        switch (job.options.progress(job.progress_now())) {
            case VideoControl::go_on: return true;
            case VideoControl::stop_soon:
                job.stop_soon = true;
                if (!job.journal) job.end_input = true;
                return true;
            case VideoControl::stop_now: job.cancel = true; return false;
        }
        return true;
    });
    job.ended = std::chrono::steady_clock::now();
    return ran;
}

void report_stages(const Pipeline& line, VideoReport& report) {
    double busiest = -1;
    for (const BusyTime& times : line.times()) {
        report.stages.push_back({times.name, times.busy_s, times.items});
        report.seconds = std::max(report.seconds, times.total_s);
        if (times.busy_s > busiest) {
            busiest = times.busy_s;
            report.bottleneck = times.name;
        }
    }
}

}  // namespace

Result<void> run_line(Job& job, VideoReport& report) {
    Pipeline line;
    const int waiting = job.options.live ? 1 : 2;
    const auto queue = [&](int room) -> Queue<Item>& { return line.queue<Item>(static_cast<std::size_t>(room)); };
    auto& packets = line.queue<Packet>(job.options.live ? 16 : 64);
    auto& written = line.queue<Written>(256);
    auto &decoded = queue(waiting + 1), &ready = queue(waiting + 1);
    auto &pictures = queue(waiting), &enlarged = queue(waiting);  // RGB

    TRY(const auto upscaler, choose_upscaler(*job.network.enlarger, task_of(job, waiting), line));
    if (const std::string said = upscaler->sentence(); !said.empty()) job.notice({"frames-on-gpu", said});
    TRY(media::FramePool frames, media::FramePool::create(job.frame_pixels, job.out.size));
    ObjectPool<Image>* const rgb = upscaler->rgb_pictures();
    report.frame_memory_bytes = upscaler->memory_bytes() + (rgb ? frames.frame_bytes() * (waiting + 3) : 0);

    Demux demux(job, packets, written);
    Decode decode(job, packets, decoded);
    std::optional<ToRgb> to_rgb;
    Infer infer(job, *upscaler, rgb ? pictures : decoded, rgb ? enlarged : ready);
    FromRgb from_rgb(job, std::move(frames), enlarged, ready);
    Encode encode(job, ready, written);
    Write write(job, written);

    const auto add = [&](const char* name, auto& part) {
        line.stage(name, [&part](Stage& stage) { return part.run(stage); });
    };
    add("demux", demux);
    add("decode", decode);
    if (rgb) add("convert in", to_rgb.emplace(job, *rgb, decoded, pictures));
    add("infer", infer);
    if (rgb) add("convert out", from_rgb);
    add("encode", encode);
    add("write", write);

    Result<void> result = watch(job, line);
    report_stages(line, report);
    const FrameTally tally = upscaler->tally();
    report.partial_frames = tally.partial;
    report.recomputed_tiles = tally.recomputed;
    report.computed_share = infer.all_pixels() > 0 ? tally.computed_pixels / infer.all_pixels() : 0;
    return result;
}

}  // namespace enlarge::video
