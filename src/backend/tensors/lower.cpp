// SPDX-License-Identifier: Apache-2.0
#include "backend/tensors/lower.hpp"

#include <algorithm>
#include <cstring>

#include "backend/tensors/params.hpp"
#include "graph/fields.hpp"
#include "plan/arena.hpp"

namespace enlarge::tensors {
namespace {

using Sides = std::vector<std::int64_t>;

constexpr std::int64_t kMostFloats = std::int64_t{1} << 40;

std::int64_t product(const Sides& sides, std::size_t first, std::size_t last) {
    std::int64_t all = 1;
    for (std::size_t i = first; i < last; ++i) all *= sides[i];
    return all;
}
std::int64_t count_of(const Sides& sides) { return product(sides, 0, sides.size()); }
std::size_t index_of(const Sides& sides, int axis) {
    return static_cast<std::size_t>(axis < 0 ? axis + static_cast<int>(sides.size()) : axis);
}
int side(std::int64_t number) { return static_cast<int>(number); }

// The windows of a channel attention: all pixels for 0.
std::pair<std::int64_t, std::int64_t> window_of(const op::ChannelAttention& op, const Sides& picture) {
    return op.window ? std::pair(std::int64_t{op.window}, std::int64_t{op.window}) : std::pair(picture[1], picture[2]);
}

// Numbers that an operation needs while it runs.
std::int64_t scratch_of(const Node& node, const Sides& out) {
    if (const auto* channels = node.as<op::ChannelAttention>()) {
        const auto [h, w] = window_of(*channels, out);
        return (out[1] / h) * (out[2] / w) * out[0] * (out[0] / channels->heads);
    }
    return node.is<op::CategoryAttention>() ? out[1] * out[2] : 0;
}

// Steps between neighbours along each side of a packed tensor.
Sides steps_of(const Sides& sides) {
    Sides steps(sides.size(), 1);
    for (std::size_t i = sides.size(); i-- > 1;) steps[i - 1] = steps[i] * sides[i];
    return steps;
}

struct Tensor {
    Address at = 0;
    const Sides& sides;
};

// One overload per operation: an operation without one does not compile.
struct Lower {
    const Constants& constants;
    Address weights;
    std::vector<Tensor> in;
    Tensor out;
    Address scratch;
    Size continued;  // of the first input, where that is the operand
    std::vector<Call>& calls;
    // What is computed with a convolution: null for nothing.
    bool fused = false;
    const std::vector<Node>& nodes;
    const ConvEnd* end = nullptr;
    const Sides* conv = nullptr;       // of the convolution's own result
    std::vector<Address> residuals;
    Address picture = 0;

    // `work`: steps of the innermost loop for each item.
    template <class Parameters>
    void add(const char* kernel, const Parameters& parameters, std::int64_t items, std::int64_t work = 1) const {
        static_assert(sizeof(Parameters) <= sizeof(Call::parameters));
        Call call{kernel, items, work};
        std::memcpy(call.parameters.data(), &parameters, sizeof parameters);
        calls.push_back(call);
    }
    [[nodiscard]] Address numbers(const Values& values) const { return constants.address(weights, values); }
    [[nodiscard]] std::int64_t count() const { return count_of(out.sides); }
    [[nodiscard]] const Sides& a() const { return in[0].sides; }

