// SPDX-License-Identifier: Apache-2.0
// A lowered network on one or more GPUs, and its sessions.
#pragma once

#include <atomic>
#include <memory>
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

// Everything that sessions share; immutable but for the notice that memory ran out.
struct ProgramState {
    ProgramInfo info;
    Lowered lowered;
    double macs_per_pixel = 0;
    std::vector<Resident> residents;        // one per GPU
    mutable std::atomic<unsigned> next_resident{0};
    mutable std::atomic<bool> said_memory{false};
    mutable std::atomic<std::int64_t> too_large{0};  // input pixels of a tile that did not fit; 0: none yet
};

class CudaProgram final : public Program {
public:
    // Lowers the graph and puts its weights onto each device.
    static Result<std::unique_ptr<CudaProgram>> create(const Graph& graph, std::vector<std::shared_ptr<Device>> devices,
                                                       const LowerOptions& options, ProgramInfo info);
    [[nodiscard]] const ProgramInfo& info() const override { return state_->info; }
    [[nodiscard]] std::int64_t memory_bytes(Size tile) const override;
    // Sessions take the GPUs in turn.
    Result<std::unique_ptr<Session>> session() const override;
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

// Runs a picture through and returns the largest magnitude of each channel of what the given convolutions read.
Result<std::vector<std::vector<float>>> observe(const CudaProgram& program, const ImageView& picture, const std::vector<int>& convolutions);

Result<std::unique_ptr<Session>> make_session(std::shared_ptr<const ProgramState> program, const Resident& resident);

}  // namespace enlarge::cuda
