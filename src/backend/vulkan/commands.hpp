// SPDX-License-Identifier: Apache-2.0
// Work for a device's queue in pieces: one is recorded while the one before it runs. No piece may take long (drivers
// end programs whose work does, and a desktop stands still meanwhile), so the time that pieces take is measured.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>

#include "backend/vulkan/device.hpp"

namespace enlarge::vulkan {

class Commands {
public:
    // `transfer`: for the queue that only copies, which the device has.
    static Result<std::unique_ptr<Commands>> create(std::shared_ptr<Device> device, bool transfer = false);
    ~Commands();
    Commands(const Commands&) = delete;
    Commands& operator=(const Commands&) = delete;

    // A command buffer to record into; what it does sees all that was submitted before. Until submit().
    Result<VkCommandBuffer> begin();
    Result<void> submit();
    // Until all that was submitted is done.
    Result<void> wait();
    // Between steps of one buffer: what was written is seen.
    void barrier(VkCommandBuffer buffer) const;
    // What was written is seen by the processor when all is done.
    void to_host(VkCommandBuffer buffer) const;
    // How long the last piece took that has ended, in seconds, from the end of the one before; 0: none has.
    [[nodiscard]] double last_seconds() const { return last_seconds_; }

private:
    struct Slot {
        VkCommandBuffer buffer = VK_NULL_HANDLE;
        VkFence fence = VK_NULL_HANDLE;
        std::uint64_t ticket = 0;  // 0: nothing is submitted
        bool recording = false;
    };
    Commands(std::shared_ptr<Device> device, bool transfer) : device_(std::move(device)), transfer_(transfer) {}
    Result<void> create();
    Result<void> wait(Slot& slot);

    std::shared_ptr<Device> device_;
    bool transfer_ = false;
    VkCommandPool pool_ = VK_NULL_HANDLE;
    VkSemaphore timeline_ = VK_NULL_HANDLE;  // else fences
    std::array<Slot, 2> slots_;
    std::size_t now_ = 0;
    std::uint64_t tickets_ = 0;
    double last_seconds_ = 0;
    std::chrono::steady_clock::time_point ended_;
};

}  // namespace enlarge::vulkan
