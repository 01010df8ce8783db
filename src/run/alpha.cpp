// SPDX-License-Identifier: Apache-2.0
#include "run/alpha.hpp"

#include <algorithm>
#include <cstring>

#include "base/at.hpp"
#include "image/format.hpp"
#include "image/samples.hpp"

namespace enlarge {
namespace {

template <class T>
bool keep(const ImageView& alpha, int top, Size picture, const Rect& core, int scale, const MutableImageView& out,
          int plane) {
    const PixelFormat one{alpha.format.sample, alpha.format.bits, 1, true};
    const auto value = [&](T raw) {  // as load_row() does it, for one sample
        float result = 0;
        const auto* bytes = reinterpret_cast<const std::byte*>(&raw);
        load_row({one, {1, 1}, {bytes}, {0}}, 0, 0, &result);
        return result;
    };
    bool all = true;
    for (int y = core.y; y < core.bottom(); ++y) {
        const int y0 = std::max(0, y - kAlphaReach), y1 = std::min(picture.height, y + kAlphaReach + 1);
        int same_columns = 0;  // columns ending at `right` in which all rows have the value of the last one
        T run{};
        int right = std::max(0, core.x - kAlphaReach);
        for (int x = core.x; x < core.right(); ++x) {
            const int want = std::min(picture.width, x + kAlphaReach + 1);
            for (; right < want; ++right) {
                const T first = reinterpret_cast<const T*>(alpha.row(0, y0 - top))[right];
                bool same = true;
                for (int v = y0 + 1; same && v < y1; ++v)
                    same = reinterpret_cast<const T*>(alpha.row(0, v - top))[right] == first;
                if (!same) same_columns = 0;
                else same_columns = same_columns > 0 && first == run ? same_columns + 1 : 1;
                run = first;
            }
            if (same_columns < want - std::max(0, x - kAlphaReach)) {
                all = false;
                continue;
            }
            const float constant = value(run);
            for (int v = 0; v < scale; ++v) {
                auto* row = reinterpret_cast<float*>(out.row(plane, (y - core.y) * scale + v));
                std::fill_n(row + std::ptrdiff_t{x - core.x} * scale, scale, constant);
            }
        }
    }
    return all;
}

}  // namespace

bool keep_constant_alpha(const ImageView& alpha, int top, Size picture, const Rect& core, int scale,
                         const MutableImageView& out, int plane) {
    switch (sample_bytes(alpha.format.sample)) {
        case 1: return keep<std::uint8_t>(alpha, top, picture, core, scale, out, plane);
        case 2: return keep<std::uint16_t>(alpha, top, picture, core, scale, out, plane);
        default: return keep<std::uint32_t>(alpha, top, picture, core, scale, out, plane);  // the same bits
    }
}

AlphaFilter::AlphaFilter(Size picture, int scale)
    : scale_(scale),
      across_(lanczos3(picture.width, picture.width * scale)),
      down_(lanczos3(picture.height, picture.height * scale)),
      row_(static_cast<std::size_t>(picture.width)),
      sum_(static_cast<std::size_t>(picture.width)) {}

void AlphaFilter::run(const ImageView& alpha, int top, const Rect& core, const MutableImageView& out, int plane) {
    for (int y = 0; y < core.height * scale_; ++y) {
        const std::ptrdiff_t line = core.y * scale_ + y;
        std::fill(sum_.begin(), sum_.end(), 0.0F);
        for (int k = 0; k < down_.taps; ++k) {
            load_row(alpha, at(down_.first, line) + k - top, 0, row_.data());
            const float weight = at(down_.weights, line * down_.taps + k);
            for (std::size_t x = 0; x < sum_.size(); ++x) sum_[x] += weight * row_[x];
        }
        auto* to = reinterpret_cast<float*>(out.row(plane, y));
        for (int x = 0; x < core.width * scale_; ++x) {
            const std::ptrdiff_t column = core.x * scale_ + x;
            const float* weights = across_.weights.data() + column * across_.taps;
            const float* from = sum_.data() + at(across_.first, column);
            float value = 0;
            for (int k = 0; k < across_.taps; ++k) value += weights[k] * from[k];
            to[x] = std::clamp(value, 0.0F, 1.0F);
        }
    }
}

}  // namespace enlarge
