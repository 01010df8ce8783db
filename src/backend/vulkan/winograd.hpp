// SPDX-License-Identifier: Apache-2.0
// Which 3x3 convolutions of a network run by Winograd's F(4x4, 3x3) (shaders/tensor_winograd.comp), and what follows
// for tiles: a block of 4x4 pixels rounds all of its 6x6 inputs together, so tiles begin at multiples of blocks and
// need a wider halo for the same bits.
#pragma once

#include <cstdint>
#include <map>

#include "backend/tensors/lower.hpp"
#include "backend/vulkan/facts.hpp"
#include "backend/vulkan/kernels.hpp"

namespace enlarge::vulkan {

// How the kernel is made for a device; no threads: it has too little shared memory, or too small work groups. Where
// sums are in half precision `chunk` is the number of products in one: the same for all devices. With matrices the
// number of threads is one of whole subgroups, and follows from how many channels a layer gives too.
struct WinogradShape {
    std::uint32_t threads = 0, outs = 0, chunk = 0;
};
WinogradShape winograd_shape(const Facts& facts, Numbers numbers = Numbers::fp32, int out_channels = 1);

// Of the kernel that multiplies matrices without Winograd (shaders/tensor_conv3_matrix.comp).
WinogradShape direct_shape(const Facts& facts, int out_channels = 1);

struct Winograd {
    // From where weights begin in the constants to where they do transformed, in bytes. Empty: it is not used.
    std::map<std::uint64_t, std::uint64_t> weights;
    // The same for weights that lie as matrices and are not transformed, of networks that are computed without.
    std::map<std::uint64_t, std::uint64_t> direct;
    int halo = 0, alignment = 1;  // as ProgramInfo's
};

// Whether a network is computed so at all: by what it is, never by the picture; not where the halo would be too wide to
// pay.
bool has_winograd(const Graph& graph, const Facts& facts, Numbers numbers);

// Whether it has convolutions for the kernel of direct_shape(), with numbers that call for it.
bool has_direct(const Graph& graph, const Facts& facts, Numbers numbers);

// Puts transformed weights behind the constants of a network that has_winograd(), else those of has_direct().
Winograd add_winograd(const Graph& graph, const Facts& facts, tensors::Constants& constants, Numbers numbers);

}  // namespace enlarge::vulkan
