// SPDX-License-Identifier: Apache-2.0
// A network on a Vulkan device, node by node in fp32 with the plain kernels, and its sessions.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

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
    Winograd winograd;
    Buffer weights;

    // Why a tile with this plan cannot run here, as Errc::memory: the tile is cut in two then.
    [[nodiscard]] Result<void> holds(const tensors::Plan& plan) const;
    // The same network on the processor, in fp32: for what the device does not compute.
    Result<const Program*> on_cpu() const;
    ThreadPool* pool = nullptr;
    mutable std::mutex mutex;
    mutable std::unique_ptr<Program> cpu;
    mutable bool said_zero = false;
};

// Fails with Errc::unsupported for networks that are no picture in, picture out.
Result<std::unique_ptr<Program>> make_program(std::shared_ptr<Device> device, const Graph& graph, ThreadPool* pool);

}  // namespace enlarge::vulkan
