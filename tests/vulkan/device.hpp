// SPDX-License-Identifier: Apache-2.0
// A Vulkan backend for tests, which trusts the device: what it computes is what is tested.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "backend/vulkan/vulkan.hpp"

namespace enlarge::test {

inline std::unique_ptr<Backend> vulkan_without_self_check() {
    vulkan::BackendOptions options;
    options.self_check = false;
    return vulkan::make_backend(options);
}

// Why no test of Vulkan can run here; empty: they can.
inline std::string no_vulkan() {
    std::string why;
    for (const DeviceInfo& info : vulkan_backend().probe()) {
        if (info.usable) return {};
        why = info.detail;
    }
    return "no usable Vulkan device: " + why;
}

#define ENLARGE_NEEDS_VULKAN() \
    if (const std::string why = test::no_vulkan(); !why.empty()) GTEST_SKIP() << why

}  // namespace enlarge::test
