// SPDX-License-Identifier: Apache-2.0
// What every kernel test needs: the tables to test, guarded memory at odd alignments, and bounds on sums.
#pragma once

#include <algorithm>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/cpu.hpp"
#include "base/half.hpp"
#include "kernels/table.hpp"
#include "support/networks.hpp"

namespace enlarge::test {

// Runs a test for every instruction set that this processor has: `isa` is the table under test, `ref` the plain one.
#define KERNEL_CHECK(name)                                                    \
    void check_##name(const KernelTable& ref, const KernelTable& isa);        \
    TEST(kernels, name) {                                                     \
        for (const Isa set : supported_isas()) {                              \
            SCOPED_TRACE(std::string(isa_name(set)));                         \
            check_##name(kernels(Isa::scalar), kernels(set));                 \
        }                                                                     \
    }                                                                         \
    void check_##name([[maybe_unused]] const KernelTable& ref, const KernelTable& isa)

// n elements at `offset` elements from an aligned address, with guard zones that check() compares.
template <class T>
class Guarded {
public:
    explicit Guarded(std::size_t n, std::size_t offset = 0) : n_(n), start_(kGuard + offset), bytes_((n + 2 * kGuard + offset) * sizeof(T)) {
        for (std::size_t i = 0; i < bytes_.size(); ++i) bytes_[i] = pattern(i);
    }
    Guarded(std::vector<T> values, std::size_t offset = 0) : Guarded(values.size(), offset) {
        std::copy(values.begin(), values.end(), data());
    }
    T* data() { return reinterpret_cast<T*>(bytes_.data()) + start_; }
    T& operator[](std::size_t i) { return data()[i]; }
    [[nodiscard]] std::size_t size() const { return n_; }
    std::vector<T> values() { return {data(), data() + n_}; }
    void check(const char* what) {
        for (std::size_t i = 0; i < bytes_.size(); ++i)
            if (i < start_ * sizeof(T) || i >= (start_ + n_) * sizeof(T)) {
                ASSERT_EQ(bytes_[i], pattern(i)) << what << ": written outside, at byte " << i;
            }
    }

private:
    static constexpr std::size_t kGuard = 64;
    static unsigned char pattern(std::size_t i) { return static_cast<unsigned char>(0xA5 ^ (i * 31)); }
    std::size_t n_, start_;
    std::vector<unsigned char> bytes_;
};

inline std::vector<std::size_t> sizes() {
    std::vector<std::size_t> n;
    for (std::size_t i = 0; i <= 67; ++i) n.push_back(i);
    n.insert(n.end(), {255, 256, 1000, 1023});
    return n;
}

template <class T>
void expect_same_bits(const std::vector<T>& want, const std::vector<T>& got, const std::string& what) {
    ASSERT_EQ(want.size(), got.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
        if constexpr (std::is_floating_point_v<T>)
            if (std::isnan(want[i]) && std::isnan(got[i])) continue;
        ASSERT_EQ(std::memcmp(&want[i], &got[i], sizeof(T)), 0) << what << " at " << i << ": " << +want[i] << ", got " << +got[i];
    }
}

inline void expect_close(const std::vector<float>& want, const std::vector<float>& got, float relative, float absolute,
                         const std::string& what) {
    ASSERT_EQ(want.size(), got.size());
    for (std::size_t i = 0; i < want.size(); ++i)
        ASSERT_LE(std::fabs(want[i] - got[i]), absolute + relative * std::fabs(want[i])) << what << " at " << i << ": " << want[i] << ", got " << got[i];
}

inline const float kNan = std::numeric_limits<float>::quiet_NaN();
inline const float kInf = std::numeric_limits<float>::infinity();

// Uniform numbers with special ones strewn in.
inline std::vector<float> floats(Random& random, std::size_t n, float low, float high, const std::vector<float>& special = {}) {
    std::vector<float> values = random.floats(n, low, high);
    if (!special.empty())
        for (std::size_t i = 0; i < n; ++i)
            if (random.integer(0, 5) == 0) values[i] = special[static_cast<std::size_t>(random.integer(0, static_cast<int>(special.size()) - 1))];
    return values;
}

}  // namespace enlarge::test
