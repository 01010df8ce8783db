// SPDX-License-Identifier: Apache-2.0
// From a weight file of any format to a network: what the readers let through must not harm recognise(). For ncnn the
// input is the .param, a zero byte, and the .bin.
#include <algorithm>

#include "arch/arch.hpp"
#include "fuzz/weights.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enlarge;
    const Limits limits = fuzz::tight_limits();
    if (static_cast<std::int64_t>(size) > limits.file_bytes) return 0;
    const std::span<const std::byte> bytes = fuzz::bytes(data, size);
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t zero = std::min(text.find('\0'), size);
    const bool ncnn = text.starts_with("7767517");
    const auto weights = ncnn ? read_ncnn(text.substr(0, zero), bytes.subspan(std::min(zero + 1, size)), limits)
                              : read_weights(bytes, limits);
    if (!weights.ok()) return 0;
    const auto network = recognise(*weights);
    if (!network.ok()) {
        const Error& error = network.error();
        fuzz::require(error.code != Errc::internal, "a file is never an internal error");
        fuzz::require(!error.message.empty() && error.message.size() < 1000, "an error is one short sentence");
        for (const unsigned char c : error.message) fuzz::require(c >= 0x20 && c < 0x7f, "an error is plain text");
        return 0;
    }
    // A network that is accepted is a whole one, and can be named and blended with itself.
    fuzz::require(network->graph.validate().ok() && network->scale >= 1, "an accepted network is whole");
    const auto named = named_tensors(*weights);
    fuzz::require(named.ok() && blend(*named, *named, 0.5F).ok(), "an accepted network can be blended with itself");
    fuzz::accepted = true;
    return 0;
}
