// SPDX-License-Identifier: Apache-2.0
// Convolutions, what works number by number, and how pixels move.
#include "backend/reference/ops.hpp"

#include <algorithm>
#include <cmath>

#include "backend/reference/run.hpp"

namespace enlarge::reference {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

void Run::operator()(const op::Input&) const {}

// The sum runs over input channel, kernel row, kernel column in this order, in double; taps outside are zero.
void Run::operator()(const op::Conv2d& op) const {
    const std::int64_t in_group = a().sides[0] / op.groups, out_group = out.sides[0] / op.groups;
    const int width = out.width();
    rows([&](std::int64_t channel, std::int64_t y, float* to) {
        const float* weights = op.weights->data() + channel * in_group * op.kernel_h * op.kernel_w;
        std::vector<double> sum(static_cast<std::size_t>(width), 0.0);
        for (std::int64_t c = channel / out_group * in_group; c < (channel / out_group + 1) * in_group; ++c)
            for (int i = 0; i < op.kernel_h; ++i)
                for (int j = 0; j < op.kernel_w; ++j) {
                    const double weight = *weights++;
                    const std::int64_t from_y = y * op.stride_h + i * op.dilation_h - op.pad_top;
                    if (from_y < 0 || from_y >= a().height()) continue;
                    const float* row = a().row(c, from_y);
                    const int shift = j * op.dilation_w - op.pad_left, step = op.stride_w;
                    const int first = shift >= 0 ? 0 : (-shift + step - 1) / step;
                    const int end = shift >= a().width() ? 0 : std::min(width, (a().width() - shift + step - 1) / step);
                    for (int x = first; x < end; ++x)
                        sum[static_cast<std::size_t>(x)] += weight * row[x * step + shift];
                }
        const double bias = (*op.bias)[static_cast<std::size_t>(channel)];
        for (int x = 0; x < width; ++x) to[x] = static_cast<float>(sum[static_cast<std::size_t>(x)] + bias);
    });
}

void Run::operator()(const op::Prelu& op) const {
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        const double slope = (*op.slopes)[static_cast<std::size_t>(c)];
        const float* from = a().row(c, y);
        for (int x = 0; x < out.width(); ++x) to[x] = from[x] < 0 ? static_cast<float>(slope * from[x]) : from[x];
    });
}

void Run::operator()(const op::LeakyRelu& op) const {
    each([slope = double{op.slope}](double x) { return x < 0 ? slope * x : x; });
}

void Run::operator()(const op::Silu&) const {
    each([](double x) { return x * sigmoid(x); });
}

void Run::operator()(const op::Add& op) const {
    pairs([alpha = double{op.alpha}, beta = double{op.beta}](double p, double q) { return alpha * p + beta * q; });
}

void Run::operator()(const op::SpanGate&) const {
    pairs([](double o, double x) { return (o + x) * (sigmoid(o) - 0.5); });
}

void Run::operator()(const op::Concat& op) const {
    const std::size_t axis = out.index(op.axis);
    const std::int64_t outer = out.product(0, axis), whole = out.product(axis, out.sides.size());
    std::int64_t to = 0;
    for (const Tensor* part : in) {
        const std::int64_t size = part->product(axis, part->sides.size());
        for (std::int64_t i = 0; i < outer; ++i)
            std::copy_n(part->values.begin() + i * size, size, out.values.begin() + i * whole + to);
        to += size;
    }
}

void Run::operator()(const op::PixelShuffle& op) const {
    const std::int64_t f = op.factor;
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        for (int x = 0; x < out.width(); ++x) to[x] = a().at(c * f * f + y % f * f + x % f, y / f, x / f);
    });
}

void Run::operator()(const op::PixelUnshuffle& op) const {
    const std::int64_t f = op.factor;
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        for (int x = 0; x < out.width(); ++x) to[x] = a().at(c / (f * f), y * f + c / f % f, x * f + c % f);
    });
}

void Run::operator()(const op::UpsampleNearest& op) const {
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        const float* from = a().row(c, y / op.factor);
        for (int x = 0; x < out.width(); ++x) to[x] = from[x / op.factor];
    });
}

