// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/facts.hpp"

#include <algorithm>
#include <cstring>
#include <sstream>

namespace enlarge::vulkan {
namespace {

// Seven tensors and the parameters of a kernel.
constexpr std::uint32_t kBindings = 8;
constexpr std::uint32_t kMostSubgroups = 1024;  // of a work group: more are of no use

bool has(const std::vector<VkExtensionProperties>& all, const char* name) {
    return std::any_of(all.begin(), all.end(), [&](const auto& one) { return !std::strcmp(one.extensionName, name); });
}

std::vector<VkExtensionProperties> extensions_of(const InstanceFunctions& vk, VkPhysicalDevice device) {
    std::uint32_t count = 0;
    std::vector<VkExtensionProperties> all;
    if (vk.vkEnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr) != VK_SUCCESS) return all;
    all.resize(count);
    if (vk.vkEnumerateDeviceExtensionProperties(device, nullptr, &count, all.data()) < 0) count = 0;
    all.resize(count);
    return all;
}

void read_properties(const InstanceFunctions& vk, bool driver_told, Facts& f) {
    VkPhysicalDeviceProperties2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    VkPhysicalDeviceIDProperties id{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES};
    VkPhysicalDeviceSubgroupProperties subgroup{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceMaintenance3Properties largest{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
    VkPhysicalDeviceDriverProperties driver{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    all.pNext = &id;
    id.pNext = &subgroup;
    subgroup.pNext = &largest;
    if (driver_told) largest.pNext = &driver;
    vk.vkGetPhysicalDeviceProperties2(f.handle, &all);
    f.limits = all.properties.limits;
    f.driver_version = all.properties.driverVersion;
    f.vendor = all.properties.vendorID;
    f.device = all.properties.deviceID;
    std::memcpy(f.device_uuid, id.deviceUUID, VK_UUID_SIZE);
    std::memcpy(f.driver_uuid, id.driverUUID, VK_UUID_SIZE);
    std::memcpy(f.cache_uuid, all.properties.pipelineCacheUUID, VK_UUID_SIZE);
    f.subgroup = subgroup.subgroupSize;
    f.largest_allocation = largest.maxMemoryAllocationSize;
    f.driver = driver_told ? driver.driverName : "driver";
    const std::string more = driver_told ? driver.driverInfo : std::to_string(f.driver_version);
    if (!more.empty()) f.driver += " " + more;
}

void read_features(const InstanceFunctions& vk, const std::vector<VkExtensionProperties>& extensions, Facts& f) {
    const bool v12 = f.version >= VK_API_VERSION_1_2;
    VkPhysicalDeviceFeatures2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    VkPhysicalDevice16BitStorageFeatures storage{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
    VkPhysicalDeviceShaderFloat16Int8Features half{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES};
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES};
    VkPhysicalDeviceShaderIntegerDotProductFeatures dot{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
    void** next = &all.pNext;
    const auto chain = [&](auto& one, bool known) {
        if (!known) return;
        *next = &one;
        next = &one.pNext;
    };
    const bool dots = has(extensions, "VK_KHR_shader_integer_dot_product");
    chain(storage, true);
    chain(half, v12 || has(extensions, "VK_KHR_shader_float16_int8"));
    chain(timeline, v12);
    chain(dot, dots);
    vk.vkGetPhysicalDeviceFeatures2(f.handle, &all);
    f.half_storage = storage.storageBuffer16BitAccess;
    f.half_arithmetic = half.shaderFloat16;
    f.timeline = timeline.timelineSemaphore;
    f.budget = has(extensions, "VK_EXT_memory_budget");
    if (!dots || !dot.shaderIntegerDotProduct) return;
    VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    VkPhysicalDeviceShaderIntegerDotProductProperties speed{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES};
    properties.pNext = &speed;
    vk.vkGetPhysicalDeviceProperties2(f.handle, &properties);
    f.integer_dot = speed.integerDotProduct4x8BitPackedSignedAccelerated;
}

// How many threads a work group can have whose subgroups have one known size and all of their threads; 0: none.
std::uint32_t most_of_subgroups(const InstanceFunctions& vk, const Facts& f) {
    VkPhysicalDeviceProperties2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    VkPhysicalDeviceSubgroupSizeControlProperties sizes{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
    all.pNext = &sizes;
    vk.vkGetPhysicalDeviceProperties2(f.handle, &all);
    const bool one_size = f.subgroup >= sizes.minSubgroupSize && f.subgroup <= sizes.maxSubgroupSize &&
                          (sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT);
    return one_size ? f.subgroup * std::min(sizes.maxComputeWorkgroupSubgroups, kMostSubgroups) : 0;
}

bool matrices_work(const InstanceFunctions& vk, const Facts& f) {
    VkPhysicalDeviceFeatures2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    VkPhysicalDeviceVulkanMemoryModelFeatures model{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES};
    VkPhysicalDeviceSubgroupSizeControlFeatures sizes{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
    MatrixFeatures matrix;
    all.pNext = &model;
    model.pNext = &sizes;
    sizes.pNext = &matrix;
    vk.vkGetPhysicalDeviceFeatures2(f.handle, &all);
    return model.vulkanMemoryModel && model.vulkanMemoryModelDeviceScope && sizes.subgroupSizeControl &&
           sizes.computeFullSubgroups && matrix.matrices;
}

// The largest that our kernel can be made for (shaders/tensor_winograd_matrix.comp): parts of 16x16x16.
MatrixShape best_matrix(const InstanceFunctions& vk, VkPhysicalDevice device) {
    std::uint32_t count = 0;
    if (vk.list_matrices(device, &count, nullptr) != VK_SUCCESS) return {};
    std::vector<MatrixProperties> listed(count);
    if (vk.list_matrices(device, &count, listed.data()) < 0) return {};
    const auto part = [](std::uint32_t side) { return side == 8 || side == 16; };
    MatrixShape best;
    for (const MatrixProperties& one : listed) {
        const bool numbers = one.a == MatrixNumbers::fp16 && one.b == MatrixNumbers::fp16 &&
                             one.c == MatrixNumbers::fp32 && one.result == MatrixNumbers::fp32;
        if (!numbers || one.scope != 3 || !part(one.rows) || !part(one.columns) || !part(one.depth)) continue;
        if (one.rows * one.columns * one.depth > best.rows * best.columns * best.depth)
            best = {one.rows, one.columns, one.depth};
    }
    return best;
}

void read_matrices(const InstanceFunctions& vk, const std::vector<VkExtensionProperties>& extensions, Facts& f) {
    if (f.version < VK_API_VERSION_1_2 || !f.half_storage || !f.half_arithmetic || !vk.list_matrices) return;
    if (!has(extensions, kMatrixExtension) || !has(extensions, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME)) return;
    f.most_of_subgroups = most_of_subgroups(vk, f);
    if (f.most_of_subgroups && matrices_work(vk, f)) f.matrix = best_matrix(vk, f.handle);
}

// A queue that computes and draws nothing leaves the desktop alone.
void find_queue(const InstanceFunctions& vk, Facts& f) {
    std::uint32_t count = 0;
    vk.vkGetPhysicalDeviceQueueFamilyProperties(f.handle, &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    vk.vkGetPhysicalDeviceQueueFamilyProperties(f.handle, &count, families.data());
    for (std::uint32_t i = 0; i < count; ++i) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) || families[i].queueCount == 0) continue;
        const bool alone = !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT);
        if (f.computes && !(alone && !f.compute_only_queue)) continue;
        f.queue_family = i;
        f.computes = true;
        f.compute_only_queue = alone;
    }
    // Where the device's memory is the processor's there is nothing to gain.
    constexpr VkQueueFlags more = VK_QUEUE_COMPUTE_BIT | VK_QUEUE_GRAPHICS_BIT;
    for (std::uint32_t i = 0; i < count && f.type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU; ++i)
        if ((families[i].queueFlags & VK_QUEUE_TRANSFER_BIT) && !(families[i].queueFlags & more) &&
            families[i].queueCount > 0 && f.transfer_family < 0)
            f.transfer_family = static_cast<int>(i);
}

std::string refusal_of(const Facts& f) {
    if (f.version < VK_API_VERSION_1_1) return "Vulkan " + f.version_text() + "; 1.1 or newer is needed";
    if (!f.computes) return "it has no queue for compute";
    const VkPhysicalDeviceLimits& l = f.limits;
    if (l.maxComputeWorkGroupInvocations < 128 || l.maxComputeWorkGroupSize[0] < 128)
        return "work groups of " + std::to_string(l.maxComputeWorkGroupInvocations) + " threads; 128 are needed";
    if (l.maxPerStageDescriptorStorageBuffers < kBindings || l.maxDescriptorSetStorageBuffers < kBindings)
        return std::to_string(l.maxPerStageDescriptorStorageBuffers) + " buffers for a kernel; " +
               std::to_string(kBindings) + " are needed";
    if (f.memory_bytes() == 0) return "it has no memory of its own";
    return {};
}

std::string hex(const std::uint8_t (&bytes)[VK_UUID_SIZE]) {
    static const char digits[] = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : bytes) text += {digits[byte >> 4], digits[byte & 15]};
    return text;
}

const char* type_name(VkPhysicalDeviceType type) {
    switch (type) {
        case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return "graphics card";
        case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return "processor's own graphics";
        case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return "virtual";
        case VK_PHYSICAL_DEVICE_TYPE_CPU: return "software";
        default: return "other";
    }
}

}  // namespace

const char* rung_name(Rung rung) {
    switch (rung) {
        case Rung::plain: return "0 (fp32)";
        case Rung::half_storage: return "0 (fp32, fp16 storage)";
        case Rung::half: return "1 (fp16)";
        case Rung::integer_dot: return "2 (fp16, integer dot products)";
        default: return "3 (fp16, cooperative matrix)";
    }
}

Rung Facts::rung() const {
    if (!half_storage) return Rung::plain;
    if (!half_arithmetic) return Rung::half_storage;
    if (matrix.rows) return Rung::matrix;
    return integer_dot ? Rung::integer_dot : Rung::half;
}

std::uint64_t Facts::memory_bytes() const {
    std::uint64_t most = 0;
    for (std::uint32_t i = 0; i < memory.memoryHeapCount; ++i)
        if (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
            most = std::max<std::uint64_t>(most, memory.memoryHeaps[i].size);
    return most;
}

std::string Facts::version_text() const {
    return std::to_string(VK_API_VERSION_MAJOR(version)) + "." + std::to_string(VK_API_VERSION_MINOR(version)) + "." +
           std::to_string(VK_API_VERSION_PATCH(version));
}

Facts facts_of(const Instance& instance, VkPhysicalDevice device) {
    const InstanceFunctions& vk = instance.functions;
    Facts f;
    f.handle = device;
    VkPhysicalDeviceProperties old{};
    vk.vkGetPhysicalDeviceProperties(device, &old);
    f.name = old.deviceName;
    f.version = old.apiVersion;
    f.type = old.deviceType;
    if (f.version >= VK_API_VERSION_1_1) {
        const auto extensions = extensions_of(vk, device);
        read_properties(vk, f.version >= VK_API_VERSION_1_2 || has(extensions, "VK_KHR_driver_properties"), f);
        read_features(vk, extensions, f);
        read_matrices(vk, extensions, f);
        VkPhysicalDeviceMemoryProperties2 memory{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
        vk.vkGetPhysicalDeviceMemoryProperties2(device, &memory);
        f.memory = memory.memoryProperties;
        find_queue(vk, f);
    }
    f.refusal = refusal_of(f);
    return f;
}

Result<std::vector<Facts>> list_devices(const Instance& instance) {
    const InstanceFunctions& vk = instance.functions;
    std::uint32_t count = 0;
    TRY(check(vk.vkEnumeratePhysicalDevices(instance.handle, &count, nullptr), "counting devices"));
    std::vector<VkPhysicalDevice> handles(count);
    TRY(check(vk.vkEnumeratePhysicalDevices(instance.handle, &count, handles.data()), "listing devices"));
    handles.resize(count);
    if (handles.empty()) return Error{Errc::device, "no Vulkan device"};
    std::vector<Facts> all;
    for (const VkPhysicalDevice handle : handles) all.push_back(facts_of(instance, handle));
    return all;
}

bool same_kind(const Facts& a, const Facts& b) {
    return a.name == b.name && a.vendor == b.vendor && a.device == b.device && a.driver == b.driver &&
           a.driver_version == b.driver_version && a.refusal == b.refusal;
}

std::uint64_t budget_of(const Instance& instance, const Facts& facts) {
    if (!facts.budget) return 0;
    VkPhysicalDeviceMemoryProperties2 memory{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    memory.pNext = &budget;
    instance.functions.vkGetPhysicalDeviceMemoryProperties2(facts.handle, &memory);
    std::uint64_t most = 0;
    for (std::uint32_t i = 0; i < memory.memoryProperties.memoryHeapCount; ++i) {
        if (!(memory.memoryProperties.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)) continue;
        const std::uint64_t taken = std::min(budget.heapUsage[i], budget.heapBudget[i]);
        most = std::max(most, static_cast<std::uint64_t>(budget.heapBudget[i] - taken));
    }
    return most;
}

int best_device(const std::vector<Facts>& devices) {
    const auto rank = [](const Facts& f) {
        switch (f.type) {
            case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return 4;
            case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return 3;
            case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return 2;
            case VK_PHYSICAL_DEVICE_TYPE_CPU: return 0;
            default: return 1;
        }
    };
    int best = -1;
    for (int i = 0; i < static_cast<int>(devices.size()); ++i) {
        const Facts& f = devices[static_cast<std::size_t>(i)];
        if (!f.refusal.empty()) continue;
        const Facts* const leader = best < 0 ? nullptr : &devices[static_cast<std::size_t>(best)];
        if (!leader || rank(f) > rank(*leader) ||
            (rank(f) == rank(*leader) && f.memory_bytes() > leader->memory_bytes()))
            best = i;
    }
    return best;
}

std::string report_of(const Facts& f, std::uint64_t budget) {
    std::ostringstream text;
    const VkPhysicalDeviceLimits& l = f.limits;
    text << "  name: " << f.name << "\n  kind: " << type_name(f.type) << "\n  driver: " << f.driver << " (version "
         << f.driver_version << ")\n  Vulkan: " << f.version_text() << "\n  vendor:device: " << std::hex << f.vendor
         << ":" << f.device << std::dec << "\n  device UUID: " << hex(f.device_uuid)
         << "\n  driver UUID: " << hex(f.driver_uuid) << "\n  rung: " << rung_name(f.rung())
         << "\n  used: " << (f.refusal.empty() ? "yes" : "no: " + f.refusal)
         << "\n  fp16 storage, arithmetic: " << f.half_storage << ", " << f.half_arithmetic
         << "\n  integer dot products: " << f.integer_dot << "\n  cooperative matrix: "
         << (f.matrix.rows ? std::to_string(f.matrix.rows) + "x" + std::to_string(f.matrix.columns) + "x" +
                                 std::to_string(f.matrix.depth)
                           : std::string("none"))
         << "\n  timeline semaphores: " << f.timeline << "\n  memory budget: "
         << (f.budget ? std::to_string(budget) : std::string("not told")) << "\n  subgroup: " << f.subgroup
         << "\n  shared memory: " << l.maxComputeSharedMemorySize
         << "\n  threads of a work group: " << l.maxComputeWorkGroupInvocations
         << "\n  largest binding: " << l.maxStorageBufferRange << "\n  largest allocation: " << f.largest_allocation
         << "\n  queue family: " << f.queue_family << (f.compute_only_queue ? " (compute only)" : "")
         << "\n  queue family for copies: "
         << (f.transfer_family < 0 ? std::string("none") : std::to_string(f.transfer_family)) << "\n";
    for (std::uint32_t i = 0; i < f.memory.memoryHeapCount; ++i)
        text << "  heap " << i << ": " << f.memory.memoryHeaps[i].size
             << (f.memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT ? " of the device\n" : "\n");
    return text.str();
}

}  // namespace enlarge::vulkan
