// SPDX-License-Identifier: Apache-2.0
// One GPU: its context, our kernels on it, and memory that frees itself.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/driver.hpp"

namespace enlarge::cuda {

// Makes a device's context current on this thread for as long as it lives.
class Current {
public:
    Current(const Driver& driver, CuContext context) : driver_(driver) { driver_.context_push(context); }
    ~Current() {
        CuContext ignored = nullptr;
        driver_.context_pop(&ignored);
    }
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;

private:
    const Driver& driver_;
};

// A GPU with our kernels loaded. Shared by programs and sessions; any thread may use it.
class Device : public std::enable_shared_from_this<Device> {
public:
    // `images` are what nvcc made: fat binaries with code for several architectures. One without code for this GPU is
    // left out; fails with Errc::device when the driver refuses all, saying what is too old.
    static Result<std::shared_ptr<Device>> open(std::shared_ptr<Driver> driver, int ordinal, const std::vector<const void*>& images);
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    // A kernel by name, or an error.
    [[nodiscard]] Result<CuFunction> kernel(const std::string& name) const;
    [[nodiscard]] Current current() const { return {*driver, context}; }
    // Copies constants and waits until they are there. A copy from pageable memory returns as soon as the driver has read
    // it, and our streams do not wait for the default stream that it runs on. The context must be current.
    [[nodiscard]] Result<void> upload(CuAddress to, const void* from, std::size_t bytes) const;

    std::shared_ptr<Driver> driver;
    int ordinal = 0;
    CuContext context = nullptr;
    std::string name;
    int multiprocessors = 1;
    int architecture = 0;  // 89 is sm_89
    std::atomic<std::int64_t> bytes{0}, most_bytes{0};  // of DeviceMemory

private:
    Device() = default;
    CuDevice device_ = 0;
    bool retained_ = false;
    std::vector<CuModule> modules_;
    std::map<std::string, CuFunction, std::less<>> kernels_;
};

// Memory on a GPU. Empty when default-constructed.
class DeviceMemory {
public:
    DeviceMemory() = default;
    static Result<DeviceMemory> allocate(std::shared_ptr<Device> device, std::size_t bytes);
    DeviceMemory(DeviceMemory&& other) noexcept { *this = std::move(other); }
    DeviceMemory& operator=(DeviceMemory&& other) noexcept {
        std::swap(device_, other.device_);
        std::swap(address_, other.address_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~DeviceMemory();
    [[nodiscard]] CuAddress address() const { return address_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    std::shared_ptr<Device> device_;
    CuAddress address_ = 0;
    std::size_t bytes_ = 0;
};

// Memory of the host that a GPU can copy from and to in the background. Grows, never shrinks.
class PinnedMemory {
public:
    explicit PinnedMemory(std::shared_ptr<Device> device) : device_(std::move(device)) {}
    ~PinnedMemory();
    PinnedMemory(const PinnedMemory&) = delete;
    PinnedMemory& operator=(const PinnedMemory&) = delete;
    // At least `bytes`; what was there before is lost when it grows.
    Result<void> reserve(std::size_t bytes);
    [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(data_); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    std::shared_ptr<Device> device_;
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace enlarge::cuda
