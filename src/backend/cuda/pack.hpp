// SPDX-License-Identifier: Apache-2.0
// Weights in the order in which the kernels' threads load them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace enlarge::cuda {

// A convolution: weights [out][in][kernel][kernel], bias [out].
struct ConvWeights {
    std::span<const float> weights;
    std::span<const float> bias;
    int in = 0, out = 0, kernel = 3;
};

// For ConvRows: [warp][tap][chunk][n-tile][lane][2] pairs of halves, `chunks` of 16 input channels, 16 outputs per warp.
std::vector<std::uint32_t> pack_rows(const ConvWeights& conv, int chunks, int warps);

// For ConvLast: outputs ordered by sub-pixel; warps = ceil(factor^2 / 4). `bias` is permuted alike, [warps * 16].
std::vector<std::uint32_t> pack_last(const ConvWeights& conv, int chunks, int factor, std::vector<float>& bias);

// For ConvStream: [block][chunk][tap][n-tile pair][lane][4], `tiles` n-tiles of 8 channels per block.
std::vector<std::uint32_t> pack_stream(const ConvWeights& conv, int tiles);

// For ConvFirst: [n-tile][step][lane][2], K = tap * in + channel.
std::vector<std::uint32_t> pack_first(const ConvWeights& conv);

// For ConvHopper: [tap][chunk][warp][lane][4], rows = output channels.
std::vector<std::uint32_t> pack_hopper(const ConvWeights& conv);

// For the 8-bit kernels, 64 -> 64. `quantised` is [out][in][3][3]; [warp][tap][chunk of 32][n-tile][lane][2]. n-tiles hold
// interleaved channels, so that each thread stores four neighbours.
std::vector<std::uint32_t> pack_s8(std::span<const std::int8_t> quantised);

// The same for Hopper: [tap][chunk of 32][warp][lane][4]; matrix row r of a warp's 16 is channel s8_hopper_channel(r).
std::vector<std::uint32_t> pack_s8_hopper(std::span<const std::int8_t> quantised);
constexpr int s8_hopper_channel(int row) { return row < 8 ? 2 * row : 2 * (row - 8) + 1; }

// {bias, slope - 1}, each padded with zeros to `padded` channels.
std::vector<float> pack_bias_slope(std::span<const float> bias, std::span<const float> slope, int padded);

}  // namespace enlarge::cuda
