// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/tensors/attention_bias.hpp"

#include <algorithm>

namespace enlarge::cpu::tensors {
namespace {

// The graph's numbers.
class Given {
public:
    Given(const Values& bias, int heads, Places queries, Places keys)
        : bias_(bias), queries_(queries), keys_(keys),
          full_(bias && bias.count() == std::int64_t{heads} * queries.count() * keys.count()) {}

    // Of query i and key j.
    [[nodiscard]] float operator()(int head, int i, int j) const {
        if (!bias_) return 0;
        if (full_) return at((std::int64_t{head} * queries_.count() + i) * keys_.count() + j);
        const int h = queries_.height, w = queries_.width;
        const int row = i / w - j / w + h - 1, column = i % w - j % w + w - 1;
        return at((std::int64_t{head} * (2 * h - 1) + row) * (2 * w - 1) + column);
    }

private:
    [[nodiscard]] float at(std::int64_t i) const { return (*bias_)[static_cast<std::size_t>(i)]; }

    const Values& bias_;
    Places queries_, keys_;
    bool full_;
};

// Where a pair is in a bias.
std::size_t place(const AttentionBias& bias, int head, int i, int j, int strip) {
    return static_cast<std::size_t>(head * bias.head_floats + bias.key[static_cast<std::size_t>(j)] +
                                    bias.strip[static_cast<std::size_t>(i / strip)] + i % strip);
}

template <class Body>
void for_pairs(int heads, Places queries, Places keys, const Body& body) {
    for (int head = 0; head < heads; ++head)
        for (int i = 0; i < queries.count(); ++i)
            for (int j = 0; j < keys.count(); ++j) body(head, i, j);
}

// One number for each offset of rows and columns: where strips are parts of rows, a first-level cache holds a head's.
AttentionBias by_offset(int heads, Places queries, Places keys, int strip) {
    const std::ptrdiff_t width = queries.width + keys.width - 1;
    AttentionBias bias;
    bias.head_floats = width * (queries.height + keys.height - 1);
    for (int j = 0; j < keys.count(); ++j)
        bias.key.push_back((keys.height - 1 - j / keys.width) * width + keys.width - 1 - j % keys.width);
    for (int i = 0; i < queries.count(); i += strip)
        bias.strip.push_back(i / queries.width * width + i % queries.width);
    bias.values.assign(static_cast<std::size_t>(heads * bias.head_floats), 0.0F);
    return bias;
}

// One number for each pair, in the order in which strips read them.
AttentionBias by_pair(int heads, Places queries, Places keys, int strip) {
    AttentionBias bias;
    for (int j = 0; j < keys.count(); ++j) bias.key.push_back(std::ptrdiff_t{j} * strip);
    for (int i = 0; i < queries.count(); i += strip) bias.strip.push_back(std::ptrdiff_t{i} * keys.count());
    bias.head_floats = static_cast<std::ptrdiff_t>(bias.strip.size()) * keys.count() * strip;
    bias.values.assign(static_cast<std::size_t>(heads * bias.head_floats), 0.0F);
    return bias;
}

}  // namespace

AttentionBias attention_bias(const Values& bias, int heads, Places queries, Places keys, int strip) {
    const Given given(bias, heads, queries, keys);
    const auto fill = [&](AttentionBias& to) {
        for_pairs(heads, queries, keys,
                  [&](int head, int i, int j) { to.values[place(to, head, i, j, strip)] = given(head, i, j); });
    };
    if (queries.width % strip == 0) {
        AttentionBias made = by_offset(heads, queries, keys, strip);
        fill(made);
        bool same = true;
        for_pairs(heads, queries, keys, [&](int head, int i, int j) {
            same = same && made.values[place(made, head, i, j, strip)] == given(head, i, j);
        });
        if (same) return made;
    }
    AttentionBias made = by_pair(heads, queries, keys, strip);
    fill(made);
    return made;
}

}  // namespace enlarge::cpu::tensors
