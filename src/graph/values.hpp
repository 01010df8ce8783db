// SPDX-License-Identifier: Apache-2.0
// Numbers that belong to a network: weights, biases, slopes.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace enlarge {

// Shared by everything that is made from the same file, never changed, compared by what they are. Empty by default.
class Values {
public:
    Values() = default;
    explicit Values(std::vector<float> numbers)
        : numbers_(std::make_shared<const std::vector<float>>(std::move(numbers))) {}
    explicit Values(std::shared_ptr<const std::vector<float>> numbers) : numbers_(std::move(numbers)) {}

    [[nodiscard]] const std::shared_ptr<const std::vector<float>>& shared() const { return numbers_; }
    explicit operator bool() const { return numbers_ != nullptr; }
    const std::vector<float>& operator*() const { return *numbers_; }
    const std::vector<float>* operator->() const { return numbers_.get(); }
    // Also 0 when there are none.
    [[nodiscard]] std::int64_t count() const { return numbers_ ? static_cast<std::int64_t>(numbers_->size()) : 0; }

    friend bool operator==(const Values& a, const Values& b) {
        return a.numbers_ == b.numbers_ || (a.numbers_ && b.numbers_ && *a.numbers_ == *b.numbers_);
    }

private:
    std::shared_ptr<const std::vector<float>> numbers_;
};

inline Values make_values(std::vector<float> numbers) { return Values(std::move(numbers)); }

}  // namespace enlarge
