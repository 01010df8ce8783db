// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/driver.hpp"

#include <dlfcn.h>

#include <fstream>

namespace enlarge::cuda {
namespace {

constexpr int kOldestVersion = 12000;

// The release of the driver, "580.65.06", as the kernel module tells it; empty when it does not.
std::string driver_release() {
    std::ifstream file("/proc/driver/nvidia/version");
    std::string word;
    while (file >> word)
        if (word.find_first_not_of("0123456789.") == std::string::npos && word.find('.') != std::string::npos) return word;
    return {};
}

}  // namespace

std::string version_text(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

Result<std::shared_ptr<Driver>> Driver::load(const std::string& library) {
    std::shared_ptr<Driver> driver(new Driver);
    void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);  // for good: drivers do not unload well
    if (!handle) return Error{Errc::device, "no NVIDIA driver found (" + library + ")"};
    const auto find = [&](auto& function, const char* symbol) {
        function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(handle, symbol));
        return function != nullptr;
    };
    const std::string release = driver_release();
    const std::string name = release.empty() ? "the NVIDIA driver" : "NVIDIA driver " + release;
    if (!find(driver->driver_version, "cuDriverGetVersion") || driver->driver_version(&driver->version) != 0)
        return Error{Errc::device, name + " does not tell its version"};
    if (driver->version < kOldestVersion)
        return Error{Errc::device, name + " supports CUDA " + version_text(driver->version) + "; " +
                                       version_text(kOldestVersion) + " or newer is needed"};
#define ENLARGE_FIND(function, symbol, parameters) \
    if (!find(driver->function, symbol)) return Error{Errc::device, name + " lacks the function " + symbol};
    ENLARGE_CUDA_DRIVER(ENLARGE_FIND)
#undef ENLARGE_FIND
    find(driver->tensor_map_tiled, "cuTensorMapEncodeTiled");
    const CuResult started = driver->init(0);
    if (started == kCuNoDevice) return Error{Errc::device, name + " sees no GPU"};
    TRY(driver->check(started, "starting the NVIDIA driver"));
    TRY(driver->check(driver->device_count(&driver->devices), "counting GPUs"));
    if (driver->devices == 0) return Error{Errc::device, name + " sees no GPU"};
    return driver;
}


Result<void> Driver::check(CuResult result, const char* doing) const {
    if (result == 0) return {};
    const char* text = nullptr;
    std::string why = "error " + std::to_string(result);
    if (error_string && error_string(result, &text) == 0 && text) why += std::string(" (") + text + ")";
    return Error{result == kCuOutOfMemory ? Errc::memory : Errc::device, std::string(doing) + ": " + why};
}

}  // namespace enlarge::cuda
