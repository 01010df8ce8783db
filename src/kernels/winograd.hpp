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

// Integer weights are divided by kBalance[i] * kBalance[j], about the length of the rows of G, so that all positions use
// the 16 bits equally; winograd_output_i16 multiplies by them again, and by 2^kInputShift[i].
inline constexpr double kBalance[6] = {0.25, 0.2890625, 0.2890625, 0.1875, 0.1875, 1.0};

}  // namespace enlarge
