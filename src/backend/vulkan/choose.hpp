// SPDX-License-Identifier: Apache-2.0
// Which kernel runs a call on a device, by what the call is and what the device has: never by the picture's size, so
// that the bits of a result do not depend on tiles.
#pragma once

#include <cstdint>

#include "backend/tensors/lower.hpp"
#include "backend/vulkan/facts.hpp"
#include "backend/vulkan/kernels.hpp"
#include "backend/vulkan/winograd.hpp"

namespace enlarge::vulkan {

struct Choice {
    const char* kernel = nullptr;
    std::uint64_t items = 0;
    double work = 1;      // of an item, in steps of innermost loops
    bool groups = false;  // a work group computes an item, else a thread
    Form form{};
};
// Where the call's weights are among the transformed ones, its parameters are made to name those.
Choice choose_kernel(tensors::Call& call, const Facts& facts, const Winograd& winograd, tensors::Address weights,
                     Numbers numbers);

}  // namespace enlarge::vulkan
