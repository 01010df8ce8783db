// SPDX-License-Identifier: Apache-2.0
// Memory for pixels and weights: 64-byte aligned, zeroed on request, moved but never copied by accident.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace enlarge {

inline constexpr std::size_t kAlignment = 64;  // one cache line, one AVX-512 register

// An owned array of trivially copyable T. Throws std::bad_alloc.
template <class T>
class AlignedBuffer {
public:
    AlignedBuffer() = default;
    // Uninitialised memory for `count` elements.
    explicit AlignedBuffer(std::size_t count) : count_(count) {
        if (count == 0) return;
        if (count > (static_cast<std::size_t>(-1) - kAlignment) / sizeof(T)) throw std::bad_alloc();
        const std::size_t bytes = (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
        data_.reset(static_cast<T*>(std::aligned_alloc(kAlignment, bytes)));
        if (!data_) throw std::bad_alloc();
    }
    // `count` elements, all bits zero.
    static AlignedBuffer zeroed(std::size_t count) {
        AlignedBuffer buffer(count);
        if (count) std::memset(buffer.data(), 0, count * sizeof(T));
        return buffer;
    }
    AlignedBuffer(AlignedBuffer&& other) noexcept
        : data_(std::move(other.data_)), count_(std::exchange(other.count_, 0)) {}
    AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
        data_ = std::move(other.data_);
        count_ = std::exchange(other.count_, 0);
        return *this;
    }

    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    [[nodiscard]] std::size_t size() const { return count_; }
    [[nodiscard]] bool empty() const { return count_ == 0; }
    T& operator[](std::size_t i) { return data_.get()[i]; }
    const T& operator[](std::size_t i) const { return data_.get()[i]; }
    std::span<T> span() { return {data(), count_}; }
    std::span<const T> span() const { return {data(), count_}; }

private:
    struct Free {
        void operator()(T* p) const { std::free(p); }
    };
    std::unique_ptr<T, Free> data_;
    std::size_t count_ = 0;
};

}  // namespace enlarge
