// SPDX-License-Identifier: Apache-2.0
// How each kernel is launched: blocks, threads and shared memory from its parameters. Fills in how the work is cut.
#pragma once

#include <algorithm>

#include "backend/cuda/params.hpp"
#include "enlarge/image.hpp"

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
    constexpr int staging = 3 * 4 * kStripWidth * 12 * 4;  // three rows of input, in float
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

inline Shape shape_s8(ConvS8& p, int multiprocessors) {
    constexpr int kRing = 8;
    const int total = p.work.strips * p.work.rows, blocks = std::max(1, std::min(total, 3 * multiprocessors));
    p.work.units = (total + blocks - 1) / blocks;
    return {(total + p.work.units - 1) / p.work.units, 128, kRing * (kStripWidth + 2) * 4 * 16 + 64 * 16};
}

// Hopper kernels of `slices` 16-byte slices per pixel: one block per multiprocessor.
template <class Params>
Shape shape_hopper(Params& p, int slices, Size size, int multiprocessors) {
    const int ring = slices == 8 ? 8 : 12;
    p.width = size.width;
    p.height = size.height;
    p.total = (size.width + kHopperStrip - 1) / kHopperStrip * size.height;
    const int blocks = std::min(p.total, multiprocessors);
    p.units = (p.total + blocks - 1) / blocks;
    return {(p.total + p.units - 1) / p.units, 384,
            ring * slices * kHopperSliceBytes + 2 * slices * kHopperStrip * 16 + 2 * ring * 8};
}

// Convolutions in float.
inline Shape shape_float(std::int64_t out_plane, int out_channels, int multiprocessors) {
    const std::int64_t tiles =
        (out_plane + kFloatPixels - 1) / kFloatPixels * ((out_channels + kFloatChannels - 1) / kFloatChannels);
    const std::int64_t blocks = std::min<std::int64_t>(tiles, std::int64_t{8} * multiprocessors);
    return {static_cast<int>(blocks), 256, 2 * kFloatDeep * (kFloatChannels + 4 + kFloatPixels) * 4};
}

// Attention to keys in shared memory.
inline Shape shape_attend(std::int64_t queries, int shared_bytes, int multiprocessors) {
    const std::int64_t blocks = std::clamp<std::int64_t>((queries + 63) / 64, 1, std::int64_t{32} * multiprocessors);
    return {static_cast<int>(blocks), 64, shared_bytes};
}

// Kernels that step through any number of items.
inline Shape shape_items(std::int64_t items, int multiprocessors) {
    const std::int64_t blocks = std::clamp<std::int64_t>((items + 255) / 256, 1, std::int64_t{8} * multiprocessors);
    return {static_cast<int>(blocks), 256, 0};
}

}  // namespace enlarge::cuda
