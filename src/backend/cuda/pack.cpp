// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/pack.hpp"

#include "base/half.hpp"

namespace enlarge::cuda {
namespace {

// Weight (o, c, tap) as half, 0 outside.
std::uint32_t half_at(const ConvWeights& conv, int o, int c, int tap) {
    const int taps = conv.kernel * conv.kernel;
    if (o >= conv.out || c >= conv.in || tap >= taps) return 0;
    return float_to_half(conv.weights[(static_cast<std::size_t>(o) * static_cast<std::size_t>(conv.in) +
                                       static_cast<std::size_t>(c)) * static_cast<std::size_t>(taps) +
                                      static_cast<std::size_t>(tap)]);
}

std::uint32_t pair_at(const ConvWeights& conv, int o, int c, int tap) {
    return half_at(conv, o, c, tap) | half_at(conv, o, c + 1, tap) << 16;
}

std::uint32_t bytes_at(std::span<const std::int8_t> w, int o, int c, int tap) {
    std::uint32_t v = 0;
    for (int i = 0; i < 4; ++i)
        v |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(w[static_cast<std::size_t>((o * 64 + c + i) * 9 + tap)])) << (8 * i);
    return v;
}

}  // namespace

std::vector<std::uint32_t> pack_rows(const ConvWeights& conv, int chunks, int warps) {
    std::vector<std::uint32_t> packed;
    packed.reserve(static_cast<std::size_t>(warps * 9 * chunks * 128));
    for (int warp = 0; warp < warps; ++warp)
        for (int tap = 0; tap < 9; ++tap)
            for (int chunk = 0; chunk < chunks; ++chunk)
                for (int n = 0; n < 2; ++n)
                    for (int lane = 0; lane < 32; ++lane)
                        for (int r = 0; r < 2; ++r)
                            packed.push_back(pair_at(conv, warp * 16 + n * 8 + lane / 4, chunk * 16 + r * 8 + 2 * (lane & 3), tap));
    return packed;
}

std::vector<std::uint32_t> pack_last(const ConvWeights& conv, int chunks, int factor, std::vector<float>& bias) {
    const int area = factor * factor, warps = (area + 3) / 4, channels = conv.out / area, taps = 9;
    // The same convolution with its outputs where the kernel wants them: n-tile column 2 q + i of tile n is channel
    // 2 n + i of sub-pixel q.
    std::vector<float> weights(static_cast<std::size_t>(warps * 16 * conv.in * taps));
    bias.assign(static_cast<std::size_t>(warps * 16), 0.0F);
    for (int v = 0; v < warps * 16; ++v) {
        const int column = v % 8, sub = v / 16 * 4 + column / 2, channel = v / 8 % 2 * 2 + column % 2;
        if (channel >= channels || sub >= area) continue;
        const auto from = static_cast<std::size_t>(channel * area + sub), row = static_cast<std::size_t>(conv.in * taps);
        bias[static_cast<std::size_t>(v)] = conv.bias[from];
        for (std::size_t i = 0; i < row; ++i) weights[static_cast<std::size_t>(v) * row + i] = conv.weights[from * row + i];
    }
    return pack_rows({weights, bias, conv.in, warps * 16, 3}, chunks, warps);
}

std::vector<std::uint32_t> pack_stream(const ConvWeights& conv, int tiles) {
    const int blocks = (conv.out + tiles * 8 - 1) / (tiles * 8), chunks = (conv.in + 15) / 16, taps = conv.kernel * conv.kernel;
    std::vector<std::uint32_t> packed;
    packed.reserve(static_cast<std::size_t>(blocks * chunks * taps * tiles * 64));
    for (int block = 0; block < blocks; ++block)
        for (int chunk = 0; chunk < chunks; ++chunk)
            for (int tap = 0; tap < taps; ++tap)
                for (int n = 0; n < tiles; n += 2)
                    for (int lane = 0; lane < 32; ++lane)
                        for (int r = 0; r < 4; ++r)
                            packed.push_back(pair_at(conv, (block * tiles + n + r / 2) * 8 + lane / 4,
                                                     chunk * 16 + r % 2 * 8 + 2 * (lane & 3), tap));
    return packed;
}

std::vector<std::uint32_t> pack_first(const ConvWeights& conv) {
    std::vector<std::uint32_t> packed;
    const auto at = [&](int o, int k) { return half_at(conv, o, k % conv.in, k / conv.in); };
    for (int n = 0; n < (conv.out + 7) / 8; ++n)
        for (int step = 0; step < 2; ++step)
            for (int lane = 0; lane < 32; ++lane)
                for (int r = 0; r < 2; ++r) {
                    const int o = n * 8 + lane / 4, k = step * 16 + r * 8 + 2 * (lane & 3);
                    packed.push_back(at(o, k) | at(o, k + 1) << 16);
                }
    return packed;
}

std::vector<std::uint32_t> pack_hopper(const ConvWeights& conv) {
    std::vector<std::uint32_t> packed;
    for (int tap = 0; tap < 9; ++tap)
        for (int chunk = 0; chunk < 4; ++chunk)
            for (int warp = 0; warp < 4; ++warp)
                for (int lane = 0; lane < 32; ++lane)
                    for (int r = 0; r < 4; ++r)
                        packed.push_back(pair_at(conv, warp * 16 + lane / 4 + (r & 1) * 8,
                                                 chunk * 16 + 2 * (lane & 3) + (r >> 1) * 8, tap));
    return packed;
}

std::vector<std::uint32_t> pack_s8(std::span<const std::int8_t> quantised) {
    std::vector<std::uint32_t> packed;
    for (int warp = 0; warp < 4; ++warp)
        for (int tap = 0; tap < 9; ++tap)
            for (int chunk = 0; chunk < 2; ++chunk)
                for (int n = 0; n < 2; ++n)
                    for (int lane = 0; lane < 32; ++lane)
                        for (int r = 0; r < 2; ++r) {
                            // Column 2 q + i of tile n is channel 4 q + 2 n + i.
                            const int column = lane / 4, channel = column / 2 * 4 + n * 2 + column % 2;
                            packed.push_back(bytes_at(quantised, warp * 16 + channel, chunk * 32 + r * 16 + 4 * (lane & 3), tap));
                        }
    return packed;
}

std::vector<std::uint32_t> pack_s8_hopper(std::span<const std::int8_t> quantised) {
    std::vector<std::uint32_t> packed;
    for (int tap = 0; tap < 9; ++tap)
        for (int chunk = 0; chunk < 2; ++chunk)
            for (int warp = 0; warp < 4; ++warp)
                for (int lane = 0; lane < 32; ++lane)
                    for (int r = 0; r < 4; ++r)
                        packed.push_back(bytes_at(quantised, warp * 16 + s8_hopper_channel(lane / 4 + (r & 1) * 8),
                                                  chunk * 32 + 4 * (lane & 3) + (r >> 1) * 16, tap));
    return packed;
}

std::vector<float> pack_bias_slope(std::span<const float> bias, std::span<const float> slope, int padded) {
    std::vector<float> packed(static_cast<std::size_t>(2 * padded));
    for (std::size_t i = 0; i < bias.size(); ++i) packed[i] = bias[i];
    for (std::size_t i = 0; i < slope.size(); ++i) packed[static_cast<std::size_t>(padded) + i] = slope[i] - 1;
    return packed;
}

}  // namespace enlarge::cuda
