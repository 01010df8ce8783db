// SPDX-License-Identifier: Apache-2.0
// Sums over whole pictures: each is cut into parts that blocks share, and the next kernel adds the parts up.
#pragma once

#include "../params.hpp"
#include "tensors.cuh"

namespace enlarge::cuda {

ENLARGE_DEVICE float block_sum(float own, float* shared) {
    cta_sync();
    shared[thread_index()] = own;
    cta_sync();
    float sum = 0.f;
    for (int i = 0; i < thread_count(); ++i) sum += shared[i];
    return sum;
}

ENLARGE_DEVICE float sum_of_parts(std::uint64_t parts, std::int64_t group, int count) {
    float sum = 0.f;
    for (int i = 0; i < count; ++i) sum += floats(parts)[group * count + i];
    return sum;
}

// Calls each(group, part, first, last) for the parts of this block: numbers first .. last - 1 of the group.
template <class Each>
ENLARGE_DEVICE void for_parts(const GroupParts& p, Each each) {
    const std::int64_t length = (p.of.size + p.parts - 1) / p.parts;
    for (std::int64_t item = block_index(); item < p.of.groups * p.parts; item += block_count()) {
        const std::int64_t first = item % p.parts * length;
        each(item / p.parts, item, first, min(first + length, p.of.size));
    }
}

ENLARGE_KERNEL(tensor_group_sums, GroupParts, 256, 1) {
    ENLARGE_SHARED_MEMORY(memory);
    for_parts(p, [&](std::int64_t group, std::int64_t part, std::int64_t first, std::int64_t last) {
        const float* in = floats(p.of.in) + group * p.of.size;
        float sum = 0.f;
        for (std::int64_t i = first + thread_index(); i < last; i += thread_count()) sum += in[i];
        sum = block_sum(sum, reinterpret_cast<float*>(memory));
        if (thread_index() == 0) result_floats(p.sums)[part] = sum;
    });
}

ENLARGE_KERNEL(tensor_group_squares, GroupParts, 256, 1) {
    ENLARGE_SHARED_MEMORY(memory);
    for_parts(p, [&](std::int64_t group, std::int64_t part, std::int64_t first, std::int64_t last) {
        const float* in = floats(p.of.in) + group * p.of.size;
        const float mean = sum_of_parts(p.sums, group, p.parts) / static_cast<float>(p.of.size);
        float sum = 0.f;
        for (std::int64_t i = first + thread_index(); i < last; i += thread_count())
            sum += (in[i] - mean) * (in[i] - mean);
        sum = block_sum(sum, reinterpret_cast<float*>(memory));
        if (thread_index() == 0) result_floats(p.squares)[part] = sum;
    });
}

ENLARGE_KERNEL(tensor_group_norm, GroupParts, 256, 1) {
    const float count = static_cast<float>(p.of.size);
    for_parts(p, [&](std::int64_t group, std::int64_t, std::int64_t first, std::int64_t last) {
        const float mean = sum_of_parts(p.sums, group, p.parts) / count;
        if (p.of.mean) {
            if (first == 0 && thread_index() == 0) result_floats(p.of.out)[group] = mean;
            return;
        }
        const float factor = 1.f / sqrtf(sum_of_parts(p.squares, group, p.parts) / count + p.of.epsilon);
        for (std::int64_t i = group * p.of.size + first + thread_index(); i < group * p.of.size + last;
             i += thread_count()) {
            const std::int64_t c = i / p.of.plane;
            result_floats(p.of.out)[i] =
                (floats(p.of.in)[i] - mean) * factor * floats(p.of.scale)[c] + floats(p.of.shift)[c];
        }
    });
}

// Products of the channels of a head, of queries and keys, over a part of a window: the sums of each pair, the squares
// of each channel of queries, then of keys. 32 pixels at a time lie in shared memory.
ENLARGE_KERNEL(tensor_score_parts, ScoreParts, 256, 1) {
    ENLARGE_SHARED_MEMORY(memory);
    constexpr int kPixels = kScorePixels, kPitch = kPixels + 1, kPairs = kMostScoreChannels * kMostScoreChannels / 256;
    float(*const q)[kPitch] = reinterpret_cast<float(*)[kPitch]>(memory);
    float(*const k)[kPitch] = q + kMostScoreChannels;
    const ChannelScores& s = p.of;
    const int tid = thread_index(), size = s.channels / s.heads, pairs = size * size, across = s.width / s.window_w;
    const std::int64_t plane = static_cast<std::int64_t>(s.height) * s.width;
    const std::int64_t windows = static_cast<std::int64_t>(s.height / s.window_h) * across;
    const std::int64_t area = static_cast<std::int64_t>(s.window_h) * s.window_w,
                       length = (area + p.parts - 1) / p.parts;
    for (std::int64_t item = block_index(); item < windows * s.heads * p.parts; item += block_count()) {
        const std::int64_t part = item % p.parts, head = item / p.parts % s.heads, window = item / p.parts / s.heads;
        const std::int64_t corner = window / across * s.window_h * s.width + window % across * s.window_w;
        const float* queries = floats(s.in) + head * size * plane + corner;
        const float* keys = queries + s.channels * plane;
        const std::int64_t first = part * length, last = min(first + length, area);
        float sums[kPairs], squares = 0.f;
#pragma unroll
        for (float& sum : sums) sum = 0.f;
        for (std::int64_t begin = first; begin < last; begin += kPixels) {
            cta_sync();  // the pixels before have been read
            const std::int64_t pixel = begin + tid % kPixels;
            const std::int64_t at = pixel / s.window_w * s.width + pixel % s.window_w;
            for (int c = tid / kPixels; c < size; c += 256 / kPixels) {
                q[c][tid % kPixels] = pixel < last ? queries[c * plane + at] : 0.f;
                k[c][tid % kPixels] = pixel < last ? keys[c * plane + at] : 0.f;
            }
            cta_sync();
#pragma unroll
            for (int i = 0; i < kPairs; ++i) {
                const int pair = i * 256 + tid;
                if (pair >= pairs) continue;
                const float *a = q[pair / size], *b = k[pair % size];
                for (int x = 0; x < kPixels; ++x) sums[i] += a[x] * b[x];
            }
            if (tid >= 2 * size) continue;
            const float* own = tid < size ? q[tid] : k[tid - size];
            for (int x = 0; x < kPixels; ++x) squares += own[x] * own[x];
        }
        float* out = result_floats(p.sums) + item * (pairs + 2 * size);
#pragma unroll
        for (int i = 0; i < kPairs; ++i)
            if (i * 256 + tid < pairs) out[i * 256 + tid] = sums[i];
        if (tid < 2 * size) out[pairs + tid] = squares;
    }
}

// A thread for each pair of channels of each head and window.
ENLARGE_KERNEL(tensor_score_sums, ScoreParts, 256, 1) {
    const ChannelScores& s = p.of;
    const int size = s.channels / s.heads, pairs = size * size;
    const std::int64_t windows = static_cast<std::int64_t>(s.height / s.window_h) * (s.width / s.window_w);
    for (std::int64_t i = first_item(); i < windows * s.channels * size; i += item_step()) {
        const int d = static_cast<int>(i % size), c = static_cast<int>(i / size % s.channels), head = c / size;
        const float* parts = floats(p.sums) + (i / size / s.channels * s.heads + head) * p.parts * (pairs + 2 * size);
        float product = 0.f, q_length = 0.f, k_length = 0.f;
        for (int part = 0; part < p.parts; ++part, parts += pairs + 2 * size) {
            product += parts[c % size * size + d];
            q_length += parts[pairs + c % size];
            k_length += parts[pairs + size + d];
        }
        const float lengths = fmaxf(sqrtf(q_length), s.epsilon) * fmaxf(sqrtf(k_length), s.epsilon);
        result_floats(s.scores)[i] = product / lengths * floats(s.temperature)[head];
    }
}

}  // namespace enlarge::cuda
