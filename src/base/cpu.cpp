// SPDX-License-Identifier: Apache-2.0
#include "base/cpu.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "base/cgroup.hpp"

#if defined(__aarch64__)
#include <sys/auxv.h>
#include <sys/prctl.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

namespace enlarge {
namespace {

struct IsaName {
    Isa isa;
    std::string_view name;
};
constexpr IsaName kNames[] = {
    {Isa::scalar, "scalar"},
    {Isa::avx2, "avx2"},
    {Isa::avx512, "avx512"},
    {Isa::avx512_vnni, "avx512_vnni"},
    {Isa::amx, "amx"},
    {Isa::neon, "neon"},
    {Isa::neon_dotprod, "neon_dotprod"},
    {Isa::sve256, "sve256"},
    {Isa::sve512, "sve512"},
};

#if defined(__x86_64__) && !defined(ENLARGE_SCALAR_ONLY)
// clang 14's __builtin_cpu_supports does not know "f16c". Whether the system saves the registers is asked with "avx2".
bool has_f16c() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

// Linux gives its tile registers to a process that asks, from then on; all of its threads have them.
bool has_amx() {
    constexpr unsigned kBf16 = 1U << 22, kTiles = 1U << 24, kSaved = 3U << 17;
    constexpr long kAsk = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (kBf16 | kTiles)) != (kBf16 | kTiles)) return false;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return false;
    asm("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & kSaved) == kSaved && syscall(SYS_arch_prctl, kAsk, kTileData) == 0;
}
#endif

#if defined(__aarch64__) && !defined(ENLARGE_SCALAR_ONLY)
// The length of this process's SVE vectors, which the system may have made shorter than the processor's; 0 without SVE.
int sve_bits() {
    if (!(getauxval(AT_HWCAP) & (1UL << 22))) return 0;  // HWCAP_SVE
    const int answer = prctl(51);                        // PR_SVE_GET_VL
    return answer < 0 ? 0 : (answer & 0xffff) * 8;
}
#endif

}  // namespace

std::string_view isa_name(Isa isa) {
    for (const auto& entry : kNames)
        if (entry.isa == isa) return entry.name;
    return "unknown";
}

std::vector<Isa> supported_isas() {
    std::vector<Isa> sets{Isa::scalar};
#if defined(__x86_64__) && !defined(ENLARGE_SCALAR_ONLY)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    if (avx2) sets.push_back(Isa::avx2);
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512) sets.push_back(Isa::avx512);
    const bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    if (vnni) sets.push_back(Isa::avx512_vnni);
    static const bool amx = has_amx();
    if (vnni && amx) sets.push_back(Isa::amx);
#elif defined(__aarch64__) && !defined(ENLARGE_SCALAR_ONLY)
    sets.push_back(Isa::neon);
    if (getauxval(AT_HWCAP) & (1UL << 20)) sets.push_back(Isa::neon_dotprod);  // HWCAP_ASIMDDP
    if (sve_bits() == 256) sets.push_back(Isa::sve256);
    if (sve_bits() == 512) sets.push_back(Isa::sve512);
#endif
    return sets;
}

Result<Isa> chosen_isa() {
    const std::vector<Isa> sets = supported_isas();
    const char* forced = std::getenv("ENLARGE_ISA");
    if (!forced || !*forced) return sets.back();
    std::string here;
    for (const Isa isa : sets) {
        if (isa_name(isa) == forced) return isa;
        here += (here.empty() ? "" : ", ") + std::string(isa_name(isa));
    }
    return Error{Errc::argument,
                 "ENLARGE_ISA is '" + std::string(forced) + "'; this processor and build can run: " + here};
}

int usable_cores() {
    int cores = static_cast<int>(std::thread::hardware_concurrency());
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
    if (const double quota = cgroup_limits().cpus; quota > 0) cores = std::min(cores, static_cast<int>(std::min(std::ceil(quota), 1e6)));
    return std::max(cores, 1);
}

std::int64_t free_memory_bytes() {
    std::int64_t available = -1;
    std::ifstream in("/proc/meminfo");
    for (std::string line; std::getline(in, line);) {
        if (line.rfind("MemAvailable:", 0) == 0) {
            available = std::strtoll(line.c_str() + 13, nullptr, 10) * 1024;
            break;
        }
    }
    if (available < 0)
        available = static_cast<std::int64_t>(sysconf(_SC_AVPHYS_PAGES)) * sysconf(_SC_PAGESIZE);
    if (const std::int64_t left = cgroup_limits().memory_left_bytes; left >= 0) available = std::min(available, left);
    return std::max<std::int64_t>(available, std::int64_t{64} << 20);
}

std::string cpu_name() {
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);) {
        if (line.rfind("model name", 0) == 0) {
            const auto colon = line.find(':');
            if (colon != std::string::npos && colon + 2 <= line.size()) return line.substr(colon + 2);
        }
    }
    return "unknown processor";
}

}  // namespace enlarge
