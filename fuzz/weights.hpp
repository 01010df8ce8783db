// SPDX-License-Identifier: Apache-2.0
// What must hold whatever a weight file contains.
#pragma once

#include <cstdint>

#include "fuzz/outcome.hpp"
#include "weights/formats.hpp"
#include "weights/state_dict.hpp"

namespace enlarge::fuzz {

// Small, so that a wrong check shows as memory or time rather than hiding behind gigabytes.
inline Limits tight_limits() {
    Limits limits;
    limits.file_bytes = 1 << 22;
    limits.header_bytes = 1 << 20;
    limits.tensors = 4096;
    limits.tensor_elements = 1 << 20;
    limits.total_elements = 1 << 22;
    return limits;
}

inline void check(const Tensor& tensor) {
    std::int64_t count = 1;
    for (const std::int64_t side : tensor.shape) {
        require(side >= 0, "no negative sides");
        require(!__builtin_mul_overflow(count, side, &count), "a shape does not overflow");
    }
    require(static_cast<std::int64_t>(tensor.values.size()) == count, "as many values as the shape says");
}

// Either a sound result, or one sentence.
inline void check(const Result<StateDict>& result) {
    if (!result) {
        require(!result.error().message.empty(), "an error says something");
        require(result.error().code != Errc::internal, "a file is never an internal error");
        require(result.error().message.size() < 1000, "an error is short");
        for (const unsigned char c : result.error().message) require(c >= 0x20 && c < 0x7f, "an error is plain text");
        return;
    }
    require(!result->tensors.empty() || !result->layers.empty(), "a file that is read holds something");
    std::int64_t elements = 0;
    for (const auto& [name, tensor] : result->tensors) {
        check(tensor);
        elements += static_cast<std::int64_t>(tensor.values.size());
    }
    for (const Layer& layer : result->layers) {
        require(layer.slots.size() == layer.tensors.size(), "a slot for each tensor");
        for (const Tensor& tensor : layer.tensors) {
            check(tensor);
            elements += static_cast<std::int64_t>(tensor.values.size());
        }
    }
    require(elements <= 1 << 22, "the limit on all elements");
    accepted = true;
}

inline Bytes bytes(const std::uint8_t* data, std::size_t size) { return {reinterpret_cast<const std::byte*>(data), size}; }

}  // namespace enlarge::fuzz
