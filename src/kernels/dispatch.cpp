// SPDX-License-Identifier: Apache-2.0
#include "base/cpu.hpp"
#include "kernels/table.hpp"

namespace enlarge {
namespace {

#if defined(__aarch64__) && !defined(ENLARGE_SCALAR_ONLY)
void fill_arm64(Isa isa, KernelTable& table) {
    if (isa == Isa::neon || isa == Isa::sve256 || isa == Isa::sve512) fill_neon(table);
    if (isa == Isa::sve256) fill_sve256(table);
    if (isa == Isa::sve512) fill_sve512(table);
}
#endif

KernelTable make(Isa isa) {
    KernelTable table;
    fill_scalar(table);
#if defined(__x86_64__) && !defined(ENLARGE_SCALAR_ONLY)
    if (isa == Isa::avx2 || isa == Isa::avx512 || isa == Isa::avx512_vnni || isa == Isa::amx) fill_avx2(table);
    if (isa == Isa::avx512) fill_avx512(table);
    if (isa == Isa::avx512_vnni) fill_avx512_vnni(table);
    if (isa == Isa::amx) fill_amx(table);
#elif defined(__aarch64__) && !defined(ENLARGE_SCALAR_ONLY)
    fill_arm64(isa, table);
#endif
    (void)isa;
    return table;
}

// Made when first asked for: fill_x() itself is compiled for x and would not run elsewhere.
template <Isa kIsa>
const KernelTable& table() {
    static const KernelTable made = make(kIsa);
    return made;
}

}  // namespace

const KernelTable& kernels(Isa isa) {
    switch (isa) {
        case Isa::avx2: return table<Isa::avx2>();
        case Isa::avx512: return table<Isa::avx512>();
        case Isa::avx512_vnni: return table<Isa::avx512_vnni>();
        case Isa::amx: return table<Isa::amx>();
        case Isa::neon:
        case Isa::neon_dotprod: return table<Isa::neon>();  // the extension is for bytes; nothing here uses it
        case Isa::sve256: return table<Isa::sve256>();
        case Isa::sve512: return table<Isa::sve512>();
        case Isa::scalar: break;
    }
    return table<Isa::scalar>();
}

}  // namespace enlarge