void Run::operator()(const op::ScaleShift& op) const {
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        const double scale = (*op.scale)[static_cast<std::size_t>(c)], shift = (*op.shift)[static_cast<std::size_t>(c)];
        const float* from = a().row(c, y);
        for (int x = 0; x < out.width(); ++x) to[x] = static_cast<float>(scale * from[x] + shift);
    });
}

void Run::operator()(const op::Constant& op) const { out.values = *op.values; }

void Run::operator()(const op::Gelu& op) const {
    if (op.tanh_form)
        each([](double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); });
    else
        each([](double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2.0))); });
}

void Run::operator()(const op::Mish&) const {
    // log(1 + exp(x)) is x where exp(x) would overflow.
    each([](double x) { return x * std::tanh(x > 30 ? x : std::log1p(std::exp(x))); });
}

void Run::operator()(const op::Sigmoid&) const { each(sigmoid); }

void Run::operator()(const op::Tanh&) const {
    each([](double x) { return std::tanh(x); });
}

void Run::operator()(const op::HardSwish&) const {
    each([](double x) { return x * std::clamp(x + 3, 0.0, 6.0) / 6; });
}

void Run::operator()(const op::Exp&) const {
    each([](double x) { return std::exp(x); });
}

void Run::operator()(const op::Sqrt&) const {
    each([](double x) { return std::sqrt(x); });
}

void Run::operator()(const op::Abs&) const {
    each([](double x) { return std::fabs(x); });
}

void Run::operator()(const op::Clamp& op) const {
    each([&](double x) { return x < double{op.low} ? double{op.low} : x > double{op.high} ? double{op.high} : x; });
}

void Run::operator()(const op::Multiply&) const {
    pairs([](double x, double y) { return x * y; });
}

void Run::operator()(const op::Maximum&) const {
    pairs([](double x, double y) { return x > y || std::isnan(x) ? x : y; });
}

// Each input pixel is spread over the result.
void Run::operator()(const op::ConvTranspose2d& op) const {
    const std::int64_t in_group = a().sides[0] / op.groups, out_group = out.sides[0] / op.groups;
    for_each(out.sides[0], pool, [&](std::int64_t channel) {
        std::vector<double> sum(static_cast<std::size_t>(out.plane()),
                                double{(*op.bias)[static_cast<std::size_t>(channel)]});
        for (std::int64_t c = channel / out_group * in_group; c < (channel / out_group + 1) * in_group; ++c) {
            const float* weights =
                op.weights->data() + (c * out_group + channel % out_group) * op.kernel_h * op.kernel_w;
            for (std::int64_t y = 0; y < a().sides[1]; ++y)
                for (std::int64_t x = 0; x < a().sides[2]; ++x)
                    for (int i = 0; i < op.kernel_h; ++i)
                        for (int j = 0; j < op.kernel_w; ++j) {
                            const std::int64_t to_y = y * op.stride_h - op.pad_top + i * op.dilation_h;
                            const std::int64_t to_x = x * op.stride_w - op.pad_left + j * op.dilation_w;
                            if (to_y < 0 || to_x < 0 || to_y >= out.sides[1] || to_x >= out.sides[2]) continue;
                            sum[static_cast<std::size_t>(to_y * out.sides[2] + to_x)] +=
                                double{weights[i * op.kernel_w + j]} * a().at(c, y, x);
                        }
        }
        std::transform(sum.begin(), sum.end(), out.row(channel, 0),
                       [](double value) { return static_cast<float>(value); });
    });
}

void Run::operator()(const op::DynamicConv2d& op) const {
    const int k = op.kernel;
    const std::int64_t kernels = b().sides[0] / (k * k), channels = a().sides[0] / kernels;
    const bool one_row = b().sides[1] == 1, one_column = b().sides[2] == 1;
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        for (int x = 0; x < out.width(); ++x) {
            double sum = 0;
            for (int i = 0; i < k; ++i)
                for (int j = 0; j < k; ++j) {
                    const std::int64_t from_y = y + i - k / 2, from_x = x + j - k / 2;
                    if (from_y < 0 || from_x < 0 || from_y >= a().sides[1] || from_x >= a().sides[2]) continue;
                    sum += double{b().at((c / channels * k + i) * k + j, one_row ? 0 : y, one_column ? 0 : x)} *
                           a().at(c, from_y, from_x);
                }
            to[x] = static_cast<float>(sum);
        }
    });
}

