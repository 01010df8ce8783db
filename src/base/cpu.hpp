// SPDX-License-Identifier: Apache-2.0
// Which instruction sets this processor and this build have, and how much memory is free.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace enlarge {

// Instruction sets for which kernels exist, slowest first within a processor family.
enum class Isa {
    scalar,
    avx2,          // AVX2, FMA and F16C
    avx512,        // AVX-512 F, BW, DQ, VL
    avx512_vnni,   // the same and VNNI
    amx,           // the same and AMX with bfloat16
    neon,          // arm64 baseline
    neon_dotprod,  // arm64 with the dot product extension
    sve256,        // arm64 with SVE, vectors of just 256 bits
    sve512,        // the same with 512 bits
};

std::string_view isa_name(Isa isa);

// All sets that both this processor and its operating system support, slowest first; never empty.
std::vector<Isa> supported_isas();

// The set to use: the last of supported_isas(), or what the environment variable ENLARGE_ISA names. Fails when that
// names a set that is unknown or cannot run here.
Result<Isa> chosen_isa();

// Processors this process may use (affinity and the quotas of control groups counted); at least 1.
int usable_cores();

// Memory that can be taken now without swapping (MemAvailable, the limits of control groups counted), in bytes; at least 64 MiB.
std::int64_t free_memory_bytes();

// The processor's name for people: "AMD EPYC", "Intel(R) Xeon(R) ...".
std::string cpu_name();

}  // namespace enlarge
