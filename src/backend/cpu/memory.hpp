// SPDX-License-Identifier: Apache-2.0
// Large blocks of memory in huge pages where the system gives them: transforms walk hundreds of rows at once, and with
// 4 KiB pages they wait for the TLB.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace enlarge::cpu {

enum class Pages { huge, small };

// Owned bytes, aligned to a huge page when larger than one (with Pages::huge). Uninitialised. Throws std::bad_alloc.
class Block {
public:
    Block() = default;
    explicit Block(std::size_t bytes, Pages pages = Pages::huge) : bytes_(bytes) {
        if (bytes == 0) return;
        const bool huge = pages == Pages::huge && bytes >= kHugePage;
        const std::size_t alignment = huge ? kHugePage : 64;
        const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
        data_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
        if (!data_) throw std::bad_alloc();
        if (huge) madvise(data_.get(), rounded, MADV_HUGEPAGE);
    }
    Block(Block&& other) noexcept : data_(std::move(other.data_)), bytes_(std::exchange(other.bytes_, 0)) {}
    Block& operator=(Block&& other) noexcept {
        data_ = std::move(other.data_);
        bytes_ = std::exchange(other.bytes_, 0);
        return *this;
    }

    template <class T>
    [[nodiscard]] T* as() const {
        return reinterpret_cast<T*>(data_.get());
    }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    static constexpr std::size_t kHugePage = std::size_t{2} << 20;
    struct Free {
        void operator()(std::byte* p) const { std::free(p); }
    };
    std::unique_ptr<std::byte, Free> data_;
    std::size_t bytes_ = 0;
};

}  // namespace enlarge::cpu
