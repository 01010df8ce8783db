// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "base/aligned.hpp"
#include "base/at.hpp"
#include "base/checked.hpp"
#include "base/cpu.hpp"
#include "base/half.hpp"
#include "base/log.hpp"
#include "base/result.hpp"

namespace enlarge {
namespace {

Result<int> half_of(int value) {
    if (value % 2) return Error{Errc::argument, std::to_string(value) + " is odd"};
    return value / 2;
}
Result<int> quarter_of(int value) {
    TRY(const int half, half_of(value));
    TRY(const int quarter, half_of(half));
    return quarter;
}
Result<void> check_quarter(int value) {
    TRY(quarter_of(value));
    return {};
}

TEST(result, carries_values_and_errors_through_TRY) {
    EXPECT_EQ(quarter_of(12).value(), 3);
    const auto odd = quarter_of(6);
    ASSERT_FALSE(odd);
    EXPECT_EQ(odd.error().code, Errc::argument);
    EXPECT_EQ(odd.error().message, "3 is odd");
    EXPECT_TRUE(check_quarter(8));
    EXPECT_FALSE(check_quarter(9));
    EXPECT_EQ(Error(odd.error()).within("file.pth").message, "file.pth: 3 is odd");
}

TEST(result, moves_what_cannot_be_copied) {
    Result<std::unique_ptr<int>> owned(std::make_unique<int>(5));
    const std::unique_ptr<int> taken = std::move(owned).value();
    EXPECT_EQ(*taken, 5);
}

TEST(checked, finds_every_overflow) {
    EXPECT_EQ(checked_mul<std::int64_t>(1 << 20, 1 << 20).value(), std::int64_t{1} << 40);
    EXPECT_FALSE(checked_mul<std::int64_t>(std::int64_t{1} << 40, std::int64_t{1} << 40));
    EXPECT_FALSE(checked_mul<int>(std::numeric_limits<int>::min(), -1));
    EXPECT_FALSE(checked_add<std::uint32_t>(0xffffffffU, 1));
    EXPECT_EQ(checked_product<std::int64_t>({2, 3, 7}).value(), 42);
    EXPECT_EQ(checked_product<std::int64_t>({}).value(), 1);
    EXPECT_EQ(checked_product<std::int64_t>({std::int64_t{1} << 30, std::int64_t{1} << 30, 8}).error().code, Errc::limit);
}

TEST(aligned, begins_at_a_cache_line_and_throws_when_too_large) {
    for (const std::size_t count : {1U, 3U, 64U, 1000U}) {
        const AlignedBuffer<float> buffer(count);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % kAlignment, 0U);
        EXPECT_EQ(buffer.size(), count);
    }
    const auto zeros = AlignedBuffer<int>::zeroed(100);
    EXPECT_TRUE(std::all_of(zeros.span().begin(), zeros.span().end(), [](int value) { return value == 0; }));
    EXPECT_THROW(AlignedBuffer<double>(std::numeric_limits<std::size_t>::max() / 4), std::bad_alloc);
    EXPECT_TRUE(AlignedBuffer<int>().empty());
}

TEST(half, is_exact_in_both_directions) {
    for (std::uint32_t bits = 0; bits < 65536; ++bits) {
        const auto half = static_cast<std::uint16_t>(bits);
        const float value = half_to_float(half);
        if (value != value) continue;  // NaN keeps no payload
        ASSERT_EQ(float_to_half(value), half);
    }
    EXPECT_EQ(float_to_half(65519.0F), 0x7bff);
    EXPECT_EQ(float_to_half(65520.0F), 0x7c00);
    EXPECT_EQ(float_to_half(1.0F + 0x1p-11F), 0x3c00);             // half way: to even
    EXPECT_EQ(float_to_half(1.0F + 0x1p-10F + 0x1p-11F), 0x3c02);  // half way: to even
}

// Sets an environment variable for the length of a test.
class Environment {
public:
    Environment(const char* name, const char* value) : name_(name) {
        const char* old = std::getenv(name);
        if (old) old_ = old;
        had_ = old != nullptr;
        setenv(name, value, 1);
    }
    ~Environment() {
        if (had_) setenv(name_, old_.c_str(), 1);
        else unsetenv(name_);
    }

private:
    const char* name_;
    std::string old_;
    bool had_;
};

TEST(cpu, takes_the_best_instruction_set_unless_told_otherwise) {
    const auto sets = supported_isas();
    ASSERT_FALSE(sets.empty());
    {
        const Environment none("ENLARGE_ISA", "");
        EXPECT_EQ(chosen_isa().value(), sets.back());
    }
    for (const Isa isa : sets) {
        const Environment forced("ENLARGE_ISA", std::string(isa_name(isa)).c_str());
        EXPECT_EQ(chosen_isa().value(), isa);
    }
    for (const char* wrong : {"avx3", "neon_sve", "AVX2"}) {
        const Environment forced("ENLARGE_ISA", wrong);
        const auto refused = chosen_isa();
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::argument);
        EXPECT_NE(refused.error().message.find(wrong), std::string::npos);
        EXPECT_NE(refused.error().message.find("scalar"), std::string::npos);  // what can run is said
    }
}

TEST(cpu, finds_cores_and_memory) {
    EXPECT_GE(usable_cores(), 1);
    EXPECT_GE(free_memory_bytes(), std::int64_t{64} << 20);
    EXPECT_FALSE(cpu_name().empty());
}

TEST(at, indexes_what_it_is_given_and_keeps_what_that_gives) {
    std::vector<int> numbers{1, 2, 3};
    const int second = 1;
    at(numbers, second) = 7;
    EXPECT_EQ(numbers, (std::vector<int>{1, 7, 3}));
    const std::vector<int>& fixed = numbers;
    static_assert(std::is_same_v<decltype(at(fixed, second)), const int&>);
    std::vector<bool> flags(3);
    at(flags, std::int64_t{2}) = true;
    EXPECT_TRUE(flags[2]);
}

TEST(log, goes_to_the_sink_and_nowhere_else) {
    std::string seen;
    set_log_sink([&](LogLevel level, const std::string& line) { seen += (level == LogLevel::warning ? "W:" : "-:") + line; });
    log(LogLevel::warning, "one");
    log(LogLevel::info, "two");
    set_log_sink({});
    log(LogLevel::warning, "three");
    EXPECT_EQ(seen, "W:one-:two");

    std::string code;
    set_log_sink([&](LogLevel, const Notice& said) { code = said.code + "=" + said.text; });
    log(LogLevel::notice, {"its-code", "a sentence"});
    set_log_sink({});
    EXPECT_EQ(code, "its-code=a sentence");
}

}  // namespace
}  // namespace enlarge
