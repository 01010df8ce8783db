// SPDX-License-Identifier: Apache-2.0
// What the reference backend computes with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include "base/thread_pool.hpp"

namespace enlarge::reference {

// Packed, the innermost side last. Pictures are channels x rows x columns.
struct Tensor {
    std::vector<std::int64_t> sides;
    std::vector<float> values;

    Tensor() = default;
    explicit Tensor(std::vector<std::int64_t> of)
        : sides(std::move(of)), values(static_cast<std::size_t>(product(0, sides.size()))) {}
    Tensor(std::vector<std::int64_t> of, std::vector<float> numbers)
        : sides(std::move(of)), values(std::move(numbers)) {}

    [[nodiscard]] std::int64_t product(std::size_t first, std::size_t last) const {
        std::int64_t result = 1;
        for (std::size_t i = first; i < last; ++i) result *= sides[i];
        return result;
    }
    [[nodiscard]] std::int64_t side(int axis) const { return sides[index(axis)]; }
    [[nodiscard]] std::size_t index(int axis) const {
        return static_cast<std::size_t>(axis < 0 ? axis + static_cast<int>(sides.size()) : axis);
    }
    [[nodiscard]] float at(std::int64_t i) const { return values[static_cast<std::size_t>(i)]; }
    float& at(std::int64_t i) { return values[static_cast<std::size_t>(i)]; }

    // Of pictures.
    [[nodiscard]] int channels() const { return static_cast<int>(sides[0]); }
    [[nodiscard]] int height() const { return static_cast<int>(sides[1]); }
    [[nodiscard]] int width() const { return static_cast<int>(sides[2]); }
    [[nodiscard]] std::int64_t plane() const { return sides[1] * sides[2]; }
    [[nodiscard]] const float* row(std::int64_t channel, std::int64_t y) const {
        return values.data() + (channel * sides[1] + y) * sides[2];
    }
    float* row(std::int64_t channel, std::int64_t y) { return values.data() + (channel * sides[1] + y) * sides[2]; }
    [[nodiscard]] float at(std::int64_t channel, std::int64_t y, std::int64_t x) const { return row(channel, y)[x]; }
};

// Calls body(i) for 0 <= i < count, on the threads of the pool if there is one. Each result is computed by one call, in
// one order, so the number of threads changes nothing.
inline void for_each(std::int64_t count, ThreadPool* pool, const std::function<void(std::int64_t)>& body) {
    if (pool) {
        pool->for_each(count, count > 64 ? 8 : 1, body);
    } else {
        for (std::int64_t i = 0; i < count; ++i) body(i);
    }
}

}  // namespace enlarge::reference