    void map(int kind, float low = 0, float high = 0) const {
        return add("tensor_map", MapNumbers{in[0].at, out.at, 0, 0, count(), 1, kind, low, high}, count());
    }
    void channels(int kind, const Values& scale, const Values& shift) const {
        const std::int64_t plane = product(out.sides, 1, out.sides.size());
        return add("tensor_map",
                   MapNumbers{in[0].at, out.at, numbers(scale), numbers(shift), count(), plane, kind, 0, 0}, count());
    }
    void pair(int kind, float alpha = 1, float beta = 1) const {
        PairNumbers p{in[0].at, in[1].at, out.at, count(), {}, {}, {}, 0, kind, alpha, beta};
        const Sides step_a = repeating(in[0].sides), step_b = repeating(in[1].sides);
        for (std::size_t k = 0; k < out.sides.size(); ++k) {
            const std::int64_t side = out.sides[k];
            if (side == 1) continue;
            // Sides that follow each other in both tensors are one.
            const int last = p.rank - 1;
            const bool one = last >= 0 && p.step_a[last] == step_a[k] * side && p.step_b[last] == step_b[k] * side;
            const int at = one ? last : p.rank++;
            p.sides[at] = (one ? p.sides[at] : 1) * side;
            p.step_a[at] = step_a[k];
            p.step_b[at] = step_b[k];
        }
        return add("tensor_pair", p, count());
    }
    // From number to number of an operand along each side of the result; where it has but one it is repeated.
    [[nodiscard]] Sides repeating(const Sides& operand) const {
        const Sides own = steps_of(operand);
        Sides steps(out.sides.size(), 0);
        const std::size_t outer = out.sides.size() - own.size();
        for (std::size_t k = 0; k < own.size(); ++k) steps[outer + k] = operand[k] == 1 ? 0 : own[k];
        return steps;
    }
    void move(Address from, Address to, const Sides& sides, const Sides& from_steps,
                      const Sides& to_steps) const {
        MoveNumbers p{from, to, count_of(sides), {}, {}, {}, side(static_cast<std::int64_t>(sides.size()))};
        std::copy(sides.begin(), sides.end(), p.sides);
        std::copy(from_steps.begin(), from_steps.end(), p.from);
        std::copy(to_steps.begin(), to_steps.end(), p.to);
        return add("tensor_move", p, p.count);
    }
    void copy(Address from) const { return move(from, out.at, {count()}, {1}, {1}); }
    void lines(int kind, int axis, float epsilon = 0, const Values& scale = {},
                       const Values& shift = {}) const {
        const std::size_t k = index_of(a(), axis);
        const std::int64_t inner = product(a(), k + 1, a().size()), all = product(a(), 0, k) * inner;
        return add("tensor_lines",
                   Lines{in[0].at, out.at, numbers(scale), numbers(shift), all, a()[k], inner, kind, epsilon}, all,
                   4 * a()[k]);
    }
    void groups(std::int64_t groups, const Values& scale, const Values& shift, float epsilon, bool mean) const {
        const std::int64_t plane = product(a(), 1, a().size()), size = count_of(a()) / groups;
        const NormGroups p{in[0].at, out.at, numbers(scale), numbers(shift), groups, size, plane, mean, epsilon};
        add("tensor_groups", p, groups, 3 * size);
    }
    void edge(int kind, int top, int left, Size rest = {0, 0}) const {
        const int rows = side(a()[1]), pitch = side(a()[2]);
        return add("tensor_edge",
                   EdgeTensor{in[0].at, out.at, side(a()[0]), rows - rest.height, pitch - rest.width, pitch, rows,
                              side(out.sides[1]), side(out.sides[2]), top, left, kind},
                   count());
    }
    void sort(const Tensor& from, Address to, std::size_t axis, bool descending) const {
        const std::int64_t inner = product(from.sides, axis + 1, from.sides.size());
        const std::int64_t all = product(from.sides, 0, axis) * inner;
        return add("tensor_sort", SortLines{from.at, to, all, from.sides[axis], inner, descending},
                   all * from.sides[axis], from.sides[axis]);
    }
    // Queries, keys and values as channels of one picture or of several.
    Attend attention(int kind, int heads, const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t k_first,
                     std::int64_t v_first, std::int64_t query_channels, float scale) const {
        const auto plane = [](const Tensor& t) { return t.sides[1] * t.sides[2]; };
        Attend p{};
        p.q = q.at;
        p.k = k.at + static_cast<Address>(k_first * plane(k)) * 4;
        p.v = v.at + static_cast<Address>(v_first * plane(v)) * 4;
        p.out = out.at;
        p.heads = heads;
        p.size = side(query_channels) / heads;
        p.to_size = side(out.sides[0]) / heads;
        p.height = side(q.sides[1]);
        p.width = side(q.sides[2]);
        p.key_height = p.full_height = side(k.sides[1]);
        p.key_width = p.full_width = side(k.sides[2]);
        p.kind = kind;
        p.scale = scale;
        return p;
    }
    Attend own_attention(int kind, int heads, float scale) const {
        return attention(kind, heads, in[0], in[0], in[0], out.sides[0], 2 * out.sides[0], out.sides[0], scale);
    }
    void attend(Attend p, const Values& bias) const {
        p.bias = numbers(bias);
        const std::int64_t full = std::int64_t{p.heads} * p.window_h * p.window_w * p.key_h * p.key_w;
        p.table = bias && bias.count() != full;
        const std::int64_t keys = p.kind == kAttendCategory ? p.group : std::int64_t{p.key_h} * p.key_w;
        return add("tensor_attend", p, std::int64_t{p.height} * p.width * p.heads, keys * (p.size + 2 * p.to_size));
    }

