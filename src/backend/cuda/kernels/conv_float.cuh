// SPDX-License-Identifier: Apache-2.0
// Convolutions in float with any kernel, stride and dilation, as products of matrices: a block computes 64 output
// channels of 128 pixels, a thread 4 of 8; weights and inputs of 16 channels of one tap at a time lie in shared memory,
// the next ones are on their way to registers meanwhile. Each number is summed in the order of channels, sixteen by
// sixteen, and within them of taps, wherever its tile lies.
#pragma once

#include "../../tensors/params.hpp"
#include "../params.hpp"
#include "items.cuh"

namespace enlarge::cuda {

// Whole tensors: channels x rows x columns.
struct FloatPlanes {
    const tensors::ConvTensor& p;
    std::int64_t plane, out_plane;

    ENLARGE_MEMBER explicit FloatPlanes(const tensors::ConvTensor& parameters)
        : p(parameters),
          plane(static_cast<std::int64_t>(p.height) * p.width),
          out_plane(static_cast<std::int64_t>(p.out_height) * p.out_width) {}
    ENLARGE_MEMBER int channels() const { return p.channels; }
    ENLARGE_MEMBER int out_channels() const { return p.out_channels; }
    ENLARGE_MEMBER int out_width() const { return p.out_width; }
    ENLARGE_MEMBER int kernel_h() const { return p.kernel_h; }
    ENLARGE_MEMBER int kernel_w() const { return p.kernel_w; }
    ENLARGE_MEMBER int row(int y, int tap) const { return y * p.stride_h + tap * p.dilation_h - p.top; }
    ENLARGE_MEMBER int column(int x, int tap) const { return x * p.stride_w + tap * p.dilation_w - p.left; }
    ENLARGE_MEMBER bool inside(int y, int x) const { return y >= 0 && x >= 0 && y < p.height && x < p.width; }
    // Eight channels from `first` on of one pixel.
    ENLARGE_MEMBER void read(int first, int y, int x, float (&v)[8]) const {
        const float* in = reinterpret_cast<const float*>(p.in) + static_cast<std::int64_t>(y) * p.width + x;
#pragma unroll
        for (int i = 0; i < 8; ++i) v[i] = first + i < p.channels ? in[(first + i) * plane] : 0.f;
    }
    // Channels `first` .. first + 3 of pixel `i` of the plane.
    ENLARGE_MEMBER void write(int first, std::int64_t i, const float (&v)[4]) const {
        float* out = reinterpret_cast<float*>(p.out) + i;
#pragma unroll
        for (int c = 0; c < 4; ++c)
            if (first + c < p.out_channels) out[(first + c) * out_plane] = v[c];
    }
};

// Slices of eight channels.
struct FloatSlices {
    const ConvPlain& p;
    std::int64_t plane, out_plane;

