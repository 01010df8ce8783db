// SPDX-License-Identifier: Apache-2.0
// `enlarge models check`: whether what computes a network here agrees with the plain reference.
#pragma once

#include <string>

namespace cli {

struct CheckChoice {
    std::string model;              // a file or a name
    std::string picture;            // empty: one that is made here
    std::string device = "auto";
    std::string precision = "auto";
    int threads = 0;                // 0 = all usable cores
    bool json = false;
};

// Prints what was found; kNumeric when it is more than is promised.
int check_model(const CheckChoice& choice);

}  // namespace cli