    // ---- the operations ----

    void operator()(const op::Input&) const {}
    // What ConvTensor and FusedConv have in common.
    template <class Parameters, class Op>
    [[nodiscard]] Parameters of_conv(const Op& op, bool transposed) const {
        const Sides& to = conv ? *conv : out.sides;
        Parameters p{};
        p.in = in[0].at, p.out = out.at;
        p.weights = numbers(op.weights), p.bias = numbers(op.bias);
        p.channels = side(a()[0]), p.height = side(a()[1]), p.width = side(a()[2]);
        p.out_channels = side(to[0]), p.out_height = side(to[1]), p.out_width = side(to[2]);
        p.kernel_h = op.kernel_h, p.kernel_w = op.kernel_w;
        p.stride_h = op.stride_h, p.stride_w = op.stride_w;
        p.dilation_h = op.dilation_h, p.dilation_w = op.dilation_w;
        p.groups = op.groups, p.top = op.pad_top, p.left = op.pad_left;
        p.transposed = transposed;
        return p;
    }
    template <class Op>
    void convolution(const Op& op, bool transposed) const {
        const std::int64_t work = a()[0] / op.groups * op.kernel_h * op.kernel_w;
        if (!fused) return add("tensor_conv", of_conv<ConvTensor>(op, transposed), count(), work);
        auto p = of_conv<FusedConv>(op, transposed);
        p.kind = -1;
        p.shuffle = 1;
        if (end) finish(p);
        return add("tensor_conv", p, count(), work);
    }
    void finish(FusedConv& p) const {
        const Chain& chain = end->chain;
        if (chain.activation >= 0)
            std::visit(Activation{*this, p}, nodes[static_cast<std::size_t>(chain.activation)].op);
        p.gate = chain.gate;
        p.shuffle = end->shuffle;
        p.repeats = end->adds_input;
        if (!residuals.empty()) p.a = residuals[0];
        if (residuals.size() > 1) p.b = residuals[1];
        if (!chain.keep.empty()) p.keep_a = chain.keep[0], p.mix_a = chain.mix[0];
        if (chain.keep.size() > 1) p.keep_b = chain.keep[1], p.mix_b = chain.mix[1];
        if (end->adds_input) p.b = picture;
    }
    struct Activation {
        const Lower& lower;
        FusedConv& p;
        void set(int kind, float low = 0, float high = 0) const { p.kind = kind, p.low = low, p.high = high; }
        void operator()(const op::Prelu& op) const { set(kMapPrelu), p.slopes = lower.numbers(op.slopes); }
        void operator()(const op::LeakyRelu& op) const { set(kMapLeakyRelu, op.slope); }
        void operator()(const op::Silu&) const { set(kMapSilu); }
        void operator()(const op::Gelu& op) const { set(op.tanh_form ? kMapGeluTanh : kMapGelu); }
        void operator()(const op::Mish&) const { set(kMapMish); }
        void operator()(const op::Sigmoid&) const { set(kMapSigmoid); }
        void operator()(const op::HardSwish&) const { set(kMapHardSwish); }
        void operator()(const op::Tanh&) const { set(kMapTanh); }
        void operator()(const op::Clamp& op) const { set(kMapClamp, op.low, op.high); }
        template <class Other>
        void operator()(const Other&) const {}  // fuse.cpp takes no other
    };
    void operator()(const op::Conv2d& op) const { return convolution(op, false); }
    void operator()(const op::ConvTranspose2d& op) const { return convolution(op, true); }
    void operator()(const op::DynamicConv2d& op) const {
        const Sides& k = in[1].sides;
        const int kernels = side(k[0]) / (op.kernel * op.kernel);
        return add("tensor_dynamic_conv",
                   DynamicConv{in[0].at, in[1].at, out.at, side(a()[0]), side(a()[1]), side(a()[2]), op.kernel, kernels,
                               side(k[1]), side(k[2])},
                   count(), std::int64_t{op.kernel} * op.kernel);
    }
    void operator()(const op::Linear& op) const {
        const std::int64_t k = a().back(), n = out.sides.back();
        return add(
            "tensor_product",
            MatrixProduct{in[0].at, numbers(op.weights), numbers(op.bias), out.at, 1, count() / n, n, k, 1, 1, 1},
            count(), k);
    }
    void operator()(const op::MatMul& op) const {
        const std::size_t rank = out.sides.size();
        const std::int64_t m = out.sides[rank - 2], n = out.sides[rank - 1];
        return add("tensor_product",
                   MatrixProduct{in[0].at, in[1].at, 0, out.at, count() / m / n, m, n, a().back(), op.transpose_b, 0,
                                 op.scale},
                   count(), a().back());
    }
    void operator()(const op::Prelu& op) const { return channels(kMapPrelu, op.slopes, {}); }
    void operator()(const op::ScaleShift& op) const { return channels(kMapScaleShift, op.scale, op.shift); }
    void operator()(const op::LeakyRelu& op) const { return map(kMapLeakyRelu, op.slope); }
    void operator()(const op::Silu&) const { return map(kMapSilu); }
    void operator()(const op::Gelu& op) const { return map(op.tanh_form ? kMapGeluTanh : kMapGelu); }
    void operator()(const op::Mish&) const { return map(kMapMish); }
    void operator()(const op::Sigmoid&) const { return map(kMapSigmoid); }
    void operator()(const op::HardSwish&) const { return map(kMapHardSwish); }
    void operator()(const op::Tanh&) const { return map(kMapTanh); }
    void operator()(const op::Exp&) const { return map(kMapExp); }
    void operator()(const op::Sqrt&) const { return map(kMapSqrt); }
    void operator()(const op::Abs&) const { return map(kMapAbs); }
    void operator()(const op::Clamp& op) const { return map(kMapClamp, op.low, op.high); }
    void operator()(const op::Add& op) const { return pair(kPairAdd, op.alpha, op.beta); }
    void operator()(const op::Multiply&) const { return pair(kPairMultiply); }
    void operator()(const op::Maximum&) const { return pair(kPairMaximum); }
    void operator()(const op::SpanGate&) const { return pair(kPairSpanGate); }

