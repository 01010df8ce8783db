// SPDX-License-Identifier: Apache-2.0
#include "api/video_frames.hpp"

#include <algorithm>

#include "api/upscaler_state.hpp"
#include "api/video_planes.hpp"
#include "base/log.hpp"
#include "media/gpu.hpp"

namespace enlarge {
namespace {

// Two frames per GPU: the copies of one run while the other is computed.
constexpr int kPerDevice = 2;

FrameSurface surface_of(const media::Frame& frame) {
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

}  // namespace

Result<UpscaleReport> FrameWorkers::run_alone(Upscaler& upscaler, const ImageView& in, const MutableImageView& out,
                                              const Progress& progress) {
    return upscaler.state_->enlarger->run(in, out, progress, InputKind::frame);
}

void* FrameWorkers::context(Upscaler& upscaler) {
    const Program& program = upscaler.state_->enlarger->shared_engine()->program();
    return program.devices() == 1 ? program.context() : nullptr;
}

Result<std::unique_ptr<FrameWorkers>> FrameWorkers::create(Upscaler& upscaler, const media::VideoFormat& in, const media::VideoFormat& out,
                                                           const std::string& frame_pixels) {
    std::unique_ptr<FrameWorkers> team(new FrameWorkers);
    const Enlarger& enlarger = *upscaler.state_->enlarger;
    team->engine_ = enlarger.shared_engine();
    team->options_ = enlarger.options();
    team->in_ = in;
    team->out_ = out;
    team->frame_pixels_ = frame_pixels;
    const Program& program = team->engine_->program();
    const ProgramInfo& info = program.info();
    team->devices_ = program.devices();
    const EnlargerOptions& o = team->options_;
    const bool one_run = passes_for(info.scale, in.size, out.size) == 1 && o.strength == 1;
    const bool whole = in.size.width % info.size_multiple == 0 && in.size.height % info.size_multiple == 0;
    const bool fits = o.memory_bytes == 0 || program.memory_bytes(in.size) * kPerDevice <= o.memory_bytes;
    team->direct_ = one_run && whole && fits && !o.tta && o.tile == 0 && !in.samples.alpha && program.takes_frames(in.samples, out.samples).ok();
    if (!team->direct_ && team->devices_ == 1) return std::unique_ptr<FrameWorkers>();
    team->workers_.resize(static_cast<std::size_t>(kPerDevice * team->devices_));
    for (Worker& worker : team->workers_) {
        worker.enlarger = std::make_unique<Enlarger>(team->engine_, team->options_);
        if (!team->direct_) continue;
        TRY(worker.session, program.session());
        worker.frames = dynamic_cast<FrameSession*>(worker.session.get());
    }
    return team;
}

std::string FrameWorkers::sentence() const {
    return (devices_ > 1 ? std::to_string(devices_) + " GPUs take alternate frames" : std::string("the GPU takes two frames at a time")) +
           (direct_ ? ", which go in and out as 4:2:0" : ", over RGB");
}

Result<void> FrameWorkers::run(int number, const media::Frame& in, media::Frame& out, const Progress& go_on) {
    Worker& worker = workers_[static_cast<std::size_t>(number)];
    if (worker.frames) {
        FrameSurface from = surface_of(in), to = surface_of(out);
        // Single frames may lack tags that the first one had; the frame to fill has ours.
        from.format.tags = in_.samples.tags;
        to.format.tags = out_.samples.tags;
        const auto report = worker.frames->run_frame(from, to);
        if (report.ok() && report->finite) return {};
        if (!report.ok() && report.error().code != Errc::memory && report.error().code != Errc::unsupported) return report.error();
        if (report.ok()) {
            recomputed_.fetch_add(1);
        } else {
            worker.frames = nullptr;
            worker.session.reset();  // its memory is wanted for tiles
            if (!said_memory_.exchange(true)) log(LogLevel::notice, {"frames-over-rgb", "frames go over RGB: " + report.error().message});
        }
    }
    return over_rgb(worker, in, out, go_on);
}

Result<void> FrameWorkers::over_rgb(Worker& worker, const media::Frame& in, media::Frame& out, const Progress& go_on) {
    if (media::on_gpu(in)) {
        TRY(const media::Frame here, media::download(in));
        return over_rgb(worker, here, out, go_on);
    }
    if (media::on_gpu(out)) {
        if (!worker.host) {
            TRY(media::FramePool pool, media::FramePool::create(frame_pixels_, out_.size));
            worker.host.emplace(std::move(pool));
        }
        TRY(media::Frame here, worker.host->get(out_, nullptr));
        TRY(over_rgb(worker, in, here, go_on));
        return media::upload(here, out);
    }
    const int in_channels = channels_of(in_.samples), out_channels = channels_of(out_.samples);
    // Grey in needs one channel of work only; transparency that the output cannot hold is not worth any.
    const bool alpha = in_.samples.alpha && out_.samples.alpha;
    const int work = (in_.samples.family == FrameFamily::grey ? 1 : 3) + (alpha ? 1 : 0);
    if (worker.in.empty()) {
        worker.in = Image(in_.size, float_planes(in_channels));
        worker.out = Image(out_.size, float_planes(work));
        TRY(Converter converter, Converter::from_rgb(float_planes(out_channels), out_.size, out_.samples, {.dither = out_.samples.bits < in_.samples.bits}));
        worker.from_rgb.emplace(std::move(converter));
    }
    FrameFormat now = in.format().samples;
    if (now.tags.range == Range::unspecified && in_.samples.tags.range == Range::full) now.tags.range = Range::full;
    if (!worker.to_rgb || !(worker.made_for == now)) {
        TRY(Converter converter, Converter::to_rgb(now, in_.size, float_planes(in_channels)));
        worker.to_rgb.emplace(std::move(converter));
        worker.made_for = now;
    }
    FrameView view = in.view();
    view.format = now;
    TRY(worker.to_rgb->convert(view, worker.in.view()));
    TRY(const UpscaleReport done, worker.enlarger->run(with_channels(std::as_const(worker.in).view(), work),
                                                       worker.out.view(), go_on, InputKind::frame));
    recomputed_.fetch_add(done.recomputed_tiles);
    return worker.from_rgb->convert(with_channels(std::as_const(worker.out).view(), out_channels), out.view());
}

}  // namespace enlarge
