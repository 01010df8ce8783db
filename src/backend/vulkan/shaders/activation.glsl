// SPDX-License-Identifier: Apache-2.0
// MapKind of backend/tensors/params.hpp, but for those with two numbers of each channel. After tensor.glsl.
const int kPrelu = 12;

float activation(int kind, float x, float low, float high, float slope) {
    switch (kind) {
        case 0: return x < 0.0 ? low * x : x;
        case 1: return x * sigmoid_of(x);
        case 2: return x * 0.5 * (1.0 + erf_of(x * 0.70710678));
        case 3: return x * 0.5 * (1.0 + tanh_of(0.79788456 * (x + 0.044715 * x * x * x)));
        case 4: return x * tanh_of(x > 30.0 ? x : log(1.0 + exp(x)));
        case 5: return sigmoid_of(x);
        case 6: return is_nan(x) ? x : x * min(max(x + 3.0, 0.0), 6.0) / 6.0;
        case 7: return tanh_of(x);
        case 8: return exp(x);
        case 9: return sqrt(x);
        case 10: return abs(x);
        case 11: return x < low ? low : x > high ? high : x;
        default: return x < 0.0 ? slope * x : x;
    }
}
