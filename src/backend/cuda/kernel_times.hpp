// SPDX-License-Identifier: Apache-2.0
// How long each kernel takes, by the GPU's clock: marks between launches, summed by the kernels' names.
#pragma once

#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/cuda/device.hpp"

namespace enlarge::cuda {

class KernelTimes {
public:
    KernelTimes(const Device& device, CuStream stream) : device_(device), driver_(*device.driver), stream_(stream) {}
    KernelTimes(const KernelTimes&) = delete;
    KernelTimes& operator=(const KernelTimes&) = delete;
    ~KernelTimes();
    // Before the first launch, and after each.
    Result<void> start() { return mark(); }
    Result<void> after(const std::string& kernel);
    // Waits for the stream. The kernels that take longest come first.
    Result<void> add_to(std::vector<StageTime>& stages) const;

private:
    Result<void> mark();

    const Device& device_;
    const Driver& driver_;
    CuStream stream_;
    std::vector<CuEvent> marks_;
    std::vector<std::string> kernels_;  // between two marks
};

}  // namespace enlarge::cuda
