// SPDX-License-Identifier: Apache-2.0
// ONNX.
#include "fuzz/weights.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enlarge;
    const Limits limits = fuzz::tight_limits();
    if (static_cast<std::int64_t>(size) > limits.file_bytes) return 0;
    fuzz::check(read_onnx(fuzz::bytes(data, size), limits));
    return 0;
}
