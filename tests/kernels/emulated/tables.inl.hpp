// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/cpu.hpp"

namespace enlarge {

// Defined here, so that the linker does not take the library's.
const KernelTable& kernels(Isa isa) {
    static const auto make = [](bool emulated) {
        KernelTable table;
        fill_scalar(table);
        if (emulated) {
            fill_avx2(table);
            fill_emulated(table);
        }
        return table;
    };
    if (isa == Isa::scalar) {
        static const KernelTable table = make(false);
        return table;
    }
    static const KernelTable table = make(true);
    return table;
}

// Without AVX2 nothing can be emulated, and the other tests of this program check the plain loops alone.
TEST(emulated, is_what_the_tests_run_on) {
    if (supported_isas().size() < 2) GTEST_SKIP() << "this processor lacks AVX2, which the emulation is made of";
    EXPECT_EQ(kernels(Isa::avx2).lanes, 16);
    EXPECT_EQ(kernels(supported_isas().back()).name, kernels(Isa::avx2).name);
}

}  // namespace enlarge
