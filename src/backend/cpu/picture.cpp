// SPDX-License-Identifier: Apache-2.0
// Both ends of the network: samples of any type to floats, and back with depth to space, the input added and rounding.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/session.hpp"
#include "backend/cpu/stopwatch.hpp"
#include "image/format.hpp"

namespace enlarge::cpu {

void Runner::load(const Context& context, const Step& step, const Share& share) {
    const Stopwatch watch(timing_);
    const ImageView& in = context.job->in;
    const PixelFormat& format = in.format;
    const int channels = format.channels;
    const float most = static_cast<float>(max_value(format));
    const int bytes = sample_bytes(format.sample);
    bool finite = true;
    for (int y = share.rows.begin; y < share.rows.end; ++y) {
        float* const row = pixels<float>(step.output, y);
        for (int x = share.columns.begin; x < share.columns.end; ++x)
            for (int c = channels; c < 4; ++c) row[x * 4 + c] = 0;
        for (int c = 0; c < channels; ++c) {
            const std::byte* from = format.planar ? in.row(c, y) : in.row(0, y) + std::ptrdiff_t{c} * bytes;
            const std::ptrdiff_t step_bytes = format.planar ? bytes : std::ptrdiff_t{bytes} * channels;
            from += share.columns.begin * step_bytes;
            for (int x = share.columns.begin; x < share.columns.end; ++x, from += step_bytes) {
                float value = 0;
                switch (format.sample) {
                    case SampleType::u8: value = static_cast<float>(static_cast<std::uint8_t>(*from)) / most; break;
                    case SampleType::u16: {
                        std::uint16_t sample;
                        std::memcpy(&sample, from, sizeof sample);
                        value = static_cast<float>(sample) / most;
                        break;
                    }
                    case SampleType::f16: {
                        Half sample;
                        std::memcpy(&sample, from, sizeof sample);
                        kernels_.from_half(&sample, 1, &value);
                        break;
                    }
                    case SampleType::f32: std::memcpy(&value, from, sizeof value); break;
                }
                finite = finite && std::isfinite(value);
                row[x * 4 + c] = value;
            }
        }
    }
    if (!finite) finite_.store(false, std::memory_order_relaxed);
    watch.add(context.scratch->times.load);
}

void Runner::store(const Context& context, const Step& step, const float* pixels_, std::ptrdiff_t stride, int x, int y,
                   int n) {
    const MutableImageView& out = context.job->out;
    const PixelFormat& format = out.format;
    // The core in pixels of this step; Winograd blocks may reach beyond it.
    const Rect& core = context.job->core;
    const int left = core.x * step.num / step.den, right = core.right() * step.num / step.den;
    const int top = core.y * step.num / step.den, bottom = core.bottom() * step.num / step.den;
    if (y < top || y >= bottom) return;
    const int f = step.shuffle, channels = step.image_channels, run = f * channels;
    const int bytes = sample_bytes(format.sample);
    const float most = static_cast<float>(max_value(format));
    const int begin = std::max(x, left), end = std::min(x + n, right);
    float* const line = context.scratch->line.as<float>();
    const auto write = [&](const float* values, std::size_t count, std::byte* to) {
        switch (format.sample) {
            case SampleType::u8: kernels_.quantise_u8(values, count, reinterpret_cast<std::uint8_t*>(to)); break;
            case SampleType::u16: kernels_.quantise_u16(values, count, most, reinterpret_cast<std::uint16_t*>(to)); break;
            case SampleType::f16: kernels_.to_half(values, count, reinterpret_cast<Half*>(to)); break;
            case SampleType::f32: std::memcpy(to, values, count * sizeof(float)); break;
        }
    };
    for (int at = begin; at < end; at += kEndPixels) {
        const int count = std::min(kEndPixels, end - at);
        const auto values = static_cast<std::size_t>(count) * static_cast<std::size_t>(run);
        const float* base =
            step.add_input ? pixels<const float>(step.inputs.back().tensor, y) + std::ptrdiff_t{at} * 4 : nullptr;
        for (int dy = 0; dy < f; ++dy) {
            kernels_.shuffle_line_f32(pixels_ + (at - x) * stride + std::ptrdiff_t{dy} * run, stride, count, run, channels,
                                      base, line);
            if (!kernels_.all_finite_f32(line, values)) finite_.store(false, std::memory_order_relaxed);
            const int row = (y - top) * f + dy, column = (at - left) * f;
            if (!format.planar) {
                write(line, values, out.row(0, row) + std::ptrdiff_t{column} * channels * bytes);
                continue;
            }
            float* const plane = line + std::ptrdiff_t{kEndPixels} * run;
            for (int c = 0; c < channels; ++c) {
                const auto samples = static_cast<std::size_t>(count) * static_cast<std::size_t>(f);
                for (std::size_t i = 0; i < samples; ++i)
                    plane[i] = line[i * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c)];
                write(plane, samples, out.row(c, row) + std::ptrdiff_t{column} * bytes);
            }
        }
    }
}

// The end of a network whose last step is no convolution: depth to space by gathering.
void Runner::store_rows(const Context& context, const Step& step, const Share& share) {
    const Stopwatch watch(timing_);
    const Tensor& from = tensor(step.inputs[0].tensor);
    const int f = step.shuffle, channels = step.image_channels, size = f * f * channels;
    const std::ptrdiff_t stride = buffer(step.inputs[0].tensor).stride;
    float* const gathered = context.scratch->end.as<float>();
    for (int y = share.rows.begin; y < share.rows.end; ++y)
        for (int x = share.columns.begin; x < share.columns.end; x += kEndPixels) {
            const int n = std::min(kEndPixels, share.columns.end - x);
            const float* row = pixels<const float>(step.inputs[0].tensor, y) + x * stride;
            for (int p = 0; p < n; ++p)
                for (int i = 0; i < size; ++i) {
                    const int dy = i / (f * channels), dx = i / channels % f, c = i % channels;
                    gathered[p * size + i] = row[p * stride + from.where[static_cast<std::size_t>(c * f * f + dy * f + dx)]];
                }
            store(context, step, gathered, size, x, y, n);
        }
    watch.add(context.scratch->times.picture);
}

}  // namespace enlarge::cpu
