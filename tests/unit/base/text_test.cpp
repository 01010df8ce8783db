// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <gtest/gtest.h>

#include <clocale>
#include <limits>
#include <locale>

namespace enlarge {
namespace {

struct Comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
};

TEST(text, writes_numbers_with_a_point) {
    EXPECT_EQ(fixed(12.5, 2), "12.50");
    EXPECT_EQ(fixed(-0.00018, 5), "-0.00018");
    EXPECT_EQ(fixed(18.04, 6), "18.040000");
    EXPECT_EQ(fixed(1e300, 0).size(), 301U);
    EXPECT_EQ(shortest(0.25), "0.25");
    EXPECT_EQ(shortest(100), "100");
    EXPECT_EQ(shortest(1.0 / 3), "0.333333");
    EXPECT_EQ(shortest(std::numeric_limits<double>::infinity()), "inf");
}

TEST(text, does_not_depend_on_the_locale) {
    const std::locale before = std::locale::global(std::locale(std::locale(), new Comma));
    std::setlocale(LC_NUMERIC, "de_DE.UTF-8");  // where it is installed
    EXPECT_EQ(fixed(0.5, 1), "0.5");
    EXPECT_EQ(shortest(1234567.5, 9), "1234567.5");
    std::locale::global(before);
    std::setlocale(LC_NUMERIC, "C");
}

}  // namespace
}  // namespace enlarge
