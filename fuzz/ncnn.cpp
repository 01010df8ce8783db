// SPDX-License-Identifier: Apache-2.0
// ncnn: the text of .param up to the first zero byte, then the .bin. Also what tells formats apart.
#include <algorithm>

#include "fuzz/weights.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enlarge;
    const Limits limits = fuzz::tight_limits();
    if (static_cast<std::int64_t>(size) > limits.file_bytes) return 0;
    const Bytes all = fuzz::bytes(data, size);
    (void)sniff(all);
    const auto split = static_cast<std::size_t>(std::find(all.begin(), all.end(), std::byte{0}) - all.begin());
    fuzz::check(read_ncnn(as_text(all.first(split)), all.subspan(std::min(split + 1, size)), limits));
    return 0;
}