    void operator()(const op::LayerNorm& op) const {
        return lines(kLineLayerNorm, op.axis, op.epsilon, op.scale, op.shift);
    }
    void operator()(const op::RmsNorm& op) const { return lines(kLineRmsNorm, op.axis, op.epsilon, op.scale); }
    void operator()(const op::L2Norm& op) const { return lines(kLineL2Norm, op.axis, op.epsilon); }
    void operator()(const op::Softmax& op) const { return lines(kLineSoftmax, op.axis); }
    void operator()(const op::Argmax& op) const { return lines(kLineArgmax, op.axis); }
    void operator()(const op::GroupNorm& op) const {
        return groups(op.groups, op.scale, op.shift, op.epsilon, false);
    }
    void operator()(const op::InstanceNorm& op) const {
        return groups(a()[0], op.scale, op.shift, op.epsilon, false);
    }
    void operator()(const op::GlobalMean&) const { return groups(a()[0], {}, {}, 0, true); }

    void pool(int kernel, int stride, int pad, bool largest, bool count_padding) const {
        return add("tensor_pool",
                   PoolTensor{in[0].at, out.at, side(a()[0]), side(a()[1]), side(a()[2]), side(out.sides[1]),
                              side(out.sides[2]), kernel, stride, pad, largest, count_padding},
                   count(), std::int64_t{kernel} * kernel);
    }
    void operator()(const op::AveragePool& op) const {
        return pool(op.kernel, op.stride, op.pad, false, op.count_padding);
    }
    void operator()(const op::MaxPool& op) const { return pool(op.kernel, op.stride, op.pad, true, false); }

