// SPDX-License-Identifier: Apache-2.0
// The numbers of Winograd's transforms that whoever packs weights has to know.
#pragma once

namespace enlarge {

// G of F(4x4,3x3): a transformed kernel is G g G^T. Points 0, 1, -1, 2, -2, infinity.
inline constexpr double kWinogradG[6][3] = {
    {1.0 / 4, 0, 0},
    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
    {1.0 / 24, 1.0 / 12, 1.0 / 6},
    {1.0 / 24, -1.0 / 12, 1.0 / 6},
    {0, 0, 1},
};

// G of F(6x6,3x3). Points 0, 1, -1, 2, -2, 1/2, -1/2, infinity: of 125 sets of three pairs about
// them none rounds better.
inline constexpr double kWinograd6G[8][3] = {
    {1, 0, 0},
    {-2.0 / 9, -2.0 / 9, -2.0 / 9},
    {-2.0 / 9, 2.0 / 9, -2.0 / 9},
    {1.0 / 90, 1.0 / 45, 2.0 / 45},
    {1.0 / 90, -1.0 / 45, 2.0 / 45},
    {32.0 / 45, 16.0 / 45, 8.0 / 45},
    {32.0 / 45, -16.0 / 45, 8.0 / 45},
    {0, 0, 1},
};

}  // namespace enlarge
