// SPDX-License-Identifier: Apache-2.0
// Protocol buffer messages, as much as ONNX needs: fields are appended, messages are fields of bytes.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace enlarge {

class ProtobufWriter {
public:
    ProtobufWriter& integer(int field, std::int64_t value) {
        key(field, 0);
        varint(static_cast<std::uint64_t>(value));
        return *this;
    }
    ProtobufWriter& number(int field, float value) {
        key(field, 5);
        const auto bits = std::bit_cast<std::uint32_t>(value);
        for (int shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift & 255U);
        return *this;
    }
    ProtobufWriter& bytes(int field, std::string_view value) {
        key(field, 2);
        varint(value.size());
        bytes_ += value;
        return *this;
    }
    ProtobufWriter& message(int field, const ProtobufWriter& value) { return bytes(field, value.bytes_); }

    [[nodiscard]] const std::string& data() const { return bytes_; }

private:
    void key(int field, unsigned wire) { varint(static_cast<std::uint64_t>(field) << 3U | wire); }
    void varint(std::uint64_t value) {
        for (; value > 127; value >>= 7U) bytes_ += static_cast<char>((value & 127U) | 128U);
        bytes_ += static_cast<char>(value);
    }
    std::string bytes_;
};

}  // namespace enlarge
