// SPDX-License-Identifier: Apache-2.0
// AVX-512 with VNNI, and products of bfloat16 terms on AMX.
#define ENLARGE_VNNI
#include "kernels/body/avx512.inl.hpp"
#include "kernels/body/terms.inl.hpp"

namespace enlarge {

void fill_amx(KernelTable& t) {
    fill(t);
    fill_terms(t);
    t.name = "amx";
    t.fast_i16 = false;  // they are faster than float ones, but not than those of terms
}

}  // namespace enlarge
