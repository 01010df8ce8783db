// SPDX-License-Identifier: Apache-2.0
// Frames on GPUs: each worker has a session of its own. Where the program takes the frames themselves (4:2:0), RGB
// never exists in host memory; else the worker converts.
#include <atomic>
#include <vector>

#include "backend/frames.hpp"
#include "base/at.hpp"
#include "base/log.hpp"
#include "image/format.hpp"
#include "video/frame_upscaler.hpp"
#include "video/rgb.hpp"

namespace enlarge::video {

namespace {

// Two frames per GPU: the copies of one run while the other is computed.
constexpr int kPerDevice = 2;

FrameSurface surface_of(const Frame& frame) {
    FrameSurface s;
    s.format = frame.format().samples;
    s.size = frame.format().size;
    if (media::on_gpu(frame)) {
        const media::GpuPlanes planes = media::gpu_planes(frame);
        for (std::size_t p = 0; p < 2; ++p) {
            s.plane[p] = planes.address[p];
            s.pitch_bytes[p] = planes.pitch_bytes[p];
        }
        s.on_device = true;
        return s;
    }
    const FrameView view = frame.view();
    for (std::size_t p = 0; p < 3; ++p) {
        s.plane[p] = reinterpret_cast<std::uint64_t>(view.plane[p]);
        s.pitch_bytes[p] = view.stride_bytes[p];
    }
    return s;
}

class SurfaceUpscaler final : public FrameUpscaler {
public:
    // Null when there is nothing to gain.
    static Result<std::unique_ptr<FrameUpscaler>> create(Enlarger& enlarger, const FrameTask& task);

    [[nodiscard]] int at_once() const override { return static_cast<int>(workers_.size()); }
    [[nodiscard]] std::string sentence() const override {
        const std::string who = devices_ > 1 ? std::to_string(devices_) + " GPUs take alternate frames"
                                             : std::string("the GPU takes two frames at a time");
        return who + (direct_ ? ", which go in and out as 4:2:0" : ", over RGB");
    }
    [[nodiscard]] std::int64_t memory_bytes() const override {
        return pool_->frame_bytes() * (task_.waiting + 3 + at_once());
    }
    Result<bool> prepare(Item& item) override {
        TRY(item.frame, gpu_pool_ ? gpu_pool_->get(task_.out, &item.frame) : pool_->get(task_.out, &item.frame));
        return true;
    }
    Result<void> run(int worker, const FrameWindow& window, Item& result, const Progress& go_on) override;
    [[nodiscard]] FrameTally tally() const override {
        return {0, recomputed_, static_cast<double>(computed_) * task_.in.size.width * task_.in.size.height};
    }

private:
    struct Worker {
        std::unique_ptr<Session> session;
        FrameSession* frames = nullptr;  // null: over RGB
        std::unique_ptr<Enlarger> enlarger;
        std::optional<RgbReader> reader;
        std::optional<RgbWriter> writer;
        Image in, out;
        std::optional<media::FramePool> host;  // made when results over RGB go to a GPU
    };
    explicit SurfaceUpscaler(const FrameTask& task) : task_(task) {}
    Result<void> make_pools();
    Result<void> over_rgb(Worker& worker, const Frame& in, Frame& out, const Progress& go_on);
    Result<bool> direct(Worker& worker, const Frame& in, Frame& out);

