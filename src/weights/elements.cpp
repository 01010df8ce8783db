// SPDX-License-Identifier: Apache-2.0
#include "weights/elements.hpp"

#include <algorithm>
#include <bit>

#include "base/checked.hpp"

namespace enlarge {
namespace {

constexpr std::size_t kMostSides = 8;

std::string quoted(std::string_view name) { return "tensor \"" + printable(name) + "\""; }

std::string shape_text(const std::vector<std::int64_t>& shape) {
    std::string text = "[";
    for (std::size_t i = 0; i < std::min(shape.size(), kMostSides); ++i)
        text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + (shape.size() > kMostSides ? ", ...]" : "]");
}

template <class T>
T load(const std::byte* at, bool swap) {
    std::byte raw[sizeof(T)];
    std::memcpy(raw, at, sizeof(T));
    if (swap) std::reverse(raw, raw + sizeof(T));
    T value;
    std::memcpy(&value, raw, sizeof(T));
    return value;
}

// Calls put(i, index) for every element in row-major order, with its index in the storage. The caller has checked that
// all indices lie inside.
template <class Put>
void walk(const Layout& layout, const std::vector<std::int64_t>& strides, std::int64_t count, Put put) {
    const std::size_t sides = layout.shape.size();
    std::vector<std::int64_t> at(sides, 0);
    std::int64_t index = layout.offset;
    for (std::int64_t i = 0; i < count; ++i) {
        put(i, index);
        for (std::size_t d = sides; d-- > 0;) {
            index += strides[d];
            if (++at[d] < layout.shape[d]) break;
            index -= strides[d] * layout.shape[d];
            at[d] = 0;
        }
    }
}

template <class Convert>
std::vector<float> gather(const Layout& layout, const std::vector<std::int64_t>& strides, bool dense, std::int64_t count,
                          Convert convert) {
    std::vector<float> values(static_cast<std::size_t>(count));
    if (dense) {
        for (std::int64_t i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = convert(layout.offset + i);
    } else {
        walk(layout, strides, count,
             [&](std::int64_t i, std::int64_t index) { values[static_cast<std::size_t>(i)] = convert(index); });
    }
    return values;
}

}  // namespace

std::size_t element_bytes(ElementType type) {
    switch (type) {
        using enum ElementType;
        case f64: case i64: case u64: return 8;
        case f32: case i32: case u32: return 4;
        case f16: case bf16: case i16: case u16: return 2;
        case i8: case u8: case boolean: return 1;
    }
    return 1;
}

// The same of many numbers beside each other, without branches, so that the compiler widens the loop.
void halves_to_floats(const std::byte* from, std::size_t count, float* to) {
    for (std::size_t i = 0; i < count; ++i) {
        std::uint16_t bits;
        std::memcpy(&bits, from + i * sizeof bits, sizeof bits);
        const std::int32_t magnitude = bits & 0x7FFF;
        const std::int32_t sign = (bits & 0x8000) << 16;
        const std::int32_t plain = (magnitude << 13) + (magnitude >= 0x7C00 ? 224 << 23 : 112 << 23);
        const auto small = std::bit_cast<std::int32_t>(static_cast<float>(magnitude) * 0x1p-24F);
        to[i] = std::bit_cast<float>(sign | (magnitude < 0x400 ? small : plain));
    }
}

float half_to_float(std::uint16_t bits) {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
    const std::uint32_t exponent = (bits >> 10) & 31U;
    const std::uint32_t fraction = bits & 0x3ffU;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | (fraction << 13));
    if (exponent) return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (fraction << 13));
    const float small = static_cast<float>(fraction) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(small));
}

std::uint16_t float_to_half(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
    const std::uint32_t magnitude = bits & 0x7fffffffU;
    if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);  // NaN
    if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);  // 65520 and more round to infinity
    if (magnitude < 0x38800000U) {  // below 2^-14: a multiple of 2^-24; adding 0.5 lets the FPU round
        const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
        return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000U));
    }
    const std::uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U);
    return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

