// SPDX-License-Identifier: Apache-2.0
// An opened Vulkan device: its queue, its kernels as pipelines, its memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/vulkan/facts.hpp"
#include "backend/vulkan/kernels.hpp"

namespace enlarge::vulkan {

// Tensors that one kernel can see; the parameters come in a binding before them.
inline constexpr int kMostTensors = 7;

class Device;

// A piece of memory with a buffer that covers it.
class Buffer {
public:
    enum class Use { device, host };  // device: where kernels are fast; host: mapped, to copy from and to
    static Result<Buffer> create(std::shared_ptr<Device> device, std::uint64_t bytes, Use use);
    Buffer() = default;
    Buffer(Buffer&& other) noexcept { swap(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        Buffer old(std::move(other));
        swap(old);
        return *this;
    }
    ~Buffer();

    [[nodiscard]] VkBuffer handle() const { return buffer_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    [[nodiscard]] std::byte* data() const { return data_; }  // of host memory

private:
    void swap(Buffer& other) noexcept {
        std::swap(device_, other.device_);
        std::swap(buffer_, other.buffer_);
        std::swap(memory_, other.memory_);
        std::swap(bytes_, other.bytes_);
        std::swap(data_, other.data_);
    }
    std::shared_ptr<Device> device_;
    VkBuffer buffer_ = VK_NULL_HANDLE;
    VkDeviceMemory memory_ = VK_NULL_HANDLE;
    std::uint64_t bytes_ = 0;
    std::byte* data_ = nullptr;
};

class Device : public std::enable_shared_from_this<Device> {
public:
    // `cache_folder`: where compiled kernels are kept; empty: nowhere.
    static Result<std::shared_ptr<Device>> open(std::shared_ptr<Instance> instance, const Facts& facts,
                                                const std::string& cache_folder);
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    [[nodiscard]] const Facts& facts() const { return facts_; }
    [[nodiscard]] const Instance& instance() const { return *instance_; }
    [[nodiscard]] VkDevice handle() const { return device_; }
    [[nodiscard]] VkQueue queue() const { return queue_; }
    [[nodiscard]] VkQueue transfer_queue() const { return transfer_queue_; }  // null: there is none
    [[nodiscard]] std::mutex& queue_mutex() { return queue_mutex_; }
    [[nodiscard]] VkPipelineLayout pipeline_layout() const { return pipeline_layout_; }
    [[nodiscard]] VkDescriptorSetLayout set_layout() const { return set_layout_; }
    [[nodiscard]] bool timeline() const { return facts_.timeline && vk.vkWaitSemaphores != nullptr; }

    // The kernel of that name (kernels.hpp), made when first asked for.
    Result<VkPipeline> kernel(std::string_view name, const Form& form);

    // Errors as sentences that name the device. A device that was lost is remembered: nothing more is asked of it.
    Result<void> check(VkResult result, const char* doing);
    [[nodiscard]] bool lost() const { return lost_.load(); }
    // Keeps what the driver compiled, where a folder was given and something is new.
    void store_pipelines();

    DeviceFunctions vk;
    std::atomic<std::int64_t> bytes{0}, most_bytes{0};  // of device memory, now and at most

private:
    Device(std::shared_ptr<Instance> instance, const Facts& facts) : instance_(std::move(instance)), facts_(facts) {}
    Result<void> create();
    Result<void> create_layouts();
    Result<void> load_pipelines(const std::string& folder);

    std::shared_ptr<Instance> instance_;
    Facts facts_;
    VkDevice device_ = VK_NULL_HANDLE;
    VkQueue queue_ = VK_NULL_HANDLE, transfer_queue_ = VK_NULL_HANDLE;
    std::mutex queue_mutex_;
    VkDescriptorSetLayout set_layout_ = VK_NULL_HANDLE;
    VkPipelineLayout pipeline_layout_ = VK_NULL_HANDLE;
    VkPipelineCache cache_ = VK_NULL_HANDLE;
    std::string cache_file_;
    std::mutex pipelines_mutex_;
    std::map<std::pair<std::string, Form>, VkPipeline> pipelines_;
    bool new_pipelines_ = false;
    std::atomic<bool> lost_{false};
};

}  // namespace enlarge::vulkan
