// SPDX-License-Identifier: Apache-2.0
#include "fiber.hpp"

#ifdef __x86_64__

extern "C" void enlarge_switch_fiber(void** save, void* load);
asm(R"(
.text
.type enlarge_switch_fiber, @function
.globl enlarge_switch_fiber
enlarge_switch_fiber:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
.size enlarge_switch_fiber, .-enlarge_switch_fiber
)");

namespace enlarge::cuda::emu {

Fiber make_fiber(char* stack, std::size_t bytes, void (*main)()) {
    void** top = reinterpret_cast<void**>(stack + bytes - 64);
    *--top = nullptr;                         // where main would return to; keeps the stack aligned
    *--top = reinterpret_cast<void*>(main);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    return {top};
}

void switch_fiber(Fiber& from, Fiber& to) { enlarge_switch_fiber(&from.stack_pointer, to.stack_pointer); }

}  // namespace enlarge::cuda::emu

#else

namespace enlarge::cuda::emu {

Fiber make_fiber(char* stack, std::size_t bytes, void (*main)()) {
    Fiber fiber;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stack;
    fiber.context.uc_stack.ss_size = bytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, main, 0);
    return fiber;
}

void switch_fiber(Fiber& from, Fiber& to) { swapcontext(&from.context, &to.context); }

}  // namespace enlarge::cuda::emu

#endif
