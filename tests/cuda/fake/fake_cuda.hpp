// SPDX-License-Identifier: Apache-2.0
// A libcuda.so.1 that has no GPU: kernels run on the emulator, streams are queues that are worked off as late and in as
// strange an order as the rules of CUDA allow. Tests steer it and read what happened.
#pragma once

#include <cstddef>
#include <cstdint>

struct FakeCuda {
    // Set by tests.
    int devices = 1;
    int version = 13000;
    int major = 8, minor = 0;
    const char* name = "Fake GPU";
    std::size_t memory = std::size_t{1} << 32;  // per device
    int multiprocessors = 4;
    int init_result = 0;
    int module_result = 0;       // what cuModuleLoadData returns
    int fails_device = -1;       // cuDevicePrimaryCtxRetain refuses this one
    bool graphs_fail = false;    // cuGraphInstantiate does
    bool lazy = true;            // work waits in its queue until somebody waits for it; kernels under the lazy schedule
    std::uint64_t seed = 1;
    // Counted.
    std::int64_t kernels = 0, graph_launches = 0, allocations = 0, failed_allocations = 0, host_allocations = 0;
    std::int64_t bytes_in_use = 0, most_bytes = 0;
    std::int64_t kernels_on_device[8] = {};
    std::int64_t events = 0, copies_2d = 0;
    int opened = 0;              // contexts
    unsigned context_flags = 0;
    std::int64_t interleavings = 0;  // times that work went on with another stream while one was unfinished
    char error[512] = {};            // the first thing that was done wrong
};

// Exported by the library; all calls of its one process share it.
extern "C" FakeCuda* fake_cuda();
