// SPDX-License-Identifier: Apache-2.0
// Where a place beyond a picture is read: its own pixels mirrored, repeated or around.
const int kEdgeZeros = 0, kEdgeReflect = 1, kEdgeRepeat = 2, kEdgeAround = 3;

int edge_place(int i, int n, int kind) {
    if (kind == kEdgeRepeat) return clamp(i, 0, n - 1);
    // % of negative numbers is undefined: the whole part below is found first.
    const int period = kind == kEdgeAround || n == 1 ? n : 2 * (n - 1);
    if (i < 0) i += (-i / period + 1) * period;
    i = i % period;
    return i < n ? i : period - i;
}
