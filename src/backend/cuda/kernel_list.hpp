// SPDX-License-Identifier: Apache-2.0
// Every kernel, with its parameters and the most threads a block may have.
#pragma once

#include "ceiling.hpp"
#include "../tensors/params.hpp"
#include "params.hpp"

// X(kernel, parameters, threads)
#define ENLARGE_CUDA_KERNELS(X)                  \
    X(conv64_f32acc, ConvRows, 128)              \
    X(conv64_f16acc, ConvRows, 128)              \
    X(conv48_f32acc, ConvRows, 128)              \
    X(conv48_silu, ConvRows, 128)                \
    X(conv32_f32acc, ConvRows, 128)              \
    X(conv64_s8, ConvS8, 128)                    \
    X(conv64_hopper, ConvHopper, 384)            \
    X(conv64_s8_hopper, ConvS8Hopper, 384)       \
    X(conv_first, ConvFirst, 128)                \
    X(conv_last64, ConvLast, 128)                \
    X(conv_last48, ConvLast, 128)                \
    X(conv_last32, ConvLast, 128)                \
    X(conv_stream64, ConvStream, 128)            \
    X(conv_stream32, ConvStream, 128)            \
    X(conv_plain_f16, ConvPlain, 256)            \
    X(conv_plain_f32, ConvPlain, 256)            \
    X(pointwise_f16, Pointwise, 256)             \
    X(pointwise_f32, Pointwise, 256)             \
    X(move_f16, Move, 256)                       \
    X(move_f32, Move, 256)                       \
    X(load_pixels_f16, LoadPixels, 256)          \
    X(load_pixels_f32, LoadPixels, 256)          \
    X(store_pixels_f16, StorePixels, 256)        \
    X(store_pixels_f32, StorePixels, 256)        \
    X(resample, Resample, 256)                   \
    X(load_planes, LoadPixels, 256)              \
    X(store_planes, StorePixels, 256)            \
    X(tensor_map, MapNumbers, 256)               \
    X(tensor_pair, PairNumbers, 256)             \
    X(tensor_move, MoveNumbers, 256)             \
    X(tensor_conv, ConvTensor, 256)              \
    X(tensor_conv_float, ConvTensor, 256)        \
    X(tensor_dynamic_conv, DynamicConv, 256)     \
    X(tensor_product, MatrixProduct, 256)        \
    X(tensor_lines, Lines, 256)                  \
    X(tensor_sort, SortLines, 256)               \
    X(tensor_gather, GatherNumbers, 256)         \
    X(tensor_group_sums, GroupParts, 256)        \
    X(tensor_group_squares, GroupParts, 256)     \
    X(tensor_group_norm, GroupParts, 256)        \
    X(tensor_score_parts, ScoreParts, 256)       \
    X(tensor_score_sums, ScoreParts, 256)        \
    X(tensor_pool, PoolTensor, 256)              \
    X(tensor_resize, ResizeTensor, 256)          \
    X(tensor_sample, SampleTensor, 256)          \
    X(tensor_edge, EdgeTensor, 256)              \
    X(tensor_attend, Attend, 256)                \
    X(tensor_attend16, Attend, 64)               \
    X(tensor_attend32, Attend, 64)               \
    X(tensor_attend64, Attend, 64)               \
    X(tensor_channel_scores, ChannelScores, 256) \
    X(tensor_channel_mix, ChannelMix, 256)       \
    X(ceiling_f32acc, CeilingWork, 256)          \
    X(ceiling_f16acc, CeilingWork, 256)          \
    X(ceiling_s8, CeilingWork, 256)              \
    X(ceiling_f16_hopper, CeilingWork, 128)      \
    X(ceiling_s8_hopper, CeilingWork, 128)       \
    X(ceiling_copy, CeilingWork, 256)
