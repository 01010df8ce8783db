// SPDX-License-Identifier: Apache-2.0
// What all kernels on whole tensors share. Seven tensors are bound at most, in the order of the addresses in the
// parameters; the low half of an address is the number at which the tensor begins in its binding, the high half is 0
// for a tensor that is not there. Numbers of 64 bits hold less than 2^31 here (session.cpp sees to that): only their low
// half is read.
layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;

layout(push_constant) uniform Range { uint first, end; } range;  // the items of this dispatch

// What tensors hold: kernels for half precision are compiled with ENLARGE_HALF. All sums are in 32 bits, but for those
// of a few products with ENLARGE_HALF_SUMS.
#ifdef ENLARGE_HALF
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define REAL float16_t
#else
#define REAL float
#endif

#define TENSOR(binding_number, name) \
    layout(set = 0, binding = binding_number, std430) buffer Tensor##binding_number { REAL name[]; };
// Numbers of the network.
#define CONSTANTS(binding_number, name) \
    layout(set = 0, binding = binding_number, std430) readonly buffer Constants##binding_number { float name[]; };

// for (uint i of the items that this thread computes)
#define ITEMS(i)                                                                   \
    for (uint i = range.first + gl_GlobalInvocationID.x; i < range.end; \
         i += gl_NumWorkGroups.x * gl_WorkGroupSize.x)

// Drivers may take it for granted that nothing is NaN: the bits are asked.
bool is_nan(float v) { return (floatBitsToUint(v) & 0x7fffffffu) > 0x7f800000u; }

float sigmoid_of(float x) { return 1.0 / (1.0 + exp(-x)); }

// Drivers' tanh may be infinite over infinite.
float tanh_of(float x) {
    const float t = exp(-2.0 * abs(x));
    const float r = (1.0 - t) / (1.0 + t);
    return x < 0.0 ? -r : r;
}

// Abramowitz and Stegun 7.1.26: within 1.5e-7.
float erf_of(float x) {
    const float a = abs(x), t = 1.0 / (1.0 + 0.3275911 * a);
    const float p =
        ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    const float r = 1.0 - p * exp(-a * a);
    return x < 0.0 ? -r : r;
}
