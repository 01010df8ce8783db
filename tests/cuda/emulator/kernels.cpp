// SPDX-License-Identifier: Apache-2.0
#define ENLARGE_EMULATED
#include "kernels.hpp"

#include "backend/cuda/kernel_list.hpp"
#include "backend/cuda/kernels/all.cuh"

namespace enlarge::cuda::emu {

std::span<const Kernel> kernels() {
    static constexpr Kernel all[] = {
#define ENLARGE_LISTED(name, Parameters, threads)                                                         \
    {#name, sizeof(Parameters), threads, [](const void* p) { name(*static_cast<const Parameters*>(p)); }},
        ENLARGE_CUDA_KERNELS(ENLARGE_LISTED)
#undef ENLARGE_LISTED
    };
    return all;
}

Report run_kernel(std::string_view name, const void* parameters, const Launch& launch) {
    for (const Kernel& kernel : kernels()) {
        if (kernel.name != name) continue;
        if (launch.threads > kernel.threads) return {.error = "more threads than the kernel allows"};
        return run(launch, [&] { kernel.run(parameters); });
    }
    return {.error = "no kernel " + std::string(name)};
}

}  // namespace enlarge::cuda::emu
