// SPDX-License-Identifier: Apache-2.0
// Layers that were trained as several and are merged into one 3x3 convolution here, in double precision. Files may hold
// a merged copy beside them, which may be stale and is not trusted.
#pragma once

#include <string>
#include <vector>

#include "arch/builder.hpp"

namespace enlarge {

struct Merged {
    std::vector<float> weights, bias;  // of a 3x3 convolution; empty after a failure
};

// Conv3XC: 1x1, 3x3, 1x1 in a row, plus a 1x1 past them.
Merged merge_conv3xc(Builder& b, const std::string& name, int in, int out);
// The layer itself, or the merged copy where a file holds nothing else.
int conv3xc(Builder& b, int from, const std::string& name, int out);

// RepConv: a weighed sum of 1x1 then 3x3, a 3x3 and a Conv3XC.
int repconv(Builder& b, int from, const std::string& name, int out);

}  // namespace enlarge