    void operator()(const op::WindowAttention& op) const {
        using Beyond = op::WindowAttention::Beyond;
        Attend p = own_attention(kAttendWindows, op.heads, op.scale);
        p.window_h = p.key_h = op.window_h;
        p.window_w = p.key_w = op.window_w;
        p.shift_h = p.key_shift_h = op.shift_h;
        p.shift_w = p.key_shift_w = op.shift_w;
        const int unit = op.beyond == Beyond::nothing ? 1 : op.unit;
        p.full_height = (p.height + unit - 1) / unit * unit;
        p.full_width = (p.width + unit - 1) / unit * unit;
        p.mirrored = op.beyond == Beyond::reflect;
        return attend(p, op.bias);
    }
    void operator()(const op::GridAttention& op) const {
        Attend p = own_attention(kAttendGrid, op.heads, op.scale);
        p.window_h = p.key_h = op.window_h;
        p.window_w = p.key_w = op.window_w;
        return attend(p, op.bias);
    }
    void operator()(const op::OverlapAttention& op) const {
        Attend p = attention(kAttendOverlap, op.heads, in[0], in[1], in[1], 0, out.sides[0], out.sides[0], op.scale);
        p.window_h = p.window_w = op.window;
        p.key_h = p.key_w = op.overlap;
        return attend(p, op.bias);
    }
    void operator()(const op::CrossAttention& op) const {
        const bool whole = op.window_h == 0;
        Attend p =
            attention(whole ? kAttendAll : kAttendWindows, op.heads, in[0], in[1], in[2], 0, 0, a()[0], op.scale);
        p.window_h = whole ? p.height : op.window_h;
        p.window_w = whole ? p.width : op.window_w;
        p.key_h = whole ? p.key_height : op.key_h;
        p.key_w = whole ? p.key_width : op.key_w;
        p.shift_h = op.shift_h;
        p.shift_w = op.shift_w;
        p.key_shift_h = (op.shift_h * p.key_h + p.window_h - 1) / p.window_h;
        p.key_shift_w = (op.shift_w * p.key_w + p.window_w - 1) / p.window_w;
        return attend(p, op.bias);
    }
    void operator()(const op::CategoryAttention& op) const {
        const std::int64_t pixels = out.sides[1] * out.sides[2];
        const Sides line{pixels};
        sort({in[1].at, line}, scratch, 0, false);
        Attend p = own_attention(kAttendCategory, op.heads, op.scale);
        p.order = scratch;
        p.group = std::min<std::int64_t>(op.size, pixels);
        p.window_h = p.window_w = p.key_h = p.key_w = 1;
        return attend(p, {});
    }
    void operator()(const op::ChannelAttention& op) const {
        const auto [h, w] = window_of(op, out.sides);
        const int all = side(out.sides[0]), height = side(out.sides[1]), width = side(out.sides[2]);
        const std::int64_t size = all / op.heads, scores = height / h * (width / w) * all * size;
        add("tensor_channel_scores",
            ChannelScores{in[0].at, numbers(op.temperature), scratch, all, op.heads, height, width, side(h), side(w),
                          op.epsilon},
            scores, h * w);
        add("tensor_lines", Lines{scratch, scratch, 0, 0, scores / size, size, 1, kLineSoftmax, 0}, scores / size,
            3 * size);
        add("tensor_channel_mix",
            ChannelMix{in[0].at, scratch, out.at, all, op.heads, height, width, side(h), side(w)}, count(), size);
    }

