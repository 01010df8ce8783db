// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/session.hpp"

#include <algorithm>
#include <cstring>

#include "base/log.hpp"

namespace enlarge::cuda {
namespace {

constexpr std::size_t kMostPlans = 12;  // tiles at the borders of a picture have other sizes than inside
constexpr double kLongTile = 2e12;      // multiplications; more than that is run in pieces that can be stopped
constexpr int kPieces = 24;

std::int64_t pixels(Size s) { return static_cast<std::int64_t>(s.width) * s.height; }

}  // namespace

CudaSession::~CudaSession() {
    const Current current = device_->current();
    if (stream_) driver_.stream_synchronize(stream_);
    drop_plans();
    for (const CuEvent event : marks_)
        if (event) driver_.event_destroy(event);
    if (ready_) driver_.event_destroy(ready_);
    if (stream_) driver_.stream_destroy(stream_);
}

Result<void> CudaSession::begin() {
    const Current current = device_->current();
    TRY(driver_.check(driver_.stream_create(&stream_, kCuStreamNonBlocking), "creating a stream"));
    TRY(driver_.check(driver_.event_create(&ready_, kCuEventDisableTiming), "creating an event"));
    return pinned_flags_.reserve(64);
}

Result<TileReport> CudaSession::run(const TileJob& job) {
    TRY(check_job(job));
    const std::int64_t limit = program_->too_large.load();
    if (limit == 0 || pixels(job.in.size) < limit) {
        auto report = run_whole(job);
        if (report.ok() || report.error().code != Errc::memory) return report;
        return run_halves(job, std::move(report).error());
    }
    return run_halves(job, Error{Errc::memory, "GPU memory does not hold a tile of " + std::to_string(job.in.size.width) +
                                                   "x" + std::to_string(job.in.size.height)});
}

Result<void> CudaSession::check_job(const TileJob& job) const {
    const ProgramInfo& info = program_->info;
    const Rect& core = job.core;
    ENSURE(job.in.size.width > 0 && job.in.size.height > 0 && core.width > 0 && core.height > 0);
    ENSURE(core.x >= 0 && core.y >= 0 && core.right() <= job.in.size.width && core.bottom() <= job.in.size.height);
    ENSURE(job.in.format.channels == info.channels && job.out.format.channels == info.channels);
    ENSURE(job.out.size.width == core.width * info.scale && job.out.size.height == core.height * info.scale);
    ENSURE(job.in.size.width % info.size_multiple == 0 && job.in.size.height % info.size_multiple == 0);
    return {};
}

Result<TileReport> CudaSession::run_whole(const TileJob& job) {
    const Current current = device_->current();
    if (job.progress && *job.progress && !(*job.progress)(0)) return Error{Errc::cancelled, "stopped"};
    TRY(PicturePlan* const plan, plan_for(job));
    pack_picture(job.in, plan->in, pinned_in_.data());
    const double work = program_->macs_per_pixel * static_cast<double>(pixels(job.in.size));
    if (marks_[0])
        TRY(run_timed(*plan));
    else if (job.progress && *job.progress && work > kLongTile)
        TRY(run_in_pieces(*plan, *job.progress));
    else
        TRY(replay(plan->recording, [&]() -> Result<void> {
            TRY(before(*plan));
            for (const Launch& l : plan->launches) TRY(launch(l));
            return after(*plan);
        }));
    TRY(const TileReport report, finish());
    unpack_picture(pinned_out_.data(), plan->out, job.out);
    return report;
}

// Two tiles instead of one that did not fit.
Result<TileReport> CudaSession::run_halves(const TileJob& job, Error error) {
    const int step = program_->info.size_multiple, halo = (program_->info.halo + step - 1) / step * step;
    const bool wide = job.core.width >= job.core.height;
    const int side = wide ? job.core.width : job.core.height, origin = wide ? job.core.x : job.core.y;
    // The cut must lie where a tile may begin.
    const int cut = (origin + side / 2) / step * step - origin;
    if (cut <= 0) return error;
    std::int64_t known = program_->too_large.load();
    const std::int64_t mine = pixels(job.in.size);
    while ((known == 0 || mine < known) && !program_->too_large.compare_exchange_weak(known, mine)) {
    }
    if (!program_->said_memory.exchange(true))
        log(LogLevel::notice, {"tile-reduced", device_->name + ": not enough memory for a tile of " + std::to_string(job.in.size.width) + "x" +
                                  std::to_string(job.in.size.height) + "; going on with smaller ones"});
    TileReport report;
    for (const bool second : {false, true}) {
        Rect core = job.core;
        (wide ? core.width : core.height) = second ? side - cut : cut;
        if (second) (wide ? core.x : core.y) += cut;
        const int left = std::max(0, core.x - halo) / step * step, top = std::max(0, core.y - halo) / step * step;
        const auto up = [&](int v, int most) { return std::min(most, (v + halo + step - 1) / step * step); };
        const Rect in{left, top, up(core.right(), job.in.size.width) - left, up(core.bottom(), job.in.size.height) - top};
        if (in.size() == job.in.size) return error;  // all halo: no smaller tile can give the same pixels
        TileJob half;
        half.in = job.in.part(in);
        half.core = {core.x - in.x, core.y - in.y, core.width, core.height};
        const int scale = program_->info.scale;
        half.out = job.out.part({(core.x - job.core.x) * scale, (core.y - job.core.y) * scale, core.width * scale, core.height * scale});
        half.progress = job.progress;
        TRY(const TileReport part, run(half));
        report.finite = report.finite && part.finite;
    }
    return report;
}

Result<void> CudaSession::observe(const TileJob& job, const std::vector<int>& convolutions, const Observer& observer) {
    const Current current = device_->current();
    TRY(PicturePlan* const plan, plan_for(job));
    pack_picture(job.in, plan->in, pinned_in_.data());
    TRY(before(*plan));
    PinnedMemory copy(device_);
    for (std::size_t i = 0; i < plan->launches.size(); ++i) {
        const Step& step = program_->lowered.steps[i];
        const auto it = std::find(convolutions.begin(), convolutions.end(), step.conv);
        if (it != convolutions.end()) {
            const View& v = step.in;
            const std::size_t plane = static_cast<std::size_t>(pixels(job.in.size)) * static_cast<std::size_t>(v.num * v.num / v.den / v.den);
            const std::size_t bytes = plane * static_cast<std::size_t>(v.slices()) * 16;
            TRY(copy.reserve(bytes));
            const CuAddress from = memory_.address() + plan->arena.buffer[static_cast<std::size_t>(v.buffer)] +
                                   static_cast<std::uint64_t>(v.first_slice) * plane * 16;
            TRY(driver_.check(driver_.copy_to_host_async(copy.data(), from, bytes, stream_), "copying from the GPU"));
            TRY(driver_.check(driver_.stream_synchronize(stream_), "running the network on the GPU"));
            observer(static_cast<std::size_t>(it - convolutions.begin()), reinterpret_cast<const std::uint16_t*>(copy.data()), v.channels, plane);
        }
        TRY(launch(plan->launches[i]));
    }
    return driver_.check(driver_.stream_synchronize(stream_), "running the network on the GPU");
}

void CudaSession::time_stages(bool on) {
    const Current current = device_->current();
    stages_.clear();
    for (CuEvent& event : marks_) {
        if (event) driver_.event_destroy(event);
        event = nullptr;
        if (on) driver_.event_create(&event, 0);
    }
}

Result<void> CudaSession::run_timed(PicturePlan& plan) {
    const auto mark = [&](std::size_t i) { return driver_.check(driver_.event_record(marks_[i], stream_), "taking times"); };
    TRY(mark(0));
    TRY(before(plan));
    TRY(mark(1));
    // Without copies in between, launches wait in the queue while the first one runs: what is measured is the GPU's time.
    for (const Launch& l : plan.launches) TRY(launch(l));
    TRY(mark(2));
    TRY(after(plan));
    TRY(mark(3));
    TRY(driver_.check(driver_.event_synchronize(marks_[3]), "running the network on the GPU"));
    static constexpr std::array<const char*, 3> names{"copy in", "network", "copy out"};
    stages_.clear();
    for (std::size_t i = 0; i < 3; ++i) {
        float milliseconds = 0;
        TRY(driver_.check(driver_.event_milliseconds(&milliseconds, marks_[i], marks_[i + 1]), "taking times"));
        stages_.push_back({names[i], milliseconds});
    }
    // Once more for the kernels: marks between them cost some of the time that is measured.
    KernelTimes times(*device_, stream_);
    TRY(times.start());
    for (const Launch& l : plan.launches) {
        TRY(launch(l));
        TRY(times.after(l.kernel));
    }
    return times.add_to(stages_);
}

void CudaSession::drop_plans() {
    for (PicturePlan& plan : tiles_)
        if (plan.recording.graph) driver_.graph_exec_destroy(plan.recording.graph);
    for (FramePlan& plan : frames_)
        if (plan.recording.graph) driver_.graph_exec_destroy(plan.recording.graph);
    tiles_.clear();
    frames_.clear();
}

Result<void> CudaSession::reserve(std::uint64_t device_bytes, std::uint64_t in_bytes, std::uint64_t out_bytes) {
    if (device_bytes <= memory_.bytes() && in_bytes <= pinned_in_.bytes() && out_bytes <= pinned_out_.bytes()) return {};
    drop_plans();  // they hold addresses that are about to change
    TRY(pinned_in_.reserve(in_bytes));
    TRY(pinned_out_.reserve(out_bytes));
    if (device_bytes > memory_.bytes()) {
        memory_ = DeviceMemory();  // freed first: old and new need not fit at the same time
        TRY(memory_, DeviceMemory::allocate(device_, device_bytes));
    }
    return {};
}

Result<void> CudaSession::add_launch(Plan& plan, std::size_t step) {
    TRY(plan.launches[step], make_launch(*device_, program_->lowered, constants_, memory_.address(), plan,
                                         program_->lowered.steps[step], program_->info.scale));
    return {};
}

// The plan for this size and format: an earlier one, or a new one. Grows memory when it must.
Result<PicturePlan*> CudaSession::plan_for(const TileJob& job) {
    const Staging in = staging_of(job.in.format, job.in.size), out = staging_of(job.out.format, job.out.size);
    for (auto it = tiles_.begin(); it != tiles_.end(); ++it)
        if (it->in == in && it->out == out && it->core == job.core) {
            tiles_.splice(tiles_.begin(), tiles_, it);
            return &tiles_.front();
        }
    PicturePlan plan;
    plan.in = in;
    plan.out = out;
    plan.tile = job.in.size;
    plan.core = job.core;
    plan.arena = plan_arena(program_->lowered, job.in.size, in.bytes(), out.bytes());
    TRY(reserve(plan.arena.bytes, in.bytes(), out.bytes()));
    if (tiles_.size() >= kMostPlans) {
        if (tiles_.back().recording.graph) driver_.graph_exec_destroy(tiles_.back().recording.graph);
        tiles_.pop_back();
    }
    plan.source = device_pixels(in, memory_.address() + plan.arena.in);
    plan.target = device_pixels(out, memory_.address() + plan.arena.out);
    plan.launches.resize(program_->lowered.steps.size());
    for (std::size_t i = 0; i < plan.launches.size(); ++i) TRY(add_launch(plan, i));
    tiles_.push_front(std::move(plan));
    return &tiles_.front();
}

Result<void> start(const Driver& driver, const Launch& launch, CuStream stream) {
    void* parameters[] = {const_cast<std::byte*>(launch.parameters.data())};
    return driver.check(driver.launch(launch.function, static_cast<unsigned>(launch.shape.blocks), 1, 1,
                                      static_cast<unsigned>(launch.shape.threads), 1, 1,
                                      static_cast<unsigned>(launch.shape.shared_bytes), stream, parameters, nullptr),
                        "launching a kernel");
}

Result<void> CudaSession::launch(const Launch& l) { return start(driver_, l, stream_); }

Result<void> CudaSession::before(const PicturePlan& plan) {
    const CuAddress base = memory_.address();
    TRY(driver_.check(driver_.copy_to_device_async(base + plan.arena.in, pinned_in_.data(), plan.in.bytes(), stream_),
                      "copying to the GPU"));
    return driver_.check(driver_.fill_async(base + plan.arena.flags, 0, 64, stream_), "clearing GPU memory");
}
Result<void> CudaSession::after(const PicturePlan& plan) {
    const CuAddress base = memory_.address();
    TRY(driver_.check(driver_.copy_to_host_async(pinned_out_.data(), base + plan.arena.out, plan.out.bytes(), stream_),
                      "copying from the GPU"));
    return driver_.check(driver_.copy_to_host_async(pinned_flags_.data(), base + plan.arena.flags, 64, stream_),
                         "copying from the GPU");
}

// The first time as it is: kernels that the driver loads when first launched cannot be loaded while recording.
Result<void> CudaSession::replay(Recording& recording, const std::function<Result<void>()>& work) {
    if (++recording.ran < 2 || recording.failed) return work();
    if (!recording.graph) {
        TRY(driver_.check(driver_.capture_begin(stream_, kCuCaptureThreadLocal), "recording a graph"));
        const Result<void> recorded = work();
        CuGraph graph = nullptr;
        const CuResult ended = driver_.capture_end(stream_, &graph);
        if (!recorded.ok() || ended != 0 || driver_.graph_instantiate(&recording.graph, graph, 0) != 0) {
            recording.graph = nullptr;
            recording.failed = true;
        }
        if (ended == 0 && graph) driver_.graph_destroy(graph);
        if (recording.failed) return work();
    }
    return driver_.check(driver_.graph_launch(recording.graph, stream_), "launching a graph");
}

// Waits for the stream; the flags must have been copied.
Result<TileReport> CudaSession::finish() {
    TRY(driver_.check(driver_.stream_synchronize(stream_), "running the network on the GPU"));
    std::uint32_t flags = 0;
    std::memcpy(&flags, pinned_flags_.data(), sizeof flags);
    return TileReport{flags == 0};
}

Result<void> CudaSession::run_in_pieces(PicturePlan& plan, const std::function<bool(double)>& progress) {
    TRY(before(plan));
    const std::size_t count = plan.launches.size(), piece = std::max<std::size_t>(1, count / kPieces);
    for (std::size_t i = 0; i < count; ++i) {
        TRY(launch(plan.launches[i]));
        if ((i + 1) % piece != 0) continue;
        TRY(driver_.check(driver_.stream_synchronize(stream_), "running the network on the GPU"));
        if (!progress(static_cast<double>(i + 1) / static_cast<double>(count))) return Error{Errc::cancelled, "stopped"};
    }
    return after(plan);
}

Result<void> observe(const CudaProgram& program, const ImageView& picture, const std::vector<int>& convolutions, const Observer& observer) {
    TRY(const Resident* resident, program.state()->resident(0));
    CudaSession session(program.state(), *resident);
    TRY(session.begin());
    const int scale = program.info().scale;
    Image out({picture.size.width * scale, picture.size.height * scale}, picture.format);
    return session.observe({picture, {0, 0, picture.size.width, picture.size.height}, out.view()}, convolutions, observer);
}

Result<std::unique_ptr<Session>> make_session(std::shared_ptr<const ProgramState> program, const Resident& resident) {
    auto session = std::make_unique<CudaSession>(std::move(program), resident);
    TRY(session->begin());
    return std::unique_ptr<Session>(std::move(session));
}

}  // namespace enlarge::cuda
