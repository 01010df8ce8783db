// SPDX-License-Identifier: Apache-2.0
#include "plan/transposed.hpp"

#include <utility>
#include <vector>

#include "base/at.hpp"
#include "plan/chains.hpp"

namespace enlarge {
namespace {

struct Parts {
    op::Conv2d conv;
    int factor = 1;
    op::Crop crop;
};

// Taps of the ordinary convolution along one side.
int taps(int kernel, int stride) { return (kernel + stride - 1) / stride; }

bool has_parts(const op::ConvTranspose2d& op) {
    const auto cut = [&](int kernel, int pad, int extra) { return op.stride_h * taps(kernel, op.stride_h) + pad - kernel - extra; };
    return op.groups == 1 && op.dilation_h == 1 && op.dilation_w == 1 && op.stride_h == op.stride_w &&
           cut(op.kernel_h, op.pad_bottom, op.extra_h) >= 0 && cut(op.kernel_w, op.pad_right, op.extra_w) >= 0;
}

// Output pixel o, counted from before the padding, is s * q + r: it sums input q - t times tap r + s * t over all t. For
// one r that is a convolution over q; its result for all r beside each other is what a pixel shuffle by s expects.
Parts parts_of(const op::ConvTranspose2d& op, int in) {
    const int s = op.stride_h, out = static_cast<int>(op.bias.count()), rows = taps(op.kernel_h, s), columns = taps(op.kernel_w, s);
    std::vector<float> weights, bias;
    for (int c = 0; c < out; ++c)
        for (int r = 0; r < s * s; ++r) {
            bias.push_back(at(*op.bias, c));
            for (int from = 0; from < in; ++from)
                for (int i = rows; i-- > 0;)
                    for (int j = columns; j-- > 0;) {
                        const int y = r / s + s * i, x = r % s + s * j;
                        const bool there = y < op.kernel_h && x < op.kernel_w;
                        weights.push_back(there ? at(*op.weights, ((std::int64_t{from} * out + c) * op.kernel_h + y) * op.kernel_w + x) : 0.0F);
                    }
        }
    Parts parts{.factor = s};
    op::Conv2d& conv = parts.conv;
    conv.kernel_h = rows;
    conv.kernel_w = columns;
    conv.pad_top = conv.pad_bottom = rows - 1;
    conv.pad_left = conv.pad_right = columns - 1;
    conv.weights = make_values(std::move(weights));
    conv.bias = make_values(std::move(bias));
    parts.crop = {.top = op.pad_top,
                  .left = op.pad_left,
                  .bottom = s * rows + op.pad_bottom - op.kernel_h - op.extra_h,
                  .right = s * columns + op.pad_right - op.kernel_w - op.extra_w};
    return parts;
}

// Whether the graph takes the node, and the node put in its place is as large as the one that it stands for.
bool put(Graph& graph, Operation op, int& last) {
    auto made = graph.add(Node(std::move(op), {last}));
    if (made) last = *made;
    return made.ok();
}

}  // namespace

Graph with_plain_convolutions(const Graph& graph) {
    const std::vector<std::vector<int>> users = users_of(graph);
    Graph result;
    std::vector<int> place;
    // Activations that stand before the shuffle already, where they are one step with the convolution.
    std::vector<bool> taken(graph.nodes().size(), false);
    for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
        const Node& node = at(graph.nodes(), i);
        if (at(taken, i)) {
            place.push_back(at(place, node.inputs[0]));
            continue;
        }
        Node copy = node;
        for (int& from : copy.inputs) from = at(place, from);
        const auto* transposed = node.as<op::ConvTranspose2d>();
        if (transposed && has_parts(*transposed)) {
            const Parts parts = parts_of(*transposed, at(graph.nodes(), node.inputs[0]).channels);
            int last = copy.inputs[0];
            const bool cut = !(parts.crop == op::Crop{});
            const Node* const next = at(users, i).size() == 1 ? &at(graph.nodes(), at(users, i)[0]) : nullptr;
            const bool takes = next && (next->is<op::LeakyRelu>() || next->is<op::Silu>());
            if (takes) at(taken, at(users, i)[0]) = true;
            if (!put(result, parts.conv, last) || (takes && !put(result, next->op, last)) || (parts.factor > 1 && !put(result, op::PixelShuffle{parts.factor}, last)) ||
                (cut && !put(result, parts.crop, last)) || at(result.nodes(), last).shape != node.shape)
                return graph;
            place.push_back(last);
            continue;
        }
        auto made = result.add(std::move(copy));
        if (!made) return graph;
        place.push_back(*made);
    }
    if (!result.need_multiple(graph.size_multiple())) return graph;
    result.continue_by(graph.continuation());
    if (graph.expects_multiples()) result.expect_multiples();
    result.need_spare(graph.spare());
    result.allow_sides_up_to(graph.longest_side());
    return result;
}

}  // namespace enlarge