    void resize(int kind, bool align_corners, float cubic) const {
        return add("tensor_resize",
                   ResizeTensor{in[0].at, out.at, side(a()[0]), side(a()[1]), side(a()[2]), side(out.sides[1]),
                                side(out.sides[2]), kind, align_corners, cubic},
                   count());
    }
    void operator()(const op::Resize& op) const {
        using Mode = op::Resize::Mode;
        const int kind = op.mode == Mode::nearest    ? kResizeNearest
                         : op.mode == Mode::bilinear ? kResizeBilinear
                                                     : kResizeBicubic;
        return resize(kind, op.align_corners, op.cubic);
    }
    void operator()(const op::UpsampleNearest&) const { return resize(kResizeNearest, false, 0); }
    void operator()(const op::GridSample& op) const {
        return add("tensor_sample",
                   SampleTensor{in[0].at, in[1].at, out.at, side(a()[0]), side(a()[1]), side(a()[2]),
                                side(out.sides[1]), side(out.sides[2]), op.groups,
                                op.beyond == op::GridSample::Beyond::border, op.align_corners, op.offsets},
                   count());
    }
    void operator()(const op::Pad& op) const {
        using Mode = op::Pad::Mode;
        // What is mirrored or repeated is the picture itself, without what continues it.
        if (op.mode == Mode::zeros) return edge(kEdgeZeros, op.top, op.left);
        return edge(op.mode == Mode::reflect ? kEdgeReflect : kEdgeRepeat, op.top, op.left, continued);
    }
    void operator()(const op::Crop& op) const { return edge(kEdgeZeros, -op.top, -op.left); }
    void operator()(const op::Roll& op) const { return edge(kEdgeAround, op.rows, op.columns); }

    void operator()(const op::Argsort& op) const {
        return sort(in[0], out.at, index_of(a(), op.axis), op.descending);
    }
    void operator()(const op::Gather& op) const {
        const std::size_t axis = index_of(a(), op.axis);
        return add("tensor_gather",
                   GatherNumbers{in[0].at, in[1].at, out.at, count(), product(out.sides, axis + 1, out.sides.size()),
                                 out.sides[axis], a()[axis], in[1].sides.size() == 1},
                   count());
    }
    void operator()(const op::Constant& op) const { return copy(numbers(op.values)); }
    void operator()(const op::Reshape&) const { return copy(in[0].at); }
    void operator()(const op::Transpose& op) const {
        const Sides own = steps_of(a());
        Sides from;
        for (const int axis : op.order) from.push_back(own[static_cast<std::size_t>(axis)]);
        return move(in[0].at, out.at, out.sides, from, steps_of(out.sides));
    }
    void operator()(const op::Slice& op) const {
        const std::size_t axis = index_of(a(), op.axis);
        Sides from = steps_of(a());
        const std::int64_t begin = op.begin < 0 ? a()[axis] + op.begin : op.begin;
        const Address first = in[0].at + static_cast<Address>(begin * from[axis]) * 4;
        from[axis] *= op.step;
        return move(first, out.at, out.sides, from, steps_of(out.sides));
    }
    void operator()(const op::Concat& op) const {
        const std::size_t axis = index_of(out.sides, op.axis);
        const Sides to = steps_of(out.sides);
        std::int64_t before = 0;
        for (const Tensor& part : in) {
            move(part.at, out.at + static_cast<Address>(before * to[axis]) * 4, part.sides, steps_of(part.sides), to);
            before += part.sides[axis];
        }
    }
    // Channel c * f * f + i * f + j of pixel (y, x) and pixel (y * f + i, x * f + j) of channel c.
    void shuffle(int f, const Sides& small, const Sides& large, bool up) const {
        const Sides sides{large[0], f, f, small[1], small[2]}, of_small = steps_of(sides);
        const Sides of_large{large[1] * large[2], large[2], 1, f * large[2], f};
        return up ? move(in[0].at, out.at, sides, of_small, of_large)
                  : move(in[0].at, out.at, sides, of_large, of_small);
    }
    void operator()(const op::PixelShuffle& op) const { return shuffle(op.factor, a(), out.sides, true); }
    void operator()(const op::PixelUnshuffle& op) const { return shuffle(op.factor, out.sides, a(), false); }
};

}  // namespace

void Constants::add(const Graph& graph) {
    for (const Node& node : graph.nodes())
        std::visit(
            [&](const auto& op) {
                for_each_field(op, [&](const auto& field) {
                    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, Values>) {
                        if (!field || !places.emplace(field->data(), values.size() * sizeof(float)).second) return;
                        values.insert(values.end(), field->begin(), field->end());
                        values.resize((values.size() + 3) / 4 * 4);
                    }
                });
            },
            node.op);
}

