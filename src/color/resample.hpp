// SPDX-License-Identifier: Apache-2.0
// Pictures to any size: Lanczos with three lobes, widened when a picture gets smaller (antialiased), in float on the
// values as they are coded. Rows can come a few at a time.
#pragma once

#include <vector>

#include "base/thread_pool.hpp"
#include "enlarge/image.hpp"

namespace enlarge {

// Weights of one axis: output i = sum over k < taps of weights[i * taps + k] * input[first[i] + k]. Weights that would
// fall outside the line are left out and the others scaled so that their sum is 1.
struct FilterTable {
    int taps = 0;
    std::vector<int> first;
    std::vector<float> weights;
};
FilterTable lanczos3(int in, int out);

class Resampler {
public:
    Resampler(Size in, Size out, ThreadPool* pool = nullptr);

    [[nodiscard]] Size in() const { return in_; }
    [[nodiscard]] Size out() const { return out_; }
    // Rows of the input that the output rows begin..end-1 need.
    [[nodiscard]] int first_row(int begin) const;
    [[nodiscard]] int end_row(int end) const;
    // Most input rows that `count` output rows need.
    [[nodiscard]] int rows_for(int count) const;

    // Makes output rows y ... y + out.size.height - 1. `in` holds all input rows they need, its row 0 being row `top`;
    // both planar f32 with the same channels. The same bits whatever the number of rows and threads.
    void run(const ImageView& in, int top, int y, const MutableImageView& out);

private:
    Size in_, out_;
    FilterTable across_, down_;
    ThreadPool* pool_;
    std::vector<std::vector<float>> lines_;  // one per thread
};

}  // namespace enlarge
