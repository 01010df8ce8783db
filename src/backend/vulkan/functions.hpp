// SPDX-License-Identifier: Apache-2.0
// Vulkan's functions, from a loader that is opened when first wanted: the program starts where there is none. Only what
// we call stands in the tables. They are ours and not volk's: volk defines a global variable for every function under
// the function's own name, which in a static library takes the place of libvulkan's in programs that use both.
#pragma once

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace enlarge::vulkan {

#define ENLARGE_VULKAN_INSTANCE_FUNCTIONS(X)      \
    X(vkDestroyInstance)                          \
    X(vkEnumeratePhysicalDevices)                 \
    X(vkGetPhysicalDeviceProperties)              \
    X(vkGetPhysicalDeviceProperties2)             \
    X(vkGetPhysicalDeviceFeatures2)               \
    X(vkGetPhysicalDeviceMemoryProperties2)       \
    X(vkGetPhysicalDeviceQueueFamilyProperties)   \
    X(vkEnumerateDeviceExtensionProperties)       \
    X(vkCreateDevice)                             \
    X(vkGetDeviceProcAddr)

#define ENLARGE_VULKAN_DEVICE_FUNCTIONS(X) \
    X(vkDestroyDevice)                     \
    X(vkGetDeviceQueue)                    \
    X(vkDeviceWaitIdle)                    \
    X(vkCreateBuffer)                      \
    X(vkDestroyBuffer)                     \
    X(vkGetBufferMemoryRequirements)       \
    X(vkAllocateMemory)                    \
    X(vkFreeMemory)                        \
    X(vkBindBufferMemory)                  \
    X(vkMapMemory)                         \
    X(vkCreateDescriptorSetLayout)         \
    X(vkDestroyDescriptorSetLayout)        \
    X(vkCreatePipelineLayout)              \
    X(vkDestroyPipelineLayout)             \
    X(vkCreateShaderModule)                \
    X(vkDestroyShaderModule)               \
    X(vkCreatePipelineCache)               \
    X(vkDestroyPipelineCache)              \
    X(vkGetPipelineCacheData)              \
    X(vkCreateComputePipelines)            \
    X(vkDestroyPipeline)                   \
    X(vkCreateDescriptorPool)              \
    X(vkDestroyDescriptorPool)             \
    X(vkAllocateDescriptorSets)            \
    X(vkUpdateDescriptorSets)              \
    X(vkCreateCommandPool)                 \
    X(vkDestroyCommandPool)                \
    X(vkAllocateCommandBuffers)            \
    X(vkBeginCommandBuffer)                \
    X(vkEndCommandBuffer)                  \
    X(vkCmdBindPipeline)                   \
    X(vkCmdBindDescriptorSets)             \
    X(vkCmdPushConstants)                  \
    X(vkCmdDispatch)                       \
    X(vkCmdPipelineBarrier)                \
    X(vkCmdCopyBuffer)                     \
    X(vkQueueSubmit)                       \
    X(vkCreateSemaphore)                   \
    X(vkDestroySemaphore)                  \
    X(vkCreateFence)                       \
    X(vkDestroyFence)                      \
    X(vkWaitForFences)                     \
    X(vkResetFences)

// VK_KHR_cooperative_matrix, which is younger than Debian 12's headers: its numbers, and its structures word for word.
inline constexpr char kMatrixExtension[] = "VK_KHR_cooperative_matrix";
inline constexpr auto kMatrixFeaturesType = static_cast<VkStructureType>(1000506000);
inline constexpr auto kMatrixPropertiesType = static_cast<VkStructureType>(1000506001);
struct MatrixFeatures {
    VkStructureType type = kMatrixFeaturesType;
    void* next = nullptr;
    VkBool32 matrices = VK_FALSE, robust_access = VK_FALSE;
};
enum class MatrixNumbers : std::uint32_t { fp16 = 0, fp32 = 1 };
struct MatrixProperties {
    VkStructureType type = kMatrixPropertiesType;
    void* next = nullptr;
    std::uint32_t rows = 0, columns = 0, depth = 0;
    MatrixNumbers a{}, b{}, c{}, result{};
    VkBool32 saturates = VK_FALSE;
    std::uint32_t scope = 0;  // 3: a subgroup
};
using ListMatrices = VkResult(VKAPI_PTR*)(VkPhysicalDevice, std::uint32_t*, MatrixProperties*);

#define ENLARGE_DECLARE(name) PFN_##name name = nullptr;
struct DeviceFunctions {
    ENLARGE_VULKAN_DEVICE_FUNCTIONS(ENLARGE_DECLARE)
    PFN_vkWaitSemaphores vkWaitSemaphores = nullptr;  // null where there are no timeline semaphores
};
struct InstanceFunctions {
    ENLARGE_VULKAN_INSTANCE_FUNCTIONS(ENLARGE_DECLARE)
    ListMatrices list_matrices = nullptr;  // null where the loader does not know of matrices
};
#undef ENLARGE_DECLARE

// For tests: may put other functions into the tables when they have been filled.
struct Interposer {
    virtual ~Interposer() = default;
    virtual void instance(InstanceFunctions&) {}
    virtual void device(DeviceFunctions&) {}
};

// The loader and an instance. Lives as long as anything made from it.
class Instance {
public:
    // Fails with Errc::device: no loader, no driver, one that is too old; the message says which.
    static Result<std::shared_ptr<Instance>> open(const std::string& library, Interposer* interposer);
    ~Instance();
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    InstanceFunctions functions;
    VkInstance handle = VK_NULL_HANDLE;
    Interposer* interposer = nullptr;

private:
    Instance() = default;
};

// "VK_ERROR_DEVICE_LOST (-4)"
std::string result_text(VkResult result);

// Success, or an error that says what could not be done and why: Errc::memory for lack of memory, else Errc::device.
Result<void> check(VkResult result, const char* doing);

}  // namespace enlarge::vulkan
