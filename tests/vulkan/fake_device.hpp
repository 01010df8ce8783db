// SPDX-License-Identifier: Apache-2.0
// Stands between the backend and the driver: lets calls fail, and devices be less than they are.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/vulkan/facts.hpp"
#include "backend/vulkan/vulkan.hpp"

namespace enlarge::test {

struct FakeDevice final : vulkan::Interposer {
    FakeDevice() { current() = this; }
    ~FakeDevice() override { current() = nullptr; }

    // Calls that can fail are counted; the one of this number (from 0 on) fails. -1: none does.
    int fail_at = -1;
    VkResult failure = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    std::string only;          // counts this function alone; empty: all
    int calls = 0;
    std::string failed;        // which one did

    // What the device is made to say.
    std::function<void(VkPhysicalDeviceLimits&)> limits;
    bool no_half_sums = false;  // fp16 in memory only
    bool matrices = false;      // the device's own are shown, where it has some
    vulkan::MatrixShape emulated;  // those of a device that has them, or of any: a kernel without runs in its place
    int emulated_kernels = 0;      // so far
    bool no_half = false, no_timeline = false, two_heaps = false;
    bool graphics_card = false;      // not software
    bool transfer_queue = false;     // shows a second family of queues, which only copies
    int transfer_pools = 0;          // of commands for it, made so far
    int devices = 1;                 // the one device that is there, so often
    bool names_differ = false;       // "... second" is the other's
    int opened = 0;                  // devices, so far
    VkDeviceSize largest_block = 0;  // larger ones fail; 0: none does
    VkDeviceSize free_bytes = 0;     // as VK_EXT_memory_budget tells; 0: it does not
    VkDeviceSize largest_asked = 0;  // of all blocks asked for
    bool does_nothing = false;   // dispatches are dropped
    bool skips_items = false;    // the last of each dispatch are

    void instance(vulkan::InstanceFunctions& vk) override;
    void device(vulkan::DeviceFunctions& vk) override;

    static FakeDevice*& current() {
        static FakeDevice* one = nullptr;
        return one;
    }
    bool strikes(const char* function) {
        if (!only.empty() && only != function) return false;
        if (calls++ != fail_at) return false;
        failed = function;
        return true;
    }
    int described = 0;
    std::set<VkDevice> submitted;  // devices that were given work
    std::map<VkQueue, VkDevice> device_of;
    std::set<VkDeviceMemory> mapped;
    std::map<VkBuffer, VkDeviceMemory> memory_of;
    vulkan::InstanceFunctions real_instance;
    vulkan::DeviceFunctions real;
};

// A backend on that device, which must outlive it.
inline std::unique_ptr<Backend> vulkan_with(FakeDevice& device, bool self_check = false) {
    vulkan::BackendOptions options;
    options.interposer = &device;
    options.self_check = self_check;
    return vulkan::make_backend(options);
}

// Half precision asked for by name.
inline CompileOptions in_half() {
    CompileOptions options;
    options.precision = Precision::fp16;
    return options;
}

}  // namespace enlarge::test
