// SPDX-License-Identifier: Apache-2.0
// Parameters of the kernels that run a network node by node over whole tensors in float: packed, the innermost side
// last, pictures as channels x rows x columns. Addresses stand first in each; those of nothing are 0. The structs lie
// in memory as std430 lays them out, so that shaders read them as they are.
#pragma once

#include <cstdint>

namespace enlarge::tensors {

inline constexpr int kMostSides = 8;

// Number by number; the last two with numbers of each channel, `plane` numbers long.
enum MapKind : int {
    kMapLeakyRelu, kMapSilu, kMapGelu, kMapGeluTanh, kMapMish, kMapSigmoid, kMapHardSwish, kMapTanh, kMapExp, kMapSqrt,
    kMapAbs, kMapClamp, kMapPrelu, kMapScaleShift,
};
struct MapNumbers {
    std::uint64_t in, out, scale, shift;
    std::int64_t count, plane;
    int kind;
    float low, high;  // LeakyRelu: the slope
};

// Two tensors; a step of 0 repeats.
enum PairKind : int { kPairAdd, kPairMultiply, kPairMaximum, kPairSpanGate };
struct PairNumbers {
    std::uint64_t a, b, out;
    std::int64_t count;
    std::int64_t sides[kMostSides], step_a[kMostSides], step_b[kMostSides];
    int rank, kind;
    float alpha, beta;
};

// Number i of `sides` from one place to another: every transposition, slice, join and shuffle.
struct MoveNumbers {
    std::uint64_t in, out;
    std::int64_t count;
    std::int64_t sides[kMostSides], from[kMostSides], to[kMostSides];
    int rank;
};

// Forward or transposed.
struct ConvTensor {
    std::uint64_t in, out, weights, bias;
    int channels, height, width, out_channels, out_height, out_width;
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, groups, top, left;
    int transposed;
};
// The same with what follows it (fuse.hpp): the bias; an activation of MapKind, or none (-1); with `gate` SpanGate with
// `a`; else keep * v + mix * a, then the same with `b`. Channel c * f * f + i * f + j then becomes pixel (f * y + i,
// f * x + j) of channel c, to which, with `repeats`, pixel (y, x) of channel c of `b` is added.
struct FusedConv {
    std::uint64_t in, out, weights, bias, slopes, a, b;
    int channels, height, width, out_channels, out_height, out_width;
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, groups, top, left;
    int transposed;
    int kind;
    float low, high;
    int gate;
    float keep_a, mix_a, keep_b, mix_b;
    int shuffle, repeats;
};
struct DynamicConv {
    std::uint64_t in, kernels, out;
    int channels, height, width, kernel, groups, kernel_rows, kernel_columns;
};

// scale * a * b + bias: m x k times k x n, or times the transpose of n x k; b is the same for all `batch` when `one_b`.
struct MatrixProduct {
    std::uint64_t a, b, bias, out;
    std::int64_t batch, m, n, k;
    int transpose_b, one_b;
    float scale;
};

// Along an axis of `side` numbers, `inner` apart; one thread per line.
enum LineKind : int { kLineLayerNorm, kLineRmsNorm, kLineL2Norm, kLineSoftmax, kLineArgmax };
struct Lines {
    std::uint64_t in, out, scale, shift;
    std::int64_t lines, side, inner;
    int kind;
    float epsilon;
};
// The place of each number in its line; one thread per number.
struct SortLines {
    std::uint64_t in, out;
    std::int64_t lines, side, inner;
    int descending;
};
struct GatherNumbers {
    std::uint64_t in, places, out;
    std::int64_t count, inner, side, from;
    int slices;
};

// Groups of `size` numbers together, of channels of `plane`; one block per group. Only their mean with `mean`.
struct NormGroups {
    std::uint64_t in, out, scale, shift;
    std::int64_t groups, size, plane;
    int mean;
    float epsilon;
};

struct PoolTensor {
    std::uint64_t in, out;
    int channels, height, width, out_height, out_width, kernel, stride, pad, largest, count_padding;
};
enum ResizeKind : int { kResizeNearest, kResizeBilinear, kResizeBicubic };
struct ResizeTensor {
    std::uint64_t in, out;
    int channels, height, width, out_height, out_width, kind, align_corners;
    float cubic;
};
struct SampleTensor {
    std::uint64_t in, places, out;
    int channels, height, width, out_height, out_width, groups, border, align_corners, offsets;
};
// A part of a picture that may reach beyond it; the picture ends after `height` rows and `width` columns of `pitch`.
enum EdgeKind : int { kEdgeZeros, kEdgeReflect, kEdgeRepeat, kEdgeAround };
struct EdgeTensor {
    std::uint64_t in, out;
    int channels, height, width, pitch, rows, out_height, out_width, top, left, kind;
};

// Attention of a query to the keys of its group, one thread per query and head. Groups are windows whose grids begin at
// the shifts, grids, or runs of `order` (category).
enum AttendKind : int { kAttendWindows, kAttendGrid, kAttendOverlap, kAttendAll, kAttendCategory };
struct Attend {
    std::uint64_t q, k, v, out, bias, order;
    int heads, size, to_size;             // channels of a head: of queries and keys, of values
    int height, width;                    // of the queries
    int key_height, key_width;            // of the keys
    int window_h, window_w, key_h, key_w; // of a group
    int shift_h, shift_w, key_shift_h, key_shift_w;
    int full_height, full_width;          // with what continues the picture
    int kind, mirrored, table;
    std::int64_t group;                   // of category attention
    float scale;
};
// Channels to channels: the scores, of all heads and windows; and the mixture by their softmax.
struct ChannelScores {
    std::uint64_t in, temperature, scores;
    int channels, heads, height, width, window_h, window_w;
    float epsilon;
};
struct ChannelMix {
    std::uint64_t in, scores, out;
    int channels, heads, height, width, window_h, window_w;
};

}  // namespace enlarge::tensors
