// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/commands.hpp"

#include <algorithm>

namespace enlarge::vulkan {

Result<std::unique_ptr<Commands>> Commands::create(std::shared_ptr<Device> device, bool transfer) {
    std::unique_ptr<Commands> commands(new Commands(std::move(device), transfer));
    TRY(commands->create());
    return commands;
}

Result<void> Commands::create() {
    DeviceFunctions& vk = device_->vk;
    VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    pool.queueFamilyIndex = transfer_ ? static_cast<std::uint32_t>(device_->facts().transfer_family)
                                      : device_->facts().queue_family;
    TRY(device_->check(vk.vkCreateCommandPool(device_->handle(), &pool, nullptr, &pool_), "creating a command pool"));
    VkCommandBufferAllocateInfo buffers{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
    buffers.commandPool = pool_;
    buffers.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    buffers.commandBufferCount = static_cast<std::uint32_t>(slots_.size());
    std::array<VkCommandBuffer, 2> made{};
    TRY(device_->check(vk.vkAllocateCommandBuffers(device_->handle(), &buffers, made.data()),
                       "creating command buffers"));
    for (std::size_t i = 0; i < slots_.size(); ++i) slots_[i].buffer = made[i];
    if (device_->timeline()) {
        VkSemaphoreTypeCreateInfo type{VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO};
        type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
        VkSemaphoreCreateInfo semaphore{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
        semaphore.pNext = &type;
        return device_->check(vk.vkCreateSemaphore(device_->handle(), &semaphore, nullptr, &timeline_),
                              "creating a semaphore");
    }
    for (Slot& slot : slots_) {
        const VkFenceCreateInfo fence{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
        TRY(device_->check(vk.vkCreateFence(device_->handle(), &fence, nullptr, &slot.fence), "creating a fence"));
    }
    return {};
}

Commands::~Commands() {
    const DeviceFunctions& vk = device_->vk;
    // Buffers that are still at work may not be freed, whatever went wrong. Those of a lost device neither: its waits
    // end, and drivers have threads of their own.
    const auto busy = [&](Slot& slot) { return slot.ticket && (device_->lost() || !wait(slot).ok()); };
    if (const bool first = busy(slots_[now_]), second = busy(slots_[1 - now_]); first || second) {
        const std::lock_guard lock(device_->queue_mutex());
        vk.vkDeviceWaitIdle(device_->handle());
    }
    for (const Slot& slot : slots_)
        if (slot.fence) vk.vkDestroyFence(device_->handle(), slot.fence, nullptr);
    if (timeline_) vk.vkDestroySemaphore(device_->handle(), timeline_, nullptr);
    if (pool_) vk.vkDestroyCommandPool(device_->handle(), pool_, nullptr);
}

Result<void> Commands::wait(Slot& slot) {
    if (!slot.ticket) return {};
    const DeviceFunctions& vk = device_->vk;
    VkResult result = VK_SUCCESS;
    if (timeline_) {
        VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
        info.semaphoreCount = 1;
        info.pSemaphores = &timeline_;
        info.pValues = &slot.ticket;
        result = vk.vkWaitSemaphores(device_->handle(), &info, UINT64_MAX);
    } else {
        result = vk.vkWaitForFences(device_->handle(), 1, &slot.fence, VK_TRUE, UINT64_MAX);
        if (result == VK_SUCCESS) result = vk.vkResetFences(device_->handle(), 1, &slot.fence);
    }
    TRY(device_->check(result, "running the network"));
    slot.ticket = 0;
    const auto now = std::chrono::steady_clock::now();
    last_seconds_ = std::chrono::duration<double>(now - ended_).count();
    ended_ = now;
    return {};
}

Result<VkCommandBuffer> Commands::begin() {
    Slot& slot = slots_[now_];
    TRY(wait(slot));
    // Something failed between begin() and submit(): what was recorded is dropped.
    if (slot.recording) device_->vk.vkEndCommandBuffer(slot.buffer);
    slot.recording = false;
    VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    TRY(device_->check(device_->vk.vkBeginCommandBuffer(slot.buffer, &info), "recording commands"));
    slot.recording = true;
    barrier(slot.buffer);
    return slot.buffer;
}

Result<void> Commands::submit() {
    const DeviceFunctions& vk = device_->vk;
    Slot& slot = slots_[now_];
    slot.recording = false;
    TRY(device_->check(vk.vkEndCommandBuffer(slot.buffer), "recording commands"));
    const bool idle = slots_[0].ticket == 0 && slots_[1].ticket == 0;
    const std::uint64_t ticket = ++tickets_;
    VkTimelineSemaphoreSubmitInfo values{VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO};
    values.signalSemaphoreValueCount = 1;
    values.pSignalSemaphoreValues = &ticket;
    VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO};
    info.commandBufferCount = 1;
    info.pCommandBuffers = &slot.buffer;
    if (timeline_) {
        info.pNext = &values;
        info.signalSemaphoreCount = 1;
        info.pSignalSemaphores = &timeline_;
    }
    if (idle) ended_ = std::chrono::steady_clock::now();
    const VkQueue queue = transfer_ ? device_->transfer_queue() : device_->queue();
    const std::lock_guard lock(device_->queue_mutex());
    TRY(device_->check(vk.vkQueueSubmit(queue, 1, &info, slot.fence), "submitting work"));
    slot.ticket = ticket;
    now_ = 1 - now_;
    return {};
}

Result<void> Commands::wait() {
    // In the order in which they were submitted.
    TRY(wait(slots_[now_]));
    return wait(slots_[1 - now_]);
}

// What happens on a queue before a barrier: one that only copies knows no kernels.
struct Work {
    VkPipelineStageFlags stages = VK_PIPELINE_STAGE_TRANSFER_BIT;
    VkAccessFlags reads = VK_ACCESS_TRANSFER_READ_BIT, writes = VK_ACCESS_TRANSFER_WRITE_BIT;
};
static Work work_of(bool only_copies) {
    Work work;
    if (only_copies) return work;
    work.stages |= VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    work.reads |= VK_ACCESS_SHADER_READ_BIT;
    work.writes |= VK_ACCESS_SHADER_WRITE_BIT;
    return work;
}

void Commands::barrier(VkCommandBuffer buffer) const {
    const Work work = work_of(transfer_);
    VkMemoryBarrier memory{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
    memory.srcAccessMask = work.writes;
    memory.dstAccessMask = work.reads | work.writes;
    device_->vk.vkCmdPipelineBarrier(buffer, work.stages, work.stages, 0, 1, &memory, 0, nullptr, 0, nullptr);
}

void Commands::to_host(VkCommandBuffer buffer) const {
    VkMemoryBarrier memory{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
    const Work work = work_of(transfer_);
    memory.srcAccessMask = work.writes;
    memory.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
    device_->vk.vkCmdPipelineBarrier(buffer, work.stages, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &memory, 0, nullptr, 0,
                                     nullptr);
}

}  // namespace enlarge::vulkan
