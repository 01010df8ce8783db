// SPDX-License-Identifier: Apache-2.0
// What calibration kept, written by somebody who knows how: the input and a right checksum. What is believed is what
// calibration can have found.
#include "backend/cpu/verdict.hpp"

#define XXH_INLINE_ALL
#include <sys/stat.h>
#include <xxhash.h>

#include <cmath>
#include <cstdint>
#include <string>

#include "fuzz/outcome.hpp"
#include "fuzz/scratch.hpp"
#include "fuzz/weights.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enlarge;
    static const fuzz::ScratchFolder folder;
    static const std::string path = folder / "0.verdict";
    ::umask(022);  // a file that others can write is refused
    std::string bytes(reinterpret_cast<const char*>(data), size);
    const std::uint64_t sum = XXH3_64bits(bytes.data(), bytes.size());
    bytes.append(reinterpret_cast<const char*>(&sum), sizeof sum);
    fuzz::write_file(path, bytes);
    const auto gate = [](Precision, const cpu::Fidelity& fidelity) { return fidelity.psnr >= 50; };
    const cpu::VerdictKey key{0x0123456789abcdef, 0xfedcba9876543210};
    const auto verdict = cpu::recall(path, key, gate);
    if (!verdict) return 0;
    using enum Precision;
    fuzz::require(verdict->precision == fp32 || verdict->precision == fp16 || verdict->precision == int16,
                  "a precision that calibration chooses");
    fuzz::require(verdict->precision == fp32 || verdict->fidelity.psnr >= 50, "the gate is asked");
    fuzz::require(verdict->largest_v.empty() == (verdict->precision != int16), "ranges are for integers");
    for (const auto& ranges : verdict->largest_v)
        for (const float range : ranges) fuzz::require(std::isfinite(range) && range > 0, "ranges are ranges");
    fuzz::require(!cpu::recall(path, {key.high, key.low ^ 1}, gate), "another network's verdict is not believed");
    fuzz::accepted = true;
    return 0;
}
