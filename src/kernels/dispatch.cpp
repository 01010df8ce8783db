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

}  // namespace

// Each table is made when first asked for: fill_x() itself is compiled for x and would not run elsewhere.
const KernelTable& kernels(Isa isa) {
    switch (isa) {
        case Isa::avx2: {
            static const KernelTable table = make(Isa::avx2);
            return table;
        }
        case Isa::avx512: {
            static const KernelTable table = make(Isa::avx512);
            return table;
        }
        case Isa::avx512_vnni: {
            static const KernelTable table = make(Isa::avx512_vnni);
            return table;
        }
        case Isa::amx: {
            static const KernelTable table = make(Isa::amx);
            return table;
        }
        case Isa::neon:
        case Isa::neon_dotprod: {  // the dot product extension is for bytes; nothing here uses it
            static const KernelTable table = make(Isa::neon);
            return table;
        }
        case Isa::sve256: {
            static const KernelTable table = make(Isa::sve256);
            return table;
        }
        case Isa::sve512: {
            static const KernelTable table = make(Isa::sve512);
            return table;
        }
        case Isa::scalar: break;
    }
    static const KernelTable table = make(Isa::scalar);
    return table;
}

}  // namespace enlarge
