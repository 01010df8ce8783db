// SPDX-License-Identifier: Apache-2.0
#include "fake_device.hpp"

#include <algorithm>
#include <cstring>

namespace enlarge::test {
namespace {

FakeDevice& fake() { return *FakeDevice::current(); }

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
VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice device, const VkDeviceCreateInfo* info,
                                             const VkAllocationCallbacks* callbacks, VkDevice* made) {
    VkDeviceCreateInfo real = *info;
    real.queueCreateInfoCount = 1;
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
VKAPI_ATTR void VKAPI_CALL features(VkPhysicalDevice device, VkPhysicalDeviceFeatures2* all) {
    fake().real_instance.vkGetPhysicalDeviceFeatures2(device, all);
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
        if (one->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT)
            for (VkDeviceSize& bytes : reinterpret_cast<VkPhysicalDeviceMemoryBudgetPropertiesEXT*>(one)->heapBudget)
                bytes = fake().free_bytes;
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
    if (fake().free_bytes == 0 || made != VK_SUCCESS) return made;
    if (all && *count < room) all[*count] = {VK_EXT_MEMORY_BUDGET_EXTENSION_NAME, 1};
    ++*count;
    return made;
}

}  // namespace

void FakeDevice::instance(vulkan::InstanceFunctions& vk) {
    real_instance = vk;
    vk.vkGetPhysicalDeviceProperties2 = properties;
    vk.vkGetPhysicalDeviceProperties = old_properties;
    if (devices > 1) vk.vkEnumeratePhysicalDevices = enumerate;
    if (transfer_queue) {
        vk.vkGetPhysicalDeviceQueueFamilyProperties = queue_families;
        vk.vkCreateDevice = create_device;
    }
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
