// SPDX-License-Identifier: Apache-2.0
// A lowered network on one or more GPUs, and its sessions.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "backend/backend.hpp"
#include "backend/cuda/device.hpp"
#include "backend/cuda/lower.hpp"

namespace enlarge::cuda {

// A network's weights on one GPU.
struct Resident {
    std::shared_ptr<Device> device;
    DeviceMemory constants;
};
// Opens a GPU when it is first needed: one picture needs one only, whatever the number in the machine.
using DeviceOpener = std::function<Result<std::shared_ptr<Device>>()>;

// Everything that sessions share; immutable but for the GPUs opened so far and the notice that memory ran out.
class ProgramState {
public:
    ProgramState(std::vector<DeviceOpener> openers, ProgramInfo info) : info(std::move(info)), openers_(std::move(openers)), residents_(openers_.size()) {}
    ProgramInfo info;
    Lowered lowered;
    double macs_per_pixel = 0;
    // GPU i with the weights on it; opened and filled by the first call. Lives as long as this.
    Result<const Resident*> resident(std::size_t i) const;
    [[nodiscard]] std::size_t devices() const { return openers_.size(); }

    mutable std::atomic<unsigned> next_resident{0};
    mutable std::atomic<bool> said_memory{false}, said_device{false};
    mutable std::atomic<std::int64_t> too_large{0};  // input pixels of a tile that did not fit; 0: none yet

private:
    std::vector<DeviceOpener> openers_;
    mutable std::mutex mutex_;
    mutable std::vector<std::unique_ptr<Resident>> residents_;
};

class CudaProgram final : public Program {
public:
    // Lowers the graph and puts its weights onto the first device.
    static Result<std::unique_ptr<CudaProgram>> create(const Graph& graph, std::vector<DeviceOpener> devices,
                                                       const LowerOptions& options, ProgramInfo info);
    [[nodiscard]] const ProgramInfo& info() const override { return state_->info; }
    [[nodiscard]] std::int64_t memory_bytes(Size tile) const override;
    // Sessions take the GPUs in turn. A GPU that cannot be opened is passed over, said once.
    Result<std::unique_ptr<Session>> session() const override;
    [[nodiscard]] int devices() const override { return static_cast<int>(state_->devices()); }
    [[nodiscard]] NativeHandle context() const override;
    [[nodiscard]] std::int64_t peak_device_bytes() const override;
    Result<Ceiling> measure_ceiling() const override;
    Result<void> takes_frames(const FrameFormat& in, const FrameFormat& out) const override;
    [[nodiscard]] const std::shared_ptr<ProgramState>& state() const { return state_; }

private:
    explicit CudaProgram(std::shared_ptr<ProgramState> state) : state_(std::move(state)) {}
    std::shared_ptr<ProgramState> state_;
};

// Where everything lies in a session's one block of GPU memory, for one tile size.
struct Arena {
    std::vector<std::uint64_t> buffer;  // offset of each buffer of Lowered
    std::uint64_t flags = 0, in = 0, out = 0;
    std::uint64_t bytes = 0;
};
// `in_bytes` and `out_bytes` are the pictures as they are copied. Buffers that are never live together share memory.
Arena plan_arena(const Lowered& lowered, Size tile, std::uint64_t in_bytes, std::uint64_t out_bytes);

// Sees what the convolutions read: half-precision values as they lie, [channels / 8][pixels][8]. `which` counts as in the
// list given.
using Observer = std::function<void(std::size_t which, const std::uint16_t* values, int channels, std::size_t pixels)>;
// What the GPU does at best in this precision (fp32: in half precision), and a large copy. Takes about half a second.
Result<Ceiling> measure_ceiling(const Device& device, Precision precision);

// Runs a picture through a program of half precision.
Result<void> observe(const CudaProgram& program, const ImageView& picture, const std::vector<int>& convolutions, const Observer& observer);

Result<std::unique_ptr<Session>> make_session(std::shared_ptr<const ProgramState> program, const Resident& resident);

}  // namespace enlarge::cuda
