// SPDX-License-Identifier: Apache-2.0
// Attention in two kinds of oblong windows, each for half of the channels, whose biases a small network makes of offsets;
// and the gated layers that come with it.
#pragma once

#include <string>
#include <vector>

#include "arch/builder.hpp"

namespace enlarge {

struct Split {
    int rows = 0, columns = 0;
};

// Sides of the windows, from the last of the offsets that tensor `name` lists; 0 when it is no such list.
Split split_of(const StateDict& weights, const std::string& name);

// By offset, as WindowAttention has it: the network's numbers, not layers, since offsets never change. `name` ends in
// "pos."; `features` is what the heads share.
struct PositionBias {
    int heads = 0;
    std::vector<float> table;
};
PositionBias position_bias(Builder& b, const std::string& name, const Split& split, int features);

// Queries, keys and values of the first or the second half of the channels.
int half_of(Builder& b, int qkv, int half);

// One kind of windows, for one half of the channels; name + "rpe_biases" says the window's sides.
int oblong_attention(Builder& b, int qkv, const std::string& name, int half, bool shifted);

// name + "fc1", GELU, one half of it times the filtered other, name + "fc2".
int gated_layers(Builder& b, int x, const std::string& name);

bool is_shifted(int group, int block);

}  // namespace enlarge
