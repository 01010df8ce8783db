// SPDX-License-Identifier: Apache-2.0
// Compiled with -msve-vector-bits=256: for processors that have just this length, as Neoverse V1.
#include "kernels/body/sve.inl.hpp"

namespace enlarge {

void fill_sve256(KernelTable& t) {
    fill(t);
    t.name = "sve256";
}

}  // namespace enlarge
