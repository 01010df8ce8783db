// SPDX-License-Identifier: Apache-2.0
// ONNX.
#include "fuzz/weights.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enlarge;
    const Limits limits = fuzz::tight_limits();
    if (static_cast<std::int64_t>(size) > limits.file_bytes) return 0;
    fuzz::check(read_onnx(fuzz::bytes(data, size), limits));
    // The same beside a file of its own bytes, whatever it is called.
    fuzz::check(read_onnx(fuzz::bytes(data, size), limits, [&](const std::string& name) -> Result<Bytes> {
        if (name.empty() || name.size() > 255) return Error{Errc::not_found, "no such file"};
        return fuzz::bytes(data, size);
    }));
    return 0;
}
