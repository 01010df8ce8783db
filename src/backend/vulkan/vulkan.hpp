// SPDX-License-Identifier: Apache-2.0
// Devices with a Vulkan driver: AMD, Intel, NVIDIA before Turing, and software. Nothing of Vulkan is needed to start;
// the loader is opened when a device is first asked for.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.hpp"

namespace enlarge {

// "vulkan". probe() says why there is none where there is none.
const Backend& vulkan_backend();

// Whether there is a usable device that is not software. The loader, which reads all drivers, is opened only where /dev
// shows that there could be one.
bool vulkan_has_hardware();

// As worth_choosing() (backend/choice.hpp). Measured with the first network that asks, kept in the cache folder.
Result<void> vulkan_worth_choosing(const Graph& graph, const Program& program, const CompileOptions& options);

// All that the drivers say about each device, as lines for a bug report.
std::string vulkan_report();

namespace vulkan {

struct Interposer;

struct BackendOptions {
    std::string library = "libvulkan.so.1";  // the loader
    Interposer* interposer = nullptr;        // outlives the backend and all that it made
    bool self_check = true;                  // a picture is compared with the processor's before a network is used
};

// A backend of its own, for tests. Without Vulkan in this build: one that has no device.
std::unique_ptr<Backend> make_backend(const BackendOptions& options);

}  // namespace vulkan
}  // namespace enlarge
