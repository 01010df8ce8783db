// SPDX-License-Identifier: Apache-2.0
// The Vulkan backend of a build without Vulkan.
#include "backend/vulkan/vulkan.hpp"

namespace enlarge {
namespace {

constexpr const char* kWhy = "this build has no Vulkan (it was made without glslc or Vulkan's headers)";

class NoVulkan final : public Backend {
public:
    [[nodiscard]] std::string_view name() const override { return "vulkan"; }
    [[nodiscard]] DeviceKind kind() const override { return DeviceKind::gpu; }
    std::vector<DeviceInfo> probe() const override {
        DeviceInfo info{.id = "vulkan", .name = "Vulkan device", .detail = kWhy, .kind = DeviceKind::gpu};
        info.fallback_to = "cpu";
        return {info};
    }
    Result<std::unique_ptr<Program>> compile(const Graph&, const CompileOptions&) const override {
        return Error{Errc::device, kWhy};
    }
};

}  // namespace

const Backend& vulkan_backend() {
    static const NoVulkan backend;
    return backend;
}
bool vulkan_has_hardware() { return false; }
Result<void> vulkan_worth_choosing(const Graph&, const Program&, const CompileOptions&) { return {}; }
std::string vulkan_report() { return {}; }

namespace vulkan {
std::unique_ptr<Backend> make_backend(const BackendOptions&) { return std::make_unique<NoVulkan>(); }
}  // namespace vulkan
}  // namespace enlarge
