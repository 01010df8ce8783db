// SPDX-License-Identifier: Apache-2.0
// Which family an imported graph is of, and its tensors under that family's names. Only the order of the convolutions is
// used here: they depend on each other, so any file has them in this order. That the rest fits is checked afterwards, by
// building the family's graph from the names and comparing (same_network).
#include <bit>
#include <cmath>
#include <map>
#include <string_view>
#include <type_traits>

#include "arch/builder.hpp"
#include "arch/importer.hpp"
#include "graph/fields.hpp"
#include "graph/hash.hpp"
#include "graph/traits.hpp"

namespace enlarge {
namespace {

using std::to_string;

template <class T>
std::vector<const Node*> all(const Graph& graph) {
    std::vector<const Node*> found;
    for (const Node& node : graph.nodes())
        if (node.is<T>()) found.push_back(&node);
    return found;
}

void put(StateDict& out, const Graph& graph, const std::string& name, const Node& node, bool bias = true) {
    const auto& conv = *node.as<op::Conv2d>();
    const std::int64_t in = graph.nodes()[static_cast<std::size_t>(node.inputs[0])].channels / conv.groups;
    out.tensors[name + ".weight"] = {{node.channels, in, conv.kernel_h, conv.kernel_w}, Floats(conv.weights.shared())};
    if (bias) out.tensors[name + ".bias"] = {{node.channels}, Floats(conv.bias.shared())};
}

Result<StateDict> name_compact(const Graph& graph) {
    StateDict out;
    int index = 0;
    for (const Node& node : graph.nodes()) {
        if (node.is<op::Conv2d>()) put(out, graph, "body." + to_string(index++), node);
        if (const auto* prelu = node.as<op::Prelu>())
            out.tensors["body." + to_string(index++) + ".weight"] = {{node.channels}, Floats(prelu->slopes.shared())};
    }
    return out;
}

Result<StateDict> name_span(const Graph& graph) {
    StateDict out;
    const std::vector<const Node*> convs = all<op::Conv2d>(graph);
    const std::size_t blocks = all<op::SpanGate>(graph).size();
    if (convs.size() != 3 * blocks + 4)
        return Error{Errc::unsupported, to_string(convs.size()) + " convolutions around " + to_string(blocks) +
                                            " gates; a SPAN network has three per gate and four more"};
    std::vector<std::string> names{"conv_1.eval_conv"};
    for (std::size_t b = 1; b <= blocks; ++b)
        for (const char* part : {".c1_r", ".c2_r", ".c3_r"}) names.push_back("block_" + to_string(b) + part + ".eval_conv");
    for (const char* name : {"conv_2.eval_conv", "conv_cat", "upsampler.0"}) names.emplace_back(name);
    for (std::size_t i = 0; i < names.size(); ++i) put(out, graph, names[i], *convs[i]);
    if (all<op::ScaleShift>(graph).empty()) out.tensors["no_norm"] = {{1}, {0}};
    return out;
}

Result<StateDict> name_rrdb(const Graph& graph) {
    StateDict out;
    std::vector<const Node*> convs, shortcuts;  // 3x3, and the 1x1 of ESRGAN+
    for (const Node* conv : all<op::Conv2d>(graph))
        (conv->as<op::Conv2d>()->same_kernel() == 1 ? shortcuts : convs).push_back(conv);
    const std::size_t ups = all<op::UpsampleNearest>(graph).size();
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

// As coarse as half precision needs, finer than any two networks differ.
std::int64_t coarse(double value) { return std::lround(value * 256); }

// Appends what is to be compared of a field. Slopes, factors of sums and normalisations of the picture are compared
// coarsely: a file in half precision has rounded them.
template <class T>
struct Key {
    std::vector<std::int64_t>& key;
    static constexpr bool kCoarse =
        std::is_same_v<T, op::LeakyRelu> || std::is_same_v<T, op::Add> || std::is_same_v<T, op::ScaleShift>;

    template <class Field>
    requires std::is_integral_v<Field> || std::is_enum_v<Field>
    void operator()(const Field& number) { key.push_back(static_cast<std::int64_t>(number)); }
    void operator()(float number) { key.push_back(kCoarse ? coarse(number) : std::bit_cast<std::int32_t>(number)); }
    void operator()(const Values& values) {
        key.push_back(values.count());
        if (!kCoarse)
            key.push_back(static_cast<std::int64_t>(hash(values)));
        else if (values)
            for (const float value : *values) key.push_back(std::lround(value));
    }
    void operator()(const std::string&) {}  // names do not compute
    void operator()(const Extent& side) {
        key.insert(key.end(), {side.fixed, side.h, side.w, side.area, side.den, side.floor ? 1 : 0, side.rest,
                              side.times});
    }
    template <class Item>
    void operator()(const std::vector<Item>& list) {
        key.push_back(static_cast<std::int64_t>(list.size()));
        for (const Item& item : list) (*this)(item);
    }
};

// Everything that a node computes from the operands with these numbers.
std::vector<std::int64_t> key_of(const Node& node, std::vector<std::int64_t> operands) {
    std::vector<std::int64_t> key{static_cast<std::int64_t>(node.op.index())};
    Operation op = node.op;
    if (traits(op).commutative && operands[0] > operands[1]) {
        std::swap(operands[0], operands[1]);
        if (auto* sum = std::get_if<op::Add>(&op)) std::swap(sum->alpha, sum->beta);
    }
    if (auto* sum = std::get_if<op::Add>(&op);
        sum && operands[0] == operands[1] && coarse(sum->alpha) > coarse(sum->beta))
        std::swap(sum->alpha, sum->beta);
    key.insert(key.end(), operands.begin(), operands.end());
    std::visit([&]<class T>(const T& which) { for_each_field(which, Key<T>{key}); }, op);
    return key;
}

}  // namespace

Result<StateDict> name_tensors(const Graph& graph) {
    if (!all<op::SpanGate>(graph).empty()) return name_span(graph);
    if (!all<op::Concat>(graph).empty() && !all<op::LeakyRelu>(graph).empty()) return name_rrdb(graph);
    if (!all<op::Prelu>(graph).empty()) return name_compact(graph);
    return Error{Errc::unsupported, "its operations are not those of a Compact, RRDB or SPAN network"};
}

bool same_network(const Graph& a, const Graph& b) {
    // Each distinct computation gets a number; two graphs are the same when their outputs get the same one.
    std::map<std::vector<std::int64_t>, std::int64_t> numbers;
    const auto number_of = [&](const Graph& graph) {
        std::vector<std::int64_t> of_node;
        for (const Node& node : graph.nodes()) {
            std::vector<std::int64_t> operands;
            for (const int from : node.inputs) operands.push_back(of_node[static_cast<std::size_t>(from)]);
            std::vector<std::int64_t> key = key_of(node, std::move(operands));
            of_node.push_back(numbers.emplace(std::move(key), static_cast<std::int64_t>(numbers.size())).first->second);
        }
        return of_node.back();
    };
    return number_of(a) == number_of(b);
}

}  // namespace enlarge
