// SPDX-License-Identifier: Apache-2.0
// Video frames: in and out of the network without RGB in host memory.
#include <algorithm>
#include <cstring>

#include "backend/cuda/session.hpp"
#include "color/resample.hpp"

namespace enlarge::cuda {
namespace {

constexpr std::size_t kMostFramePlans = 4;

std::uint64_t aligned(std::uint64_t bytes) { return (bytes + 1023) / 1024 * 1024; }

PixelFormat planar_floats() { return {SampleType::f32, 32, 3, true}; }

// Whether the launch of a step holds the address of the frame that comes in, or of the one that goes out.
bool touches_source(const Step& s) {
    return s.kind == Step::Kind::first || s.kind == Step::Kind::load || (s.kind == Step::Kind::last && s.with_residual);
}
bool touches_target(const Step& s) { return s.kind == Step::Kind::last || s.kind == Step::Kind::store; }

}  // namespace

// Where the stages behind the network lie: behind everything else in the session's block of memory.
struct Ending {
    Size network, out;
    std::uint64_t enlarged = 0, across = 0, resampled = 0, values = 0, end = 0;
    bool resample = false, half = false;

    Ending(const FramePlan& plan, int scale, std::uint64_t at)
        : network{plan.tile.width * scale, plan.tile.height * scale}, out(plan.out.size),
          resample(!(network == out)), half(plan.out.format.bits == 8) {
        const auto bytes = [](Size s, std::uint64_t per_pixel) { return aligned(static_cast<std::uint64_t>(s.width) * static_cast<std::uint64_t>(s.height) * per_pixel); };
        const auto planes = [](Size s) { return aligned(staging_of(planar_floats(), s).bytes()); };
        enlarged = at;
        across = enlarged + planes(network);
        resampled = across + (resample ? planes({network.width, out.height}) : 0);
        values = resampled + (resample ? planes(out) : 0);
        end = values + bytes(out, half ? 16 : 32);
    }
    [[nodiscard]] std::uint64_t picture() const { return resample ? resampled : enlarged; }
};

Result<FramePlan*> CudaSession::plan_for(const FrameSurface& in, const FrameSurface& out) {
    const FrameStaging from = frame_staging(in.format, in.size), to = frame_staging(out.format, out.size);
    for (auto it = frames_.begin(); it != frames_.end(); ++it)
        if (it->in == from && it->out == to && it->in_there == in.on_device && it->out_there == out.on_device) {
            frames_.splice(frames_.begin(), frames_, it);
            return &frames_.front();
        }
    const auto& steps = program_->lowered.steps;
    const int scale = program_->info.scale;
    FramePlan plan;
    plan.in = from;
    plan.out = to;
    plan.in_there = in.on_device;
    plan.out_there = out.on_device;
    plan.tile = in.size;
    plan.core = {0, 0, in.size.width, in.size.height};
    const std::uint64_t in_bytes = in.on_device ? 0 : from.bytes(), out_bytes = out.on_device ? 0 : to.bytes();
    plan.arena = plan_arena(program_->lowered, in.size, in_bytes, out_bytes);
    const bool same = out.size.width == in.size.width * scale && out.size.height == in.size.height * scale;
    const bool itself = same && !(steps.back().kind == Step::Kind::last && steps.back().factor % 2 != 0);
    std::uint64_t bytes = plan.arena.bytes;
    if (!itself) bytes = Ending(plan, scale, plan.arena.bytes).end;
    TRY(reserve(bytes, in_bytes, out_bytes));
    if (frames_.size() >= kMostFramePlans) {
        if (frames_.back().recording.graph) driver_.graph_exec_destroy(frames_.back().recording.graph);
        frames_.pop_back();
    }
    if (!itself) TRY(add_ending(plan));
    plan.launches.resize(steps.size());
    plan.tail = steps.size();
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (touches_source(steps[i]) && !touches_target(steps[i])) plan.head = i + 1;
        if (touches_target(steps[i])) plan.tail = std::min(plan.tail, i);
    }
    plan.tail = std::max(plan.head, plan.tail);
    for (std::size_t i = plan.head; i < plan.tail; ++i) TRY(add_launch(plan, i));
    frames_.push_front(std::move(plan));
    return &frames_.front();
}

