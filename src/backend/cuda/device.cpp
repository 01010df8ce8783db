// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/device.hpp"

#include "backend/cuda/image.hpp"
#include "backend/cuda/kernel_list.hpp"

namespace enlarge::cuda {
namespace {

constexpr int kMostSharedBytes = 227 * 1024;

}  // namespace

Result<std::shared_ptr<Device>> Device::open(std::shared_ptr<Driver> driver, int ordinal,
                                             const std::vector<const void*>& images) {
    if (ordinal < 0 || ordinal >= driver->devices)
        return Error{Errc::not_found, "there is no cuda:" + std::to_string(ordinal) + "; GPUs here: " + std::to_string(driver->devices)};
    std::shared_ptr<Device> device(new Device);
    Device& d = *device;
    d.driver = driver;
    d.ordinal = ordinal;
    TRY(driver->check(driver->device_get(&d.device_, ordinal), "opening a GPU"));
    char name[256] = {};
    TRY(driver->check(driver->device_name(name, sizeof name - 1, d.device_), "asking a GPU's name"));
    d.name = name;
    int major = 0, minor = 0;
    TRY(driver->check(driver->device_attribute(&major, kCuAttributeMajor, d.device_), "asking a GPU's architecture"));
    TRY(driver->check(driver->device_attribute(&minor, kCuAttributeMinor, d.device_), "asking a GPU's architecture"));
    TRY(driver->check(driver->device_attribute(&d.multiprocessors, kCuAttributeMultiprocessors, d.device_), "asking a GPU's size"));
    d.architecture = major * 10 + minor;
    // Waiting threads sleep: encoders need the cores. Refused when somebody has the context already, as they wanted it.
    driver->context_flags(d.device_, kCuContextBlockingSync);
    TRY(driver->check(driver->context_retain(&d.context, d.device_), "opening a GPU"));
    d.retained_ = true;
    const Current current = d.current();
    CuResult refused = 0;
    for (const void* image : images) {
        CuModule module = nullptr;
        const CuResult loaded = driver->module_load(&module, image);
        if (loaded == 0)
            d.modules_.push_back(module);
        else if (refused == 0)
            refused = loaded;
    }
    if (d.modules_.empty()) {
        Error error = driver->check(refused, "loading our kernels").error();
        if (driver->version / 1000 < kernel_toolkit_version() / 1000)
            error.message += "; the driver supports CUDA " + version_text(driver->version) + ", the kernels were built with CUDA " +
                             version_text(kernel_toolkit_version()) + " and need that or newer";
        return error;
    }
    // A kernel that does not exist for this architecture is simply not in the table.
    const auto find = [&](const char* kernel) {
        CuFunction function = nullptr;
        for (const CuModule module : d.modules_)
            if (driver->module_function(&function, module, kernel) == 0) break;
        if (!function) return;
        // Ask for as much shared memory as any launch may want; smaller GPUs refuse, and have less.
        for (const int bytes : {kMostSharedBytes, 163 * 1024, 99 * 1024, 64 * 1024})
            if (driver->function_attribute(function, kCuFunctionMaxDynamicShared, bytes) == 0) break;
        // Left to itself the driver may make room for one block per multiprocessor only. The convolutions go past the
        // L1 cache anyway (cp.async.cg, TMA). A hint: GPUs that have no say in it ignore it.
        if (std::string_view(kernel).substr(0, 4) == "conv" && std::string_view(kernel).find("plain") == std::string_view::npos)
            driver->function_attribute(function, kCuFunctionCarveout, 100);
        d.kernels_[kernel] = function;
    };
#define ENLARGE_FIND(kernel, parameters, threads) find(#kernel);
    ENLARGE_CUDA_KERNELS(ENLARGE_FIND)
#undef ENLARGE_FIND
    return device;
}

Device::~Device() {
    if (!retained_) return;
    {
        const Current now = current();
        for (const CuModule module : modules_) driver->module_unload(module);
    }
    driver->context_release(device_);
}

Result<CuFunction> Device::kernel(const std::string& wanted) const {
    const auto it = kernels_.find(wanted);
    if (it == kernels_.end())
        return Error{Errc::unsupported, "kernel " + wanted + " does not exist for sm_" + std::to_string(architecture)};
    return it->second;
}

Result<void> Device::upload(CuAddress to, const void* from, std::size_t bytes) const {
    TRY(driver->check(driver->copy_to_device(to, from, bytes), "copying constants to the GPU"));
    return driver->check(driver->stream_synchronize(nullptr), "copying constants to the GPU");
}

Result<DeviceMemory> DeviceMemory::allocate(std::shared_ptr<Device> device, std::size_t bytes) {
    DeviceMemory memory;
    const Current current = device->current();
    TRY(device->driver->check(device->driver->allocate(&memory.address_, bytes), "allocating GPU memory"));
    const std::int64_t now = device->bytes += static_cast<std::int64_t>(bytes);
    for (std::int64_t most = device->most_bytes; most < now && !device->most_bytes.compare_exchange_weak(most, now);) {
    }
    memory.device_ = std::move(device);
    memory.bytes_ = bytes;
    return memory;
}

DeviceMemory::~DeviceMemory() {
    if (!device_) return;
    const Current current = device_->current();
    device_->driver->release(address_);
    device_->bytes -= static_cast<std::int64_t>(bytes_);
}

PinnedMemory::~PinnedMemory() {
    if (!data_) return;
    const Current current = device_->current();
    device_->driver->host_release(data_);
}

Result<void> PinnedMemory::reserve(std::size_t bytes) {
    if (bytes <= bytes_) return {};
    const Current current = device_->current();
    if (data_) device_->driver->host_release(data_);
    data_ = nullptr;
    bytes_ = 0;
    TRY(device_->driver->check(device_->driver->host_allocate(&data_, bytes, 0), "allocating pinned memory"));
    bytes_ = bytes;
    return {};
}

}  // namespace enlarge::cuda
