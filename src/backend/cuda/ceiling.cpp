// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/ceiling.hpp"

#include <algorithm>

#include "backend/cuda/program.hpp"
#include "backend/cuda/session.hpp"

namespace enlarge::cuda {
namespace {

// Work grows until it takes this long.
constexpr double kLeastMs = 10;
constexpr std::size_t kFirstCopy = std::size_t{1} << 20, kLastCopy = std::size_t{1} << 29;  // the last is beyond any L2 cache

// A stream and two events that end with it.
class Stopwatch {
public:
    explicit Stopwatch(const Device& device) : device_(device), driver_(*device.driver) {}
    ~Stopwatch() {
        const Current current = device_.current();
        for (const CuEvent event : {first_, last_})
            if (event) driver_.event_destroy(event);
        if (stream_) driver_.stream_destroy(stream_);
    }
    Result<void> begin() {
        TRY(driver_.check(driver_.stream_create(&stream_, kCuStreamNonBlocking), "creating a stream"));
        TRY(driver_.check(driver_.event_create(&first_, 0), "creating an event"));
        return driver_.check(driver_.event_create(&last_, 0), "creating an event");
    }
    // Milliseconds of one launch, the best of a few.
    Result<double> time(const Launch& l) {
        double best = 0;
        for (int run = 0; run < 5; ++run) {
            TRY(driver_.check(driver_.event_record(first_, stream_), "taking times"));
            TRY(start(driver_, l, stream_));
            TRY(driver_.check(driver_.event_record(last_, stream_), "taking times"));
            TRY(driver_.check(driver_.event_synchronize(last_), "taking times"));
            float milliseconds = 0;
            TRY(driver_.check(driver_.event_milliseconds(&milliseconds, first_, last_), "taking times"));
            if (run == 0 || milliseconds < best) best = milliseconds;
        }
        return std::max(best, 1e-6);
    }

private:
    const Device& device_;
    const Driver& driver_;
    CuStream stream_ = nullptr;
    CuEvent first_ = nullptr, last_ = nullptr;
};

}  // namespace

Result<Ceiling> measure_ceiling(const Device& device, Precision precision) {
    const Current current = device.current();
    Stopwatch watch(device);
    TRY(watch.begin());
    const std::shared_ptr<Device> shared = const_cast<Device&>(device).shared_from_this();
    const bool bytes = precision == Precision::int8;
    Ceiling ceiling;
    struct Kind {
        const char* kernel;
        int warps, threads, shared;
        double flops;
    };
    // Sums in half precision count where they are faster.
    const Kind kinds[] = {{bytes ? "ceiling_s8" : "ceiling_f32acc", 8, 256, 0, bytes ? 2 * kMmaFlops : kMmaFlops},
                          {bytes ? "" : "ceiling_f16acc", 8, 256, 0, kMmaFlops},
                          {bytes ? "ceiling_s8_hopper" : "ceiling_f16_hopper", 1, 128, 4096, bytes ? 2 * kWgmmaFlops : kWgmmaFlops}};
    TRY(const DeviceMemory out, DeviceMemory::allocate(shared, static_cast<std::size_t>(device.multiprocessors) * 2 * 256 * 4));
    for (const Kind& kind : kinds) {
        if (!device.kernel(kind.kernel).ok()) continue;
        const int blocks = device.multiprocessors * 2;
        double ms = 0;
        for (int rounds = 1; ms < kLeastMs && rounds <= 1 << 16; rounds *= 4) {
            TRY(const Launch launch, launch_of(device, kind.kernel, Shape{blocks, kind.threads, kind.shared}, CeilingWork{out.address(), 0, 0, rounds}));
            TRY(ms, watch.time(launch));
            ceiling.gflops = std::max(ceiling.gflops, kind.flops * kCeilingProducts * kind.warps * blocks * rounds / ms * 1e-6);
        }
    }
    const std::int64_t most = device.most_bytes;
    double ms = 0;
    for (std::size_t size = kFirstCopy; ms < kLeastMs / 5 && size <= kLastCopy; size *= 8) {
        TRY(const DeviceMemory from, DeviceMemory::allocate(shared, size));
        TRY(const DeviceMemory to, DeviceMemory::allocate(shared, size));
        TRY(const Launch copy, launch_of(device, "ceiling_copy", Shape{device.multiprocessors * 8, 256, 0},
                                         CeilingWork{to.address(), from.address(), static_cast<std::int64_t>(size / 16), 0}));
        TRY(ms, watch.time(copy));
        ceiling.copy_gigabytes = 2 * static_cast<double>(size) / ms * 1e-6;  // the largest counts: caches make small ones fast
    }
    shared->most_bytes = most;  // none of it is a network's
    return ceiling;
}

}  // namespace enlarge::cuda
