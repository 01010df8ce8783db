// SPDX-License-Identifier: Apache-2.0
// What host and device agree on: one plain struct of parameters per kernel, and the layout of the memory it points to.
//
// Activations are [channels / 8][height][width][8], half precision (or float in the exact path): one pixel of one slice
// of 8 channels is 16 bytes. 8-bit activations are [channels / 16][height][width][16], also 16 bytes. Channels beyond
// the last are stored as zeros. A tensor may be a run of slices in a wider buffer: concatenation costs nothing.
//
// Work of the row-streaming kernels is counted in row units: unit u is row u % rows of strip u / rows. Each block takes
// `units` of them in order, across strip ends, so that all blocks finish together.
#pragma once

#include <cstdint>

#include "../tensors/params.hpp"

namespace enlarge::cuda {

inline constexpr int kSlice = 8;        // channels per slice, half and float
inline constexpr int kStripWidth = 32;  // pixels per strip of the mma kernels
inline constexpr int kRingRows = 6;     // input rows in flight in the mma kernels
inline constexpr int kHopperStrip = 128;
// A block of a convolution in float computes so many channels of so many pixels, so many input channels at a time.
inline constexpr int kFloatChannels = 64, kFloatPixels = 128, kFloatDeep = 16;
// Of a row of 16 bytes a pixel in shared memory: the strip and its neighbours, up to what a box may begin at.
inline constexpr int kHopperSliceBytes = (kHopperStrip + 8) * 16;

// How the samples of a picture in device memory are stored.
enum PixelKind : int { kPixelU8, kPixelU16, kPixelF16, kPixelF32, kPixelNv12, kPixelP010 };

// A picture in device memory. Values are scaled to 0..1 by `scale` when read and by 1 / scale when written.
struct DevicePixels {
    std::uint64_t plane[4];  // addresses; NV12 and P010: Y, then interleaved UV
    std::int64_t pitch[4];   // bytes from row to row
    int kind;                // PixelKind
    int channels;            // 1..4, of one pixel
    int planar;              // one plane per channel
    int width, height;
    float range;  // the largest sample: 255, 65535, 1. Samples are divided by it, and results multiplied.
    float scale;  // NV12 and P010: 1 / 255, 1 / 1023
    // NV12 and P010. Reading: rgb = matrix * (y, u, v, 1) of raw codes / 255 (or / 1023). Writing: the inverse.
    float matrix[12];
    float chroma_x, chroma_y;  // where chroma lies in luma pixels: 0 or 0.5
};

// PReLU uses slopes (1 for none); the gate is SPAN's (o + x) * (sigmoid(o) - 0.5) with x = residual[0].
enum Activation : int { kPrelu, kSilu, kGate };

// Rectangles that a row kernel computes, and how the work is cut.
struct RowWork {
    int height, width;      // of the input, and of the zero padding around it
    int row_first, rows;    // output rows to compute
    int col_first;          // first column of strip 0
    int col_step;           // from strip to strip: kStripWidth, or less where strips overlap
    int strips;
    int units;              // row units per block
};

// conv3x3 with weights in registers: 16..32, 48 or 64 channels in, 16 per warp out; bias, PReLU.
struct ConvRows {
    std::uint64_t in, out;        // first slice
    std::uint64_t weights;        // pack_rows()
    std::uint64_t bias_slope;     // float[2][64]: bias, slope - 1
    RowWork work;
    int in_slices, out_slices;
};

// 64 -> 64 for Hopper: wgmma and TMA. Tensor maps describe input and output as {2 width, height, slices} elements of 8
// bytes; boxes are kHopperStrip pixels of one slice, the two pixels behind them, and kHopperStrip pixels of all slices.
struct alignas(64) ConvHopper {
    std::uint64_t in_map[16];
    std::uint64_t edge_map[16];
    std::uint64_t out_map[16];
    std::uint64_t weights;        // pack_hopper()
    std::uint64_t bias_slope;     // float[2][64]: bias, slope - 1
    int height, width, units, total;
    int upwards;  // rows from the lowest to the highest
};

// 64 -> 64 in 8 bits. Each channel c has its own step: an activation is q * step[c]. The input's steps are folded into
// the weights, the output's into the factors: out = prelu(sum * scale + bias), rounded, or as it is in half precision.
struct ConvS8 {
    std::uint64_t in, out;
    std::uint64_t weights;        // pack_s8()
    std::uint64_t factors;        // float[64][4]: scale, bias, slope - 1, 0
    RowWork work;
    int half_out;                 // 1: write half precision, [C/8][H][W][8]
};

// The same for Hopper, with slices of 16 channels. 8-bit output only.
struct alignas(64) ConvS8Hopper {
    std::uint64_t in_map[16];
    std::uint64_t edge_map[16];
    std::uint64_t out_map[16];
    std::uint64_t weights;        // pack_s8_hopper()
    std::uint64_t factors;
    int height, width, units, total;
    int upwards;
};

// First layer: picture * scale + shift -> conv3x3 -> bias, PReLU. 1 or 3 channels in, any multiple of 8 out. Beyond the
// picture are zeros, not shifts.
struct ConvFirst {
    DevicePixels in;
    std::uint64_t out;
    std::uint64_t weights;        // pack_first()
    std::uint64_t bias_slope;     // float[2][out_channels padded to 8]
    float scale[3], shift[3];
    int out_slices;
    std::uint64_t inverse_steps;  // float per channel: write 8-bit activations, [C/16][H][W][16]; 0: half precision
};

// Last layer: conv3x3 to channels * factor^2, pixel shuffle, nearest residual, clamp, picture. One warp per four
// sub-pixels. `out` is the core only: its pixel (0, 0) is sub-pixel (0, 0) of input pixel (col_first, row_first).
struct ConvLast {
    std::uint64_t in;
    std::uint64_t weights;        // pack_last()
    std::uint64_t bias;           // float[warps * 16]
    RowWork work;
    int in_slices;
    int factor;
    int core_x;                   // first input column of the core; strips may begin one column before
    int residual;                 // 1: add the nearest pixel of `source`
    DevicePixels source;          // what the network saw; residual only
    DevicePixels out;
    std::uint64_t flags;          // uint32: set to 1 when a value is not finite
};

// conv3x3 or conv1x1 with weights streamed through shared memory: any channel count, nearest upsampling of the input
// folded into addressing, residuals in the epilogue:
// out = alpha * act(conv) + beta[0] * residual[0] + beta[1] * residual[1].
struct ConvStream {
    std::uint64_t in, out;
    std::uint64_t weights;        // pack_stream()
    std::uint64_t bias_slope;     // float[2][blocks * channels per block]
    std::uint64_t residual[2];    // first slice, or 0
    float beta[2];
    float alpha;
    int height, width;            // of the output; the input is smaller by 1 << up
    int up;                       // 0, 1, 2: the input is read at (y >> up, x >> up)
    int in_slices, out_slices;
    int chunks;                   // of 16 input channels
    int taps;                     // 9 or 1
    int activation;               // Activation
    int tiles_x, tiles_y, blocks; // blockIdx = (block * tiles_y + ty) * tiles_x + tx
};

// Plain correct fallbacks. T is half or float.
struct ConvPlain {
    std::uint64_t in, out;
    std::uint64_t weights;        // float [out][in][k][k]
    std::uint64_t bias;           // float [out]
    int height, width, in_channels, out_channels, kernel;
};

enum PointOp : int { kPointPrelu, kPointLeaky, kPointSilu, kPointAdd, kPointScaleShift, kPointSpanGate };
struct Pointwise {
    int op;
    std::uint64_t a, b, out;
    std::uint64_t scale, shift;   // float per channel: slopes or scale, shift
    float alpha, beta;
    int height, width, channels;
};

// Moves channels and pixels: out(c, y, x) for c in [0, channels) comes from `in`.
enum MoveOp : int { kMoveCopy, kMoveShuffle, kMoveUnshuffle, kMoveNearest };
struct Move {
    int op;
    std::uint64_t in, out;
    int factor;
    int channels;                 // of the output, or copied
    int out_first;                // first channel written (copy)
    int out_height, out_width;
    int in_height, in_width;
};

// Picture to activations (unshuffle folded in: factor 1, 2, 4) and back.
struct LoadPixels {
    DevicePixels in;
    std::uint64_t out;
    int factor;
    int channels;                 // of the output: in channels * factor^2
};
struct StorePixels {
    std::uint64_t in;
    int height, width;            // of the activations
    int x, y;                     // top left of what is stored
    DevicePixels out;
    std::uint64_t flags;          // uint32: set to 1 when a value is not finite
};

// Antialiased reduction or enlargement of a picture to any size; one pass per direction. Taps are computed by the host.
struct Resample {
    DevicePixels in, out;
    std::uint64_t first;          // int per output column (row): first input column (row)
    std::uint64_t weights;        // float [output columns (rows)][taps]
    int taps;
    int vertical;
};

// Sums over groups in parts (kernels/tensor_parts.cuh): `parts` floats for each group, of numbers and of their squares
// about the mean.
struct GroupParts {
    tensors::NormGroups of;
    std::uint64_t sums, squares;
    int parts;
};
// For each window, head and part the products of size x size channels and the squares of 2 * size.
inline constexpr int kMostScoreChannels = 64;  // of a head
inline constexpr int kScorePixels = 32;        // at a time in shared memory, with one of padding
inline constexpr int kScoreBytes = 2 * kMostScoreChannels * (kScorePixels + 1) * 4;
// Of attention's keys in shared memory: 32 at a time, with values, of heads of at most MOST channels.
inline constexpr int kKeysOfChunk = 32;
template <int MOST>
inline constexpr int kKeyChunkBytes = kKeysOfChunk * (2 * (MOST + 4) + 2) * 4;
struct ScoreParts {
    tensors::ChannelScores of;
    std::uint64_t sums;
    int parts;
};

}  // namespace enlarge::cuda
