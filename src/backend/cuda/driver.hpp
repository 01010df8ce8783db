// SPDX-License-Identifier: Apache-2.0
// The NVIDIA driver, loaded when first wanted: a build of ours needs neither CUDA nor a GPU to start. Only what we call
// is declared, with the names and numbers of cuda.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace enlarge::cuda {

using CuResult = int;  // 0 is success
using CuDevice = int;
using CuContext = struct CuContextTag*;
using CuModule = struct CuModuleTag*;
using CuFunction = struct CuFunctionTag*;
using CuStream = struct CuStreamTag*;
using CuEvent = struct CuEventTag*;
using CuGraph = struct CuGraphTag*;
using CuGraphExec = struct CuGraphExecTag*;
using CuAddress = std::uint64_t;

inline constexpr CuResult kCuOutOfMemory = 2;
inline constexpr CuResult kCuNoDevice = 100;

inline constexpr int kCuAttributeMultiprocessors = 16;
inline constexpr int kCuAttributeMajor = 75;
inline constexpr int kCuAttributeMinor = 76;
inline constexpr int kCuFunctionMaxDynamicShared = 8;
inline constexpr int kCuFunctionCarveout = 9;
inline constexpr unsigned kCuContextBlockingSync = 4;
inline constexpr unsigned kCuStreamNonBlocking = 1;
inline constexpr unsigned kCuEventDisableTiming = 2;
inline constexpr int kCuCaptureThreadLocal = 1;

// cuTensorMapEncodeTiled
inline constexpr int kCuTensorUint64 = 4;

// X(name, exported symbol, parameters)
#define ENLARGE_CUDA_DRIVER(X)                                                                                        \
    X(init, "cuInit", (unsigned flags))                                                                               \
    X(driver_version, "cuDriverGetVersion", (int* version))                                                           \
    X(device_count, "cuDeviceGetCount", (int* count))                                                                 \
    X(device_get, "cuDeviceGet", (CuDevice* device, int ordinal))                                                     \
    X(device_name, "cuDeviceGetName", (char* name, int length, CuDevice device))                                      \
    X(device_memory, "cuDeviceTotalMem_v2", (std::size_t* bytes, CuDevice device))                                    \
    X(device_attribute, "cuDeviceGetAttribute", (int* value, int attribute, CuDevice device))                         \
    X(context_retain, "cuDevicePrimaryCtxRetain", (CuContext* context, CuDevice device))                              \
    X(context_release, "cuDevicePrimaryCtxRelease_v2", (CuDevice device))                                             \
    X(context_flags, "cuDevicePrimaryCtxSetFlags_v2", (CuDevice device, unsigned flags))                              \
    X(context_push, "cuCtxPushCurrent_v2", (CuContext context))                                                       \
    X(context_pop, "cuCtxPopCurrent_v2", (CuContext* context))                                                        \
    X(module_load, "cuModuleLoadData", (CuModule* module, const void* image))                                         \
    X(module_unload, "cuModuleUnload", (CuModule module))                                                             \
    X(module_function, "cuModuleGetFunction", (CuFunction* function, CuModule module, const char* name))              \
    X(function_attribute, "cuFuncSetAttribute", (CuFunction function, int attribute, int value))                      \
    X(launch, "cuLaunchKernel",                                                                                       \
      (CuFunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,             \
       unsigned shared_bytes, CuStream stream, void** parameters, void** extra))                                      \
    X(memory_info, "cuMemGetInfo_v2", (std::size_t* free_bytes, std::size_t* total_bytes))                            \
    X(allocate, "cuMemAlloc_v2", (CuAddress* address, std::size_t bytes))                                             \
    X(release, "cuMemFree_v2", (CuAddress address))                                                                   \
    X(host_allocate, "cuMemHostAlloc", (void** address, std::size_t bytes, unsigned flags))                           \
    X(host_release, "cuMemFreeHost", (void* address))                                                                 \
    X(copy_to_device, "cuMemcpyHtoD_v2", (CuAddress to, const void* from, std::size_t bytes))                         \
    X(copy_to_device_async, "cuMemcpyHtoDAsync_v2",                                                                   \
      (CuAddress to, const void* from, std::size_t bytes, CuStream stream))                                           \
    X(copy_to_host_async, "cuMemcpyDtoHAsync_v2", (void* to, CuAddress from, std::size_t bytes, CuStream stream))     \
    X(fill_async, "cuMemsetD8Async", (CuAddress to, unsigned char value, std::size_t bytes, CuStream stream))         \
    X(stream_create, "cuStreamCreate", (CuStream* stream, unsigned flags))                                            \
    X(stream_destroy, "cuStreamDestroy_v2", (CuStream stream))                                                        \
    X(stream_synchronize, "cuStreamSynchronize", (CuStream stream))                                                   \
    X(stream_wait_event, "cuStreamWaitEvent", (CuStream stream, CuEvent event, unsigned flags))                       \
    X(event_create, "cuEventCreate", (CuEvent* event, unsigned flags))                                                \
    X(event_destroy, "cuEventDestroy_v2", (CuEvent event))                                                            \
    X(event_record, "cuEventRecord", (CuEvent event, CuStream stream))                                                \
    X(event_synchronize, "cuEventSynchronize", (CuEvent event))                                                       \
    X(event_milliseconds, "cuEventElapsedTime", (float* milliseconds, CuEvent first, CuEvent last))                   \
    X(capture_begin, "cuStreamBeginCapture_v2", (CuStream stream, int mode))                                          \
    X(capture_end, "cuStreamEndCapture", (CuStream stream, CuGraph* graph))                                           \
    X(graph_instantiate, "cuGraphInstantiateWithFlags", (CuGraphExec* exec, CuGraph graph, unsigned long long flags)) \
    X(graph_launch, "cuGraphLaunch", (CuGraphExec exec, CuStream stream))                                             \
    X(graph_exec_destroy, "cuGraphExecDestroy", (CuGraphExec exec))                                                   \
    X(graph_destroy, "cuGraphDestroy", (CuGraph graph))                                                               \
    X(error_string, "cuGetErrorString", (CuResult error, const char** text))

class Driver {
public:
    // Loads the driver and starts it. Fails with Errc::device: no driver, a driver that is too old, no GPU; the message
    // says which.
    static Result<std::shared_ptr<Driver>> load(const std::string& library = "libcuda.so.1");
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;

#define ENLARGE_DECLARE(name, symbol, parameters) CuResult(*name) parameters = nullptr;
    ENLARGE_CUDA_DRIVER(ENLARGE_DECLARE)
#undef ENLARGE_DECLARE
    // CUDA 12 and Hopper only; may be null.
    CuResult (*tensor_map_tiled)(void* map, int type, unsigned rank, void* address, const std::uint64_t* dims,
                                 const std::uint64_t* strides, const std::uint32_t* box, const std::uint32_t* element_strides,
                                 int interleave, int swizzle, int l2_promotion, int oob_fill) = nullptr;

    int version = 0;  // 12040 is CUDA 12.4
    int devices = 0;

    // Success, or an error that says what could not be done and why: Errc::memory for lack of memory, else Errc::device.
    Result<void> check(CuResult result, const char* doing) const;

private:
    Driver() = default;
};

// "12.4"
std::string version_text(int version);

}  // namespace enlarge::cuda
