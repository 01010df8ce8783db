// SPDX-License-Identifier: Apache-2.0
// A session on one GPU: its stream, its memory, and a plan for each size it has met.
#pragma once

#include <array>
#include <cstring>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "backend/cuda/kernel_times.hpp"
#include "backend/cuda/launch.hpp"
#include "backend/cuda/program.hpp"
#include "backend/cuda/surfaces.hpp"

namespace enlarge::cuda {

// One kernel launch with all numbers filled in.
struct Launch {
    CuFunction function = nullptr;
    std::string kernel;
    Shape shape;
    std::array<std::byte, 640> parameters{};  // the driver copies them; any alignment will do
};
template <class Parameters>
Result<Launch> launch_of(const Device& device, const std::string& kernel, const Shape& shape, const Parameters& parameters) {
    static_assert(sizeof(Parameters) <= sizeof(Launch::parameters));
    Launch launch;
    TRY(launch.function, device.kernel(kernel));
    launch.kernel = kernel;
    launch.shape = shape;
    std::memcpy(launch.parameters.data(), &parameters, sizeof parameters);
    return launch;
}

Result<void> start(const Driver& driver, const Launch& launch, CuStream stream);

// Launches recorded once and started as one. Falls back to single launches where the driver cannot record.
struct Recording {
    CuGraphExec graph = nullptr;
    bool failed = false;
    int ran = 0;
};

// What a network does with a picture of one size.
struct Plan {
    Size tile;                        // what the network sees
    Rect core;                        // what is kept of it
    DevicePixels source{}, target{};  // the pictures as kernels see them
    Arena arena;
    std::vector<Launch> launches;     // one per step
    Recording recording;
};
struct PicturePlan : Plan {
    Staging in, out;
};
// Of a frame, source and target are elsewhere each time: the launches that touch them are made anew, those between are
// recorded. Where the last layer cannot write the frame itself (an odd factor, or the frame has another size than the
// network makes), it writes planar floats, which are resampled, rounded and stored by further kernels.
struct FramePlan : Plan {
    FrameStaging in, out;
    bool in_there = false, out_there = false;  // on the GPU
    std::size_t head = 0, tail = 0;            // launches [head, tail) touch neither source nor target
    std::vector<Launch> after;                 // before the final store, which is `store`
    StorePixels store{};                       // out, flags: filled in for each frame
    DeviceMemory tables;                       // of the resampling filter
};

// The launch of a step. `memory` is the session's block, `constants` the program's weights.
Result<Launch> make_launch(const Device& device, const Lowered& lowered, CuAddress constants, CuAddress memory, const Plan& plan,
                           const Step& step, int scale);

class CudaSession final : public FrameSession {
public:
    CudaSession(std::shared_ptr<const ProgramState> program, const Resident& resident)
        : program_(std::move(program)), device_(resident.device), constants_(resident.constants.address()),
          driver_(*device_->driver), pinned_in_(device_), pinned_out_(device_) {}
    ~CudaSession() override;
    Result<void> begin();

    Result<TileReport> run(const TileJob& job) override;
    Result<TileReport> run_frame(const FrameSurface& in, const FrameSurface& out) override;
    // "copy in", "network", "copy out" and each kernel by its name, by the GPU's clock; runs are then not recorded.
    void time_stages(bool on) override;
    [[nodiscard]] std::vector<StageTime> stage_times() const override { return stages_; }

    // See observe().
    Result<void> observe(const TileJob& job, const std::vector<int>& convolutions, const Observer& observer);

private:
    Result<void> check_job(const TileJob& job) const;
    Result<TileReport> run_whole(const TileJob& job);
    Result<TileReport> run_halves(const TileJob& job, Error error);
    Result<PicturePlan*> plan_for(const TileJob& job);
    Result<void> run_timed(PicturePlan& plan);
    Result<void> run_in_pieces(PicturePlan& plan, const std::function<bool(double)>& progress);
    Result<void> before(const PicturePlan& plan);
    Result<void> after(const PicturePlan& plan);

    Result<FramePlan*> plan_for(const FrameSurface& in, const FrameSurface& out);
    Result<void> add_ending(FramePlan& plan);
    Result<void> add_launch(Plan& plan, std::size_t step);

    // Makes room; all plans are dropped when an address changes.
    Result<void> reserve(std::uint64_t device_bytes, std::uint64_t in_bytes, std::uint64_t out_bytes);
    void drop_plans();
    Result<void> launch(const Launch& l);
    // Does the work the first time as it is, later as one graph.
    Result<void> replay(Recording& recording, const std::function<Result<void>()>& work);
    Result<TileReport> finish();

    std::shared_ptr<const ProgramState> program_;
    std::shared_ptr<Device> device_;
    CuAddress constants_;
    const Driver& driver_;
    CuStream stream_ = nullptr;
    CuEvent ready_ = nullptr;
    DeviceMemory memory_;
    PinnedMemory pinned_in_, pinned_out_, pinned_flags_{device_};
    std::array<CuEvent, 4> marks_{};  // when times are taken
    std::vector<StageTime> stages_;
    std::list<PicturePlan> tiles_;    // most recently used first
    std::list<FramePlan> frames_;
};

}  // namespace enlarge::cuda
