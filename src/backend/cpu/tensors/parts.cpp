// SPDX-License-Identifier: Apache-2.0
// Convolutions of large kernels. A kernel is cut into parts of three rows and columns; what F(4x4,3x3) makes of each
// part is added up before it is turned back: 17x17 taps are 36 parts of 2.25 products a pixel, 81 instead of 289.
//
// Parts lie three pixels apart and blocks four, so that of the input each pixel begins a block of some part. Pixels are
// kept as planes: of each row four, with every fourth column, and in them a channel's blocks beside each other. The
// blocks of any part are then as many numbers in a row of a plane.
#include <algorithm>

#include "backend/cpu/tensors/session.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu::tensors {
namespace {

constexpr std::int64_t kFloats = 1 << 18;  // that a thread's planes and sums may take, where one vector is not enough

// Where a thread keeps what belongs to `blocks` blocks beside each other, a multiple of lanes.
struct Room {
    Room(const Convolution& c, int channels, int widest, int all)
        : blocks(all), across(c.op.kernel_w / 3), stride(blocks + 3 * (across - 1) / 4 + 2),
          plane(std::ptrdiff_t{channels} * stride), row(4 * plane + kBeyond),
          sums(std::ptrdiff_t{c.out_group} * blocks), turned(std::ptrdiff_t{widest} * blocks) {}

    static constexpr int kBeyond = 16;  // floats behind a row that a shifted line may read
    int blocks, across;                 // across: parts
    std::ptrdiff_t stride;              // from channel to channel
    std::ptrdiff_t plane, row;          // floats
    std::ptrdiff_t sums, turned;        // floats of a position
    [[nodiscard]] std::int64_t floats() const { return 18 * row + 36 * (sums + turned); }
};

// Rows of `columns` numbers as columns.
void transposed(const KernelTable& kernels, const float* from, std::ptrdiff_t from_stride, int rows, int columns,
                float* to, std::ptrdiff_t to_stride) {
    constexpr int kMost = 64;
    const float* of_row[kMost];
    float* of_column[kMost];
    for (int r = 0; r < rows; r += kMost)
        for (int c = 0; c < columns; c += kMost) {
            const int down = std::min(kMost, rows - r), across = std::min(kMost, columns - c);
            for (int i = 0; i < down; ++i) of_row[i] = from + (r + i) * from_stride + c;
            for (int i = 0; i < across; ++i) of_column[i] = to + (c + i) * to_stride + r;
            kernels.transpose_f32(of_row, down, across, 1, of_column);
        }
}

// The sums of n blocks from pixel (x, y) on, for each position and output; those of the blocks up to room.blocks
// are anything.
void sum_parts(const Compute& compute, const Convolution& c, const Room& room, int x, int y, int n, float* memory,
               float* sums) {
    const KernelTable& kernels = compute.kernels();
    const Tensor& in = compute.a();
    const int channels = in.padded();
    const float* const zeros = compute.zero_row();
    float* const rows = memory;
    float* const lines = rows + 6 * room.row;   // after the rows' transform
    float* const blocks = lines + 6 * room.row;  // after the columns'
    const int pixels = 4 * (n - 1) + c.op.kernel_w + 3;
    // Six rows at a time, three new ones with each row of parts.
    const auto row_at = [&](int r) { return rows + r % 6 * room.row; };
    const auto take = [&](int r) {
        const int from = y - c.op.pad_top + r;
        const float* const pixel = (from >= 0 && from < in.height() ? in.row(from) : zeros) +
                                   std::ptrdiff_t{x - c.op.pad_left} * channels;
        for (int q = 0; q < 4; ++q)
            transposed(kernels, pixel + std::ptrdiff_t{q} * channels, std::ptrdiff_t{4} * channels,
                       (pixels - q + 3) / 4, channels, row_at(r) + q * room.plane, room.stride);
    };
    for (int r = 0; r < 3; ++r) take(r);
    std::vector<const float*> taps(static_cast<std::size_t>(room.across));
    const float* weights = c.weights.as<const float>();
    for (int part = 0; 3 * part < c.op.kernel_h; ++part) {
        const float* from[6];
        float* to[6];
        for (int r = 3 * part + 3; r < 3 * part + 6; ++r) take(r);
        for (int k = 0; k < 6; ++k) {
            from[k] = row_at(3 * part + k);
            to[k] = lines + k * room.row;
        }
        kernels.winograd_lines_f32(from, static_cast<std::size_t>(4 * room.plane), to);
        for (int i = 0; i < 6; ++i) {
            for (int q = 0; q < 4; ++q) {
                if (q > 0 && room.across <= 4 - q) continue;  // no part begins there
                for (int k = 0; k < 6; ++k) {
                    from[k] = lines + i * room.row + (q + k) % 4 * room.plane + (q + k) / 4;
                    to[k] = blocks + k * room.row + q * room.plane;
                }
                kernels.winograd_lines_f32(from, static_cast<std::size_t>(room.plane), to);
            }
            for (int j = 0; j < 6; ++j) {
                for (int t = 0; t < room.across; ++t)
                    taps[static_cast<std::size_t>(t)] = blocks + j * room.row + 3 * t % 4 * room.plane + 3 * t / 4;
                kernels.planes_f32({taps.data(), room.across, room.stride, channels}, room.blocks, weights,
                                   c.out_group, part > 0, sums + (i * 6 + j) * room.sums, room.blocks);
                weights += std::ptrdiff_t{c.out_group} * room.across * channels;
            }
        }
    }
}

int widest_of(const Convolution& c, int lanes) {
    int widest = 0;
    for (const Group& group : c.groups) widest = std::max(widest, group.blocks * lanes);
    return widest;
}

// Blocks beside each other, a multiple of lanes.
int most_blocks(const Convolution& c, int channels, int lanes) {
    int most = kMaxGroup * lanes;
    while (most > lanes && Room(c, channels, widest_of(c, lanes), most).floats() > kFloats) most -= lanes;
    return most;
}

}  // namespace

