// SPDX-License-Identifier: Apache-2.0
#include "base/cpu.hpp"
#include "kernels/table.hpp"

namespace enlarge {
namespace {

KernelTable make(Isa isa) {
    KernelTable table;
    fill_scalar(table);
#if defined(__x86_64__) && !defined(ENLARGE_SCALAR_ONLY)
    if (isa == Isa::avx2 || isa == Isa::avx512 || isa == Isa::avx512_vnni) fill_avx2(table);
    if (isa == Isa::avx512) fill_avx512(table);
    if (isa == Isa::avx512_vnni) fill_avx512_vnni(table);
#elif defined(__aarch64__) && !defined(ENLARGE_SCALAR_ONLY)
    if (isa == Isa::neon) fill_neon(table);
#endif
    (void)isa;
    return table;
}

}  // namespace

const KernelTable& kernels(Isa isa) {
    static const KernelTable scalar = make(Isa::scalar);
    static const KernelTable avx2 = make(Isa::avx2);
    static const KernelTable avx512 = make(Isa::avx512);
    static const KernelTable avx512_vnni = make(Isa::avx512_vnni);
    static const KernelTable neon = make(Isa::neon);
    switch (isa) {
        case Isa::avx2: return avx2;
        case Isa::avx512: return avx512;
        case Isa::avx512_vnni: return avx512_vnni;
        case Isa::neon:
        case Isa::neon_dotprod: return neon;  // the dot product extension is for bytes; nothing here uses it
        default: return scalar;
    }
}

}  // namespace enlarge
