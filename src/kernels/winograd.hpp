// SPDX-License-Identifier: Apache-2.0
// The numbers of Winograd F(4x4,3x3) that whoever packs weights has to know. Points 0, 1, -1, 2, -2, infinity.
#pragma once

namespace enlarge {

// G: a transformed kernel is G g G^T.
inline constexpr double kWinogradG[6][3] = {
    {1.0 / 4, 0, 0},
    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
    {1.0 / 24, 1.0 / 12, 1.0 / 6},
    {1.0 / 24, -1.0 / 12, 1.0 / 6},
    {0, 0, 1},
};

}  // namespace enlarge
