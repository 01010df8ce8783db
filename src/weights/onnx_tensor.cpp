// SPDX-License-Identifier: Apache-2.0
#include "weights/onnx_tensor.hpp"

#include <charconv>
#include <cmath>
#include <optional>

#include "weights/protobuf.hpp"

namespace enlarge::onnx {
namespace {

using protobuf::Field;
using protobuf::Wire;

std::optional<ElementType> element_type(std::uint64_t type) {
    switch (static_cast<DataType>(type)) {
        using enum ElementType;
        case DataType::f32: return f32;
        case DataType::u8: return u8;
        case DataType::i8: return i8;
        case DataType::u16: return u16;
        case DataType::i16: return i16;
        case DataType::i32: return i32;
        case DataType::i64: return i64;
        case DataType::boolean: return boolean;
        case DataType::f16: return f16;
        case DataType::f64: return f64;
        case DataType::u32: return u32;
        case DataType::u64: return u64;
        case DataType::bf16: return bf16;
        default: return std::nullopt;
    }
}

// Where a tensor lies in another file.
struct External {
    std::string file;
    std::uint64_t offset = 0;
    std::optional<std::uint64_t> length;
};

// One StringStringEntryProto of it: "location", "offset" or "length".
Result<void> read_external(Bytes entry, External& external) {
    std::string key, value;
    for (ByteReader in(entry); !in.done();) {
        TRY(const Field field, protobuf::read_field(in));
        if (field.wire != Wire::bytes) continue;
        if (field.number == 1) key = as_text(field.data);
        if (field.number == 2) value = as_text(field.data);
    }
    if (key == "location") external.file = value;
    if (key != "offset" && key != "length") return {};
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size())
        return Error{Errc::format,
                     "the " + key + " of external data is \"" + printable(value) + "\"; a number expected"};
    if (key == "offset")
        external.offset = number;
    else
        external.length = number;
    return {};
}

struct Head {
    std::string name;
    std::vector<std::int64_t> shape;
    std::uint64_t type = 0;
    bool is_external = false;
    External external;
    std::optional<Bytes> raw;
};

Result<Head> read_head(Bytes proto) {
    Head head;
    for (ByteReader in(proto); !in.done();) {
        TRY(const Field field, protobuf::read_field(in));
        switch (field.number) {
            case 1:
                TRY(protobuf::read_repeated(field, Wire::varint, [&](std::uint64_t v) -> Result<void> {
                    if (head.shape.size() >= 64) return Error{Errc::format, "a tensor of more than 64 dimensions"};
                    head.shape.push_back(static_cast<std::int64_t>(v));
                    return {};
                }));
                break;
            case 2: head.type = field.value; break;
            case 8: if (field.wire == Wire::bytes) head.name = as_text(field.data); break;
            case 9: if (field.wire == Wire::bytes) head.raw = field.data; break;
            case 13:
                head.is_external = true;
                TRY(read_external(field.data, head.external));
                break;
            case 14:
                if (field.value == 1) head.is_external = true;
                break;
            default: break;
        }
    }
    return head;
}

// The typed lists: float_data, int32_data (also the bits of halves), int64_data, double_data, uint64_data.
Result<std::vector<float>> read_lists(Bytes proto, ElementType type, std::int64_t count, const std::string& label) {
    std::vector<float> values;
    const auto put = [&](float value) -> Result<void> {
        if (static_cast<std::int64_t>(values.size()) >= count)
            return Error{Errc::format, label + " holds more than the " + std::to_string(count) + " elements of its shape"};
        values.push_back(value);
        return {};
    };
    for (ByteReader in(proto); !in.done();) {
        TRY(const Field field, protobuf::read_field(in));
        if (field.number == 4) {
            TRY(protobuf::read_repeated(field, Wire::fixed32, [&](std::uint64_t v) {
                return put(std::bit_cast<float>(static_cast<std::uint32_t>(v)));
            }));
        } else if (field.number == 5) {
            TRY(protobuf::read_repeated(field, Wire::varint, [&](std::uint64_t v) {
                if (type == ElementType::f16) return put(half_to_float(static_cast<std::uint16_t>(v)));
                if (type == ElementType::bf16) return put(bfloat16_to_float(static_cast<std::uint16_t>(v)));
                return put(static_cast<float>(static_cast<std::int32_t>(v)));
            }));
        } else if (field.number == 7) {
            TRY(protobuf::read_repeated(field, Wire::varint, [&](std::uint64_t v) {
                return put(static_cast<float>(static_cast<std::int64_t>(v)));
            }));
        } else if (field.number == 10) {
            TRY(protobuf::read_repeated(field, Wire::fixed64, [&](std::uint64_t v) {
                return put(static_cast<float>(std::bit_cast<double>(v)));
            }));
        } else if (field.number == 11) {
            TRY(protobuf::read_repeated(field, Wire::varint, [&](std::uint64_t v) { return put(static_cast<float>(v)); }));
        }
    }
    if (static_cast<std::int64_t>(values.size()) != count)
        return Error{Errc::format, label + " holds " + std::to_string(values.size()) + " elements; its shape needs " +
                                       std::to_string(count)};
    return values;
}

// The bytes of a tensor that is kept in another file.
Result<Bytes> external_bytes(const External& external, std::uint64_t needed, const FileBeside& beside) {
    TRY(const Bytes file, beside(external.file));
    if (external.length.value_or(needed) != needed)
        return Error{Errc::format,
                     "holds " + std::to_string(*external.length) + " bytes; its shape needs " + std::to_string(needed)};
    if (external.offset > file.size() || needed > file.size() - external.offset)
        return Error{Errc::format, "lies outside of " + printable(external.file) + ": " + std::to_string(needed) +
                                       " bytes from byte " + std::to_string(external.offset) + " of " +
                                       std::to_string(file.size())};
    return file.subspan(static_cast<std::size_t>(external.offset), static_cast<std::size_t>(needed));
}

}  // namespace

