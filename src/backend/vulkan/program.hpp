// SPDX-License-Identifier: Apache-2.0
// A network on a Vulkan device, call by call, and its sessions.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/tensors/lower.hpp"
#include "backend/vulkan/device.hpp"
#include "backend/vulkan/winograd.hpp"

namespace enlarge::vulkan {

// Sides that 32-bit places allow (shaders/tensor_resize.comp); a larger tile is cut.
inline constexpr std::int64_t kMostSide = 32767;

// What the sessions of a program share; immutable but for what was said once.
struct Shared {
    std::shared_ptr<Device> device;
    Graph graph;
    ProgramInfo info;
    tensors::Constants constants;
    tensors::Fusion fusion;
    Winograd winograd;
    Buffer weights;
    Numbers numbers = Numbers::fp32;

    // Of a number of a tensor, in bytes; plans count in floats.
    [[nodiscard]] std::uint64_t unit() const { return numbers == Numbers::fp32 ? 4 : 2; }
    [[nodiscard]] std::uint64_t bytes(const tensors::Plan& plan) const { return plan.bytes / 4 * unit(); }
    [[nodiscard]] Result<tensors::Plan> plan(Size tile) const { return tensors::plan_tensors(graph, tile, fusion); }

    // Why a tile with this plan cannot run here, as Errc::memory: the tile is cut in two then. `own`: bytes of ours
    // that are given back first.
    [[nodiscard]] Result<void> holds(const tensors::Plan& plan, std::uint64_t own) const;
    // Bytes of device memory that are free for us when those are given back.
    [[nodiscard]] std::uint64_t room(std::uint64_t own) const;
    // The same network on the processor, in fp32: for what the device does not compute.
    Result<const Program*> on_cpu() const;
    ThreadPool* pool = nullptr;
    std::atomic<bool> accepted{false};  // see VulkanProgram::accept()
    mutable std::mutex mutex;
    mutable std::unique_ptr<Program> cpu;
    mutable bool said_zero = false;
};

class VulkanProgram final : public Program {
public:
    // One for each device; sessions take them in turn.
    explicit VulkanProgram(std::vector<std::shared_ptr<Shared>> all) : all_(std::move(all)) {}
    [[nodiscard]] const ProgramInfo& info() const override { return first().info; }
    // More than any memory where a device cannot hold the tile, so that a smaller one is chosen.
    [[nodiscard]] std::int64_t memory_bytes(Size tile) const override;
    Result<std::unique_ptr<Session>> session() const override;
    [[nodiscard]] int devices() const override { return static_cast<int>(all_.size()); }
    // Three on a card: one is computed, one comes and one goes. Fewer where memory is short.
    [[nodiscard]] int frames_at_once(Size frame) const override;
    [[nodiscard]] std::int64_t peak_device_bytes() const override { return first().device->most_bytes.load(); }
    [[nodiscard]] Numbers numbers() const { return first().numbers; }
    [[nodiscard]] const Facts& facts() const { return first().device->facts(); }
    // Before anyone else has the program: how far it was from fp32, in dB.
    void measured(double psnr) { first().info.calibration_psnr = psnr; }
    // It has been checked, or need not be: from now on tiles that come back black are computed again elsewhere.
    void accept() {
        for (const auto& shared : all_) shared->accepted = true;
    }

private:
    [[nodiscard]] Shared& first() const { return *all_.front(); }
    std::vector<std::shared_ptr<Shared>> all_;
    mutable std::atomic<std::size_t> next_{0};
};

// Why this network is not computed in half precision on this device; empty: it can be. Tensors that hold places in
// other tensors, or sums as they go, need more bits.
std::string no_half(const Graph& graph, const Facts& facts);

// Whether this network has what is summed in half precision, on a device that does.
bool has_half_sums(const Graph& graph, const Facts& facts);

// Whether products of this network are those of matrices on a device that has them.
bool has_matrix_products(const Graph& graph, const Facts& facts);

// Fails with Errc::unsupported for networks that are no picture in, picture out. Half precision only where no_half() is
// empty, sums in it where has_half_sums(), matrices where has_matrix_products(). Devices of one kind only: their
// results have the same bits.
using Devices = std::vector<std::shared_ptr<Device>>;
Result<std::unique_ptr<VulkanProgram>> make_program(const Devices& devices, const Graph& graph, ThreadPool* pool,
                                                    Numbers numbers);

}  // namespace enlarge::vulkan
