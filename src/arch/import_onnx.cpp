// SPDX-License-Identifier: Apache-2.0
// An ONNX file as a graph: node after node, what is known computed at once, the rest by its operator's rule.
#include <bit>
#include <set>

#include "arch/onnx_node.hpp"

namespace enlarge {
namespace {

using namespace onnx_import;

constexpr int kLongest = 4096;  // of a file for one size

// What the result of an operator on known numbers is where sides are no multiples.
std::shared_ptr<const Known> beyond(FoldInput input, std::int64_t multiple) {
    bool changes = input.type == "Mod" || input.type == "Div";
    changes = changes && std::any_of(input.operands.begin(), input.operands.end(),
                                     [](const Known* operand) { return operand && operand->symbolic(); });
    for (const Known*& operand : input.operands)
        if (operand && operand->beyond) operand = operand->beyond.get(), changes = true;
    if (!changes) return nullptr;
    input.beyond = true;
    auto other = std::make_shared<Known>();
    const bool known = std::none_of(input.operands.begin(), input.operands.end(), [](const Known* operand) {
        return operand && operand->is_unknown();
    });
    if (known)
        if (auto result = fold(input, multiple); result && result->ok()) *other = std::move(*result).value();
    other->beyond = nullptr;
    return other;
}

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
    input.ragged = n.to.rest == Rest::anywhere;
    TRY(n.make.expand(fold_work(input)));
    auto result = fold(input, n.to.multiple);
    if (!result) return false;
    TRY(Known numbers, std::move(*result));
    numbers.beyond = beyond(std::move(input), n.to.multiple);
    TRY(n.define(std::move(numbers)));
    return true;
}

// Operators whose numbers are weights: infinity, which masks add to what softmax shall leave out, is none of these.
bool weighs(const std::string& type) {
    static const std::set<std::string> all{"Conv", "ConvTranspose", "Gemm", "MatMul", "PRelu", "Mul", "Div", "Pow"};
    return all.contains(type) || type.ends_with("Normalization");
}

// The largest magnitude's bits: those of NaN are larger than infinity's.
std::uint32_t largest_bits(const std::vector<float>& values) {
    std::uint32_t largest = 0;
    for (const float value : values) largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & 0x7fffffffU);
    return largest;
}

Result<void> check_numbers(const OnnxNode& n) {
    constexpr std::uint32_t kInfinity = 0x7f800000U;
    for (std::size_t i = 0; i < n.count(); ++i) {
        if (!n.constant(i) || n.constant(i)->symbolic()) continue;
        const std::uint32_t largest = largest_bits(*n.constant(i)->values);
        if (largest > kInfinity || (largest == kInfinity && weighs(n.type)))
            return malformed("operand " + std::to_string(i) + " holds NaN or infinity; finite numbers expected");
    }
    for (const auto& [key, value] : n.layer.numbers) {
        const bool bound = n.type == "Clip" && std::isinf(value);
        if ((!std::isfinite(value) && !bound) || (key == "epsilon" && value < 0))
            return malformed("the attribute " + printable(key) + " is " + std::to_string(value) + "; expected " +
                             (key == "epsilon" ? "a finite number that is not negative" : "a finite number"));
    }
    return {};
}