// What the network's own last layer cannot do: planar floats, resampled down and across, as activations, stored.
Result<void> CudaSession::add_ending(FramePlan& plan) {
    const Ending e(plan, program_->info.scale, plan.arena.bytes);
    const CuAddress base = memory_.address();
    const int processors = device_->multiprocessors;
    const auto pixels_at = [&](Size size, std::uint64_t at) { return device_pixels(staging_of(planar_floats(), size), base + at); };
    plan.target = pixels_at(e.network, e.enlarged);
    if (e.resample) {
        const FilterTable down = lanczos3(e.network.height, e.out.height), across = lanczos3(e.network.width, e.out.width);
        std::vector<std::byte> tables;
        const auto put = [&](const auto& values) {
            const std::size_t at = tables.size();
            tables.resize(at + aligned(values.size() * sizeof values[0]));
            std::memcpy(tables.data() + at, values.data(), values.size() * sizeof values[0]);
            return at;
        };
        const std::size_t down_first = put(down.first), down_weights = put(down.weights);
        const std::size_t across_first = put(across.first), across_weights = put(across.weights);
        TRY(plan.tables, DeviceMemory::allocate(device_, tables.size()));
        TRY(device_->upload(plan.tables.address(), tables.data(), tables.size()));
        const auto pass = [&](const DevicePixels& in, const DevicePixels& out, std::size_t first, std::size_t weights, int taps, bool vertical) -> Result<void> {
            const Resample p{in, out, plan.tables.address() + first, plan.tables.address() + weights, taps, vertical};
            TRY(const Launch l, launch_of(*device_, "resample", shape_items(static_cast<std::int64_t>(out.width) * out.height, processors), p));
            plan.after.push_back(l);
            return {};
        };
        const DevicePixels between = pixels_at({e.network.width, e.out.height}, e.across);
        TRY(pass(plan.target, between, down_first, down_weights, down.taps, true));
        TRY(pass(between, pixels_at(e.out, e.resampled), across_first, across_weights, across.taps, false));
    }
    const LoadPixels load{pixels_at(e.out, e.picture()), base + e.values, 1, 3};
    TRY(const Launch l, launch_of(*device_, e.half ? "load_pixels_f16" : "load_pixels_f32",
                                  shape_items(static_cast<std::int64_t>(e.out.width) * e.out.height, processors), load));
    plan.after.push_back(l);
    plan.store = {base + e.values, e.out.height, e.out.width, 0, 0, {}, base + plan.arena.flags};
    return {};
}

Result<TileReport> CudaSession::run_frame(const FrameSurface& in, const FrameSurface& out) {
    const ProgramInfo& info = program_->info;
    ENSURE(in.size.width % info.size_multiple == 0 && in.size.height % info.size_multiple == 0);
    ENSURE(in.size.width > 0 && in.size.height > 0 && out.size.width > 0 && out.size.height > 0);
    if (info.channels != 3) return Error{Errc::unsupported, "CUDA: frames need a network for RGB"};
    for (const FrameSurface* f : {&in, &out}) {
        TRY(check_frame(f->format));
        if (f->on_device && (!f->format.semi_planar || f->format.high_bits != (f->format.bits > 8)))
            return Error{Errc::unsupported, "CUDA: frames on the GPU must be NV12 or P010"};
    }
    const Current current = device_->current();
    TRY(FramePlan* const plan, plan_for(in, out));
    FramePlan& p = *plan;
    const CuAddress base = memory_.address();
    const auto pixels_of = [&](const FrameSurface& frame, const FrameStaging& s, CuAddress at, bool writing) {
        if (frame.on_device) return frame_pixels(frame.format, frame.size, {frame.plane[0], frame.plane[1]}, {frame.pitch_bytes[0], frame.pitch_bytes[1]}, writing);
        return frame_pixels(frame.format, frame.size, {at, at + s.offset(1)}, {s.pitch, s.pitch}, writing);
    };
    TRY(p.source, pixels_of(in, p.in, base + p.arena.in, false));
    TRY(const DevicePixels target, pixels_of(out, p.out, base + p.arena.out, true));
    if (p.after.empty()) p.target = target;
    for (std::size_t i = 0; i < p.launches.size(); ++i)
        if (i < p.head || i >= p.tail) TRY(add_launch(p, i));

    if (in.on_device) {  // our stream goes on when the frame is there
        TRY(driver_.check(driver_.event_record(ready_, static_cast<CuStream>(in.stream.pointer)), "marking a frame"));
        TRY(driver_.check(driver_.stream_wait_event(stream_, ready_, 0), "waiting for a frame"));
    } else {
        pack_frame(in, p.in, pinned_in_.data());
        TRY(driver_.check(driver_.copy_to_device_async(base + p.arena.in, pinned_in_.data(), p.in.bytes(), stream_), "copying to the GPU"));
    }
    TRY(driver_.check(driver_.fill_async(base + p.arena.flags, 0, 64, stream_), "clearing GPU memory"));
    for (std::size_t i = 0; i < p.head; ++i) TRY(launch(p.launches[i]));
    if (p.head < p.tail)
        TRY(replay(p.recording, [&]() -> Result<void> {
            for (std::size_t i = p.head; i < p.tail; ++i) TRY(launch(p.launches[i]));
            return {};
        }));
    for (std::size_t i = p.tail; i < p.launches.size(); ++i) TRY(launch(p.launches[i]));
    if (!p.after.empty()) {
        for (const Launch& l : p.after) TRY(launch(l));
        p.store.out = target;
        TRY(const Launch l, launch_of(*device_, p.out.format.bits == 8 ? "store_pixels_f16" : "store_pixels_f32",
                                      shape_items(static_cast<std::int64_t>(out.size.width) * out.size.height, device_->multiprocessors), p.store));
        TRY(launch(l));
    }
    if (!out.on_device)
        TRY(driver_.check(driver_.copy_to_host_async(pinned_out_.data(), base + p.arena.out, p.out.bytes(), stream_), "copying from the GPU"));
    TRY(driver_.check(driver_.copy_to_host_async(pinned_flags_.data(), base + p.arena.flags, 64, stream_), "copying from the GPU"));
    TRY(const TileReport report, finish());
    if (!out.on_device) unpack_frame(pinned_out_.data(), p.out, out);
    return report;
}

}  // namespace enlarge::cuda
