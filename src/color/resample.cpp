// SPDX-License-Identifier: Apache-2.0
#include "color/resample.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <numbers>

namespace enlarge {
namespace {

double lanczos(double x) {
    if (x == 0) return 1;
    if (std::abs(x) >= 3) return 0;
    const double p = std::numbers::pi * x;
    return 3 * std::sin(p) * std::sin(p / 3) / (p * p);
}

}  // namespace

FilterTable lanczos3(int in, int out) {
    const double step = static_cast<double>(in) / out;
    const double stretch = std::max(1.0, step);
    const double reach = 3 * stretch;
    FilterTable table;
    table.taps = std::min(in, static_cast<int>(std::ceil(2 * reach)) + 1);
    table.first.resize(static_cast<std::size_t>(out));
    table.weights.resize(static_cast<std::size_t>(out) * static_cast<std::size_t>(table.taps));
    std::vector<double> line(static_cast<std::size_t>(table.taps));
    for (int i = 0; i < out; ++i) {
        const double centre = (i + 0.5) * step - 0.5;
        const int first = std::clamp(static_cast<int>(std::ceil(centre - reach)), 0, in - table.taps);
        double sum = 0;
        for (int k = 0; k < table.taps; ++k) {
            line[static_cast<std::size_t>(k)] = lanczos((first + k - centre) / stretch);
            sum += line[static_cast<std::size_t>(k)];
        }
        table.first[static_cast<std::size_t>(i)] = first;
        float* weights = table.weights.data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(table.taps);
        for (int k = 0; k < table.taps; ++k)
            weights[k] = static_cast<float>(line[static_cast<std::size_t>(k)] / sum);
    }
    return table;
}

Resampler::Resampler(Size in, Size out, ThreadPool* pool)
    : in_(in),
      out_(out),
      across_(lanczos3(in.width, out.width)),
      down_(lanczos3(in.height, out.height)),
      pool_(pool),
      lines_(static_cast<std::size_t>(pool ? pool->size() : 1), std::vector<float>(static_cast<std::size_t>(in.width))) {}

int Resampler::first_row(int begin) const { return down_.first[static_cast<std::size_t>(begin)]; }
int Resampler::end_row(int end) const { return down_.first[static_cast<std::size_t>(end - 1)] + down_.taps; }
int Resampler::rows_for(int count) const {
    const double step = static_cast<double>(in_.height) / out_.height;
    return std::min(in_.height, down_.taps + static_cast<int>(std::ceil(step * count)) + 1);
}

void Resampler::run(const ImageView& in, int top, int y, const MutableImageView& out) {
    const int rows = out.size.height;
    std::atomic<int> next{0};
    const auto body = [&](int index, int) {
        float* line = lines_[static_cast<std::size_t>(index)].data();
        for (int job; (job = next.fetch_add(1)) < rows * out.format.channels;) {
            const int plane = job / rows, row = job % rows;
            const auto at = static_cast<std::size_t>(y + row);
            const float* down = down_.weights.data() + at * static_cast<std::size_t>(down_.taps);
            const int first = down_.first[at] - top;
            std::fill_n(line, in_.width, 0.0F);
            for (int k = 0; k < down_.taps; ++k) {
                const auto* from = reinterpret_cast<const float*>(in.row(plane, first + k));
                for (int x = 0; x < in_.width; ++x) line[x] += down[k] * from[x];
            }
            auto* to = reinterpret_cast<float*>(out.row(plane, row));
            for (int x = 0; x < out_.width; ++x) {
                const auto column = static_cast<std::size_t>(x);
                const float* weights = across_.weights.data() + column * static_cast<std::size_t>(across_.taps);
                const float* from = line + across_.first[column];
                float sum = 0;
                for (int k = 0; k < across_.taps; ++k) sum += weights[k] * from[k];
                to[x] = sum;
            }
        }
    };
    if (pool_) pool_->parallel(std::ref(body));
    else body(0, 1);
}

}  // namespace enlarge
