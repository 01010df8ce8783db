// SPDX-License-Identifier: Apache-2.0
#include "enlarge/report.hpp"

#include "backend/vulkan/vulkan.hpp"
#include "base/version.hpp"
#include "enlarge/device.hpp"

namespace enlarge {

std::string devices_report() {
    std::string text = "enlarge " + std::string(version()) + "\n";
    for (const DeviceInfo& info : devices())
        text += info.id + ": " + info.name + (info.usable ? "" : " (not used)") + ": " + info.detail + "\n";
    return text + vulkan_report();
}

}  // namespace enlarge
