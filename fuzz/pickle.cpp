// SPDX-License-Identifier: Apache-2.0
// The pickle machine, and the search for weights in what it built.
#include "fuzz/weights.hpp"
#include "weights/torch.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enlarge;
    const Limits limits = fuzz::tight_limits();
    if (static_cast<std::int64_t>(size) > limits.file_bytes) return 0;
    ByteReader in(fuzz::bytes(data, size));
    const auto doc = pickle::Document::read(in, limits);
    if (!doc) return 0;
    fuzz::accepted = true;
    for (const pickle::Value persistent : doc->persistents()) (void)torch::read_storage(*doc, persistent);
    auto refs = torch::find_weights(*doc, limits);
    if (!refs) return 0;
    // Storages full of zeros of any size up to 64 KiB; larger ones are missing.
    std::vector<std::byte> zeros;
    const torch::StorageSource source = [&](const torch::Storage& storage) -> Result<Bytes> {
        const std::uint64_t bytes = storage.elements * element_bytes(storage.type);
        if (bytes > 65536) return Error{Errc::format, "missing"};
        zeros.assign(static_cast<std::size_t>(bytes), std::byte{0});
        return Bytes(zeros);
    };
    Budget budget(limits, size);
    StateDict out;
    if (torch::read_tensors(std::move(*refs), source, false, budget, out).ok()) fuzz::check(Result<StateDict>(std::move(out)));
    return 0;
}
