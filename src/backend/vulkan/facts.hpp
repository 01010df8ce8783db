// SPDX-License-Identifier: Apache-2.0
// What a Vulkan device says about itself, and whether we can use it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/vulkan/functions.hpp"

namespace enlarge::vulkan {

// What a device can do beyond the one before. Rung 0 is what every device that is used can.
enum class Rung : int {
    plain,         // 32-bit floats
    half_storage,  // 16-bit floats in memory
    half,          // and in arithmetic
    integer_dot,   // products of 8-bit integers four at a time, in hardware
    matrix,        // cooperative matrices (KHR)
};
const char* rung_name(Rung rung);

// Of products of matrices: rows x depth times depth x columns. No rows: there are none.
struct MatrixShape {
    std::uint32_t rows = 0, columns = 0, depth = 0;
};

struct Facts {
    VkPhysicalDevice handle = VK_NULL_HANDLE;
    std::string name, driver;     // "llvmpipe (LLVM 15.0.6, 256 bits)", "llvmpipe, Mesa 22.3.6"
    std::uint32_t version = 0;    // of Vulkan
    std::uint32_t driver_version = 0, vendor = 0, device = 0;
    std::uint8_t device_uuid[VK_UUID_SIZE]{}, driver_uuid[VK_UUID_SIZE]{}, cache_uuid[VK_UUID_SIZE]{};
    VkPhysicalDeviceType type = VK_PHYSICAL_DEVICE_TYPE_OTHER;
    VkPhysicalDeviceLimits limits{};
    std::uint64_t largest_allocation = 0;
    std::uint32_t subgroup = 0;
    bool half_storage = false, half_arithmetic = false, integer_dot = false;
    MatrixShape matrix;             // of fp16 with sums of fp32, for subgroups of the size above
    std::uint32_t most_of_subgroups = 0;  // threads of a work group whose subgroups have that size
    bool timeline = false, budget = false;
    VkPhysicalDeviceMemoryProperties memory{};
    std::uint32_t queue_family = 0;
    bool computes = false;         // there is a queue for compute
    bool compute_only_queue = false;
    int transfer_family = -1;      // of a card's queue that only copies, beside kernels that run; -1: there is none

    std::string refusal;  // why it cannot be used; empty: it can

    [[nodiscard]] bool software() const { return type == VK_PHYSICAL_DEVICE_TYPE_CPU; }
    [[nodiscard]] Rung rung() const;
    [[nodiscard]] std::uint64_t memory_bytes() const;   // of the largest device-local heap
    [[nodiscard]] std::string version_text() const;     // "1.3.230"
    // Threads of a work group: as many on every device that can, because sums over a group depend on it.
    [[nodiscard]] std::uint32_t threads() const { return limits.maxComputeWorkGroupInvocations >= 256 ? 256 : 128; }
};

Facts facts_of(const Instance& instance, VkPhysicalDevice device);

// All devices in the driver's order: their numbers are those of "vulkan:N".
Result<std::vector<Facts>> list_devices(const Instance& instance);

// Whether two devices give the same bits: the same card with the same driver.
bool same_kind(const Facts& a, const Facts& b);

// What of the device's memory is free for us now, in bytes; 0 where it does not say.
std::uint64_t budget_of(const Instance& instance, const Facts& facts);

// The device that "vulkan" means: a graphics card before a processor's own graphics before software; of equals the one
// with more memory. -1: none can be used.
int best_device(const std::vector<Facts>& devices);

// All of it as text, for `enlarge devices --report`.
std::string report_of(const Facts& facts, std::uint64_t budget);

}  // namespace enlarge::vulkan
