// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/functions.hpp"

#include <dlfcn.h>

namespace enlarge::vulkan {

std::string result_text(VkResult result) {
    const auto named = [&](const char* name) { return std::string(name) + " (" + std::to_string(result) + ")"; };
    switch (result) {
        case VK_ERROR_OUT_OF_HOST_MEMORY: return named("out of host memory");
        case VK_ERROR_OUT_OF_DEVICE_MEMORY: return named("out of device memory");
        case VK_ERROR_INITIALIZATION_FAILED: return named("initialization failed");
        case VK_ERROR_DEVICE_LOST: return named("device lost");
        case VK_ERROR_MEMORY_MAP_FAILED: return named("memory map failed");
        case VK_ERROR_LAYER_NOT_PRESENT: return named("layer not present");
        case VK_ERROR_EXTENSION_NOT_PRESENT: return named("extension not present");
        case VK_ERROR_FEATURE_NOT_PRESENT: return named("feature not present");
        case VK_ERROR_INCOMPATIBLE_DRIVER: return named("incompatible driver");
        case VK_ERROR_TOO_MANY_OBJECTS: return named("too many objects");
        case VK_ERROR_OUT_OF_POOL_MEMORY: return named("out of pool memory");
        case VK_ERROR_FRAGMENTED_POOL: return named("fragmented pool");
        case VK_TIMEOUT: return named("no answer in time");
        default: return named("error");
    }
}

Result<void> check(VkResult result, const char* doing) {
    if (result == VK_SUCCESS || result == VK_INCOMPLETE) return {};
    const bool memory = result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY ||
                        result == VK_ERROR_OUT_OF_POOL_MEMORY || result == VK_ERROR_FRAGMENTED_POOL ||
                        result == VK_ERROR_TOO_MANY_OBJECTS;
    return Error{memory ? Errc::memory : Errc::device, std::string("Vulkan: ") + doing + ": " + result_text(result)};
}

Result<std::shared_ptr<Instance>> Instance::open(const std::string& library, Interposer* interposer) {
    void* const loader = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);  // for good: drivers do not unload well
    if (!loader) return Error{Errc::device, "no Vulkan loader found (" + library + ")"};
    const auto address = reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(loader, "vkGetInstanceProcAddr"));
    if (!address) return Error{Errc::device, library + " is no Vulkan loader"};
    const auto create = reinterpret_cast<PFN_vkCreateInstance>(address(nullptr, "vkCreateInstance"));
    const auto tell =
        reinterpret_cast<PFN_vkEnumerateInstanceVersion>(address(nullptr, "vkEnumerateInstanceVersion"));
    std::uint32_t version = VK_API_VERSION_1_0;
    if (!create || !tell || tell(&version) != VK_SUCCESS || version < VK_API_VERSION_1_1)
        return Error{Errc::device, "the Vulkan loader is of version 1.0; 1.1 or newer is needed"};

    std::shared_ptr<Instance> instance(new Instance);
    VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
    application.pApplicationName = application.pEngineName = "enlarge";
    application.apiVersion = version >= VK_API_VERSION_1_2 ? VK_API_VERSION_1_2 : VK_API_VERSION_1_1;
    VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
    info.pApplicationInfo = &application;
    const VkResult made = create(&info, nullptr, &instance->handle);
    if (made == VK_ERROR_INCOMPATIBLE_DRIVER) return Error{Errc::device, "no Vulkan driver is installed"};
    TRY(check(made, "starting the driver"));
#define ENLARGE_FIND(name)                                                                                  \
    instance->functions.name = reinterpret_cast<PFN_##name>(address(instance->handle, #name));              \
    if (!instance->functions.name) return Error{Errc::device, "the Vulkan loader lacks the function " #name};
    ENLARGE_VULKAN_INSTANCE_FUNCTIONS(ENLARGE_FIND)
#undef ENLARGE_FIND
    instance->functions.list_matrices = reinterpret_cast<ListMatrices>(
        address(instance->handle, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
    instance->interposer = interposer;
    if (interposer) interposer->instance(instance->functions);
    return instance;
}

Instance::~Instance() {
    if (handle && functions.vkDestroyInstance) functions.vkDestroyInstance(handle, nullptr);
}

}  // namespace enlarge::vulkan
