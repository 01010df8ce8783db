// SPDX-License-Identifier: Apache-2.0
// torch's older container.
#include "fuzz/weights.hpp"
#include "weights/torch.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enlarge;
    const Limits limits = fuzz::tight_limits();
    if (static_cast<std::int64_t>(size) > limits.file_bytes) return 0;
    fuzz::check(torch::read_legacy(fuzz::bytes(data, size), limits));
    return 0;
}
