// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <string>

#include "backend/backend.hpp"
#include "backend/choice.hpp"
#include "backend/cpu/cpu.hpp"
#include "backend/cuda/cuda.hpp"
#include "backend/reference/reference.hpp"
#include "backend/vulkan/vulkan.hpp"

namespace enlarge {

// An explicit list: static initialisers would be dropped by a static library.
const std::vector<const Backend*>& backends() {
    static const std::vector<const Backend*> all{&cuda_backend(), &vulkan_backend(), &cpu_backend(),
                                                  &reference_backend()};
    return all;
}

Result<const Backend*> choose_backend(std::string_view device) {
    std::string wanted(device);
    const char* forced = std::getenv("ENLARGE_BACKEND");
    const bool by_environment = wanted == "auto" && forced && *forced;
    if (by_environment) wanted = forced;
    // "cuda:1" names a backend and one of its devices.
    const std::string name = wanted.substr(0, wanted.find(':'));

    std::string reasons;
    for (const Backend* backend : backends()) {
        if (name != "auto" && name != backend->name()) continue;
        if (name == "auto" && backend == &vulkan_backend() && !vulkan_has_hardware()) continue;
        const std::vector<DeviceInfo> devices = backend->probe();
        for (const DeviceInfo& info : devices)
            if (info.usable) return backend;
        if (devices.empty()) reasons += std::string(backend->name()) + ": no device";
        for (const DeviceInfo& info : devices) reasons += (reasons.empty() ? "" : "; ") + info.id + ": " + info.detail;
        // The processor does, but where ENLARGE_ISA is wrong: that is said, and plain loops are not taken in its place.
        if (name == "auto" && backend == &cpu_backend()) break;
    }
    const std::string said = by_environment ? "ENLARGE_BACKEND=" + wanted : "device '" + wanted + "'";
    if (!reasons.empty()) return Error{Errc::device, said + " cannot be used: " + reasons};
    std::string known = "auto";
    for (const Backend* backend : backends()) known += ", " + std::string(backend->name());
    return Error{Errc::not_found, said + " is not known here; known: " + known};
}

Result<void> worth_choosing(const Backend& backend, const Graph& graph, const Program& program,
                            const CompileOptions& options) {
    return &backend == &vulkan_backend() ? vulkan_worth_choosing(graph, program.base(), options) : Result<void>();
}

}  // namespace enlarge
