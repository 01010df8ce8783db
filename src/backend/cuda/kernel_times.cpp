// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/kernel_times.hpp"

#include <algorithm>
#include <map>

namespace enlarge::cuda {

KernelTimes::~KernelTimes() {
    const Current current = device_.current();
    for (const CuEvent mark : marks_) driver_.event_destroy(mark);
}

Result<void> KernelTimes::mark() {
    CuEvent made = nullptr;
    TRY(driver_.check(driver_.event_create(&made, 0), "creating an event"));
    marks_.push_back(made);
    return driver_.check(driver_.event_record(made, stream_), "taking times");
}

Result<void> KernelTimes::after(const std::string& kernel) {
    kernels_.push_back(kernel);
    return mark();
}

Result<void> KernelTimes::add_to(std::vector<StageTime>& stages) const {
    TRY(driver_.check(driver_.stream_synchronize(stream_), "running the network on the GPU"));
    std::map<std::string, double> sums;
    for (std::size_t i = 0; i < kernels_.size(); ++i) {
        float milliseconds = 0;
        TRY(driver_.check(driver_.event_milliseconds(&milliseconds, marks_[i], marks_[i + 1]), "taking times"));
        sums[kernels_[i]] += milliseconds;
    }
    const auto first = static_cast<std::ptrdiff_t>(stages.size());
    for (const auto& [kernel, milliseconds] : sums) stages.push_back({kernel, milliseconds});
    std::sort(stages.begin() + first, stages.end(),
              [](const StageTime& a, const StageTime& b) { return a.milliseconds > b.milliseconds; });
    return {};
}

}  // namespace enlarge::cuda
