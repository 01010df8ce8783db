// SPDX-License-Identifier: Apache-2.0
#include "tile/tile.hpp"

#include <algorithm>

namespace enlarge {
namespace {

struct Span {
    int begin, end;
};

// One axis of tile_input().
Span widen(int begin, int end, const TileRules& rules, int length) {
    const int a = rules.alignment;
    const int low = std::max(0, begin / a * a - rules.halo) / a * a;
    const int high = (end + a - 1) / a * a + rules.halo;
    const int rest = std::max(0, length - high) / a * a;  // what stays unread on the far side
    return {low, length - rest};
}

}  // namespace

Rect tile_input(const Rect& core, const TileRules& rules, Size picture) {
    const Span x = widen(core.x, core.right(), rules, picture.width);
    const Span y = widen(core.y, core.bottom(), rules, picture.height);
    return {x.begin, y.begin, x.end - x.begin, y.end - y.begin};
}

TileGrid::TileGrid(Size area, Size core)
    : area_(area),
      core_{std::max(1, std::min(core.width, area.width)), std::max(1, std::min(core.height, area.height))},
      columns_((area.width + core_.width - 1) / core_.width),
      rows_((area.height + core_.height - 1) / core_.height) {}

Rect TileGrid::core(int column, int row) const {
    const int x = column * core_.width, y = row * core_.height;
    return {x, y, std::min(core_.width, area_.width - x), std::min(core_.height, area_.height - y)};
}

int reflect(int i, int n) {
    if (n == 1) return 0;
    const int period = 2 * (n - 1);
    int k = i % period;
    if (k < 0) k += period;
    return k < n ? k : period - k;
}

}  // namespace enlarge
