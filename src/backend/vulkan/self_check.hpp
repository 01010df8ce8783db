// SPDX-License-Identifier: Apache-2.0
// Whether a device computes a network as the processor does, found out on a built-in picture before the first use and
// kept in the cache folder: drivers differ, and some are wrong.
#pragma once

#include <optional>
#include <string>

#include "backend/backend.hpp"
#include "backend/vulkan/facts.hpp"
#include "backend/vulkan/kernels.hpp"

namespace enlarge::vulkan {

struct Verdict {
    double difference = 0;        // the largest, relative to the largest value of the result where that is beyond 1
    double psnr = 0;              // of the picture within 0..1, in dB
    double largest = 0;           // difference there
    bool finite = true;           // no NaN where the processor has none
    double device_ms = 0, cpu_ms = 0;  // for the same picture; 0: not measured
    // Within what fp32 may differ by, or fp16 (see Precision).
    [[nodiscard]] bool good(Precision precision) const;
};

// The name of a verdict: the network, how it is computed, the device, its driver and our version.
std::string verdict_name(const Graph& graph, const Facts& facts, Numbers numbers);

// Nothing where there is none, or it is damaged.
std::optional<Verdict> load_verdict(const std::string& folder, const std::string& name);
void store_verdict(const std::string& folder, const std::string& name, const Verdict& verdict);

// Enlarges the picture on both. `timed`: also measures how long each takes, the processor with what `automatic` means
// there.
Result<Verdict> judge(const Graph& graph, const Program& program, ThreadPool* pool, bool timed);

}  // namespace enlarge::vulkan
