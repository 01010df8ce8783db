// SPDX-License-Identifier: Apache-2.0
#include "fake_device.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "backend/vulkan/kernels.hpp"
#include "backend/vulkan/matrix_kernel.hpp"

namespace enlarge::test {
namespace {

FakeDevice& fake() { return *FakeDevice::current(); }
bool emulates() { return fake().emulated.rows > 0; }

// X(function): those that can fail.
#define ENLARGE_FALLIBLE(X)          \
    X(vkCreateBuffer)                \
    X(vkAllocateMemory)              \
    X(vkBindBufferMemory)            \
    X(vkMapMemory)                   \
    X(vkCreateDescriptorSetLayout)   \
    X(vkCreatePipelineLayout)        \
    X(vkCreateShaderModule)          \
    X(vkCreatePipelineCache)         \
    X(vkCreateComputePipelines)      \
    X(vkCreateDescriptorPool)        \
    X(vkAllocateDescriptorSets)      \
    X(vkCreateCommandPool)           \
    X(vkAllocateCommandBuffers)      \
    X(vkBeginCommandBuffer)          \
    X(vkEndCommandBuffer)            \
    X(vkQueueSubmit)                 \
    X(vkCreateSemaphore)             \
    X(vkCreateFence)                 \
    X(vkWaitForFences)               \
    X(vkResetFences)                 \
    X(vkWaitSemaphores)

#define ENLARGE_NAME(function) \
    constexpr char name_##function[] = #function;
ENLARGE_FALLIBLE(ENLARGE_NAME)
#undef ENLARGE_NAME

template <const char* name, auto member, class... A>
VKAPI_ATTR VkResult VKAPI_CALL fallible(A... a) {
    if (fake().strikes(name)) return fake().failure;
    return (fake().real.*member)(a...);
}
template <const char* name, auto member, class... A>
void wrap(vulkan::DeviceFunctions& vk, VkResult(VKAPI_PTR*)(A...)) {
    vk.*member = &fallible<name, member, A...>;
}

VKAPI_ATTR void VKAPI_CALL dispatch(VkCommandBuffer buffer, std::uint32_t x, std::uint32_t y, std::uint32_t z) {
    if (!fake().does_nothing) fake().real.vkCmdDispatch(buffer, x, y, z);
}
VKAPI_ATTR void VKAPI_CALL push(VkCommandBuffer buffer, VkPipelineLayout layout, VkShaderStageFlags stages,
                                std::uint32_t offset, std::uint32_t size, const void* values) {
    std::uint32_t range[2] = {static_cast<const std::uint32_t*>(values)[0],
                              static_cast<const std::uint32_t*>(values)[1]};
    if (fake().skips_items) range[1] -= (range[1] - range[0]) / 8;
    fake().real.vkCmdPushConstants(buffer, layout, stages, offset, size, range);
}
// Fresh memory holds anything; a device that does nothing shall give black.
void clear(VkDevice device, VkDeviceMemory memory, VkDeviceSize bytes) {
    void* mapped = nullptr;
    const auto unmap = reinterpret_cast<PFN_vkUnmapMemory>(
        fake().real_instance.vkGetDeviceProcAddr(device, "vkUnmapMemory"));
    if (!unmap || fake().real.vkMapMemory(device, memory, 0, VK_WHOLE_SIZE, 0, &mapped) != VK_SUCCESS) return;
    std::memset(mapped, 0, bytes);
    unmap(device, memory);
}

// Which buffers the host sees: a device that does nothing takes nothing from them either.
VKAPI_ATTR VkResult VKAPI_CALL map(VkDevice device, VkDeviceMemory memory, VkDeviceSize at, VkDeviceSize bytes,
                                   VkMemoryMapFlags flags, void** data) {
    if (fake().strikes("vkMapMemory")) return fake().failure;
    fake().mapped.insert(memory);
    return fake().real.vkMapMemory(device, memory, at, bytes, flags, data);
}
VKAPI_ATTR VkResult VKAPI_CALL bind(VkDevice device, VkBuffer buffer, VkDeviceMemory memory, VkDeviceSize at) {
    if (fake().strikes("vkBindBufferMemory")) return fake().failure;
    fake().memory_of[buffer] = memory;
    return fake().real.vkBindBufferMemory(device, buffer, memory, at);
}
VKAPI_ATTR void VKAPI_CALL copy(VkCommandBuffer commands, VkBuffer from, VkBuffer to, std::uint32_t count,
                                const VkBufferCopy* regions) {
    if (fake().does_nothing && fake().mapped.count(fake().memory_of[from])) return;
    fake().real.vkCmdCopyBuffer(commands, from, to, count, regions);
}

// With two heaps the driver's one kind of memory is shown as two.
VKAPI_ATTR VkResult VKAPI_CALL allocate(VkDevice device, const VkMemoryAllocateInfo* info,
                                        const VkAllocationCallbacks* callbacks, VkDeviceMemory* memory) {
    if (fake().strikes("vkAllocateMemory")) return fake().failure;
    fake().largest_asked = std::max(fake().largest_asked, info->allocationSize);
    if (fake().largest_block && info->allocationSize > fake().largest_block) return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    VkMemoryAllocateInfo real = *info;
    if (fake().two_heaps) real.memoryTypeIndex = 0;
    const VkResult made = fake().real.vkAllocateMemory(device, &real, callbacks, memory);
    if (made == VK_SUCCESS) fake().mapped.erase(*memory);  // drivers give a freed handle again
    if (made == VK_SUCCESS && fake().does_nothing) clear(device, *memory, real.allocationSize);
    return made;
}
VKAPI_ATTR void VKAPI_CALL requirements(VkDevice device, VkBuffer buffer, VkMemoryRequirements* needs) {
    fake().real.vkGetBufferMemoryRequirements(device, buffer, needs);
    if (fake().two_heaps) needs->memoryTypeBits = 3;
}

VKAPI_ATTR void VKAPI_CALL properties(VkPhysicalDevice device, VkPhysicalDeviceProperties2* all) {
    fake().real_instance.vkGetPhysicalDeviceProperties2(device, all);
    if (fake().limits) fake().limits(all->properties.limits);
    for (auto* one = static_cast<VkBaseOutStructure*>(all->pNext); one && emulates(); one = one->pNext) {
        if (one->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES)
            reinterpret_cast<VkPhysicalDeviceSubgroupProperties*>(one)->subgroupSize = 1;
        if (one->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES) continue;
        auto& sizes = *reinterpret_cast<VkPhysicalDeviceSubgroupSizeControlProperties*>(one);
        sizes.minSubgroupSize = sizes.maxSubgroupSize = 1;
        sizes.maxComputeWorkgroupSubgroups = 1024;
        sizes.requiredSubgroupSizeStages = VK_SHADER_STAGE_COMPUTE_BIT;
    }
}
VKAPI_ATTR void VKAPI_CALL old_properties(VkPhysicalDevice device, VkPhysicalDeviceProperties* all) {
    fake().real_instance.vkGetPhysicalDeviceProperties(device, all);
    if (fake().graphics_card) all->deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    if (fake().names_differ && fake().described++ % fake().devices > 0) std::strcpy(all->deviceName, "the second card");
}
VKAPI_ATTR VkResult VKAPI_CALL enumerate(VkInstance instance, std::uint32_t* count, VkPhysicalDevice* all) {
    std::uint32_t one = 1;
    VkPhysicalDevice device = VK_NULL_HANDLE;
    const VkResult made = fake().real_instance.vkEnumeratePhysicalDevices(instance, &one, &device);
    if (!all) *count = static_cast<std::uint32_t>(fake().devices);
    else std::fill_n(all, *count, device);
    return made == VK_INCOMPLETE ? VK_SUCCESS : made;
}
VKAPI_ATTR void VKAPI_CALL get_queue(VkDevice device, std::uint32_t family, std::uint32_t index, VkQueue* queue) {
    fake().real.vkGetDeviceQueue(device, fake().transfer_queue ? 0 : family, index, queue);
    fake().device_of[*queue] = device;
}
// The driver has one queue: both are that one.
VKAPI_ATTR void VKAPI_CALL queue_families(VkPhysicalDevice device, std::uint32_t* count, VkQueueFamilyProperties* all) {
    std::uint32_t one = 1;
    fake().real_instance.vkGetPhysicalDeviceQueueFamilyProperties(device, &one, all);
    *count = 2;
    if (all) all[1] = {VK_QUEUE_TRANSFER_BIT, 1, 0, {1, 1, 1}};
}
// The features for matrices are what the driver does not know.
void leave_out_matrices(const void* first) {
    auto* one = static_cast<VkBaseInStructure*>(const_cast<void*>(first));
    while (one && one->pNext) {
        const VkStructureType type = one->pNext->sType;
        if (type == vulkan::kMatrixFeaturesType ||
            type == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES ||
            type == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES)
            one->pNext = one->pNext->pNext;
        else one = const_cast<VkBaseInStructure*>(one->pNext);
    }
}
VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice device, const VkDeviceCreateInfo* info,
                                             const VkAllocationCallbacks* callbacks, VkDevice* made) {
    VkDeviceCreateInfo real = *info;
    if (fake().transfer_queue) real.queueCreateInfoCount = 1;
    if (emulates()) {
        leave_out_matrices(real.pNext);
        real.enabledExtensionCount = 0;
    }
    return fake().real_instance.vkCreateDevice(device, &real, callbacks, made);
}
VKAPI_ATTR VkResult VKAPI_CALL create_pool(VkDevice device, const VkCommandPoolCreateInfo* info,
                                           const VkAllocationCallbacks* callbacks, VkCommandPool* pool) {
    if (fake().strikes("vkCreateCommandPool")) return fake().failure;
    VkCommandPoolCreateInfo real = *info;
    if (fake().transfer_queue) {
        fake().transfer_pools += info->queueFamilyIndex == 1;
        real.queueFamilyIndex = 0;
    }
    return fake().real.vkCreateCommandPool(device, &real, callbacks, pool);
}
VKAPI_ATTR VkResult VKAPI_CALL create_buffer(VkDevice device, const VkBufferCreateInfo* info,
                                             const VkAllocationCallbacks* callbacks, VkBuffer* buffer) {
    if (fake().strikes("vkCreateBuffer")) return fake().failure;
    VkBufferCreateInfo real = *info;
    if (fake().transfer_queue) {
        real.sharingMode = VK_SHARING_MODE_EXCLUSIVE;
        real.queueFamilyIndexCount = 0;
    }
    return fake().real.vkCreateBuffer(device, &real, callbacks, buffer);
}
VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue queue, std::uint32_t count, const VkSubmitInfo* infos, VkFence fence) {
    if (fake().strikes("vkQueueSubmit")) return fake().failure;
    fake().submitted.insert(fake().device_of[queue]);
    return fake().real.vkQueueSubmit(queue, count, infos, fence);
}
// A kernel with matrices is replaced by the same one with arrays.
VKAPI_ATTR VkResult VKAPI_CALL create_module(VkDevice device, const VkShaderModuleCreateInfo* info,
                                             const VkAllocationCallbacks* callbacks, VkShaderModule* module) {
    if (fake().strikes("vkCreateShaderModule")) return fake().failure;
    VkShaderModuleCreateInfo real = *info;
    std::vector<char> bytes;
    if (emulates() && vulkan::has_matrices({info->pCode, info->codeSize / 4})) {
        const auto winograd = vulkan::with_matrices(
            vulkan::find_kernel("tensor_winograd", vulkan::Numbers::matrix)->code, fake().emulated);
        const bool same = std::equal(winograd.begin(), winograd.end(), info->pCode, info->pCode + info->codeSize / 4);
        const char* const name = same ? "tensor_winograd.spv" : "tensor_conv3.spv";
        std::ifstream file(std::string(ENLARGE_EMULATED_KERNELS) + name, std::ios::binary);
        bytes.assign(std::istreambuf_iterator<char>(file), {});
        real.codeSize = bytes.size();
        real.pCode = reinterpret_cast<const std::uint32_t*>(bytes.data());
        ++fake().emulated_kernels;
    }
    return fake().real.vkCreateShaderModule(device, &real, callbacks, module);
}
VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache, std::uint32_t count,
                                                const VkComputePipelineCreateInfo* infos,
                                                const VkAllocationCallbacks* callbacks, VkPipeline* made) {
    if (fake().strikes("vkCreateComputePipelines")) return fake().failure;
    VkComputePipelineCreateInfo real = *infos;
    if (emulates()) {
        real.stage.pNext = nullptr;
        real.stage.flags = 0;
    }
    return fake().real.vkCreateComputePipelines(device, cache, count, &real, callbacks, made);
}
// The shape in question among others that are of no use: of too large numbers, of integers, with sums of fp16, of work
// groups.
VKAPI_ATTR VkResult VKAPI_CALL list_matrices(VkPhysicalDevice, std::uint32_t* count, vulkan::MatrixProperties* all) {
    using vulkan::MatrixNumbers;
    vulkan::MatrixProperties wanted;
    wanted.rows = fake().emulated.rows;
    wanted.columns = fake().emulated.columns;
    wanted.depth = fake().emulated.depth;
    wanted.a = wanted.b = MatrixNumbers::fp16;
    wanted.c = wanted.result = MatrixNumbers::fp32;
    wanted.scope = 3;
    std::vector<vulkan::MatrixProperties> listed(5, wanted);
    listed[0].depth = 32;
    listed[1].a = listed[1].b = MatrixNumbers{3};
    listed[2].c = listed[2].result = MatrixNumbers::fp16;
    listed[3].scope = 2;
    for (auto& other : listed)
        if (&other != &listed[4] && other.depth != 32) other.rows = other.columns = other.depth = 16;
    *count = static_cast<std::uint32_t>(listed.size());
    if (all) std::copy(listed.begin(), listed.end(), all);
    return VK_SUCCESS;
}
// Of the features that matrices need.
void show_matrices(VkBaseOutStructure* one) {
    const auto bits = [&](auto* features, auto... member) { ((features->*member = VK_TRUE), ...); };
    if (one->sType == vulkan::kMatrixFeaturesType)
        reinterpret_cast<vulkan::MatrixFeatures*>(one)->matrices = emulates();
    if (!emulates()) return;
    if (one->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES)
        bits(reinterpret_cast<VkPhysicalDeviceVulkanMemoryModelFeatures*>(one),
             &VkPhysicalDeviceVulkanMemoryModelFeatures::vulkanMemoryModel,
             &VkPhysicalDeviceVulkanMemoryModelFeatures::vulkanMemoryModelDeviceScope);
    if (one->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES)
        bits(reinterpret_cast<VkPhysicalDeviceSubgroupSizeControlFeatures*>(one),
             &VkPhysicalDeviceSubgroupSizeControlFeatures::subgroupSizeControl,
             &VkPhysicalDeviceSubgroupSizeControlFeatures::computeFullSubgroups);
}
VKAPI_ATTR void VKAPI_CALL features(VkPhysicalDevice device, VkPhysicalDeviceFeatures2* all) {
    fake().real_instance.vkGetPhysicalDeviceFeatures2(device, all);
    for (auto* one = static_cast<VkBaseOutStructure*>(all->pNext); one && !fake().matrices; one = one->pNext)
        show_matrices(one);
    for (auto* one = static_cast<VkBaseOutStructure*>(all->pNext); one; one = one->pNext) {
        if (one->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES && fake().no_half)
            reinterpret_cast<VkPhysicalDevice16BitStorageFeatures*>(one)->storageBuffer16BitAccess = VK_FALSE;
        if (one->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES &&
            (fake().no_half || fake().no_half_sums))
            reinterpret_cast<VkPhysicalDeviceShaderFloat16Int8Features*>(one)->shaderFloat16 = VK_FALSE;
        if (one->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES && fake().no_timeline)
            reinterpret_cast<VkPhysicalDeviceTimelineSemaphoreFeatures*>(one)->timelineSemaphore = VK_FALSE;
    }
}
VKAPI_ATTR void VKAPI_CALL memory(VkPhysicalDevice device, VkPhysicalDeviceMemoryProperties2* all) {
    fake().real_instance.vkGetPhysicalDeviceMemoryProperties2(device, all);
    for (auto* one = static_cast<VkBaseOutStructure*>(all->pNext); one; one = one->pNext)
        if (one->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT && fake().free_bytes) {
            auto& budget = *reinterpret_cast<VkPhysicalDeviceMemoryBudgetPropertiesEXT*>(one);
            std::fill(std::begin(budget.heapBudget), std::end(budget.heapBudget), fake().free_bytes);
            std::fill(std::begin(budget.heapUsage), std::end(budget.heapUsage), 0);
        }
    if (!fake().two_heaps) return;
    VkPhysicalDeviceMemoryProperties& m = all->memoryProperties;
    m.memoryHeapCount = m.memoryTypeCount = 2;
    m.memoryHeaps[1] = {m.memoryHeaps[0].size, 0};
    m.memoryHeaps[0].flags = VK_MEMORY_HEAP_DEVICE_LOCAL_BIT;
    m.memoryTypes[0] = {VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0};
    m.memoryTypes[1] = {VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, 1};
}

