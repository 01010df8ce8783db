// SPDX-License-Identifier: Apache-2.0
#include "run/symmetry.hpp"

#include <cstring>
#include <utility>

#include "image/format.hpp"

namespace enlarge {
namespace {

constexpr bool mirrors_x(Symmetry s) { return s & 1; }
constexpr bool mirrors_y(Symmetry s) { return s & 2; }
constexpr bool transposes(Symmetry s) { return s & 4; }

// The pixel of a picture of `size` that lies at (x, y) of the turned picture.
std::pair<int, int> origin(int x, int y, Size size, Symmetry s) {
    if (transposes(s)) std::swap(x, y);
    return {mirrors_x(s) ? size.width - 1 - x : x, mirrors_y(s) ? size.height - 1 - y : y};
}

template <int kBytes>
void turn_plane(const ImageView& in, int plane, Symmetry s, const MutableImageView& out) {
    for (int y = 0; y < out.size.height; ++y)
        for (int x = 0; x < out.size.width; ++x) {
            const auto [from_x, from_y] = origin(x, y, in.size, s);
            std::memcpy(out.row(plane, y) + std::ptrdiff_t{x} * kBytes,
                        in.row(plane, from_y) + std::ptrdiff_t{from_x} * kBytes, kBytes);
        }
}

}  // namespace

Size turned(Size size, Symmetry s) { return transposes(s) ? Size{size.height, size.width} : size; }

Rect turned(const Rect& rect, Size size, Symmetry s) {
    Rect r = rect;
    if (mirrors_x(s)) r.x = size.width - rect.right();
    if (mirrors_y(s)) r.y = size.height - rect.bottom();
    if (transposes(s)) r = {r.y, r.x, r.height, r.width};
    return r;
}

void turn(const ImageView& in, Symmetry s, const MutableImageView& out) {
    const int bytes = sample_bytes(in.format.sample) * (in.format.planar ? 1 : in.format.channels);
    for (int p = 0; p < plane_count(in.format); ++p) {
        switch (bytes) {
            case 1: turn_plane<1>(in, p, s, out); break;
            case 2: turn_plane<2>(in, p, s, out); break;
            case 3: turn_plane<3>(in, p, s, out); break;
            case 4: turn_plane<4>(in, p, s, out); break;
            case 6: turn_plane<6>(in, p, s, out); break;
            case 8: turn_plane<8>(in, p, s, out); break;
            case 12: turn_plane<12>(in, p, s, out); break;
            default: turn_plane<16>(in, p, s, out); break;
        }
    }
}

void turn_back(const ImageView& in, Symmetry s, bool add, float factor, const MutableImageView& sum) {
    for (int p = 0; p < plane_count(in.format); ++p)
        for (int y = 0; y < in.size.height; ++y) {
            const auto* from = reinterpret_cast<const float*>(in.row(p, y));
            for (int x = 0; x < in.size.width; ++x) {
                const auto [to_x, to_y] = origin(x, y, sum.size, s);
                float& to = reinterpret_cast<float*>(sum.row(p, to_y))[to_x];
                to = factor * (add ? to + from[x] : from[x]);
            }
        }
}

}  // namespace enlarge
