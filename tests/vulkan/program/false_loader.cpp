// SPDX-License-Identifier: Apache-2.0
// A Vulkan loader for tests of the whole program: the real one (ENLARGE_TEST_VULKAN_LOADER), whose devices fail when
// asked to. ENLARGE_TEST_LOSE_AT=N: from the N-th submit on (from 1) the device is lost. ENLARGE_TEST_LAZY: every third
// dispatch does nothing. ENLARGE_TEST_SUBMITS=FILE: how many submits there were. ENLARGE_TEST_CARD: devices say
// that they are cards.
#define VK_NO_PROTOTYPES
#include <dlfcn.h>
#include <vulkan/vulkan_core.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

PFN_vkGetInstanceProcAddr real_instance_address;
PFN_vkGetDeviceProcAddr real_device_address;
PFN_vkGetPhysicalDeviceProperties real_properties;
PFN_vkQueueSubmit real_submit;
PFN_vkCmdDispatch real_dispatch;
std::atomic<long> submits{0}, dispatches{0};

struct Count {
    ~Count() {
        const char* const file = std::getenv("ENLARGE_TEST_SUBMITS");
        std::FILE* const out = file ? std::fopen(file, "w") : nullptr;
        if (!out) return;
        std::fprintf(out, "%ld\n", submits.load());
        std::fclose(out);
    }
} count;

VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue queue, std::uint32_t n, const VkSubmitInfo* infos, VkFence fence) {
    const char* const at = std::getenv("ENLARGE_TEST_LOSE_AT");
    const long now = ++submits;
    if (at && now >= std::atol(at)) return VK_ERROR_DEVICE_LOST;
    return real_submit(queue, n, infos, fence);
}

VKAPI_ATTR void VKAPI_CALL dispatch(VkCommandBuffer buffer, std::uint32_t x, std::uint32_t y, std::uint32_t z) {
    if (!std::getenv("ENLARGE_TEST_LAZY") || ++dispatches % 3 != 0) real_dispatch(buffer, x, y, z);
}

VKAPI_ATTR void VKAPI_CALL properties(VkPhysicalDevice device, VkPhysicalDeviceProperties* all) {
    real_properties(device, all);
    if (std::getenv("ENLARGE_TEST_CARD")) all->deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL device_address(VkDevice device, const char* name) {
    const PFN_vkVoidFunction real = real_device_address(device, name);
    if (!std::strcmp(name, "vkQueueSubmit")) {
        real_submit = reinterpret_cast<PFN_vkQueueSubmit>(real);
        return reinterpret_cast<PFN_vkVoidFunction>(submit);
    }
    if (std::strcmp(name, "vkCmdDispatch") != 0) return real;
    real_dispatch = reinterpret_cast<PFN_vkCmdDispatch>(real);
    return reinterpret_cast<PFN_vkVoidFunction>(dispatch);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
vkGetInstanceProcAddr(VkInstance instance, const char* name) {
    if (!real_instance_address) {
        const char* const path = std::getenv("ENLARGE_TEST_VULKAN_LOADER");
        void* const loader = dlopen(path ? path : "", RTLD_NOW | RTLD_LOCAL);
        if (!loader) return nullptr;
        real_instance_address =
            reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(loader, "vkGetInstanceProcAddr"));
    }
    const PFN_vkVoidFunction real = real_instance_address(instance, name);
    if (!std::strcmp(name, "vkGetPhysicalDeviceProperties")) {
        real_properties = reinterpret_cast<PFN_vkGetPhysicalDeviceProperties>(real);
        return reinterpret_cast<PFN_vkVoidFunction>(properties);
    }
    if (std::strcmp(name, "vkGetDeviceProcAddr") != 0) return real;
    real_device_address = reinterpret_cast<PFN_vkGetDeviceProcAddr>(real);
    return reinterpret_cast<PFN_vkVoidFunction>(device_address);
}
