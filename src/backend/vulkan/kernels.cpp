// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/kernels.hpp"

#include <string>

#include "backend/vulkan/kernel_data.hpp"

namespace enlarge::vulkan {

const Kernel* find_kernel(std::string_view name, Numbers numbers) {
    const auto found = [&](const char* ending) -> const Kernel* {
        const std::string wanted = std::string(name) + ending;
        for (const Kernel& kernel : kernel_data())
            if (kernel.name == wanted) return &kernel;
        return nullptr;
    };
    if (numbers == Numbers::fp32) return found("");
    const Kernel* special = nullptr;
    if (numbers == Numbers::fp16) special = found("_sums");
    if (numbers == Numbers::matrix) special = found("_matrix");
    return special ? special : found("_half");
}

int addresses_of(std::string_view name) {
#define ENLARGE_COUNT(kernel, count) \
    if (name == #kernel) return count;
    ENLARGE_VULKAN_KERNELS(ENLARGE_COUNT)
#undef ENLARGE_COUNT
    return 0;
}

}  // namespace enlarge::vulkan