    FrameTask task_;
    std::vector<Worker> workers_;
    std::optional<media::FramePool> pool_;
    std::optional<media::GpuFramePool> gpu_pool_;  // NVENC takes frames where they are made
    int devices_ = 1;
    bool direct_ = false;
    std::atomic<bool> said_memory_{false};
    std::atomic<std::int64_t> recomputed_{0}, computed_{0};
};

Result<std::unique_ptr<FrameUpscaler>> SurfaceUpscaler::create(Enlarger& enlarger, const FrameTask& task) {
    std::unique_ptr<SurfaceUpscaler> made(new SurfaceUpscaler(task));
    const Program& program = enlarger.engine().program();
    const ProgramInfo& info = program.info();
    const EnlargerOptions& o = enlarger.options();
    const Size in = task.in.size;
    made->devices_ = program.devices();
    const bool one_run = passes_for(info.scale, in, task.out.size) == 1 && o.strength == 1;
    const bool whole = in.width % info.size_multiple == 0 && in.height % info.size_multiple == 0 &&
                       enlarger.engine().graph().spare() == 0;
    const bool fits = o.memory_bytes == 0 || program.memory_bytes(in) * kPerDevice <= o.memory_bytes;
    made->direct_ = one_run && whole && fits && !o.tta && o.tile == 0 && !task.in.samples.alpha &&
                    program.takes_frames(task.in.samples, task.out.samples).ok();
    if (!made->direct_ && made->devices_ == 1) return std::unique_ptr<FrameUpscaler>();
    made->workers_.resize(static_cast<std::size_t>(kPerDevice * made->devices_));
    for (Worker& worker : made->workers_) {
        worker.enlarger = std::make_unique<Enlarger>(enlarger.shared_engine(), o);
        if (!made->direct_) continue;
        TRY(worker.session, program.session());
        worker.frames = worker.session->frames();
    }
    TRY(made->make_pools());
    return std::unique_ptr<FrameUpscaler>(std::move(made));
}

Result<void> SurfaceUpscaler::make_pools() {
    TRY(media::FramePool pool, media::FramePool::create(task_.frame_pixels, task_.out.size));
    pool_.emplace(std::move(pool));
    if (task_.encoder_gpu && direct_ && devices_ == 1) {
        TRY(media::GpuFramePool there,
            media::GpuFramePool::create(*task_.encoder_gpu, task_.out.samples.bits, task_.out.size));
        gpu_pool_.emplace(std::move(there));
    }
    return {};
}

// False: the frame must go over RGB.
Result<bool> SurfaceUpscaler::direct(Worker& worker, const Frame& in, Frame& out) {
    FrameSurface from = surface_of(in), to = surface_of(out);
    // Single frames may lack tags that the first one had; the frame to fill has ours.
    from.format.tags = task_.in.samples.tags;
    to.format.tags = task_.out.samples.tags;
    const auto report = worker.frames->run_frame(from, to);
    if (report.ok()) {
        if (!report->finite) recomputed_.fetch_add(1);
        return report->finite;
    }
    if (report.error().code != Errc::memory && report.error().code != Errc::unsupported) return report.error();
    worker.frames = nullptr;
    worker.session.reset();  // its memory is wanted for tiles
    if (!said_memory_.exchange(true))
        log(LogLevel::notice, {"frames-over-rgb", "frames go over RGB: " + report.error().message});
    return false;
}

Result<void> SurfaceUpscaler::run(int number, const FrameWindow& window, Item& result, const Progress& go_on) {
    Worker& worker = at(workers_, number);
    const Frame& in = window.frame().frame;
    bool done = false;
    if (worker.frames) {
        TRY(done, direct(worker, in, result.frame));
    }
    if (!done) TRY(over_rgb(worker, in, result.frame, go_on));
    computed_.fetch_add(1);
    return {};
}

Result<void> SurfaceUpscaler::over_rgb(Worker& worker, const Frame& in, Frame& out, const Progress& go_on) {
    if (media::on_gpu(out)) {
        if (!worker.host) {
            TRY(media::FramePool pool, media::FramePool::create(task_.frame_pixels, task_.out.size));
            worker.host.emplace(std::move(pool));
        }
        TRY(Frame here, worker.host->get(task_.out, nullptr));
        TRY(over_rgb(worker, in, here, go_on));
        return media::upload(here, out);
    }
    const RgbChannels channels = rgb_channels(task_.in.samples, task_.out.samples);
    if (worker.in.empty()) {
        worker.in = Image(task_.in.size, planar_float(channels.in));
        worker.out = Image(task_.out.size, planar_float(channels.work));
        worker.reader.emplace(task_.in);
        TRY(RgbWriter writer, RgbWriter::create(task_.in, task_.out));
        worker.writer.emplace(std::move(writer));
    }
    Frame here = in;
    TRY(worker.reader->read(here, worker.in.view()));
    const ImageView view = with_channels(std::as_const(worker.in).view(), channels.work);
    TRY(const UpscaleReport done, worker.enlarger->run(view, worker.out.view(), go_on, InputKind::frame));
    recomputed_.fetch_add(done.recomputed_tiles);
    return worker.writer->write(std::as_const(worker.out).view(), out);
}

}  // namespace

Result<std::unique_ptr<FrameUpscaler>> make_surface_upscaler(Enlarger& enlarger, const FrameTask& task) {
    return SurfaceUpscaler::create(enlarger, task);
}

}  // namespace enlarge::video
