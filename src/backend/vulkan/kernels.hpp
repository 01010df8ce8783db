// SPDX-License-Identifier: Apache-2.0
// The kernels of this build, as SPIR-V, and how many addresses stand first in the parameters of each.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string_view>

namespace enlarge::vulkan {

// X(name, addresses): shaders/name.comp with the struct of backend/tensors/params.hpp.
#define ENLARGE_VULKAN_KERNELS(X)  \
    X(tensor_map, 4)               \
    X(tensor_pair, 3)              \
    X(tensor_move, 2)              \
    X(tensor_conv, 7)              \
    X(tensor_conv3, 7)             \
    X(tensor_winograd, 7)          \
    X(tensor_dynamic_conv, 3)      \
    X(tensor_product, 4)           \
    X(tensor_lines, 4)             \
    X(tensor_sort, 2)              \
    X(tensor_gather, 3)            \
    X(tensor_groups, 4)            \
    X(tensor_pool, 2)              \
    X(tensor_resize, 2)            \
    X(tensor_sample, 3)            \
    X(tensor_edge, 2)              \
    X(tensor_attend, 6)            \
    X(tensor_channel_scores, 3)    \
    X(tensor_channel_mix, 3)       \
    X(picture_in, 3)               \
    X(picture_out, 3)

// How tensors hold numbers and how they are summed.
enum class Numbers : int {
    fp32,
    stored_fp16,  // in half precision, all sums in single
    fp16,         // 3x3 convolutions sum few products in half precision, and those sums in single
    matrix,       // Winograd's products are those of matrices in half precision, all sums in single
};

struct Kernel {
    std::string_view name;
    std::span<const std::uint32_t> code;
};

// How a kernel is compiled: the numbers of threads and what else it leaves open (constant_id in the shaders).
struct Form {
    std::uint32_t threads = 0, outs = 0, chunk = 0;
    std::int32_t activation = -1;  // a MapKind
    Numbers numbers = Numbers::fp32;
    auto operator<=>(const Form&) const = default;
};

// Null for a name that no kernel has, or not with such numbers. Kernels that sum nothing in half precision, or too
// little to gain by it, are the same for all kinds of fp16.
const Kernel* find_kernel(std::string_view name, Numbers numbers = Numbers::fp32);
// 0 for a name that no kernel has.
int addresses_of(std::string_view name);

}  // namespace enlarge::vulkan
