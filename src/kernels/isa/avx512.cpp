// SPDX-License-Identifier: Apache-2.0
#include "kernels/body/avx512.inl.hpp"

namespace enlarge {

void fill_avx512(KernelTable& t) {
    fill(t);
    t.name = "avx512";
}

}  // namespace enlarge
