// SPDX-License-Identifier: Apache-2.0
// A session: one arena, one staging block, the commands, and a plan for the size it has met last.
#pragma once

#include <memory>
#include <vector>

#include "backend/vulkan/commands.hpp"
#include "backend/vulkan/program.hpp"

namespace enlarge::vulkan {

// Fills a buffer on the device through host memory, in pieces.
Result<void> upload(const std::shared_ptr<Device>& device, const Buffer& to, const void* from, std::uint64_t bytes);

Result<std::unique_ptr<Session>> make_session(std::shared_ptr<const Shared> shared);

}  // namespace enlarge::vulkan
