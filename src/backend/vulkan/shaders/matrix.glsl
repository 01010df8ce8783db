// SPDX-License-Identifier: Apache-2.0
// Matrices that a subgroup holds together (SPV_KHR_cooperative_matrix): MatrixA of kRows x kDepth and MatrixB of
// kDepth x kColumns halves, MatrixC of kRows x kColumns floats. Compilers do not know them in GLSL before 2023, so types
// and instructions are given by their numbers. What a compiler of that age writes for the types is no SPIR-V yet: their
// operands are plain numbers, 1, 2 and 3 in the place of rows, columns and depth. matrix_kernel.cpp completes them for
// a device.
#pragma use_vulkan_memory_model
#extension GL_EXT_spirv_intrinsics : require
#extension GL_KHR_shader_subgroup_basic : require

layout(constant_id = 4) const int kRows = 16;
layout(constant_id = 5) const int kColumns = 16;
layout(constant_id = 6) const int kDepth = 16;
layout(constant_id = 7) const int kSubgroup = 32;  // threads of one

#define SUBGROUP gl_SubgroupID

// Bits of a number, the scope (of a subgroup), rows, columns, use.
#define MATRIX(bits, rows, columns, use)                                                                    \
    spirv_type(extensions = ["SPV_KHR_cooperative_matrix"], capabilities = [6022], id = 4456, bits, 3, rows, \
               columns, use)
#define MatrixA MATRIX(16, 1, 3, 0)
#define MatrixB MATRIX(16, 3, 2, 1)
#define MatrixC MATRIX(32, 1, 2, 2)

// `order` 0: by rows, 1: by columns, `stride` numbers apart. What lies in shared memory is seen by the work group (scope 2): loads make
// it visible, stores available, and it is not private (0x10, 0x8, 0x20).
spirv_instruction(id = 4457) MatrixA load_a(spirv_by_reference float16_t from, int order, int stride);
spirv_instruction(id = 4457) MatrixB load_b(spirv_by_reference float16_t from, int order, int stride,
                                            spirv_literal uint how, uint scope);
spirv_instruction(id = 4458) void store_c(spirv_by_reference float to, MatrixC c, int order, int stride,
                                          spirv_literal uint how, uint scope);
spirv_instruction(id = 4459) MatrixC multiply_add(MatrixA a, MatrixB b, MatrixC c);
spirv_instruction(id = 80) MatrixC filled_with(float v);

// B by columns, whose numbers devices want together; A and C by rows.
#define LOAD_A(a, from, at, stride) a = load_a(from[at], 0, stride)
#define LOAD_SHARED_B(b, from, at, stride) b = load_b(from[at], 1, stride, 0x30u, 2u)
#define STORE_SHARED_C(c, to, at, stride) store_c(to[at], c, 0, stride, 0x28u, 2u)
#define CLEAR_C(c) c = filled_with(0.0)
#define MULTIPLY_ADD(a, b, c) c = multiply_add(a, b, c)
