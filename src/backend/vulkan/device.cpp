// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/device.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "backend/vulkan/matrix_kernel.hpp"
#include "base/log.hpp"
#include "base/own_file.hpp"
#include "base/version.hpp"

namespace enlarge::vulkan {
namespace {

constexpr std::size_t kMostCacheBytes = std::size_t{64} << 20;

// The first kind of memory that has all of `needed`, preferring those that have `liked` too; -1 for none.
int memory_type(const VkPhysicalDeviceMemoryProperties& all, std::uint32_t allowed, VkMemoryPropertyFlags needed,
                VkMemoryPropertyFlags liked) {
    for (const VkMemoryPropertyFlags wanted : {needed | liked, needed})
        for (std::uint32_t i = 0; i < all.memoryTypeCount; ++i)
            if ((allowed & (1U << i)) && (all.memoryTypes[i].propertyFlags & wanted) == wanted)
                return static_cast<int>(i);
    return -1;
}

// What a kept cache begins with, before the driver's own bytes: whose it is. Drivers check theirs, not all well.
std::string cache_head(const Facts& facts) {
    std::string head = "enlarge pipelines 1\n" + std::string(enlarge::version()) + "\n" + facts.name + "\n" +
                       facts.driver + "\n" + facts.version_text() + " " + std::to_string(facts.driver_version) + "\n";
    for (const auto* uuid : {&facts.device_uuid, &facts.driver_uuid, &facts.cache_uuid})
        head.append(reinterpret_cast<const char*>(uuid), VK_UUID_SIZE);
    return head;
}

// FNV-1a: a file that was cut or changed is not shown to the driver.
std::string checksum(std::string_view bytes) {
    std::uint64_t sum = 14695981039346656037U;
    for (const char c : bytes) sum = (sum ^ static_cast<std::uint8_t>(c)) * 1099511628211U;
    return {reinterpret_cast<const char*>(&sum), sizeof sum};
}

// What of a device is asked for: all that it has and we use.
struct Wanted {
    explicit Wanted(const Facts& facts) {
        storage.storageBuffer16BitAccess = facts.half_storage;
        chain(storage);
        if (facts.half_arithmetic) chain(half);
        if (facts.half_arithmetic && facts.version < VK_API_VERSION_1_2)  // newer ones have it without
            extensions.push_back(VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME);
        if (facts.timeline) chain(timeline);
        if (!facts.matrix.rows) return;
        chain(model);
        chain(subgroups);
        *next_ = &matrices;
        extensions.push_back(kMatrixExtension);
        extensions.push_back(VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    }
    Wanted(const Wanted&) = delete;
    Wanted& operator=(const Wanted&) = delete;

    VkPhysicalDeviceFeatures2 features{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    std::vector<const char*> extensions;

private:
    template <class Features>
    void chain(Features& one) {
        *next_ = &one;
        next_ = &one.pNext;
    }
    void** next_ = &features.pNext;
    VkPhysicalDevice16BitStorageFeatures storage{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
    VkPhysicalDeviceShaderFloat16Int8Features half{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES, nullptr, VK_TRUE, VK_FALSE};
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, nullptr, VK_TRUE};
    // Of the whole device: atomics of other kernels have it too.
    VkPhysicalDeviceVulkanMemoryModelFeatures model{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES, nullptr, VK_TRUE, VK_TRUE, VK_FALSE};
    VkPhysicalDeviceSubgroupSizeControlFeatures subgroups{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES, nullptr, VK_TRUE, VK_TRUE};
    MatrixFeatures matrices{.matrices = VK_TRUE};
};

}  // namespace

// ---- memory ----

Result<Buffer> Buffer::create(std::shared_ptr<Device> device, std::uint64_t bytes, Use use) {
    Device& d = *device;
    Buffer made;
    made.device_ = std::move(device);
    VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
    info.size = std::max<std::uint64_t>(bytes, 256);
    info.usage =
        VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    const std::uint32_t families[] = {d.facts().queue_family, static_cast<std::uint32_t>(d.facts().transfer_family)};
    if (d.transfer_queue()) {
        info.sharingMode = VK_SHARING_MODE_CONCURRENT;
        info.queueFamilyIndexCount = 2;
        info.pQueueFamilyIndices = families;
    }
    TRY(d.check(d.vk.vkCreateBuffer(d.handle(), &info, nullptr, &made.buffer_), "creating a buffer"));
    VkMemoryRequirements needs{};
    d.vk.vkGetBufferMemoryRequirements(d.handle(), made.buffer_, &needs);
    if (d.facts().largest_allocation && needs.size > d.facts().largest_allocation)
        return Error{Errc::memory, d.facts().name + ": a block of " + std::to_string(needs.size) +
                                       " bytes; the driver gives at most " +
                                       std::to_string(d.facts().largest_allocation)};
    const bool host = use == Use::host;
    const int type =
        host ? memory_type(d.facts().memory, needs.memoryTypeBits,
                           VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                           VK_MEMORY_PROPERTY_HOST_CACHED_BIT)
             : memory_type(d.facts().memory, needs.memoryTypeBits, 0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    if (type < 0) return Error{Errc::device, d.facts().name + ": no memory of the kind that is needed"};
    VkMemoryAllocateInfo allocate{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
    allocate.allocationSize = needs.size;
    allocate.memoryTypeIndex = static_cast<std::uint32_t>(type);
    TRY(d.check(d.vk.vkAllocateMemory(d.handle(), &allocate, nullptr, &made.memory_), "allocating memory"));
    made.bytes_ = info.size;
    if (!host) {
        const std::int64_t now = d.bytes += static_cast<std::int64_t>(made.bytes_);
        std::int64_t most = d.most_bytes.load();
        while (now > most && !d.most_bytes.compare_exchange_weak(most, now)) {
        }
    }
    TRY(d.check(d.vk.vkBindBufferMemory(d.handle(), made.buffer_, made.memory_, 0), "binding memory"));
    if (host) {
        void* mapped = nullptr;
        TRY(d.check(d.vk.vkMapMemory(d.handle(), made.memory_, 0, VK_WHOLE_SIZE, 0, &mapped), "mapping memory"));
        made.data_ = static_cast<std::byte*>(mapped);
    }
    return made;
}

Buffer::~Buffer() {
    if (!device_) return;
    if (buffer_) device_->vk.vkDestroyBuffer(device_->handle(), buffer_, nullptr);
    if (memory_) device_->vk.vkFreeMemory(device_->handle(), memory_, nullptr);
    if (memory_ && !data_) device_->bytes -= static_cast<std::int64_t>(bytes_);
}

// ---- the device ----

Result<std::shared_ptr<Device>> Device::open(std::shared_ptr<Instance> instance, const Facts& facts,
                                             const std::string& cache_folder) {
    std::shared_ptr<Device> device(new Device(std::move(instance), facts));
    TRY(device->create());
    TRY(device->create_layouts());
    TRY(device->load_pipelines(cache_folder));
    return device;
}

Result<void> Device::create() {
    const float priority = 0.5F;
    const bool transfers = facts_.transfer_family >= 0;
    std::array<VkDeviceQueueCreateInfo, 2> queues{};
    for (VkDeviceQueueCreateInfo& queue : queues) {
        queue.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO;
        queue.queueFamilyIndex = facts_.queue_family;
        queue.queueCount = 1;
        queue.pQueuePriorities = &priority;
    }
    if (transfers) queues[1].queueFamilyIndex = static_cast<std::uint32_t>(facts_.transfer_family);
    const Wanted wanted(facts_);
    VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
    info.pNext = &wanted.features;
    info.queueCreateInfoCount = transfers ? 2 : 1;
    info.pQueueCreateInfos = queues.data();
    info.enabledExtensionCount = static_cast<std::uint32_t>(wanted.extensions.size());
    info.ppEnabledExtensionNames = wanted.extensions.data();
    const InstanceFunctions& from = instance_->functions;
    TRY(check(from.vkCreateDevice(facts_.handle, &info, nullptr, &device_), "opening the device"));
#define ENLARGE_FIND(function) \
    vk.function = reinterpret_cast<PFN_##function>(from.vkGetDeviceProcAddr(device_, #function));
    ENLARGE_VULKAN_DEVICE_FUNCTIONS(ENLARGE_FIND)
    if (facts_.timeline) ENLARGE_FIND(vkWaitSemaphores)
#undef ENLARGE_FIND
#define ENLARGE_NEED(function) \
    if (!vk.function) return Error{Errc::device, facts_.name + ": the driver lacks the function " #function};
    ENLARGE_VULKAN_DEVICE_FUNCTIONS(ENLARGE_NEED)
#undef ENLARGE_NEED
    if (instance_->interposer) instance_->interposer->device(vk);
    vk.vkGetDeviceQueue(device_, facts_.queue_family, 0, &queue_);
    if (transfers) vk.vkGetDeviceQueue(device_, queues[1].queueFamilyIndex, 0, &transfer_queue_);
    return {};
}

Result<void> Device::create_layouts() {
    std::array<VkDescriptorSetLayoutBinding, kMostTensors + 1> bindings{};
    for (std::size_t i = 0; i < bindings.size(); ++i)
        bindings[i] = {static_cast<std::uint32_t>(i), VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT,
                       nullptr};
    VkDescriptorSetLayoutCreateInfo set{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
    set.bindingCount = static_cast<std::uint32_t>(bindings.size());
    set.pBindings = bindings.data();
    TRY(check(vk.vkCreateDescriptorSetLayout(device_, &set, nullptr, &set_layout_), "describing kernels"));
    const VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, 8};
    VkPipelineLayoutCreateInfo layout{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
    layout.setLayoutCount = 1;
    layout.pSetLayouts = &set_layout_;
    layout.pushConstantRangeCount = 1;
    layout.pPushConstantRanges = &range;
    return check(vk.vkCreatePipelineLayout(device_, &layout, nullptr, &pipeline_layout_), "describing kernels");
}

Result<void> Device::load_pipelines(const std::string& folder) {
    std::string kept;
    if (!folder.empty()) {
        static const char digits[] = "0123456789abcdef";
        cache_file_ = folder + "/vulkan-";
        for (const std::uint8_t byte : facts_.cache_uuid) cache_file_ += {digits[byte >> 4], digits[byte & 15]};
        cache_file_ += ".pipelines";
        const std::string head = cache_head(facts_);
        kept = read_own_file(cache_file_, kMostCacheBytes).value_or("");
        const std::size_t begin = head.size() + sizeof(std::uint64_t);
        const bool ours = kept.size() > begin && kept.compare(0, head.size(), head) == 0 &&
                          kept.compare(head.size(), sizeof(std::uint64_t), checksum(kept.substr(begin))) == 0;
        kept.erase(0, ours ? begin : kept.size());
    }
    VkPipelineCacheCreateInfo info{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    info.initialDataSize = kept.size();
    info.pInitialData = kept.data();
    return check(vk.vkCreatePipelineCache(device_, &info, nullptr, &cache_), "creating a cache of kernels");
}

void Device::store_pipelines() {
    const std::lock_guard lock(pipelines_mutex_);
    if (cache_file_.empty() || !new_pipelines_ || lost()) return;
    new_pipelines_ = false;
    std::size_t bytes = 0;
    if (vk.vkGetPipelineCacheData(device_, cache_, &bytes, nullptr) != VK_SUCCESS || bytes > kMostCacheBytes) return;
    std::string data(bytes, '\0');
    if (vk.vkGetPipelineCacheData(device_, cache_, &bytes, data.data()) != VK_SUCCESS) return;
    data.resize(bytes);
    if (!write_own_file(cache_file_, cache_head(facts_) + checksum(data) + data))
        log(LogLevel::debug, "compiled Vulkan kernels could not be kept");
}

Device::~Device() {
    if (!device_) return;
    for (const auto& [name, pipeline] : pipelines_) vk.vkDestroyPipeline(device_, pipeline, nullptr);
    if (cache_) vk.vkDestroyPipelineCache(device_, cache_, nullptr);
    if (pipeline_layout_) vk.vkDestroyPipelineLayout(device_, pipeline_layout_, nullptr);
    if (set_layout_) vk.vkDestroyDescriptorSetLayout(device_, set_layout_, nullptr);
    if (vk.vkDestroyDevice) vk.vkDestroyDevice(device_, nullptr);
}

Result<VkPipeline> Device::kernel(std::string_view name, const Form& form) {
    const std::lock_guard lock(pipelines_mutex_);
    const std::pair<std::string, Form> key{name, form};
    if (const auto it = pipelines_.find(key); it != pipelines_.end()) return it->second;
    const Kernel* const source = find_kernel(name, form.numbers);
    if (!source)
        return Error{Errc::internal,
                     "Vulkan: no kernel " + key.first + (form.numbers == Numbers::fp32 ? "" : " in fp16")};
    const bool matrices = has_matrices(source->code);
    std::vector<std::uint32_t> completed;
    if (matrices) completed = with_matrices(source->code, facts_.matrix);
    const std::span<const std::uint32_t> code = matrices ? completed : source->code;
    VkShaderModuleCreateInfo module_info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
    module_info.codeSize = code.size_bytes();
    module_info.pCode = code.data();
    VkShaderModule module = VK_NULL_HANDLE;
    TRY(check(vk.vkCreateShaderModule(device_, &module_info, nullptr, &module), "loading a kernel"));
    // A kernel has some of them at least.
    const std::uint32_t numbers[] = {form.threads,
                                     form.outs,
                                     form.chunk,
                                     static_cast<std::uint32_t>(form.activation),
                                     facts_.matrix.rows,
                                     facts_.matrix.columns,
                                     facts_.matrix.depth,
                                     facts_.subgroup};
    const VkSpecializationMapEntry entries[] = {{0, 0, 4},  {1, 4, 4},  {2, 8, 4},  {3, 12, 4},
                                                {4, 16, 4}, {5, 20, 4}, {6, 24, 4}, {7, 28, 4}};
    const VkSpecializationInfo special{8, entries, sizeof numbers, numbers};
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo whole{
        VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO};
    whole.requiredSubgroupSize = facts_.subgroup;
    VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
    info.stage = {VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO};
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = module;
    info.stage.pName = "main";
    info.stage.pSpecializationInfo = &special;
    if (matrices) {
        info.stage.pNext = &whole;
        info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
    }
    info.layout = pipeline_layout_;
    VkPipeline pipeline = VK_NULL_HANDLE;
    const VkResult made = vk.vkCreateComputePipelines(device_, cache_, 1, &info, nullptr, &pipeline);
    vk.vkDestroyShaderModule(device_, module, nullptr);
    TRY(check(made, "compiling a kernel"));
    pipelines_.emplace(key, pipeline);
    new_pipelines_ = true;
    return pipeline;
}

Result<void> Device::check(VkResult result, const char* doing) {
    if (result == VK_ERROR_DEVICE_LOST) lost_ = true;
    if (lost())
        return Error{Errc::device, facts_.name + " stopped working (its Vulkan driver lost the device) while " + doing};
    auto checked = vulkan::check(result, doing);
    if (checked.ok()) return checked;
    return std::move(checked).error().within(facts_.name);
}

}  // namespace enlarge::vulkan