Address Constants::address(Address base, const Values& numbers) const {
    return numbers ? base + places.at(numbers->data()) : 0;
}

Result<Plan> plan_tensors(const Graph& graph, Size picture, const Fusion& fusion) {
    const std::vector<Node>& nodes = graph.nodes();
    Plan plan;
    std::vector<int> last(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        last[i] = std::max(last[i], static_cast<int>(i));
        for (const int from : nodes[i].inputs) {
            int& use = last[static_cast<std::size_t>(from)];
            use = std::max(use, fusion.turn_of(i));
        }
    }
    for (const auto& [node, end] : fusion.ends)
        if (end.adds_input) last[0] = std::max(last[0], node);
    std::vector<Lifetime> lifetimes;
    std::int64_t all = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        auto sides = at(nodes[i], picture);
        if (!sides)
            return Error{Errc::argument, "a picture of " + std::to_string(picture.width) + "x" +
                                             std::to_string(picture.height) + " is too small for this network"};
        if (sides->size() > kMostSides)
            return Error{Errc::unsupported,
                         "a tensor of " + std::to_string(sides->size()) + " sides; at most 8 are possible on GPUs"};
        const int now = static_cast<int>(i), end = i + 1 == nodes.size() ? now : last[i];
        const bool placed = fusion.turn_of(i) == now;
        lifetimes.push_back({placed ? count_of(*sides) : 0, now, end});
        lifetimes.push_back({scratch_of(nodes[i], *sides), now, now});
        plan.largest = std::max({plan.largest, lifetimes.back().size, count_of(*sides)});
        all += lifetimes.back().size + count_of(*sides);
        if (all > kMostFloats) return Error{Errc::memory, "a picture that no GPU's memory holds"};
        plan.sides.push_back(std::move(*sides));
    }
    const enlarge::Arena arena = place_in_arena(lifetimes, 64);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        plan.place.push_back(static_cast<std::uint64_t>(arena.offset[2 * i]) * sizeof(float));
        plan.scratch.push_back(static_cast<std::uint64_t>(arena.offset[2 * i + 1]) * sizeof(float));
    }
    plan.bytes = static_cast<std::uint64_t>(arena.size) * sizeof(float);
    return plan;
}

std::vector<Call> calls_of(const Graph& graph, const Plan& plan, const Constants& constants, Address weights,
                           Address memory, Size continued, const Fusion& fusion) {
    std::vector<Call> calls;
    const auto tensor = [&](std::size_t i) { return Tensor{memory + plan.place[i], plan.sides[i]}; };
    for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
        if (fusion.turn_of(i) != static_cast<int>(i)) continue;
        const auto it = fusion.ends.find(static_cast<int>(i));
        const ConvEnd* const end = it == fusion.ends.end() ? nullptr : &it->second;
        const std::size_t own = end ? static_cast<std::size_t>(end->chain.conv) : i;
        const Node& node = graph.nodes()[own];
        std::vector<Tensor> in;
        for (const int from : node.inputs) in.push_back(tensor(static_cast<std::size_t>(from)));
        const Size rest = !node.inputs.empty() && node.inputs[0] == 0 ? continued : Size{0, 0};
        Lower lower{constants, weights, std::move(in), tensor(i), memory + plan.scratch[i], rest, calls,
                    !fusion.turn.empty(), graph.nodes(), end, &plan.sides[own], {}, memory + plan.place[0]};
        if (end)
            for (const int from : end->chain.residuals)
                lower.residuals.push_back(memory + plan.place[static_cast<std::size_t>(from)]);
        std::visit(lower, node.op);
    }
    return calls;
}

}  // namespace enlarge::tensors
