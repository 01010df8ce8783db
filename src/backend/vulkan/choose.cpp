// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/choose.hpp"

#include <cstring>
#include <string_view>

#include "backend/tensors/params.hpp"

namespace enlarge::vulkan {
namespace {

// As in shaders/tensor_conv3.comp.
constexpr int kWide = 32, kHigh = 8, kChunk = 8;

std::uint32_t shared_bytes(std::uint32_t threads) {
    return 4 * (kChunk * (kHigh + 2) * (kWide + 2) + kChunk * 9 * (threads / 8));
}

bool is_conv3(const tensors::ConvTensor& p) {
    return p.kernel_h == 3 && p.kernel_w == 3 && p.stride_h == 1 && p.stride_w == 1 && p.dilation_h == 1 &&
           p.dilation_w == 1 && p.groups == 1 && p.top == 1 && p.left == 1 && !p.transposed &&
           p.out_height == p.height && p.out_width == p.width && p.channels >= kChunk && p.out_channels >= kChunk;
}

Choice by_winograd(const tensors::ConvTensor& p, const Facts& facts) {
    const WinogradShape shape = winograd_shape(facts.limits);
    const std::int64_t tiles = std::int64_t{(p.width + 15) / 16} * ((p.height + 15) / 16);
    const auto outs = static_cast<int>(shape.outs);
    const std::int64_t items = tiles * ((p.out_channels + outs - 1) / outs);
    return {"tensor_winograd", static_cast<std::uint64_t>(items), 36.0 * 16 * outs * p.channels, true};
}

}  // namespace

Choice choose_kernel(tensors::Call& call, const Facts& facts, const Winograd& winograd, tensors::Address weights) {
    Choice plain{call.kernel, static_cast<std::uint64_t>(call.items), static_cast<double>(call.work),
                 std::string_view(call.kernel) == "tensor_groups"};
    if (std::string_view(call.kernel) != "tensor_conv") return plain;
    tensors::ConvTensor p;
    std::memcpy(&p, call.parameters.data(), sizeof p);
    if (const auto it = winograd.weights.find(p.weights - weights); is_conv3(p) && it != winograd.weights.end()) {
        p.weights = weights + it->second;
        std::memcpy(call.parameters.data(), &p, sizeof p);
        return by_winograd(p, facts);
    }
    const std::uint32_t threads = facts.threads();
    if (!is_conv3(p) || facts.limits.maxComputeSharedMemorySize < shared_bytes(threads)) return plain;
    const int channels = static_cast<int>(threads / 8);
    const std::int64_t tiles = std::int64_t{(p.width + kWide - 1) / kWide} * ((p.height + kHigh - 1) / kHigh);
    const std::int64_t items = tiles * ((p.out_channels + channels - 1) / channels);
    return {"tensor_conv3", static_cast<std::uint64_t>(items), 9.0 * kWide * kHigh * channels * p.channels, true};
}

}  // namespace enlarge::vulkan
