// SPDX-License-Identifier: Apache-2.0
// How near the faster precisions come to fp32 on pictures: enlarge bench --quality.
#pragma once

#include <string>
#include <vector>

#include "enlarge/enlarge.hpp"

namespace cli {

struct QualityChoice {
    std::vector<std::string> pictures;    // files, or folders with all below them
    std::vector<std::string> precisions;
    std::string device = "auto";
    int threads = 0;
    int crop = 0;                         // at most this many pixels wide and high, from the middle; 0 = whole pictures
    bool json = false;
};

// The promises of the precisions, which `auto` must keep for every network and picture.
struct Promise {
    double psnr;
    double largest;  // of 255
};
Promise promise_of(enlarge::Precision precision);

// Prints a line for each precision. Returns how many broke their promise, or the first error.
enlarge::Result<int> print_quality(const enlarge::Model& model, const QualityChoice& choice);
void print_quality_header();

}  // namespace cli
