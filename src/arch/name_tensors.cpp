// SPDX-License-Identifier: Apache-2.0
// Which family an imported graph is of, and its tensors under that family's names. Only the order of the convolutions is
// used here: they depend on each other, so any file has them in this order. That the rest fits is checked afterwards, by
// building the family's graph from the names and comparing (same_network).
#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "arch/builder.hpp"
#include "arch/importer.hpp"

namespace enlarge {
namespace {

using std::to_string;

std::vector<const Node*> all(const Graph& graph, Op op) {
    std::vector<const Node*> found;
    for (const Node& node : graph.nodes())
        if (node.op == op) found.push_back(&node);
    return found;
}

void put(StateDict& out, const Graph& graph, const std::string& name, const Node& conv, bool bias = true) {
    const std::int64_t in = graph.nodes()[static_cast<std::size_t>(conv.inputs[0])].channels, k = conv.kernel;
    out.tensors[name + ".weight"] = {{conv.channels, in, k, k}, *conv.weights};
    if (bias) out.tensors[name + ".bias"] = {{conv.channels}, *conv.bias};
}

Result<StateDict> name_compact(const Graph& graph) {
    StateDict out;
    int index = 0;
    for (const Node& node : graph.nodes()) {
        if (node.op == Op::conv2d) put(out, graph, "body." + to_string(index++), node);
        if (node.op == Op::prelu) out.tensors["body." + to_string(index++) + ".weight"] = {{node.channels}, *node.weights};
    }
    return out;
}

Result<StateDict> name_span(const Graph& graph) {
    StateDict out;
    const std::vector<const Node*> convs = all(graph, Op::conv2d);
    const std::size_t blocks = all(graph, Op::span_gate).size();
    if (convs.size() != 3 * blocks + 4)
        return Error{Errc::unsupported, to_string(convs.size()) + " convolutions around " + to_string(blocks) +
                                            " gates; a SPAN network has three per gate and four more"};
    std::vector<std::string> names{"conv_1.eval_conv"};
    for (std::size_t b = 1; b <= blocks; ++b)
        for (const char* part : {".c1_r", ".c2_r", ".c3_r"}) names.push_back("block_" + to_string(b) + part + ".eval_conv");
    for (const char* name : {"conv_2.eval_conv", "conv_cat", "upsampler.0"}) names.emplace_back(name);
    for (std::size_t i = 0; i < names.size(); ++i) put(out, graph, names[i], *convs[i]);
    if (all(graph, Op::scale_shift).empty()) out.tensors["no_norm"] = {{1}, {0}};
    return out;
}

Result<StateDict> name_rrdb(const Graph& graph) {
    StateDict out;
    std::vector<const Node*> convs, shortcuts;  // 3x3, and the 1x1 of ESRGAN+
    for (const Node* conv : all(graph, Op::conv2d)) (conv->kernel == 1 ? shortcuts : convs).push_back(conv);
    const std::size_t ups = all(graph, Op::upsample_nearest).size();
    const std::size_t others = ups + 4;
    const std::size_t blocks = convs.size() > others ? (convs.size() - others) / 15 : 0;
    if (blocks == 0 || convs.size() != others + blocks * 15 || (!shortcuts.empty() && shortcuts.size() != blocks * 3))
        return Error{Errc::unsupported, to_string(convs.size()) + " convolutions and " + to_string(ups) +
                                            " upsamplings; an RRDB network has 15 per block and, besides, 4 and one per upsampling"};
    std::size_t next = 0, next_shortcut = 0;
    put(out, graph, "conv_first", *convs[next++]);
    for (std::size_t block = 0; block < blocks; ++block)
        for (int dense = 1; dense <= 3; ++dense) {
            const std::string prefix = "body." + to_string(block) + ".rdb" + to_string(dense) + ".conv";
            for (int k = 1; k <= 5; ++k) put(out, graph, prefix + to_string(k), *convs[next++]);
            if (!shortcuts.empty()) put(out, graph, prefix + "1x1", *shortcuts[next_shortcut++], false);
        }
    put(out, graph, "conv_body", *convs[next++]);
    for (std::size_t up = 1; up <= ups; ++up) put(out, graph, "conv_up" + to_string(up), *convs[next++]);
    put(out, graph, "conv_hr", *convs[next++]);
    put(out, graph, "conv_last", *convs[next++]);
    return out;
}

std::uint64_t hash(const Values& values) {
    if (!values) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(values->data()), values->size() * sizeof(float));
    return std::hash<std::string_view>()(bytes);
}

// As coarse as half precision needs, finer than any two networks differ.
std::int64_t coarse(double value) { return std::lround(value * 256); }

}  // namespace

Result<StateDict> name_tensors(const Graph& graph) {
    if (!all(graph, Op::span_gate).empty()) return name_span(graph);
    if (!all(graph, Op::concat).empty() && !all(graph, Op::leaky_relu).empty()) return name_rrdb(graph);
    if (!all(graph, Op::prelu).empty()) return name_compact(graph);
    return Error{Errc::unsupported, "its operations are not those of a Compact, RRDB or SPAN network"};
}

bool same_network(const Graph& a, const Graph& b) {
    // Each distinct computation gets a number; two graphs are the same when their outputs get the same one.
    std::map<std::vector<std::int64_t>, std::int64_t> numbers;
    const auto number_of = [&](const Graph& graph) {
        std::vector<std::int64_t> of_node;
        for (const Node& node : graph.nodes()) {
            std::vector<std::int64_t> key{static_cast<std::int64_t>(node.op), node.channels, node.kernel, node.factor};
            std::vector<std::pair<std::int64_t, std::int64_t>> operands;
            for (std::size_t i = 0; i < node.inputs.size(); ++i) {
                const float factor = node.op == Op::add ? (i == 0 ? node.alpha : node.beta) : 0;
                operands.emplace_back(of_node[static_cast<std::size_t>(node.inputs[i])], coarse(factor));
            }
            if (node.op == Op::add) std::sort(operands.begin(), operands.end());
            for (const auto& [operand, factor] : operands) key.insert(key.end(), {operand, factor});
            if (node.op == Op::leaky_relu) key.push_back(coarse(node.alpha));
            if (node.op == Op::scale_shift) {
                for (const Values& values : {node.weights, node.bias})
                    for (const float value : *values) key.push_back(std::lround(value));
            } else {
                key.insert(key.end(), {static_cast<std::int64_t>(hash(node.weights)), static_cast<std::int64_t>(hash(node.bias))});
            }
            of_node.push_back(numbers.emplace(std::move(key), static_cast<std::int64_t>(numbers.size())).first->second);
        }
        return of_node.back();
    };
    return number_of(a) == number_of(b);
}

}  // namespace enlarge
