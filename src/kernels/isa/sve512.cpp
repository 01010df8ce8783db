// SPDX-License-Identifier: Apache-2.0
// Compiled with -msve-vector-bits=512: for processors that have just this length, as A64FX.
#include "kernels/body/sve.inl.hpp"

namespace enlarge {

void fill_sve512(KernelTable& t) {
    fill(t);
    t.name = "sve512";
}

}  // namespace enlarge