    ENLARGE_MEMBER explicit FloatSlices(const ConvPlain& parameters)
        : p(parameters), plane(static_cast<std::int64_t>(p.height) * p.width), out_plane(plane) {}
    ENLARGE_MEMBER int channels() const { return p.in_channels; }
    ENLARGE_MEMBER int out_channels() const { return p.out_channels; }
    ENLARGE_MEMBER int out_width() const { return p.width; }
    ENLARGE_MEMBER int kernel_h() const { return p.kernel; }
    ENLARGE_MEMBER int kernel_w() const { return p.kernel; }
    ENLARGE_MEMBER int row(int y, int tap) const { return y + tap - p.kernel / 2; }
    ENLARGE_MEMBER int column(int x, int tap) const { return x + tap - p.kernel / 2; }
    ENLARGE_MEMBER bool inside(int y, int x) const { return y >= 0 && x >= 0 && y < p.height && x < p.width; }
    ENLARGE_MEMBER void read(int first, int y, int x, float (&v)[8]) const {
        if (first >= p.in_channels) {
#pragma unroll
            for (float& number : v) number = 0.f;
            return;
        }
        const std::int64_t pixel = (first >> 3) * plane + static_cast<std::int64_t>(y) * p.width + x;
        load8(reinterpret_cast<const float*>(p.in) + pixel * 8, v);
    }
    // What fills the last slice up is zero: weights and bias are.
    ENLARGE_MEMBER void write(int first, std::int64_t i, const float (&v)[4]) const {
        if (first >= (p.out_channels + 7) / 8 * 8) return;
        float* out = reinterpret_cast<float*>(p.out) + ((first >> 3) * out_plane + i) * 8 + (first & 7);
        *reinterpret_cast<float4*>(out) = float4{v[0], v[1], v[2], v[3]};
    }
};

template <class Picture>
ENLARGE_DEVICE void conv_float(const Picture& picture, std::uint64_t weight_address, std::uint64_t bias_address,
                               unsigned char* memory) {
    constexpr int kDeep = kFloatDeep, kPitch = kFloatChannels + 4;
    float(*const a)[kDeep][kPitch] = reinterpret_cast<float(*)[kDeep][kPitch]>(memory);
    float(*const b)[kDeep][kFloatPixels] =
        reinterpret_cast<float(*)[kDeep][kFloatPixels]>(memory + sizeof(float) * 2 * kDeep * kPitch);
    const float* weights = reinterpret_cast<const float*>(weight_address);
    const float* bias = reinterpret_cast<const float*>(bias_address);
    const int tid = thread_index(), own_pixel = tid % kFloatPixels, half = tid / kFloatPixels;
    const int across = tid & 15, down = tid >> 4;
    const int channels = picture.channels(), taps = picture.kernel_h() * picture.kernel_w();
    const int steps = (channels + kDeep - 1) / kDeep * taps;
    const int groups = (picture.out_channels() + kFloatChannels - 1) / kFloatChannels;
    const std::int64_t tiles = (picture.out_plane + kFloatPixels - 1) / kFloatPixels * groups;

    for (std::int64_t tile = block_index(); tile < tiles; tile += block_count()) {
        const int first = static_cast<int>(tile % groups) * kFloatChannels;
        const std::int64_t first_pixel = tile / groups * kFloatPixels, pixel = first_pixel + own_pixel;
        const int y = static_cast<int>(pixel / picture.out_width()), x = static_cast<int>(pixel % picture.out_width());
        float sum[8][4], next_a[4], next_b[8];
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            const int channel = first + down * 4 + c;
            const float start = channel < picture.out_channels() ? bias[channel] : 0.f;
#pragma unroll
            for (int i = 0; i < 8; ++i) sum[i][c] = start;
        }
        int channel = 0, tap_y = 0, tap_x = 0;  // of the numbers that are fetched next
        const auto fetch = [&] {
            const int yy = picture.row(y, tap_y), xx = picture.column(x, tap_x);
            if (pixel < picture.out_plane && picture.inside(yy, xx)) {
                picture.read(channel + half * 8, yy, xx, next_b);
            } else {
#pragma unroll
                for (float& number : next_b) number = 0.f;
            }
            const int from = channel + (tid & 15), tap = tap_y * picture.kernel_w() + tap_x;
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const int to = first + (tid >> 4) + 16 * i;
                const bool there = from < channels && to < picture.out_channels();
                next_a[i] = there ? weights[(static_cast<std::int64_t>(to) * channels + from) * taps + tap] : 0.f;
            }
            if (++tap_x < picture.kernel_w()) return;
            tap_x = 0;
            if (++tap_y < picture.kernel_h()) return;
            tap_y = 0;
            channel += kDeep;
        };
        const auto keep = [&](int buffer) {
#pragma unroll
            for (int i = 0; i < 4; ++i) a[buffer][tid & 15][(tid >> 4) + 16 * i] = next_a[i];
#pragma unroll
            for (int i = 0; i < 8; ++i) b[buffer][half * 8 + i][own_pixel] = next_b[i];
        };
        fetch();
        keep(0);
        cta_sync();
        for (int step = 0; step < steps; ++step) {
            const int buffer = step & 1;
            if (step + 1 < steps) fetch();
#pragma unroll
            for (int k = 0; k < kDeep; ++k) {
                const float4 w = *reinterpret_cast<const float4*>(&a[buffer][k][down * 4]);
                const float4 low = *reinterpret_cast<const float4*>(&b[buffer][k][across * 4]);
                const float4 high = *reinterpret_cast<const float4*>(&b[buffer][k][kFloatPixels / 2 + across * 4]);
                const float in[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
                for (int i = 0; i < 8; ++i) {
                    sum[i][0] += w.x * in[i];
                    sum[i][1] += w.y * in[i];
                    sum[i][2] += w.z * in[i];
                    sum[i][3] += w.w * in[i];
                }
            }
            if (step + 1 < steps) keep(buffer ^ 1);
            cta_sync();
        }
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const std::int64_t at = first_pixel + (i >> 2) * (kFloatPixels / 2) + across * 4 + (i & 3);
            if (at < picture.out_plane) picture.write(first + down * 4, at, sum[i]);
        }
    }
}

ENLARGE_KERNEL(tensor_conv_float, tensors::ConvTensor, 256, 2) {
    ENLARGE_SHARED_MEMORY(memory);
    conv_float(FloatPlanes(p), p.weights, p.bias, memory);
}
ENLARGE_KERNEL(conv_plain_f32, ConvPlain, 256, 2) {
    ENLARGE_SHARED_MEMORY(memory);
    conv_float(FloatSlices(p), p.weights, p.bias, memory);
}

}  // namespace enlarge::cuda
