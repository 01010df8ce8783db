// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/tensors/attention_bias.hpp"

#include <gtest/gtest.h>

namespace enlarge::cpu::tensors {
namespace {

constexpr int kStrip = 4, kHeads = 2;
constexpr Places kKeys{4, 10};

// What a strip reads of a bias for query i and key j.
float read(const AttentionBias& bias, int head, int i, int j) {
    const auto at = head * bias.head_floats + bias.key[static_cast<std::size_t>(j)] +
                    bias.strip[static_cast<std::size_t>(i / kStrip)] + i % kStrip;
    return bias.values.at(static_cast<std::size_t>(at));
}

// (heads, queries, keys), of which each is its own number, or that of its offset.
std::vector<float> pairs(Places queries, bool offsets) {
    std::vector<float> all;
    for (int head = 0; head < kHeads; ++head)
        for (int i = 0; i < queries.count(); ++i)
            for (int j = 0; j < kKeys.count(); ++j) {
                const int rows = i / queries.width - j / kKeys.width, columns = i % queries.width - j % kKeys.width;
                all.push_back(offsets ? static_cast<float>(1000 * head + 50 * rows + columns)
                                      : static_cast<float>(all.size()));
            }
    return all;
}

AttentionBias checked(Places queries, const std::vector<float>& numbers) {
    AttentionBias made = attention_bias(Values(numbers), kHeads, queries, kKeys, kStrip);
    std::size_t k = 0;
    for (int head = 0; head < kHeads; ++head)
        for (int i = 0; i < queries.count(); ++i)
            for (int j = 0; j < kKeys.count(); ++j, ++k) EXPECT_EQ(read(made, head, i, j), numbers[k]);
    return made;
}

TEST(attention_bias, keeps_a_number_for_each_offset_where_strips_are_parts_of_rows) {
    EXPECT_EQ(checked({3, 8}, pairs({3, 8}, true)).values.size(), std::size_t{kHeads * 6 * 17});
}

TEST(attention_bias, keeps_all_pairs_where_one_of_an_offset_differs) {
    std::vector<float> numbers = pairs({3, 8}, true);
    numbers[500] += 1;
    EXPECT_EQ(checked({3, 8}, numbers).values.size(), numbers.size());
}

TEST(attention_bias, keeps_all_pairs_of_a_window_narrower_than_a_strip_and_fills_the_last_one) {
    const AttentionBias made = checked({3, 6}, pairs({3, 6}, true));
    EXPECT_EQ(made.values.size(), std::size_t{kHeads * 5 * kStrip * kKeys.count()});
    EXPECT_EQ(read(made, 1, 19, 3), 0.0F);  // a query that is not there
}

TEST(attention_bias, spreads_a_table_by_offset) {
    std::vector<float> table(std::size_t{kHeads * 3 * 15});
    for (std::size_t k = 0; k < table.size(); ++k) table[k] = static_cast<float>(k);
    const Places window{2, 8};
    const AttentionBias made = attention_bias(Values(table), kHeads, window, window, kStrip);
    EXPECT_EQ(made.values.size(), table.size());
    EXPECT_EQ(read(made, 1, 9, 2), table[(3 + 1 + 1) * 15 + 1 - 2 + 7]);
}

TEST(attention_bias, is_zeros_where_there_is_none) {
    const AttentionBias made = attention_bias({}, 1, {2, 2}, {2, 2}, kStrip);
    EXPECT_EQ(made.values, std::vector<float>(16, 0.0F));
}

}  // namespace
}  // namespace enlarge::cpu::tensors
