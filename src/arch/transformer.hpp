// SPDX-License-Identifier: Apache-2.0
// What networks of window attention have in common. Tokens are pixels here: a linear layer is a 1x1 convolution, a norm
// goes over channels.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "arch/builder.hpp"

namespace enlarge {

// Side of the square window whose table of biases has `rows` rows, (2 * side - 1)^2; 0 when it is none.
int window_of_table(int rows);

// name of shape (2 * side - 1)^2 x heads, as WindowAttention has it: head by head.
std::vector<float> bias_table(Builder& b, const std::string& name, int side, int heads);

// name + "fc1", GELU, name + "fc2".
int mlp(Builder& b, int x, const std::string& name);

// A Swin block: norm, attention in windows that begin at `shift`, norm, two linear layers; both added to what came.
int swin_attention(Builder& b, int x, const std::string& name, int shift);
int swin_block(Builder& b, int x, const std::string& name, int shift);

// The convolution at the end of a group: one of 3x3 at `name`, three at name + ".0", ".2", ".4", or none.
int group_conv(Builder& b, int x, const std::string& name);

// The same with a depthwise convolution between them, which is added.
int conv_mlp(Builder& b, int x, const std::string& name);

// Two convolutions beside an attention, and a gate of each channel's mean: name + "0", "2", "3.attention.1", ".3".
int convolutions_beside(Builder& b, int x, const std::string& name);

// name + "project_in", filtered by name + "dwconv" (depthwise 3x3, or what `filter` makes of it); GELU of one half times
// the other; name + "project_out". With biases where the file has them.
using Filter = int (*)(Builder& b, int x, const std::string& name, bool bias);
int gated_convolutions(Builder& b, int x, const std::string& name, Filter filter = nullptr);

// "6, 6, 6": how many of "layers.0" + blocks + "0" + end, ... each group has.
std::string depths_of(const StateDict& weights, int layers, const std::string& blocks, const std::string& end);

// Groups "layers.0.", ... one after another, each added to what it began with: its blocks, named layer + `blocks` + "0." and so
// on as long as they have a norm1; `end`, where there is one; the convolution at its end.
struct GroupBlock {
    std::string name;
    int group = 0, index = 0;
};
int residual_groups(Builder& b, int x, int groups, const std::string& blocks,
                    const std::function<int(int y, const GroupBlock& block)>& block,
                    const std::function<int(int y, const std::string& layer)>& end = {});

// Features, groups, blocks, window and heads of networks whose blocks are those of Swin.
std::vector<Fact> swin_facts(const StateDict& weights, int features, int groups, int window);

// How such a network begins: its first convolution, and how much the picture is folded before it. `mean` is taken off,
// and the rest multiplied by `range`. The norm behind the groups and the prefix of what makes the result larger.
struct SwinHead {
    int features = 0, channels = 0, unshuffle = 1;
    std::string name = "conv_first";
    float range = 1;
    bool mean = true;
    std::string norm = "norm", upsample = "upsample.";
};

// The picture less the mean that these were trained with, times a range; and back.
int normalised(Builder& b, int picture, const SwinHead& head, bool back);

// Tails, told by their tensors: "pixelshuffle", "pixelshuffledirect", "nearest+conv", or none: a sum with the picture.
struct SwinTail {
    std::string name;
    int scale = 1;
};
// `normal` is the normalised picture that conv_first saw.
SwinTail swin_tail(Builder& b, int x, int normal, const SwinHead& head);

SwinHead swin_head(const StateDict& weights);

// Everything around the groups: mean, first convolution, the norm named `embedding`, a norm and a convolution after
// them, tail.
Result<Network> swin_frame(const StateDict& weights, const std::string& family, const SwinHead& head,
                           const std::string& embedding, std::vector<Fact> facts,
                           const std::function<int(Builder&, int)>& groups);

}  // namespace enlarge
