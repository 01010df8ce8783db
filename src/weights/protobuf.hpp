// SPDX-License-Identifier: Apache-2.0
// The wire format of protocol buffers: fields with numbers, one after the other. Nothing is copied.
#pragma once

#include <cstdint>
#include <vector>

#include "weights/bytes.hpp"

namespace enlarge::protobuf {

enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
    std::uint32_t number = 0;
    Wire wire = Wire::varint;
    std::uint64_t value = 0;  // varint, fixed64, fixed32
    Bytes data;               // bytes
};

inline Result<std::uint64_t> read_varint(ByteReader& in) {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        TRY(const auto byte, in.number<std::uint8_t>());
        value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
        if (!(byte & 0x80U)) return value;
    }
    return Error{Errc::format, "damaged protobuf: a number of more than 10 bytes at byte " + std::to_string(in.position())};
}

inline Result<Field> read_field(ByteReader& in) {
    Field field;
    TRY(const std::uint64_t key, read_varint(in));
    if (key >> 32 || key >> 3 == 0)
        return Error{Errc::format, "damaged protobuf: field number " + std::to_string(key >> 3)};
    field.number = static_cast<std::uint32_t>(key >> 3);
    field.wire = static_cast<Wire>(key & 7U);
    switch (field.wire) {
        case Wire::varint: { TRY(field.value, read_varint(in)); return field; }
        case Wire::fixed64: { TRY(field.value, in.number<std::uint64_t>()); return field; }
        case Wire::fixed32: { TRY(const auto value, in.number<std::uint32_t>()); field.value = value; return field; }
        case Wire::bytes: {
            TRY(const std::uint64_t length, read_varint(in));
            TRY(field.data, in.take(length));
            return field;
        }
    }
    return Error{Errc::format, "damaged protobuf: wire type " + std::to_string(key & 7U) + " at byte " +
                                   std::to_string(in.position())};
}

// A repeated number: one per field, or packed into one field. `put` is called with each value.
template <class Put>
Result<void> read_repeated(const Field& field, Wire wire, Put put) {
    if (field.wire != Wire::bytes) {
        if (field.wire != wire) return Error{Errc::format, "damaged protobuf: a number of the wrong kind"};
        return put(field.value);
    }
    ByteReader in(field.data);
    while (!in.done()) {
        if (wire == Wire::varint) {
            TRY(const std::uint64_t value, read_varint(in));
            TRY(put(value));
        } else if (wire == Wire::fixed32) {
            TRY(const auto value, in.number<std::uint32_t>());
            TRY(put(std::uint64_t{value}));
        } else {
            TRY(const auto value, in.number<std::uint64_t>());
            TRY(put(value));
        }
    }
    return {};
}

}  // namespace enlarge::protobuf
