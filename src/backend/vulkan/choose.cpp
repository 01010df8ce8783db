// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/choose.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "backend/tensors/params.hpp"

namespace enlarge::vulkan {
namespace {

// As in shaders/tensor_conv3.comp.
constexpr int kWide = 32, kHigh = 8, kMostChunk = 8;

std::uint32_t shared_bytes(const Form& form) {
    const std::uint32_t each = form.numbers == Numbers::fp16 ? 2 : 4;
    return each * form.chunk * ((kHigh + 2) * (kWide + 2) + 9 * (form.threads / 8));
}

bool is_conv3(const tensors::FusedConv& p) {
    return p.kernel_h == 3 && p.kernel_w == 3 && p.stride_h == 1 && p.stride_w == 1 && p.dilation_h == 1 &&
           p.dilation_w == 1 && p.groups == 1 && p.top == 1 && p.left == 1 && !p.transposed &&
           p.out_height == p.height && p.out_width == p.width;
}

// Eight channels for each 64 threads: no more than the layer has, no more channels at a time than it reads.
Form conv3_form(const tensors::FusedConv& p, const Facts& facts, Form form) {
    form.threads = facts.threads();
    while (form.threads > 64 && static_cast<int>(form.threads / 16) >= p.out_channels) form.threads /= 2;
    form.chunk = static_cast<std::uint32_t>(std::min(p.channels, kMostChunk));
    return form;
}

// Tiles of 16x16 pixels of shape.outs features each; a feature of a tile takes `products` for each channel.
Choice by_tiles(const char* kernel, const WinogradShape& shape, double products, const tensors::FusedConv& p,
                Form form) {
    form.threads = shape.threads;
    form.outs = shape.outs;
    form.chunk = shape.chunk;
    const std::int64_t tiles = std::int64_t{(p.width + 15) / 16} * ((p.height + 15) / 16);
    const auto outs = static_cast<int>(shape.outs);
    const std::int64_t items = tiles * ((p.out_channels + outs - 1) / outs);
    return {kernel, static_cast<std::uint64_t>(items), products * outs * p.channels, true, form};
}

Choice by_winograd(const tensors::FusedConv& p, const Facts& facts, const Form& form) {
    return by_tiles("tensor_winograd", winograd_shape(facts, form.numbers, p.out_channels), 36.0 * 16, p, form);
}

Choice by_direct_matrices(const tensors::FusedConv& p, const Facts& facts, const Form& form) {
    return by_tiles("tensor_conv3", direct_shape(facts, p.out_channels), 9.0 * 16 * 16, p, form);
}

Choice by_conv3(const tensors::FusedConv& p, const Form& form) {
    const int outs = static_cast<int>(form.threads / 8);
    const std::int64_t tiles = std::int64_t{(p.width + kWide - 1) / kWide} * ((p.height + kHigh - 1) / kHigh);
    const std::int64_t items = tiles * ((p.out_channels + outs - 1) / outs);
    return {"tensor_conv3", static_cast<std::uint64_t>(items), 9.0 * kWide * kHigh * outs * p.channels, true, form};
}

}  // namespace

Choice choose_kernel(tensors::Call& call, const Facts& facts, const Winograd& winograd, tensors::Address weights,
                     Numbers numbers) {
    const std::string_view name = call.kernel;
    Choice plain{call.kernel, static_cast<std::uint64_t>(call.items), static_cast<double>(call.work),
                 name == "tensor_groups", Form{.threads = facts.threads(), .numbers = numbers}};
    if (name != "tensor_conv") return plain;
    tensors::FusedConv p;
    std::memcpy(&p, call.parameters.data(), sizeof p);
    plain.form.activation = p.kind;
    if (!is_conv3(p)) return plain;
    if (const auto it = winograd.weights.find(p.weights - weights); it != winograd.weights.end()) {
        p.weights = weights + it->second;
        std::memcpy(call.parameters.data(), &p, sizeof p);
        return by_winograd(p, facts, plain.form);
    }
    if (const auto it = winograd.direct.find(p.weights - weights); it != winograd.direct.end()) {
        p.weights = weights + it->second;
        std::memcpy(call.parameters.data(), &p, sizeof p);
        return by_direct_matrices(p, facts, plain.form);
    }
    Form form = conv3_form(p, facts, plain.form);
    if (numbers == Numbers::matrix) form.numbers = Numbers::stored_fp16;  // matrices are too large for this layer
    return shared_bytes(form) > facts.limits.maxComputeSharedMemorySize ? plain : by_conv3(p, form);
}

}  // namespace enlarge::vulkan
