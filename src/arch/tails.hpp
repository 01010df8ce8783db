// SPDX-License-Identifier: Apache-2.0
// How networks end that several families share.
#pragma once

#include <string>

#include "arch/builder.hpp"

namespace enlarge {

// DySample: each pixel of the result is a bilinear sample at a place that the network chose. Tensors prefix + "offset",
// "scope", "init_pos" and, where the file has it, a last convolution "end_conv". Reads `groups` and the scale from the
// shapes when they are 0. `out` is the number of channels of the result.
int dysample(Builder& b, int from, const std::string& prefix, int scale, int groups, int out);

// LDA-AQU: each pixel of the result is a mean of nine bilinear samples at places that the network chose, by attention.
// Tensors prefix + "proj_q", "proj_k", "layer_norm", "conv_offset.0", "relative_position_bias_table".
int lda(Builder& b, int from, const std::string& prefix, int scale);

// Convolutions and pixel shuffles, doubling or tripling, at prefix + "0", "2", ...: how often is told by which are
// there. The scale is multiplied by what they give.
int shuffle_chain(Builder& b, int from, const std::string& prefix, int& scale);

// What prefix + "MetaUpsample" describes: version, method, scale, in, out, middle, groups.
struct MetaTail {
    int version = 0, method = 0, scale = 0, in = 0, out = 0, mid = 0, groups = 0;
    std::string name;  // "pixelshuffle"
};
MetaTail read_meta_tail(Builder& b, const std::string& prefix);
int meta_tail(Builder& b, int from, const std::string& prefix, const MetaTail& tail);

}  // namespace enlarge
