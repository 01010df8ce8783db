// SPDX-License-Identifier: Apache-2.0
// What every instruction set makes of the other bodies.

void fill_bodies(KernelTable& t) {
    t.lanes = kLanes;
    t.fma_rounds = fma_rounds;
    t.fma_round_flops = 2.0 * kPeakChains * kWidth;
    t.leaky_relu_f32 = leaky_relu;
    t.winograd_input_f32 = winograd_input<float>;
    t.winograd_input_f16 = winograd_input<Half>;
    t.winograd_input_f16_i16 = winograd_input_ints;
    t.winograd_weights_f32 = winograd_weights<6>;
    t.winograd6_input_f32 = winograd6_input;
    t.winograd6_weights_f32 = winograd_weights<8>;
    t.winograd6_output_f32 = winograd6_output<float>;
    t.winograd6_output_f16 = winograd6_output<Half>;
    t.gemm_f32 = gemm;
    t.product_f32 = product;
    t.gemm_i16 = gemm_i16;
    t.winograd_output_f32 = winograd_output<float, float>;
    t.winograd_output_f16 = winograd_output<float, Half>;
    t.winograd_output_i32_f32 = winograd_output<std::int32_t, float>;
    t.winograd_output_i32_f16 = winograd_output<std::int32_t, Half>;
    t.finish_f32 = finish_row;
    t.conv_f32 = conv<float, float>;
    t.conv_f32_f16 = conv<float, Half>;
    t.conv_f16 = conv<Half, Half>;
    t.conv_f16_f32 = conv<Half, float>;
    t.depthwise_f32 = depthwise;
    t.map_f32 = map_numbers;
    t.norm_f32 = normalise;
    t.sum_f32_f64 = sum_pixels;
    t.softmax_f32 = softmax;
    t.attention_f32 = attention;
    t.transpose_f32 = transpose;
    t.winograd_lines_f32 = winograd_lines;
    t.planes_f32 = planes;
    t.shuffle_line_f32 = shuffle_line;
    t.all_finite_f32 = all_finite;
}
