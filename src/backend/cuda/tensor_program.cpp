// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/tensor_program.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "backend/cuda/tensor_launches.hpp"

namespace enlarge::cuda {
namespace {

constexpr std::size_t kPiece = 16;  // launches between two looks at whether to go on

// What sessions share.
struct Shared {
    Graph graph;
    ProgramInfo info;
    tensors::Constants constants;
    std::vector<DeviceOpener> openers;

    // The first GPU, opened and with the weights on it.
    Result<const Resident*> resident() const {
        const std::lock_guard lock(mutex);
        if (!first) {
            TRY(auto device, openers[0]());
            const std::size_t bytes = constants.values.size() * sizeof(float);
            TRY(DeviceMemory weights, DeviceMemory::allocate(device, std::max<std::size_t>(bytes, 256)));
            const Current current = device->current();
            if (bytes > 0) TRY(device->upload(weights.address(), constants.values.data(), bytes));
            first = std::make_unique<Resident>(Resident{std::move(device), std::move(weights)});
        }
        return static_cast<const Resident*>(first.get());
    }

private:
    mutable std::mutex mutex;
    mutable std::unique_ptr<Resident> first;
};

class TensorSession final : public Session {
public:
    TensorSession(std::shared_ptr<const Shared> shared, const Resident& resident)
        : shared_(std::move(shared)),
          device_(resident.device),
          weights_(resident.constants.address()),
          driver_(*device_->driver),
          pinned_in_(device_),
          pinned_out_(device_),
          pinned_flags_(device_) {}
    ~TensorSession() override {
        const Current current = device_->current();
        if (!stream_) return;
        driver_.stream_synchronize(stream_);
        driver_.stream_destroy(stream_);
    }
    Result<void> begin() {
        const Current current = device_->current();
        return driver_.check(driver_.stream_create(&stream_, kCuStreamNonBlocking), "creating a stream");
    }

    // "network" and each kernel by its name.
    void time_stages(bool on) override {
        timed_ = on;
        stages_.clear();
    }
    [[nodiscard]] std::vector<StageTime> stage_times() const override { return stages_; }

    Result<TileReport> run(const TileJob& job) override {
        const Current current = device_->current();
        if (job.progress && *job.progress && !(*job.progress)(0)) return Error{Errc::cancelled, "stopped"};
        TRY(prepare(job.in.size, job.continued));
        const Staging in = staging_of(job.in.format, job.in.size), out = staging_of(job.out.format, job.out.size);
        TRY(reserve(in, out));
        pack_picture(job.in, in, pinned_in_.data());
        TRY(driver_.check(driver_.copy_to_device_async(pixels_.address(), pinned_in_.data(), in.bytes(), stream_),
                          "copying to the GPU"));
        TRY(driver_.check(driver_.fill_async(flags_at(), 0, kFlagBytes, stream_), "clearing GPU memory"));
        TRY(load(in));
        if (timed_)
            TRY(run_timed());
        else
            TRY(launch_all(job));
        TRY(store(in, out, job));
        const CuAddress made = pixels_.address() + rounded(in.bytes());
        TRY(driver_.check(driver_.copy_to_host_async(pinned_out_.data(), made, out.bytes(), stream_),
                          "copying from the GPU"));
        TRY(driver_.check(driver_.copy_to_host_async(pinned_flags_.data(), flags_at(), kFlagBytes, stream_),
                          "copying from the GPU"));
        TRY(wait());
        unpack_picture(pinned_out_.data(), out, job.out);
        std::uint32_t flags = 0;
        std::memcpy(&flags, pinned_flags_.data(), sizeof flags);
        return TileReport{flags == 0};
    }

private:
    static constexpr std::size_t kFlagBytes = 64;

    [[nodiscard]] static std::uint64_t rounded(std::uint64_t bytes) { return (bytes + 255) / 256 * 256; }
    // Behind the pictures.
    [[nodiscard]] CuAddress flags_at() const { return pixels_.address() + pixels_.bytes() - kFlagBytes; }

    // Room for the picture that is read, the one that is made, and flags.
    Result<void> reserve(const Staging& in, const Staging& out) {
        TRY(pinned_in_.reserve(in.bytes()));
        TRY(pinned_out_.reserve(out.bytes()));
        TRY(pinned_flags_.reserve(kFlagBytes));
        const std::uint64_t bytes = rounded(in.bytes()) + rounded(out.bytes()) + kFlagBytes;
        if (bytes <= pixels_.bytes()) return {};
        pixels_ = DeviceMemory();
        TRY(pixels_, DeviceMemory::allocate(device_, bytes));
        return {};
    }

    Result<void> load(const Staging& in) {
        const LoadPixels p{device_pixels(in, pixels_.address()), memory_.address() + plan_.place[0], 1,
                           shared_->info.channels};
        const std::int64_t items = std::int64_t{in.size.width} * in.size.height * p.channels;
        TRY(const Launch l, launch_of(*device_, "load_planes", shape_items(items, device_->multiprocessors), p));
        return launch(l);
    }
    Result<void> store(const Staging& in, const Staging& out, const TileJob& job) {
        const int scale = shared_->info.scale;
        const StorePixels p{memory_.address() + plan_.place.back(),
                            job.in.size.height * scale,
                            job.in.size.width * scale,
                            job.core.x * scale,
                            job.core.y * scale,
                            device_pixels(out, pixels_.address() + rounded(in.bytes())),
                            flags_at()};
        const std::int64_t items = std::int64_t{out.size.width} * out.size.height;
        TRY(const Launch l, launch_of(*device_, "store_planes", shape_items(items, device_->multiprocessors), p));
        return launch(l);
    }

