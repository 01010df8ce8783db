// SPDX-License-Identifier: Apache-2.0
#define ENLARGE_VNNI
#include "kernels/body/avx512.inl.hpp"

namespace enlarge {

void fill_avx512_vnni(KernelTable& t) {
    fill(t);
    t.name = "avx512_vnni";
}

}  // namespace enlarge