void Run::operator()(const op::Linear& op) const {
    const std::int64_t ins = a().sides.back(), outs = out.sides.back();
    for_each(static_cast<std::int64_t>(out.values.size()) / outs, pool, [&](std::int64_t row) {
        for (std::int64_t o = 0; o < outs; ++o) {
            double sum = (*op.bias)[static_cast<std::size_t>(o)];
            for (std::int64_t i = 0; i < ins; ++i)
                sum += double{(*op.weights)[static_cast<std::size_t>(o * ins + i)]} * a().at(row * ins + i);
            out.at(row * outs + o) = static_cast<float>(sum);
        }
    });
}

void Run::operator()(const op::MatMul& op) const {
    const std::int64_t m = out.side(-2), n = out.side(-1), k = a().side(-1);
    for_each(static_cast<std::int64_t>(out.values.size()) / n, pool, [&](std::int64_t row) {
        const std::int64_t matrix = row / m;
        for (std::int64_t j = 0; j < n; ++j) {
            double sum = 0;
            for (std::int64_t i = 0; i < k; ++i)
                sum += double{a().at(row * k + i)} * b().at(matrix * k * n + (op.transpose_b ? j * k + i : i * n + j));
            out.at(row * n + j) = static_cast<float>(op.scale * sum);
        }
    });
}

void run_op(const Operation& op, const std::vector<const Tensor*>& in, Tensor& out, ThreadPool* pool) {
    std::visit(Run{in, out, pool}, op);
}

// Pads a picture whose last columns and rows only continue it: what is mirrored is the picture itself.
static void pad_picture(op::Pad op, const Tensor& picture, Size continued, Tensor& out, ThreadPool* pool) {
    const op::Crop crop{.bottom = continued.height, .right = continued.width};
    Tensor real({picture.sides[0], picture.sides[1] - continued.height, picture.sides[2] - continued.width});
    run_op(crop, {&picture}, real, pool);
    if (op.mode == op::Pad::Mode::zeros) return run_op(op, {&picture}, out, pool);
    op.bottom += continued.height;
    op.right += continued.width;
    run_op(op, {&real}, out, pool);
}

void run_node(const Node& node, const std::vector<const Tensor*>& in, Size continued, Tensor& out, ThreadPool* pool) {
    const auto* pad = node.as<op::Pad>();
    if (pad && node.inputs[0] == 0 && (continued.width > 0 || continued.height > 0))
        pad_picture(*pad, *in[0], continued, out, pool);
    else
        run_op(node.op, in, out, pool);
}

Result<Tensor> evaluate(const Graph& graph, std::vector<Tensor> inputs, ThreadPool* pool,
                        const std::function<bool(double)>* progress, Size continued) {
    const std::vector<Node>& nodes = graph.nodes();
    const std::size_t given = inputs.size();
    ENSURE(given == static_cast<std::size_t>(graph.inputs()) && given > 0 && inputs[0].sides.size() == 3);
    const Size picture{inputs[0].width(), inputs[0].height()};
    std::vector<std::size_t> last_use(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i)
        for (const int from : nodes[i].inputs) last_use[static_cast<std::size_t>(from)] = i;

    std::vector<Tensor> tensors = std::move(inputs);
    tensors.resize(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const auto sides = at(nodes[i], picture);
        if (!sides)
            return Error{Errc::argument, "a picture of " + std::to_string(picture.width) + "x" +
                                             std::to_string(picture.height) + " is too small for this network"};
        if (i < given) {
            ENSURE(tensors[i].sides == *sides);
            continue;
        }
        tensors[i] = Tensor(*sides);
        std::vector<const Tensor*> operands;
        for (const int from : nodes[i].inputs) operands.push_back(&tensors[static_cast<std::size_t>(from)]);
        run_node(nodes[i], operands, continued, tensors[i], pool);
        for (const int from : nodes[i].inputs)
            if (last_use[static_cast<std::size_t>(from)] == i) tensors[static_cast<std::size_t>(from)] = {};
        if (progress && *progress && !(*progress)(static_cast<double>(i) / static_cast<double>(nodes.size())))
            return Error{Errc::cancelled, "stopped"};
    }
    return std::move(tensors.back());
}

}  // namespace enlarge::reference