std::int64_t parts_floats(const Convolution& c, int channels, const KernelTable& kernels) {
    return Room(c, channels, widest_of(c, kernels.lanes), most_blocks(c, channels, kernels.lanes)).floats();
}

void Compute::parts(const Convolution& c) const {
    const int lanes = kernels().lanes, channels = a().padded();
    const int widest = widest_of(c, lanes), most = most_blocks(c, channels, lanes);
    const int across = (out.width() + 3) / 4, down = (out.height() + 3) / 4, batches = (across + most - 1) / most;
    const int each = round_up((across + batches - 1) / batches, lanes);
    const Room room(c, channels, widest, each);
    parallel(std::int64_t{down} * batches, [&](std::int64_t i, Scratch& scratch) {
        const int x = static_cast<int>(i % batches) * each, y = static_cast<int>(i / batches);
        const int n = std::min(each, across - x);
        if (n <= 0) return;
        float* const memory = scratch.floats(room.floats());
        float *const sums = memory + 18 * room.row, *const turned = sums + 36 * room.sums;
        sum_parts(*this, c, room, 4 * x, 4 * y, n, memory, sums);
        for (const Group& group : c.groups) {
            const int width = group.blocks * lanes;
            for (int p = 0; p < 36; ++p)
                transposed(kernels(), sums + p * room.sums + std::ptrdiff_t{group.channel} * each, each, width, each,
                           turned + p * room.turned, width);
            kernels().winograd_output_f32(turned, room.turned, n, group.blocks, c.epilogue_at(group.channel),
                                          blocks_of(c, group, 4 * x, 4 * y, n));
        }
        map_blocks(c, 4 * x, 4 * y, n);
    });
}

}  // namespace enlarge::cpu::tensors