    Result<void> wait() { return driver_.check(driver_.stream_synchronize(stream_), "running the network on the GPU"); }

    // Everything for pictures of this size, kept until there is another.
    Result<void> prepare(Size size, Size continued) {
        if (size == size_ && continued == continued_ && !launches_.empty()) return {};
        launches_.clear();
        TRY(plan_, tensors::plan_tensors(shared_->graph, size));
        if (plan_.bytes > memory_.bytes()) {
            memory_ = DeviceMemory();  // freed first: old and new need not fit at the same time
            TRY(memory_, DeviceMemory::allocate(device_, plan_.bytes));
        }
        const std::vector<tensors::Call> calls =
            tensors::calls_of(shared_->graph, plan_, shared_->constants, weights_, memory_.address(), continued);
        std::uint64_t scratch = 0;
        for (const tensors::Call& call : calls) scratch = std::max(scratch, scratch_bytes(call));
        if (scratch > scratch_.bytes()) {
            scratch_ = DeviceMemory();
            TRY(scratch_, DeviceMemory::allocate(device_, scratch));
        }
        std::vector<Launch> launches;
        for (const tensors::Call& call : calls) TRY(add_launches(*device_, call, scratch_.address(), launches));
        launches_ = std::move(launches);
        size_ = size;
        continued_ = continued;
        return {};
    }

    Result<void> launch(const Launch& l) { return start(driver_, l, stream_); }

    Result<void> run_timed() {
        KernelTimes times(*device_, stream_);
        TRY(times.start());
        for (const Launch& l : launches_) {
            TRY(launch(l));
            TRY(times.after(l.kernel));
        }
        stages_.clear();
        TRY(times.add_to(stages_));
        double all = 0;
        for (const StageTime& stage : stages_) all += stage.milliseconds;
        stages_.insert(stages_.begin(), {"network", all});
        return {};
    }

    Result<void> launch_all(const TileJob& job) {
        for (std::size_t i = 0; i < launches_.size(); ++i) {
            TRY(launch(launches_[i]));
            if (!job.progress || !*job.progress || (i + 1) % kPiece != 0) continue;
            TRY(wait());
            if (!(*job.progress)(static_cast<double>(i + 1) / static_cast<double>(launches_.size())))
                return Error{Errc::cancelled, "stopped"};
        }
        return {};
    }

    std::shared_ptr<const Shared> shared_;
    std::shared_ptr<Device> device_;
    CuAddress weights_;
    const Driver& driver_;
    CuStream stream_ = nullptr;
    PinnedMemory pinned_in_, pinned_out_, pinned_flags_;
    DeviceMemory memory_, pixels_, scratch_;
    tensors::Plan plan_;
    Size size_{0, 0}, continued_{0, 0};
    std::vector<Launch> launches_;
    bool timed_ = false;
    std::vector<StageTime> stages_;
};

class TensorProgram final : public Program {
public:
    explicit TensorProgram(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}
    [[nodiscard]] const ProgramInfo& info() const override { return shared_->info; }
    [[nodiscard]] std::int64_t memory_bytes(Size tile) const override {
        const auto plan = tensors::plan_tensors(shared_->graph, tile);
        // Pictures of floats, at most, before and after.
        const std::int64_t pixels = std::int64_t{tile.width} * tile.height, scale = shared_->info.scale;
        if (plan.ok())
            return static_cast<std::int64_t>(plan->bytes) + 4 * shared_->info.channels * pixels * (1 + scale * scale);
        return plan.error().code == Errc::memory ? std::int64_t{1} << 50 : 0;
    }
    Result<std::unique_ptr<Session>> session() const override {
        TRY(const Resident* const resident, shared_->resident());
        auto session = std::make_unique<TensorSession>(shared_, *resident);
        TRY(session->begin());
        return std::unique_ptr<Session>(std::move(session));
    }

    [[nodiscard]] std::int64_t peak_device_bytes() const override {
        const auto resident = shared_->resident();
        return resident.ok() ? (*resident)->device->most_bytes.load() : 0;
    }

private:
    std::shared_ptr<const Shared> shared_;
};

}  // namespace

Result<std::unique_ptr<Program>> make_tensor_program(const Graph& graph, std::vector<DeviceOpener> devices,
                                                     ProgramInfo info) {
    TRY(graph.validate());
    if (graph.inputs() != 1)
        return Error{Errc::unsupported,
                     "CUDA: a network with " + std::to_string(graph.inputs()) + " inputs; one picture is expected"};
    if (graph.output().channels != graph.input_channels())
        return Error{Errc::unsupported, "CUDA: a network from " + std::to_string(graph.input_channels()) + " to " +
                                            std::to_string(graph.output().channels) + " channels"};
    auto shared = std::make_shared<Shared>();
    shared->graph = graph;
    shared->constants.add(graph);
    shared->openers = std::move(devices);
    // A halo that is cut to the multiple must still hold what a pixel sees.
    const int step = graph.size_multiple();
    const auto radius = graph.receptive_radius();
    info.halo = radius ? (*radius + step - 1) / step * step : kWholePicture;
    info.alignment = step;
    info.description += ", node by node";
    shared->info = std::move(info);
    TRY(const Resident* const resident, shared->resident());
    resident->device->most_bytes = resident->device->bytes.load();  // counted anew for each program
    return std::unique_ptr<Program>(std::make_unique<TensorProgram>(std::move(shared)));
}

}  // namespace enlarge::cuda
