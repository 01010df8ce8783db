// SPDX-License-Identifier: Apache-2.0
// An ONNX file as a graph: node after node, what is known computed at once, the rest by its operator's rule.
#include <set>

#include "arch/onnx_node.hpp"

namespace enlarge {
namespace {

using namespace onnx_import;

// An operator whose operands are all known, computed now. Nothing when it is not of that kind.
Result<bool> folded(OnnxNode& n) {
    FoldInput input;
    input.type = n.type;
    for (std::size_t i = 0; i < n.count(); ++i) {
        if (n.has(i) && !n.constant(i)) return false;
        input.operands.push_back(n.constant(i));
    }
    if (n.count() == 0 || n.layer.outputs.size() != 1) return false;
    input.number = [&](const char* key, double otherwise) { return n.number(key, otherwise); };
    input.list = [&](const char* key) { return n.list(key); };
    TRY(n.make.expand(fold_work(input)));
    auto result = fold(input, n.to.multiple);
    if (!result) return false;
    TRY(Known numbers, std::move(*result));
    TRY(n.define(std::move(numbers)));
    return true;
}

Result<void> add_operator(OnnxNode& n) {
    if (n.layer.outputs.empty()) return malformed("no output");
    TRY(n.read_operands());
    TRY(const bool counted, add_counted(n));
    if (counted) return {};
    TRY(const bool done, folded(n));
    if (done) return {};
    for (const std::span<const Rule> rules : {number_rules(), picture_rules(), move_rules()})
        for (const Rule& rule : rules)
            if (n.type == rule.type) {
                if (!n.has(0)) return malformed("no operand");
                return rule.add(n);
            }
    return unsupported("this operator is not supported");
}

// What a file's inputs are called: those that it declares, or names that no node computes.
std::vector<std::string> inputs_of(const StateDict& file) {
    std::set<std::string> computed;
    for (const Layer& layer : file.layers) computed.insert(layer.outputs.begin(), layer.outputs.end());
    std::vector<std::string> inputs;
    std::set<std::string> seen;
    for (const Layer& layer : file.layers)
        for (const std::string& name : layer.inputs)
            if (!computed.contains(name) && seen.insert(name).second) inputs.push_back(name);
    return inputs;
}

Result<ImportedGraph> import_graph(const StateDict& file, int channels, bool ragged) {
    const std::vector<std::string> inputs = inputs_of(file);
    if (inputs.size() > 1)
        return unsupported("a network with more than one input ('" + printable(inputs[0]) + "' and '" +
                           printable(inputs[1]) + "')");
    if (inputs.empty()) return malformed("the graph has no input");
    if (file.outputs.size() > 1)
        return unsupported("a network with more than one output ('" + printable(file.outputs[0].name) + "' and '" +
                           printable(file.outputs[1].name) + "')");
    Importer importer;
    importer.ragged = ragged;
    Value picture;
    TRY(picture.node, importer.make.put(op::Input{.channels = channels}, {}));
    picture.shape = {1, channels, Extent::rows(), Extent::columns()};
    TRY(importer.define(inputs[0], std::move(picture)));
    for (const Layer& layer : file.layers) {
        OnnxNode node(importer, layer);
        if (auto added = add_operator(node); !added.ok()) {
            // A half of a GELU speaks for itself.
            if (added.error().message.starts_with("node '")) return std::move(added.error());
            return std::move(added.error()).within(node.label());
        }
    }
    return importer.finish(file.outputs.empty() ? "" : file.outputs[0].name);
}

}  // namespace

Result<ImportedGraph> import_onnx(const StateDict& file, int channels) {
    // Pooling with steps rounds sizes down; what is then made as large again fits only where nothing was left over.
    const bool steps =
        std::any_of(file.layers.begin(), file.layers.end(), [](const Layer& layer) { return layer.type == "MaxPool"; });
    if (steps)
        if (auto rounded = import_graph(file, channels, true); rounded.ok()) return rounded;
    return import_graph(file, channels, false);
}

}  // namespace enlarge
