// SPDX-License-Identifier: Apache-2.0
// TensorProto: the constants of an ONNX model.
#pragma once

#include <string>

#include "weights/elements.hpp"
#include "weights/formats.hpp"

namespace enlarge::onnx {

// TensorProto.DataType
enum class DataType : std::uint32_t {
    f32 = 1, u8 = 2, i8 = 3, u16 = 4, i16 = 5, i32 = 6, i64 = 7, text = 8, boolean = 9, f16 = 10, f64 = 11, u32 = 12,
    u64 = 13, bf16 = 16,
};

struct NamedTensor {
    std::string name;
    Tensor tensor;
};

// Reads a TensorProto. Fails with Errc::unsupported for other types, and for data kept in another file without
// `beside`, naming it.
Result<NamedTensor> read_tensor_proto(Bytes proto, Budget& budget, const FileBeside& beside = {});

// What Cast to `type` makes of a value: rounded to half or bfloat16, cut to whole numbers.
Result<Tensor> cast(Tensor tensor, DataType type);

}  // namespace enlarge::onnx