VKAPI_ATTR VkResult VKAPI_CALL extensions(VkPhysicalDevice device, const char* layer, std::uint32_t* count,
                                          VkExtensionProperties* all) {
    const std::uint32_t room = *count;
    const VkResult made = fake().real_instance.vkEnumerateDeviceExtensionProperties(device, layer, count, all);
    if (made != VK_SUCCESS) return made;
    std::vector<VkExtensionProperties> more;
    if (fake().free_bytes > 0) more.push_back({VK_EXT_MEMORY_BUDGET_EXTENSION_NAME, 1});
    if (emulates()) {
        more.push_back({"VK_KHR_cooperative_matrix", 1});
        more.push_back({VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME, 1});
    }
    if (all && *count + more.size() <= room) std::copy(more.begin(), more.end(), all + *count);
    *count += static_cast<std::uint32_t>(more.size());
    return made;
}

}  // namespace

void FakeDevice::instance(vulkan::InstanceFunctions& vk) {
    real_instance = vk;
    vk.vkGetPhysicalDeviceProperties2 = properties;
    vk.vkGetPhysicalDeviceProperties = old_properties;
    if (devices > 1) vk.vkEnumeratePhysicalDevices = enumerate;
    if (transfer_queue) vk.vkGetPhysicalDeviceQueueFamilyProperties = queue_families;
    vk.vkCreateDevice = create_device;
    if (emulated.rows) vk.list_matrices = list_matrices;
    vk.vkGetPhysicalDeviceFeatures2 = features;
    vk.vkGetPhysicalDeviceMemoryProperties2 = memory;
    vk.vkEnumerateDeviceExtensionProperties = extensions;
}

void FakeDevice::device(vulkan::DeviceFunctions& vk) {
    real = vk;
#define ENLARGE_WRAP(function) \
    if (vk.function) wrap<name_##function, &vulkan::DeviceFunctions::function>(vk, vk.function);
    ENLARGE_FALLIBLE(ENLARGE_WRAP)
#undef ENLARGE_WRAP
    ++opened;
    vk.vkGetDeviceQueue = get_queue;
    vk.vkCreateShaderModule = create_module;
    vk.vkCreateComputePipelines = create_pipelines;
    vk.vkQueueSubmit = submit;
    vk.vkCreateCommandPool = create_pool;
    vk.vkCreateBuffer = create_buffer;
    vk.vkCmdDispatch = dispatch;
    vk.vkCmdPushConstants = push;
    vk.vkAllocateMemory = allocate;
    vk.vkMapMemory = map;
    vk.vkBindBufferMemory = bind;
    vk.vkCmdCopyBuffer = copy;
    vk.vkGetBufferMemoryRequirements = requirements;
}

}  // namespace enlarge::test