float bfloat16_to_float(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

std::uint16_t float_to_bfloat16(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);  // NaN
    return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

Result<std::int64_t> element_count(const std::vector<std::int64_t>& shape, std::string_view name) {
    if (shape.size() > kMostSides)
        return Error{Errc::format, quoted(name) + " has " + std::to_string(shape.size()) + " dimensions; at most " +
                                       std::to_string(kMostSides) + " expected"};
    std::int64_t count = 1;
    bool empty = false;
    for (const std::int64_t side : shape) {
        if (side < 0) return Error{Errc::format, quoted(name) + " has a negative side in its shape " + shape_text(shape)};
        if (side == 0) {
            empty = true;
            continue;
        }
        if (__builtin_mul_overflow(count, side, &count))
            return Error{Errc::limit, quoted(name) + ": the shape " + shape_text(shape) + " overflows"};
    }
    return empty ? 0 : count;
}

Budget::Budget(const Limits& limits, std::uint64_t file_bytes) : limits_(limits), tensors_left_(limits.tensors) {
    grow(file_bytes);
}

void Budget::grow(std::uint64_t file_bytes) {
    const std::uint64_t most =
        static_cast<std::uint64_t>(std::max<std::int64_t>(limits_.total_elements - elements_allowed_, 0));
    const std::uint64_t by_file = file_bytes > most / kElementsPerByte ? most : file_bytes * kElementsPerByte;
    const auto more = static_cast<std::int64_t>(std::min(most, by_file));
    elements_allowed_ += more;
    elements_left_ += more;
}

Result<std::int64_t> Budget::take(const std::vector<std::int64_t>& shape, std::string_view name) {
    TRY(const std::int64_t count, element_count(shape, name));
    if (tensors_left_ <= 0)
        return Error{Errc::limit, "more than " + std::to_string(limits_.tensors) + " tensors"};
    if (count > limits_.tensor_elements)
        return Error{Errc::limit, quoted(name) + " has " + std::to_string(count) + " elements; at most " +
                                      std::to_string(limits_.tensor_elements) + " allowed"};
    if (count > elements_left_)
        return Error{Errc::limit, quoted(name) + " has " + std::to_string(count) +
                                      " elements; with those before it that is more than a file of this size may hold"};
    --tensors_left_;
    elements_left_ -= count;
    return count;
}

Result<Tensor> read_tensor(Bytes storage, ElementType type, const Layout& layout, bool swap, Budget& budget,
                           std::string_view name) {
    TRY(const std::int64_t count, budget.take(layout.shape, name));
    std::vector<std::int64_t> dense_strides(layout.shape.size());
    std::int64_t step = 1;
    for (std::size_t d = layout.shape.size(); d-- > 0;) {
        dense_strides[d] = step;
        if (count) step *= layout.shape[d];
    }
    const std::vector<std::int64_t>& strides = layout.strides.empty() ? dense_strides : layout.strides;
    if (strides.size() != layout.shape.size())
        return Error{Errc::format, quoted(name) + " has " + std::to_string(strides.size()) + " strides for " +
                                       std::to_string(layout.shape.size()) + " dimensions"};

    Tensor tensor{layout.shape, {}, is_integer(type)};
    if (count == 0) return tensor;

    const auto size = static_cast<std::int64_t>(storage.size() / element_bytes(type));
    if (layout.offset < 0)
        return Error{Errc::format, quoted(name) + " starts at the negative offset " + std::to_string(layout.offset)};
    std::int64_t last = layout.offset;  // strides are not negative, so the largest index belongs to the last element
    bool dense = true;
    for (std::size_t d = 0; d < strides.size(); ++d) {
        if (strides[d] < 0)
            return Error{Errc::format, quoted(name) + " has the negative stride " + std::to_string(strides[d])};
        if (layout.shape[d] == 1) continue;
        if (strides[d] != dense_strides[d]) dense = false;
        std::int64_t reach;
        if (__builtin_mul_overflow(strides[d], layout.shape[d] - 1, &reach) || __builtin_add_overflow(last, reach, &last))
            return Error{Errc::format, quoted(name) + ": strides and offset overflow"};
    }
    if (last >= size)
        return Error{Errc::format, quoted(name) + " reaches element " + std::to_string(last) +
                                       " of a storage that holds " + std::to_string(size)};

    // A side of length 1 may carry any stride, even one that would overflow walk()'s arithmetic.
    std::vector<std::int64_t> safe = strides;
    for (std::size_t d = 0; d < safe.size(); ++d)
        if (layout.shape[d] == 1) safe[d] = 0;

    const std::byte* base = storage.data();
    const auto as = [&]<class T>(T) {
        return gather(layout, safe, dense, count, [base, swap](std::int64_t i) {
            return static_cast<float>(load<T>(base + i * static_cast<std::int64_t>(sizeof(T)), swap));
        });
    };
    const auto as_bits16 = [&](float (*convert)(std::uint16_t)) {
        return gather(layout, safe, dense, count,
                      [=](std::int64_t i) { return convert(load<std::uint16_t>(base + i * 2, swap)); });
    };
    switch (type) {
        using enum ElementType;
        case f64: tensor.values = as(double{}); break;
        case f32: tensor.values = as(float{}); break;
        case f16:
            if (dense && !swap && std::endian::native == std::endian::little) {
                std::vector<float> values(static_cast<std::size_t>(count));
                halves_to_floats(base + layout.offset * 2, values.size(), values.data());
                tensor.values = std::move(values);
            } else {
                tensor.values = as_bits16(half_to_float);
            }
            break;
        case bf16: tensor.values = as_bits16(bfloat16_to_float); break;
        case i64: tensor.values = as(std::int64_t{}); break;
        case i32: tensor.values = as(std::int32_t{}); break;
        case i16: tensor.values = as(std::int16_t{}); break;
        case i8: tensor.values = as(std::int8_t{}); break;
        case u64: tensor.values = as(std::uint64_t{}); break;
        case u32: tensor.values = as(std::uint32_t{}); break;
        case u16: tensor.values = as(std::uint16_t{}); break;
        case u8: case boolean: tensor.values = as(std::uint8_t{}); break;
    }
    return tensor;
}

}  // namespace enlarge
