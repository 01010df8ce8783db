// SPDX-License-Identifier: Apache-2.0
// Convolutions, what works number by number, norms and pooling.
#include <algorithm>

#include "export/onnx_operation.hpp"

namespace enlarge::onnx_export {

// The numbers of a convolution's filters that only move pixels.
static constexpr std::int64_t kMostPicked = 4096;

void OnnxOperation::operator()(const op::Conv2d& op) {
    to.node("Conv",
            {in[0], constant("weight", {channels(), in_channels() / op.groups, op.kernel_h, op.kernel_w}, *op.weights),
             constant("bias", {channels()}, *op.bias)},
            out,
            {integers("kernel_shape", {op.kernel_h, op.kernel_w}),
             integers("pads", {op.pad_top, op.pad_left, op.pad_bottom, op.pad_right}),
             integers("strides", {op.stride_h, op.stride_w}), integers("dilations", {op.dilation_h, op.dilation_w}),
             integer("group", op.groups)});
}

void OnnxOperation::operator()(const op::Prelu& op) {
    to.node("PRelu", {in[0], constant("slope", {channels(), 1, 1}, *op.slopes)}, out);
}

void OnnxOperation::operator()(const op::LeakyRelu& op) {
    if (op.slope == 0)
        to.node("Relu", in, out);
    else
        to.node("LeakyRelu", in, out, {number("alpha", op.slope)});
}

void OnnxOperation::operator()(const op::Silu&) {
    to.node("Sigmoid", in, name + "_sigmoid");
    to.node("Mul", {in[0], name + "_sigmoid"}, out);
}

void OnnxOperation::operator()(const op::Add& op) {
    level();
    for (std::size_t i = 0; i < 2; ++i) {
        const float factor = i == 0 ? op.alpha : op.beta;
        if (factor == 1) continue;
        const std::string scaled = name + "_operand" + std::to_string(i);
        to.node("Mul", {in[i], to.constant(scaled + ".factor", {}, {factor}, half)}, scaled);
        in[i] = scaled;
    }
    to.node("Add", in, out);
}

void OnnxOperation::operator()(const op::Concat& op) { to.node("Concat", in, out, {integer("axis", axis(op.axis))}); }

void OnnxOperation::operator()(const op::PixelShuffle& op) {
    to.node("DepthToSpace", in, out, {integer("blocksize", op.factor), text("mode", "CRD")});
}

// A picture's few channels by a convolution that picks, at which every runtime is quick. Its filters grow with the
// square of what it makes (600 MB for 192 channels in blocks of 8): more are moved, by shapes that follow the picture.
void OnnxOperation::operator()(const op::PixelUnshuffle& op) {
    const std::int64_t f = op.factor, from = in_channels(), numbers = channels() * from * f * f;
    if (numbers > kMostPicked) {
        const Windows blocks = windows_of(in[0], f, f);
        const std::string apart = shaped(in[0], {0, from, blocks.down, f, blocks.across, f});
        return result("Reshape",
                      {turned(apart, {0, 1, 3, 5, 2, 4}), sizes({0, channels(), blocks.down, blocks.across})});
    }
    std::vector<float> pick(static_cast<std::size_t>(numbers), 0.0F);
    for (std::int64_t c = 0; c < channels(); ++c) pick[static_cast<std::size_t>(c * from * f * f + c)] = 1;
    to.node("Conv", {in[0], constant("pick", {channels(), from, f, f}, pick)}, out,
            {integers("kernel_shape", {f, f}), integers("pads", {0, 0, 0, 0}), integers("strides", {f, f})});
}

void OnnxOperation::operator()(const op::UpsampleNearest& op) {
    const auto f = static_cast<float>(op.factor);
    to.node(
        "Resize", {in[0], "", to.constant(name + ".scales", {4}, {1, 1, f, f}, false)}, out,
        {text("mode", "nearest"), text("nearest_mode", "floor"), text("coordinate_transformation_mode", "asymmetric")});
}

void OnnxOperation::operator()(const op::ScaleShift& op) {
    to.node("Mul", {in[0], constant("scale", {1, channels(), 1, 1}, *op.scale)}, name + "_scaled");
    to.node("Add", {name + "_scaled", constant("shift", {1, channels(), 1, 1}, *op.shift)}, out);
}

void OnnxOperation::operator()(const op::SpanGate&) {
    level();
    to.node("Sigmoid", {in[0]}, name + "_sigmoid");
    to.node("Sub", {name + "_sigmoid", constant("half", {}, {0.5F})}, name + "_centred");
    to.node("Add", in, name + "_sum");
    to.node("Mul", {name + "_sum", name + "_centred"}, out);
}

void OnnxOperation::operator()(const op::Constant& op) {
    std::vector<std::int64_t> sides{1};
    sides.insert(sides.end(), op.sides.begin(), op.sides.end());
    to.node("Identity", {constant("values", sides, *op.values)}, out);
}

void OnnxOperation::operator()(const op::ConvTranspose2d& op) {
    to.node("ConvTranspose",
            {in[0], constant("weight", {in_channels(), channels() / op.groups, op.kernel_h, op.kernel_w}, *op.weights),
             constant("bias", {channels()}, *op.bias)},
            out,
            {integers("kernel_shape", {op.kernel_h, op.kernel_w}),
             integers("pads", {op.pad_top, op.pad_left, op.pad_bottom, op.pad_right}),
             integers("strides", {op.stride_h, op.stride_w}), integers("dilations", {op.dilation_h, op.dilation_w}),
             integer("group", op.groups), integers("output_padding", {op.extra_h, op.extra_w})});
}

// Tap by tap: the picture moved by it, times its channel of each kernel.
void OnnxOperation::operator()(const op::DynamicConv2d& op) {
    const std::int64_t k = op.kernel, taps = k * k, kernels = channels_of(1) / taps, all = channels_of(0);
    const bool apart = kernels != 1 && kernels != all;  // each for several channels, which get an axis of their own
    const std::string pads = whole("pads", {0, 0, k / 2, k / 2, 0, 0, (k - 1) / 2, (k - 1) / 2});
    const std::string padded = k == 1 ? in[0] : step("Pad", {in[0], pads});
    std::string sum;
    for (std::int64_t tap = 0; tap < taps; ++tap) {
        std::string moved = padded;
        for (const auto& [side, by] : {std::pair{std::int64_t{2}, tap / k}, {std::int64_t{3}, tap % k}})
            if (k > 1) moved = slice(moved, side, by, by == k - 1 ? kAll : by + 1 - k);
        std::string factor = taps == 1 ? in[1] : slice(in[1], 1, tap, kAll, taps);
        if (apart) {
            moved = shaped(moved, {0, kernels, all / kernels, side_of(in[0], 2), side_of(in[0], 3)});
            factor = step("Unsqueeze", {factor, number_everywhere(2)});
        }
        const std::string product = step("Mul", {moved, factor});
        sum = tap == 0 ? product : step("Add", {sum, product});
    }
    if (!apart) return result("Identity", {sum});
    result("Reshape", {sum, sizes({0, all, side_of(in[0], 2), side_of(in[0], 3)})});
}

void OnnxOperation::operator()(const op::Linear& op) {
    const auto outs = static_cast<std::size_t>(op.bias.count()),
               ins = static_cast<std::size_t>(op.weights.count()) / outs;
    std::vector<float> turned(outs * ins);
    for (std::size_t o = 0; o < outs; ++o)
        for (std::size_t i = 0; i < ins; ++i) turned[i * outs + o] = (*op.weights)[o * ins + i];
    const std::string product =
        step("MatMul",
             {in[0], constant("weight", {static_cast<std::int64_t>(ins), static_cast<std::int64_t>(outs)}, turned)});
    to.node("Add", {product, constant("bias", {op.bias.count()}, *op.bias)}, out);
}

void OnnxOperation::operator()(const op::MatMul& op) {
    std::string right = in[1];
    if (op.transpose_b) {
        std::vector<std::int64_t> order;
        for (std::int64_t i = 0; i < rank(); ++i) order.push_back(i);
        std::swap(order[order.size() - 1], order[order.size() - 2]);
        right = step("Transpose", {right}, {integers("perm", order)});
    }
    to.node("Mul", {step("MatMul", {in[0], right}), number_of("scale", op.scale)}, out);
}

void OnnxOperation::operator()(const op::Gelu& op) {
    std::string inner;
    if (op.tanh_form) {
        const std::string cube =
            step("Mul", {step("Mul", {in[0], in[0]}), step("Mul", {in[0], number_of("cube", 0.044715)})});
        inner = step("Tanh", {step("Mul", {step("Add", {in[0], cube}), number_of("root", 0.7978845608028654)})});
    } else {
        inner = step("Erf", {step("Mul", {in[0], number_of("root", 0.7071067811865476)})});
    }
    to.node("Mul", {step("Mul", {in[0], number_of("half", 0.5)}), step("Add", {inner, number_of("one", 1)})}, out);
}

void OnnxOperation::operator()(const op::Mish&) {
    to.node("Mul", {in[0], step("Tanh", {step("Softplus", {in[0]})})}, out);
}

void OnnxOperation::operator()(const op::Clamp& op) {
    to.node("Clip", {in[0], number_of("low", op.low), number_of("high", op.high)}, out);
}

void OnnxOperation::operator()(const op::Multiply&) {
    level();
    same();
}

void OnnxOperation::operator()(const op::Maximum&) {
    level();
    same();
}

void OnnxOperation::operator()(const op::LayerNorm& op) {
    const std::vector<Attribute> how{integer("axis", -1), number("epsilon", op.epsilon)};
    const std::string scale = constant("scale", {op.scale.count()}, *op.scale),
                      shift = constant("shift", {op.shift.count()}, *op.shift);
    if (op.axis == -1 || op.axis + 2 == rank()) return to.node("LayerNormalization", {in[0], scale, shift}, out, how);
    // The axis to the innermost place and back.
    const std::int64_t from = op.axis < 0 ? op.axis + rank() : op.axis + 1;
    Integers order, back;
    for (std::int64_t i = 0; i < rank(); ++i)
        if (i != from) order.push_back(i);
    order.push_back(from);
    for (std::int64_t i = 0; i < rank(); ++i) back.push_back(i < from ? i : i == from ? rank() - 1 : i - 1);
    result("Transpose", {step("LayerNormalization", {turned(in[0], order), scale, shift}, how)},
           {integers("perm", back)});
}

// The groups become channels of an instance normalisation.
void OnnxOperation::operator()(const op::GroupNorm& op) {
    const std::string groups = step("Reshape", {in[0], whole("groups", {0, op.groups, -1})});
    const auto count = static_cast<std::size_t>(op.groups);
    const std::string normal = step("InstanceNormalization",
                                    {groups, constant("ones", {op.groups}, std::vector<float>(count, 1)),
                                     constant("zeros", {op.groups}, std::vector<float>(count, 0))},
                                    {number("epsilon", op.epsilon)});
    const std::string back = step("Reshape", {normal, step("Shape", {in[0]})});
    to.node("Add", {step("Mul", {back, along("scale", op.scale, 0)}), along("shift", op.shift, 0)}, out);
}

void OnnxOperation::operator()(const op::InstanceNorm& op) {
    to.node("InstanceNormalization",
            {in[0], constant("scale", {op.scale.count()}, *op.scale), constant("shift", {op.shift.count()}, *op.shift)},
            out, {number("epsilon", op.epsilon)});
}

void OnnxOperation::operator()(const op::RmsNorm& op) {
    const std::string mean =
        step("ReduceMean", {step("Mul", {in[0], in[0]})}, {integers("axes", {axis(op.axis)}), integer("keepdims", 1)});
    const std::string normal =
        step("Div", {in[0], step("Sqrt", {step("Add", {mean, number_of("epsilon", op.epsilon)})})});
    to.node("Mul", {normal, along("scale", op.scale, op.axis)}, out);
}

void OnnxOperation::operator()(const op::L2Norm& op) {
    const std::string length = step("ReduceL2", {in[0]}, {integers("axes", {axis(op.axis)}), integer("keepdims", 1)});
    to.node("Div", {in[0], step("Max", {length, number_of("epsilon", op.epsilon)})}, out);
}

void OnnxOperation::operator()(const op::Softmax& op) { same({integer("axis", axis(op.axis))}); }

static std::vector<Attribute> window(std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
    return {integers("kernel_shape", {kernel, kernel}), integers("strides", {stride, stride}),
            integers("pads", {pad, pad, pad, pad})};
}

void OnnxOperation::operator()(const op::AveragePool& op) {
    std::vector<Attribute> how = window(op.kernel, op.stride, op.pad);
    how.push_back(integer("count_include_pad", op.count_padding ? 1 : 0));
    same(how);
}

void OnnxOperation::operator()(const op::MaxPool& op) { same(window(op.kernel, op.stride, op.pad)); }

}  // namespace enlarge::onnx_export
