// SPDX-License-Identifier: Apache-2.0
// The numbers of a tensor, which a network that is made of them shares instead of copying.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

namespace enlarge {

// A vector whose copies are the same numbers until one of them is changed.
class Floats {
public:
    Floats() = default;
    Floats(std::vector<float> numbers)
        : numbers_(std::make_shared<std::vector<float>>(std::move(numbers))), made_here_(true) {}
    Floats(std::initializer_list<float> numbers) : Floats(std::vector<float>(numbers)) {}
    explicit Floats(std::shared_ptr<const std::vector<float>> numbers) : numbers_(std::move(numbers)) {}

    // For a graph's Values; these are not changed by edit().
    [[nodiscard]] std::shared_ptr<const std::vector<float>> shared() const {
        return numbers_ ? numbers_ : std::make_shared<const std::vector<float>>();
    }
    operator const std::vector<float>&() const { return read(); }

    [[nodiscard]] bool empty() const { return read().empty(); }
    [[nodiscard]] std::size_t size() const { return read().size(); }
    [[nodiscard]] const float* data() const { return read().data(); }
    [[nodiscard]] const float* begin() const { return data(); }
    [[nodiscard]] const float* end() const { return data() + size(); }
    [[nodiscard]] float front() const { return read().front(); }
    [[nodiscard]] float back() const { return read().back(); }
    float operator[](std::size_t i) const { return read()[i]; }
    friend bool operator==(const Floats& a, const Floats& b) {
        return a.numbers_ == b.numbers_ || a.read() == b.read();
    }

    // To change them: a copy, where anyone else may look at them.
    std::vector<float>& edit() {
        if (!made_here_ || numbers_.use_count() != 1) *this = Floats(read());
        return const_cast<std::vector<float>&>(*numbers_);  // made_here_: it is a vector that is not const
    }

private:
    [[nodiscard]] const std::vector<float>& read() const {
        static const std::vector<float> none;
        return numbers_ ? *numbers_ : none;
    }

    std::shared_ptr<const std::vector<float>> numbers_;
    bool made_here_ = false;
};

}  // namespace enlarge
