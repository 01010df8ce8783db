// SPDX-License-Identifier: Apache-2.0
// From the bytes of a tensor to floats: element types, strides, and the account of how much a file may ask for.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "weights/bytes.hpp"
#include "weights/state_dict.hpp"

namespace enlarge {

enum class ElementType { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

std::size_t element_bytes(ElementType type);
constexpr bool is_integer(ElementType type) { return type >= ElementType::i64; }
float half_to_float(std::uint16_t bits);
void halves_to_floats(const std::byte* from, std::size_t count, float* to);  // of little-endian bits
std::uint16_t float_to_half(float value);  // rounds to nearest even
float bfloat16_to_float(std::uint16_t bits);
std::uint16_t float_to_bfloat16(float value);  // rounds to nearest even

// What may still be read from one file. A tensor is accounted for before its memory is allocated, so a small file cannot
// ask for much: all tensors together have at most 64 elements per byte of the file (strides and shared storages can
// repeat bytes, compression can hide them).
class Budget {
public:
    static constexpr std::int64_t kElementsPerByte = 64;

    Budget(const Limits& limits, std::uint64_t file_bytes);

    // Another file belongs to it, of so many bytes.
    void grow(std::uint64_t file_bytes);

    // Number of elements of a tensor of this shape, taken off the account. Fails with Errc::format for negative sides or
    // more than 8 dimensions, Errc::limit for too much; `name` is for the message.
    Result<std::int64_t> take(const std::vector<std::int64_t>& shape, std::string_view name);

private:
    Limits limits_;
    std::int64_t elements_left_ = 0, elements_allowed_ = 0;
    std::int64_t tensors_left_;
};

// The product of a shape. Fails like Budget::take, without an account.
Result<std::int64_t> element_count(const std::vector<std::int64_t>& shape, std::string_view name);

// How a tensor lies in its storage; offset and strides count elements.
struct Layout {
    std::vector<std::int64_t> shape;
    std::vector<std::int64_t> strides;  // one per side; empty = row-major without gaps
    std::int64_t offset = 0;
};

// Reads a tensor out of `storage`. `swap`: elements are big-endian. Fails with Errc::format when it reaches outside.
Result<Tensor> read_tensor(Bytes storage, ElementType type, const Layout& layout, bool swap, Budget& budget,
                           std::string_view name);

}  // namespace enlarge
