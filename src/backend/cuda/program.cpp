// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/program.hpp"

#include <algorithm>
#include <numeric>

#include "backend/cuda/surfaces.hpp"
#include "base/log.hpp"

namespace enlarge::cuda {
namespace {

constexpr std::uint64_t kAlignment = 1024;

std::uint64_t aligned(std::uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

std::uint64_t bytes_of(const BufferInfo& buffer, Size tile) {
    const auto width = static_cast<std::uint64_t>(tile.width) * static_cast<std::uint64_t>(buffer.num) / static_cast<std::uint64_t>(buffer.den);
    const auto height = static_cast<std::uint64_t>(tile.height) * static_cast<std::uint64_t>(buffer.num) / static_cast<std::uint64_t>(buffer.den);
    return aligned(width * height * static_cast<std::uint64_t>(buffer.slices * buffer.slice_bytes_per_pixel));
}

}  // namespace

Arena plan_arena(const Lowered& lowered, Size tile, std::uint64_t in_bytes, std::uint64_t out_bytes) {
    Arena arena;
    arena.flags = 0;
    arena.in = kAlignment;
    arena.out = arena.in + aligned(in_bytes);
    const std::uint64_t base = arena.out + aligned(out_bytes);
    arena.bytes = base;
    // Largest first; each goes to the lowest place that is free for as long as it lives.
    std::vector<std::size_t> order(lowered.buffers.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return bytes_of(lowered.buffers[a], tile) > bytes_of(lowered.buffers[b], tile);
    });
    arena.buffer.assign(lowered.buffers.size(), 0);
    std::vector<std::size_t> placed;
    for (const std::size_t i : order) {
        const BufferInfo& mine = lowered.buffers[i];
        if (mine.first_step < 0) continue;
        const std::uint64_t bytes = bytes_of(mine, tile);
        std::vector<std::pair<std::uint64_t, std::uint64_t>> taken;
        for (const std::size_t j : placed) {
            const BufferInfo& other = lowered.buffers[j];
            if (other.first_step <= mine.last_step && mine.first_step <= other.last_step)
                taken.emplace_back(arena.buffer[j], arena.buffer[j] + bytes_of(other, tile));
        }
        std::sort(taken.begin(), taken.end());
        std::uint64_t at = base;
        for (const auto& [from, to] : taken) {
            if (from >= at + bytes) break;
            at = std::max(at, to);
        }
        arena.buffer[i] = at;
        arena.bytes = std::max(arena.bytes, at + bytes);
        placed.push_back(i);
    }
    return arena;
}

Result<const Resident*> ProgramState::resident(std::size_t i) const {
    const std::lock_guard lock(mutex_);
    if (!residents_[i]) {
        TRY(auto device, openers_[i]());
        TRY(DeviceMemory constants, DeviceMemory::allocate(device, std::max<std::size_t>(lowered.constants.size(), 256)));
        const Current current = device->current();
        TRY(device->upload(constants.address(), lowered.constants.data(), lowered.constants.size()));
        residents_[i] = std::make_unique<Resident>(Resident{std::move(device), std::move(constants)});
    }
    return static_cast<const Resident*>(residents_[i].get());
}

Result<std::unique_ptr<CudaProgram>> CudaProgram::create(const Graph& graph, std::vector<DeviceOpener> devices,
                                                         const LowerOptions& options, ProgramInfo info) {
    auto state = std::make_shared<ProgramState>(std::move(devices), std::move(info));
    TRY(state->lowered, lower(graph, options));
    state->macs_per_pixel = graph.macs_per_pixel();
    TRY(const Resident* first, state->resident(0));
    first->device->most_bytes = first->device->bytes.load();  // counted anew for each program
    if (state->devices() == 1) state->lowered.constants = {};
    return std::unique_ptr<CudaProgram>(new CudaProgram(std::move(state)));
}

std::int64_t CudaProgram::peak_device_bytes() const {
    const auto first = state_->resident(0);
    return first.ok() ? (*first)->device->most_bytes.load() : 0;
}

Result<Ceiling> CudaProgram::measure_ceiling() const {
    TRY(const Resident* resident, state_->resident(0));
    return enlarge::cuda::measure_ceiling(*resident->device, state_->info.precision);
}

NativeHandle CudaProgram::context() const {
    const auto first = state_->resident(0);
    if (!first.ok()) return {};
    return {NativeHandle::Kind::cuda_context, (*first)->device->context};
}

Result<void> CudaProgram::takes_frames(const FrameFormat& in, const FrameFormat& out) const {
    if (state_->info.channels != 3) return Error{Errc::unsupported, "CUDA: frames need a network for RGB"};
    TRY(check_frame(in));
    TRY(check_frame(out));
    if (out.bits < in.bits) return Error{Errc::unsupported, "CUDA: fewer bits want dither"};
    return {};
}

std::int64_t CudaProgram::memory_bytes(Size tile) const {
    const auto pixels = static_cast<std::uint64_t>(tile.width) * static_cast<std::uint64_t>(tile.height);
    const auto bytes = pixels * static_cast<std::uint64_t>(state_->info.channels) * sizeof(float);
    const auto area = static_cast<std::uint64_t>(state_->info.scale * state_->info.scale);
    return static_cast<std::int64_t>(plan_arena(state_->lowered, tile, bytes, bytes * area).bytes);
}

Result<std::unique_ptr<Session>> CudaProgram::session() const {
    Result<std::unique_ptr<Session>> made = Error{Errc::device, "no usable GPU"};
    for (std::size_t tried = 0; tried < state_->devices(); ++tried) {
        const std::size_t turn = state_->next_resident.fetch_add(1) % state_->devices();
        const auto attempt = [&]() -> Result<std::unique_ptr<Session>> {
            TRY(const Resident* resident, state_->resident(turn));
            return make_session(state_, *resident);
        };
        made = attempt();
        if (made.ok()) break;
        if (state_->devices() > 1 && !state_->said_device.exchange(true))
            log(LogLevel::notice, {"device-not-used", "GPU " + std::to_string(turn) + " is left out: " + made.error().message});
    }
    return made;
}

}  // namespace enlarge::cuda