Result<NamedTensor> read_tensor_proto(Bytes proto, Budget& budget, const FileBeside& beside) {
    TRY(Head head, read_head(proto));
    const std::string label = "tensor \"" + printable(head.name) + "\"";
    if (head.is_external && (!beside || head.external.file.empty()))
        return Error{Errc::unsupported, label + " is kept in another file" +
                                            (head.external.file.empty() ? "" : ", " + printable(head.external.file)) +
                                            "; save the model as one file"};
    const auto type = element_type(head.type);
    if (!type)
        return Error{Errc::unsupported, label + " has the ONNX data type " + std::to_string(head.type) +
                                            "; floats and integers are read"};
    if (head.is_external || head.raw) {
        TRY(const std::int64_t count, element_count(head.shape, head.name));
        std::uint64_t bytes;
        if (__builtin_mul_overflow(static_cast<std::uint64_t>(count), std::uint64_t{element_bytes(*type)}, &bytes))
            return Error{Errc::limit, label + ": its size overflows"};
        if (head.is_external) {
            auto found = external_bytes(head.external, bytes, beside);
            if (!found) return std::move(found.error()).within(label);
            head.raw = *found;
        }
        if (bytes != head.raw->size())
            return Error{Errc::format, label + " holds " + std::to_string(head.raw->size()) + " bytes; its shape needs " +
                                           std::to_string(bytes)};
        TRY(Tensor tensor, read_tensor(*head.raw, *type, {head.shape, {}, 0}, false, budget, head.name));
        return NamedTensor{std::move(head.name), std::move(tensor)};
    }
    TRY(const std::int64_t count, budget.take(head.shape, head.name));
    TRY(std::vector<float> values, read_lists(proto, *type, count, label));
    return NamedTensor{std::move(head.name), {std::move(head.shape), std::move(values), is_integer(*type)}};
}

Result<Tensor> cast(Tensor tensor, DataType type) {
    switch (type) {
        case DataType::f32: case DataType::f64:
            tensor.integers = false;
            return tensor;
        case DataType::f16:
            tensor.integers = false;
            for (float& v : tensor.values.edit()) v = half_to_float(float_to_half(v));
            return tensor;
        case DataType::bf16:
            tensor.integers = false;
            for (float& v : tensor.values.edit()) v = bfloat16_to_float(float_to_bfloat16(v));
            return tensor;
        case DataType::i64: case DataType::i32:
            tensor.integers = true;
            for (float& v : tensor.values.edit()) v = std::trunc(v);
            return tensor;
        default:
            return Error{Errc::unsupported, "a constant cast to the ONNX data type " +
                                                std::to_string(static_cast<std::uint32_t>(type))};
    }
}

}  // namespace enlarge::onnx
