// SPDX-License-Identifier: Apache-2.0
// Time per stage, for benchmarks; costs a branch when off.
#pragma once

#include <chrono>
#include <cstdint>

namespace enlarge::cpu {

class Stopwatch {
public:
    explicit Stopwatch(bool on) : on_(on) {
        if (on_) start_ = Clock::now();
    }
    // Adds the nanoseconds since the last call, or since construction.
    void add(std::int64_t& total) const {
        if (!on_) return;
        const Clock::time_point now = Clock::now();
        total += std::chrono::duration_cast<std::chrono::nanoseconds>(now - start_).count();
        start_ = now;
    }

private:
    using Clock = std::chrono::steady_clock;
    bool on_;
    mutable Clock::time_point start_;
};

}  // namespace enlarge::cpu
