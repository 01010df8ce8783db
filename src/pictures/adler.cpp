// SPDX-License-Identifier: Apache-2.0
#include "pictures/adler.hpp"

#include <cstring>

namespace enlarge::pictures {
namespace {

// Sixteen bytes at once, on every processor, in two lots of 16-bit numbers: bytes at even places and at odd ones.
using Pairs = std::uint16_t __attribute__((vector_size(16)));
constexpr std::size_t kLanes = 16;
constexpr std::size_t kRows = 16;  // of sixteen bytes in a block: sums of sums stay below 65536
constexpr std::size_t kBlock = kRows * kLanes;
constexpr std::uint64_t kModulus = 65521;

struct Sums {
    std::uint64_t a = 1, b = 0;  // far below 2^64 for anything that fits into memory at once, if reduced now and then

    void reduce() { a %= kModulus, b %= kModulus; }
    void add(std::byte byte) {
        a += static_cast<std::uint8_t>(byte);
        b += a;
    }
    void add_block(const std::byte* bytes) {
        Pairs even{}, odd{};            // sums over rows
        Pairs even_sums{}, odd_sums{};  // and of these after each row: the first row counts kRows times
        for (std::size_t row = 0; row < kRows; ++row) {
            Pairs pairs;
            std::memcpy(&pairs, bytes + row * kLanes, kLanes);
            even += pairs & 0xff;
            odd += pairs >> 8;
            even_sums += even;
            odd_sums += odd;
        }
        std::uint32_t sum = 0, weighted = 0, places = 0;
        for (std::uint32_t i = 0; i < kLanes / 2; ++i) {
            sum += std::uint32_t{even[i]} + odd[i];
            weighted += std::uint32_t{even_sums[i]} + odd_sums[i];
            places += 2 * i * even[i] + (2 * i + 1) * odd[i];
        }
        b += kBlock * a + std::uint64_t{kLanes} * weighted - places;
        a += sum;
    }
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "which byte of a pair comes first");

}  // namespace

std::uint32_t adler32(std::span<const std::byte> bytes) {
    Sums sums;
    std::size_t i = 0;
    for (; i + kBlock <= bytes.size(); i += kBlock) {
        sums.add_block(bytes.data() + i);
        if (i % (kBlock << 12) == 0) sums.reduce();
    }
    for (; i < bytes.size(); ++i) sums.add(bytes[i]);
    sums.reduce();
    return static_cast<std::uint32_t>(sums.b << 16 | sums.a);
}

}  // namespace enlarge::pictures