Result<void> add_operator(OnnxNode& n) {
    if (n.layer.outputs.empty()) return malformed("no output");
    TRY(n.read_operands());
    if (n.make.own) TRY(fit_own_size(n));
    TRY(const bool counted, add_counted(n));
    if (counted) return {};
    TRY(const bool done, folded(n));
    if (done) return {};
    TRY(check_numbers(n));
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

Result<ImportedGraph> import_graph(const StateDict& file, int channels, Rest rest, std::optional<Size> own = {}) {
    const std::vector<std::string> inputs = inputs_of(file);
    if (inputs.size() > 1)
        return unsupported("a network with more than one input ('" + printable(inputs[0]) + "' and '" +
                           printable(inputs[1]) + "')");
    if (inputs.empty()) return malformed("the graph has no input");
    constexpr int kOldest = 7;  // before, operators on two tensors said by an attribute how these fit together
    if (file.opset != 0 && file.opset < kOldest)
        return unsupported("operators of version " + std::to_string(file.opset) + "; expected " +
                           std::to_string(kOldest) + " or newer");
    if (file.outputs.size() > 1)
        return unsupported("a network with more than one output ('" + printable(file.outputs[0].name) + "' and '" +
                           printable(file.outputs[1].name) + "')");
    Importer importer;
    importer.rest = rest;
    importer.opset = file.opset;
    importer.make.own = own;
    Value picture;
    TRY(picture.node, importer.make.put(op::Input{.channels = channels}, {}));
    picture.shape = {1, channels, Extent::rows(), Extent::columns()};
    TRY(importer.define(inputs[0], std::move(picture)));
    for (const Layer& layer : file.layers) {
        OnnxNode node(importer, layer);
        if (auto added = add_operator(node); !added.ok()) {
            // A half of a GELU speaks for itself.
            if (added.error().message.starts_with("node '") ||
                added.error().message.starts_with("node of '"))
                return std::move(added.error());
            return std::move(added.error()).within(node.label());
        }
    }
    return importer.finish(file.outputs.empty() ? "" : file.outputs[0].name);
}

// Whether the operator may leave a rest of its operand's sides.
bool rounds(const Layer& layer) {
    if (layer.type == "Slice") return std::find(layer.slots.begin(), layer.slots.end(), 4) != layer.slots.end();
    if (layer.type == "Resize" || layer.type == "Upsample" || layer.type == "MaxPool") return true;
    if (layer.type != "Conv" && layer.type != "AveragePool") return false;
    const auto strides = layer.lists.find("strides");
    return strides != layer.lists.end() &&
           std::any_of(strides->second.begin(), strides->second.end(), [](double stride) { return stride > 1; });
}

// DySample divides its places by the picture's columns and rows, which PyTorch's exporter writes as numbers even where
// rows and columns can change: such a file is right at that size alone.
std::optional<Size> size_in_places(const StateDict& file) {
    const bool samples = std::any_of(file.layers.begin(), file.layers.end(),
                                     [](const Layer& layer) { return layer.type == "GridSample"; });
    for (const Layer& layer : file.layers) {
        if (!samples || layer.type != "Div" || layer.tensors.size() != 1) continue;
        const Tensor& by = layer.tensors[0];
        if (by.shape != std::vector<std::int64_t>{1, 2, 1, 1, 1} || by.values.size() != 2) continue;
        const float width = by.values[0], height = by.values[1];
        const auto fits = [](float side) { return side >= 1 && side <= kLongest && side == std::floor(side); };
        if (fits(width) && fits(height)) return Size{static_cast<int>(width), static_cast<int>(height)};
    }
    return {};
}

// -1 is any size; so is 0, as Paddle's first exporters wrote it.
Result<void> check_inputs(const StateDict& file) {
    for (const Port& input : file.inputs)
        for (const std::int64_t side : input.shape)
            if (side < -1)
                return malformed("the input '" + printable(input.name) + "' has a side of " + std::to_string(side) +
                                 "; expected 1 or more, or -1 or 0 for any");
    return {};
}

// The only size of picture that a file says it is for.
std::optional<Size> declared_size(const StateDict& file) {
    if (file.inputs.size() != 1) return {};
    const std::vector<std::int64_t>& sides = file.inputs[0].shape;
    const auto fits = [&](std::size_t i) { return sides[i] >= 1 && sides[i] <= kLongest; };
    if (sides.size() != 4 || !fits(2) || !fits(3)) return {};
    return Size{static_cast<int>(sides[3]), static_cast<int>(sides[2])};
}

// Whether a graph for any size computes pictures of this size as they are.
bool runs_as_it_is(const Graph& graph, Size own) {
    const int multiple = graph.size_multiple();
    return (!graph.expects_multiples() || (own.width % multiple == 0 && own.height % multiple == 0)) &&
           std::all_of(graph.nodes().begin(), graph.nodes().end(), [&](const Node& node) {
               return at(node, Size{(own.width + multiple - 1) / multiple * multiple,
                                    (own.height + multiple - 1) / multiple * multiple}).has_value();
           });
}

}  // namespace

Result<ImportedGraph> import_onnx(const StateDict& file, int channels) {
    TRY(check_inputs(file));
    auto made = import_in_whole(std::any_of(file.layers.begin(), file.layers.end(), rounds),
                                [&](Rest rest) { return import_graph(file, channels, rest); });
    const std::optional<Size> declared = declared_size(file), own = declared ? declared : size_in_places(file);
    if (!own || (made.ok() ? runs_as_it_is(made->graph, *own) : made.error().code == Errc::limit)) return made;
    auto fixed = import_graph(file, channels, Rest::anywhere, own);
    if (fixed.ok() || made.ok() || !declared) return fixed.ok() ? std::move(fixed) : std::move(made);
    Error error = std::move(fixed.error());
    if (const auto end = error.message.rfind("; a file for one size"); end != std::string::npos)
        error.message.resize(end);
    return error;
}

}  // namespace enlarge
