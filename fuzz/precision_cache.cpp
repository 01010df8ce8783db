// SPDX-License-Identifier: Apache-2.0
// What calibration kept, written by somebody who knows how: the input and a right checksum. What is believed is what
// calibration can have found.
#include "backend/cpu/precision_cache.hpp"

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
    static const std::string path = folder / "0.precision";
    ::umask(022);  // a file that others can write is refused
    std::string bytes(reinterpret_cast<const char*>(data), size);
    const std::uint64_t sum = XXH3_64bits(bytes.data(), bytes.size());
    bytes.append(reinterpret_cast<const char*>(&sum), sizeof sum);
    fuzz::write_file(path, bytes);
    const auto gate = [](Precision, const cpu::Fidelity& fidelity) { return fidelity.psnr >= 50; };
    const cpu::PrecisionKey key{0x0123456789abcdef, 0xfedcba9876543210};
    const auto kept = cpu::load_precision(path, key, gate);
    if (!kept) return 0;
    using enum Precision;
    fuzz::require(kept->precision == fp32 || kept->precision == fp16 || kept->precision == int16,
                  "a precision that calibration chooses");
    fuzz::require(kept->precision == fp32 || kept->fidelity.psnr >= 50, "the gate is asked");
    fuzz::require(kept->transform_abs_max.empty() == (kept->precision != int16), "ranges are for integers");
    fuzz::require(kept->probe.empty() == kept->transform_abs_max.empty(), "and so is what one picture has of them");
    for (const auto& ranges : kept->transform_abs_max)
        for (const float range : ranges) fuzz::require(std::isfinite(range) && range > 0, "ranges are ranges");
    fuzz::require(!cpu::load_precision(path, {key.high, key.low ^ 1}, gate), "what was kept for another network is not believed");
    fuzz::accepted = true;
    return 0;
}
