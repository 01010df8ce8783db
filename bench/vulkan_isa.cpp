// SPDX-License-Identifier: Apache-2.0
// Has a Vulkan driver compile one of our kernels, without a card and without running it, for what it then prints:
//   RADV_FORCE_FAMILY=navi21 RADV_DEBUG=shaders,shaderstats
//       vulkan_isa KERNEL.spv THREADS OUTS CHUNK ACTIVATION [SUBGROUP]
// Kernels with matrices are given those of 16x16x16, in subgroups of SUBGROUP threads (64; navi31: 32 and 64).
// KERNEL.spv lies in the build's src/backend/vulkan; the numbers are those of Form (src/backend/vulkan/kernels.hpp).
#include <vulkan/vulkan.h>

#include "backend/vulkan/matrix_kernel.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

namespace {

void need(VkResult result, const char* what) {
    if (result == VK_SUCCESS) return;
    std::fprintf(stderr, "%s: %d\n", what, static_cast<int>(result));
    std::exit(1);
}

VkDevice open_device(bool matrices) {
    VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
    application.apiVersion = VK_API_VERSION_1_2;
    VkInstanceCreateInfo instance_info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
    instance_info.pApplicationInfo = &application;
    VkInstance instance = VK_NULL_HANDLE;
    need(vkCreateInstance(&instance_info, nullptr, &instance), "instance");
    std::uint32_t count = 1;
    VkPhysicalDevice card = VK_NULL_HANDLE;
    if (vkEnumeratePhysicalDevices(instance, &count, &card) < 0 || count == 0) need(VK_NOT_READY, "no device");
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(card, &properties);
    std::printf("device: %s\n", properties.deviceName);
    std::fflush(stdout);
    const float priority = 1;
    VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    VkPhysicalDevice16BitStorageFeatures storage{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
    VkPhysicalDeviceShaderFloat16Int8Features half{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES};
    VkPhysicalDeviceFeatures2 features{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    features.pNext = &storage;
    storage.pNext = &half;
    VkPhysicalDeviceVulkanMemoryModelFeatures model{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES};
    VkPhysicalDeviceSubgroupSizeControlFeatures sizes{
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
    enlarge::vulkan::MatrixFeatures matrix;
    const char* const extensions[] = {enlarge::vulkan::kMatrixExtension, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME};
    if (matrices) {
        half.pNext = &model;
        model.pNext = &sizes;
        sizes.pNext = &matrix;
    }
    vkGetPhysicalDeviceFeatures2(card, &features);  // all that it has
    VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
    info.pNext = &features;
    info.queueCreateInfoCount = 1;
    info.pQueueCreateInfos = &queue;
    info.enabledExtensionCount = matrices ? 2 : 0;
    info.ppEnabledExtensionNames = extensions;
    VkDevice device = VK_NULL_HANDLE;
    need(vkCreateDevice(card, &info, nullptr, &device), "device");
    return device;
}

// Eight buffers and the range of items, as in device.cpp.
VkPipelineLayout layout_of(VkDevice device) {
    std::array<VkDescriptorSetLayoutBinding, 8> bindings{};
    for (std::uint32_t i = 0; i < bindings.size(); ++i)
        bindings[i] = {i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr};
    VkDescriptorSetLayoutCreateInfo set_info{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
    set_info.bindingCount = static_cast<std::uint32_t>(bindings.size());
    set_info.pBindings = bindings.data();
    VkDescriptorSetLayout set = VK_NULL_HANDLE;
    need(vkCreateDescriptorSetLayout(device, &set_info, nullptr, &set), "set layout");
    const VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, 8};
    VkPipelineLayoutCreateInfo info{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
    info.setLayoutCount = 1;
    info.pSetLayouts = &set;
    info.pushConstantRangeCount = 1;
    info.pPushConstantRanges = &range;
    VkPipelineLayout layout = VK_NULL_HANDLE;
    need(vkCreatePipelineLayout(device, &info, nullptr, &layout), "pipeline layout");
    return layout;
}

}  // namespace

int main(int count, char** words) {
    if (count != 6 && count != 7) {
        std::fprintf(stderr, "vulkan_isa KERNEL.spv THREADS OUTS CHUNK ACTIVATION [SUBGROUP]\n");
        return 2;
    }
    std::ifstream file(words[1], std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    std::vector<std::uint32_t> code(bytes.size() / 4);
    for (std::size_t i = 0; i < code.size() * 4; ++i)
        code[i / 4] |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (i % 4 * 8);
    const bool matrices = enlarge::vulkan::has_matrices(code);
    if (matrices) code = enlarge::vulkan::with_matrices(code, {16, 16, 16});
    const VkDevice device = open_device(matrices);
    VkShaderModuleCreateInfo module_info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
    module_info.codeSize = code.size() * 4;
    module_info.pCode = code.data();
    VkShaderModule module = VK_NULL_HANDLE;
    need(vkCreateShaderModule(device, &module_info, nullptr, &module), words[1]);
    std::array<std::int32_t, 8> numbers{0, 0, 0, 0, 16, 16, 16, 64};
    for (std::size_t i = 0; i < 4; ++i) numbers[i] = std::atoi(words[i + 2]);
    if (count == 7) numbers[7] = std::atoi(words[6]);
    const VkSpecializationMapEntry entries[] = {{0, 0, 4},  {1, 4, 4},  {2, 8, 4},  {3, 12, 4},
                                                {4, 16, 4}, {5, 20, 4}, {6, 24, 4}, {7, 28, 4}};
    const VkSpecializationInfo special{8, entries, sizeof numbers, numbers.data()};
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo whole{
        VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO};
    whole.requiredSubgroupSize = static_cast<std::uint32_t>(numbers[7]);
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
    info.layout = layout_of(device);
    VkPipeline pipeline = VK_NULL_HANDLE;
    need(vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &info, nullptr, &pipeline), "compiling");
    return 0;
}
