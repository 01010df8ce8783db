// SPDX-License-Identifier: Apache-2.0
// How each kernel is launched: blocks, threads and shared memory from its parameters. Fills in how the work is cut.
#pragma once

#include <algorithm>

#include "backend/cuda/params.hpp"

namespace enlarge::cuda {

struct Shape {
    int blocks = 1, threads = 32, shared_bytes = 0;
};

// Ring of input rows, bias and slopes of the row kernels; `chunks` of 16 input channels.
constexpr int row_ring_bytes(int chunks) { return kRingRows * (kStripWidth + 2) * 2 * chunks * 16; }

// Cuts the rows evenly over two blocks per multiprocessor.
inline int cut_rows(RowWork& work, int multiprocessors) {
    const int total = work.strips * work.rows, blocks = std::max(1, std::min(total, 2 * multiprocessors));
    work.units = (total + blocks - 1) / blocks;
    return (total + work.units - 1) / work.units;
}

inline Shape shape_rows(ConvRows& p, int chunks, int warps, int multiprocessors) {
    return {cut_rows(p.work, multiprocessors), warps * 32, row_ring_bytes(chunks) + 512};
}

inline Shape shape_last(ConvLast& p, int chunks, int multiprocessors) {
    const int warps = (p.factor * p.factor + 3) / 4;
    const int staging = 3 * p.factor * p.factor * kStripWidth * 3 * 4;  // three rows of input, in float
    return {cut_rows(p.work, multiprocessors), warps * 32, row_ring_bytes(chunks) + 256 + staging};
}

inline Shape shape_first(const ConvFirst& p) {
    const int strips = (p.in.width + kStripWidth - 1) / kStripWidth;
    return {strips * ((p.in.height + 7) / 8), 128, 10 * (kStripWidth + 2) * 3 * 2};
}

// `tiles` of 8 output channels per block: 8 or 4.
inline Shape shape_stream(ConvStream& p, int tiles) {
    p.tiles_x = (p.width + kStripWidth - 1) / kStripWidth;
    p.tiles_y = (p.height + 7) / 8;
    p.blocks = (p.out_slices + tiles - 1) / tiles;
    return {p.tiles_x * p.tiles_y * p.blocks, 128, 2 * (2 * 10 * (kStripWidth + 2) * 16 + p.taps * tiles * 256)};
}

// Kernels that step through any number of items.
inline Shape shape_items(std::int64_t items, int multiprocessors) {
    const std::int64_t blocks = std::clamp<std::int64_t>((items + 255) / 256, 1, std::int64_t{8} * multiprocessors);
    return {static_cast<int>(blocks), 256, 0};
}

}  // namespace enlarge::cuda
