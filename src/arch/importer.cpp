// SPDX-License-Identifier: Apache-2.0
#include "arch/importer.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "arch/builder.hpp"
#include "weights/bytes.hpp"

namespace enlarge {
namespace {

// Far above what any network needs; keeps a hostile file from making us allocate much more than it holds.
constexpr std::size_t kMostConstants = 256;   // numbers of a factor or shift
constexpr std::size_t kMostParts = 64;        // of a concatenation
constexpr std::int64_t kMostExpanded = std::int64_t{1} << 24;

bool all_are(const std::vector<double>& values, double wanted) {
    return std::all_of(values.begin(), values.end(), [&](double v) { return std::fabs(v - wanted) < 1e-6; });
}

// numbers[channel], where one number stands for all channels.
double at(const std::vector<double>& numbers, std::size_t channel, double none) {
    return numbers.empty() ? none : numbers[numbers.size() == 1 ? 0 : channel];
}

Error unsupported(const std::string& what) { return {Errc::unsupported, what}; }

// A convolution that moves each pixel of a block to a channel of its own, the way pixel_unshuffle orders them.
bool is_unshuffle(const Tensor& weights, int factor) {
    const std::int64_t area = std::int64_t{factor} * factor, out = weights.shape[0], in = weights.shape[1];
    if (weights.shape[2] != factor || weights.shape[3] != factor || out != in * area) return false;
    for (std::int64_t o = 0; o < out; ++o)
        for (std::int64_t i = 0; i < in * area; ++i)
            if (weights.values[static_cast<std::size_t>(o * in * area + i)] != (o == i ? 1.0F : 0.0F)) return false;
    return true;
}

}  // namespace

Result<void> Importer::define(const std::string& name, Value value) {
    if (!values_.emplace(name, std::move(value)).second)
        return Error{Errc::format, "'" + printable(name) + "' is computed twice"};
    return {};
}

Result<void> Importer::define_node(const std::string& name, Operation op, std::vector<int> from) {
    Value value;
    TRY(value.node, graph_.add({std::move(op), std::move(from)}));
    return define(name, std::move(value));
}

Result<void> Importer::append(const std::string& out, const std::string& in, Operation op) {
    TRY(const int from, node(in));
    return define_node(out, std::move(op), {from});
}

Result<void> Importer::expand(std::int64_t numbers) {
    expanded_ += numbers;
    if (expanded_ > kMostExpanded) return Error{Errc::limit, "more than " + std::to_string(kMostExpanded) + " repeated constants"};
    return {};
}

Result<Importer::Value*> Importer::use(const std::string& name) {
    const auto found = values_.find(name);
    if (found == values_.end()) return Error{Errc::format, "'" + printable(name) + "' is used before it is computed"};
    if (found->second.ended) return unsupported("a clamp or resampling in the middle of the network");
    found->second.used = true;
    return &found->second;
}

Result<int> Importer::materialise(Value& value) {
    if (value.form != Value::Form::plain) return unsupported("a sigmoid, a constant or a reshaped tensor as an operand");
    if (value.factor.empty() && value.shift.empty()) return value.node;
    const auto channels = static_cast<std::size_t>(graph_.nodes()[static_cast<std::size_t>(value.node)].channels);
    for (const Constant* numbers : {&value.factor, &value.shift})
        if (numbers->size() > 1 && numbers->size() != channels)
            return unsupported(std::to_string(numbers->size()) + " factors for " + std::to_string(channels) + " channels");
    TRY(expand(static_cast<std::int64_t>(channels) * 2));
    std::vector<float> factor, shift;
    for (std::size_t c = 0; c < channels; ++c) {
        factor.push_back(static_cast<float>(at(value.factor, c, 1)));
        shift.push_back(static_cast<float>(at(value.shift, c, 0)));
    }
    TRY(value.node,
        graph_.add({op::ScaleShift{make_values(std::move(factor)), make_values(std::move(shift))}, {value.node}}));
    value.factor.clear();
    value.shift.clear();
    return value.node;
}

Result<int> Importer::node(const std::string& name) {
    TRY(Value* const value, use(name));
    return materialise(*value);
}

bool Importer::is_constant(const std::string& name) const {
    const auto found = values_.find(name);
    return found != values_.end() && found->second.form == Value::Form::constant;
}

Result<void> Importer::input(const std::string& name, int channels) {
    if (!graph_.nodes().empty()) return unsupported("a network with more than one input");
    TRY(const int index, graph_.input(channels));
    Value value;
    value.node = index;
    return define(name, std::move(value));
}

Result<void> Importer::constant(const std::string& name, const Tensor& tensor) {
    if (tensor.values.size() > kMostConstants)
        return unsupported("a constant of " + std::to_string(tensor.values.size()) + " numbers; at most one per channel is expected");
    Value value;
    value.form = Value::Form::constant;
    value.factor.assign(tensor.values.begin(), tensor.values.end());
    value.used = true;  // one that nothing needs does no harm
    return define(name, std::move(value));
}

Result<void> Importer::alias(const std::string& from, const std::string& to) {
    const auto found = values_.find(from);
    if (found == values_.end()) return Error{Errc::format, "'" + printable(from) + "' is used before it is computed"};
    Value copy = found->second;
    found->second.used = true;
    copy.used = copy.form == Value::Form::constant;
    return define(to, std::move(copy));
}

Result<void> Importer::conv(const std::string& out, const std::string& in, const Convolution& what) {
    const Tensor* weights = what.weights;
    if (!weights || weights->shape.size() != 4) return unsupported("a convolution whose weights are not constant, or not of a picture");
    TRY(const int from, node(in));
    const std::int64_t outputs = weights->shape[0], inputs = weights->shape[1];
    const auto channels = graph_.nodes()[static_cast<std::size_t>(from)].channels;
    if (what.stride > 1 && what.pad == 0 && what.group == 1 && what.dilation == 1 && is_unshuffle(*weights, what.stride) &&
        inputs == channels && (!what.bias || std::all_of(what.bias->values.begin(), what.bias->values.end(), [](float b) { return b == 0; })))
        return pixel_unshuffle(out, in, what.stride);
    if (what.stride != 1 || what.dilation != 1 || what.group != 1)
        return unsupported("a convolution with a stride, dilation or groups");
    if (weights->shape[2] != weights->shape[3] || (weights->shape[2] != 1 && weights->shape[2] != 3))
        return unsupported("a convolution of " + std::to_string(weights->shape[3]) + "x" + std::to_string(weights->shape[2]) +
                           "; only 1x1 and 3x3 are supported");
    const int kernel = static_cast<int>(weights->shape[2]);
    if (what.pad != -1 && what.pad != kernel / 2)
        return unsupported("a " + std::to_string(kernel) + "x" + std::to_string(kernel) + " convolution padded by " +
                           std::to_string(what.pad) + "; expected " + std::to_string(kernel / 2));
    if (inputs != channels)
        return Error{Errc::format, "weights for " + std::to_string(inputs) + " channels, applied to " + std::to_string(channels)};
    std::vector<float> bias = what.bias ? what.bias->values : std::vector<float>(static_cast<std::size_t>(std::max<std::int64_t>(outputs, 0)));
    Value value;
    const int count = static_cast<int>(bias.size());
    TRY(value.node, graph_.conv2d(from, count, kernel, weights->values, std::move(bias)));
    return define(out, std::move(value));
}

Result<void> Importer::prelu(const std::string& out, const std::string& in, const Tensor& slopes) {
    TRY(const int from, node(in));
    const auto channels = static_cast<std::size_t>(graph_.nodes()[static_cast<std::size_t>(from)].channels);
    if (slopes.values.size() == 1) TRY(expand(static_cast<std::int64_t>(channels)));
    return define_node(out,
                       op::Prelu{make_values(slopes.values.size() == 1 ? std::vector<float>(channels, slopes.values[0])
                                                                       : slopes.values)},
                       {from});
}

Result<void> Importer::leaky_relu(const std::string& out, const std::string& in, double slope) {
    return append(out, in, op::LeakyRelu{static_cast<float>(slope)});
}

Result<void> Importer::sigmoid(const std::string& out, const std::string& in) {
    Value value;
    TRY(value.node, node(in));
    value.form = Value::Form::sigmoid;
    return define(out, std::move(value));
}

Result<void> Importer::swish(const std::string& out, const std::string& in) { return append(out, in, op::Silu{}); }

Result<void> Importer::add(const std::string& out, const std::string& a, const std::string& b, double alpha, double beta) {
    if (is_constant(a) || is_constant(b)) {
        const std::string& x = is_constant(a) ? b : a;
        Constant shift = values_.at(is_constant(a) ? a : b).factor;
        for (double& number : shift) number *= is_constant(a) ? alpha : beta;
        return affine(out, x, {is_constant(a) ? beta : alpha}, shift);
    }
    op::Add sum;
    std::vector<int> inputs;
    for (const auto& [name, own] : {std::pair{&a, alpha}, std::pair{&b, beta}}) {
        TRY(Value* const value, use(*name));
        double factor = own;
        // One factor for all channels becomes part of the sum.
        const bool uniform = value->form == Value::Form::plain && value->shift.empty() && value->factor.size() == 1;
        if (uniform) factor *= value->factor[0];
        if (uniform)
            inputs.push_back(value->node);
        else {
            TRY(const int from, materialise(*value));
            inputs.push_back(from);
        }
        (inputs.size() == 1 ? sum.alpha : sum.beta) = static_cast<float>(factor);
    }
    return define_node(out, sum, std::move(inputs));
}

Result<void> Importer::affine(const std::string& out, const std::string& in, const Constant& factor, const Constant& shift) {
    TRY(Value* const value, use(in));
    if (value->form != Value::Form::plain && value->form != Value::Form::sigmoid)
        return unsupported("arithmetic on a constant or a reshaped tensor");
    const std::size_t size = std::max({factor.size(), shift.size(), value->factor.size(), value->shift.size(), std::size_t{1}});
    if (size > kMostConstants) return unsupported("arithmetic with " + std::to_string(size) + " constants");
    for (const Constant* numbers : {&factor, &shift, &std::as_const(value->factor), &std::as_const(value->shift)})
        if (numbers->size() > 1 && numbers->size() != size) return unsupported("constants of different sizes");
    Value result = *value;
    result.used = false;
    result.factor.assign(size, 1);
    result.shift.assign(size, 0);
    for (std::size_t c = 0; c < size; ++c) {
        result.factor[c] = at(value->factor, c, 1) * at(factor, c, 1);
        result.shift[c] = at(value->shift, c, 0) * at(factor, c, 1) + at(shift, c, 0);
    }
    if (all_are(result.shift, 0)) result.shift.clear();
    if (all_are(result.factor, result.factor[0])) result.factor.resize(1);
    if (all_are(result.factor, 1)) result.factor.clear();
    return define(out, std::move(result));
}

Result<void> Importer::multiply(const std::string& out, const std::string& a, const std::string& b) {
    for (const auto& [x, c] : {std::pair{&a, &b}, std::pair{&b, &a}})
        if (is_constant(*c)) return affine(out, *x, values_.at(*c).factor, {});
    for (const auto& [s, x] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
        TRY(const Value* const gate, use(*s));
        TRY(const Value* const value, use(*x));
        const bool plain = value->form == Value::Form::plain && value->factor.empty() && value->shift.empty();
        if (gate->form != Value::Form::sigmoid || !gate->factor.empty() || !plain) continue;
        if (gate->shift.empty() && value->node == gate->node) return define_node(out, op::Silu{}, {value->node});
        const Node& sum = graph_.nodes()[static_cast<std::size_t>(value->node)];
        const auto* add = sum.as<op::Add>();
        if (gate->shift.size() != 1 || std::fabs(gate->shift[0] + 0.5) > 1e-6 || !add || add->alpha != 1 ||
            add->beta != 1)
            continue;
        const bool first = sum.inputs[0] == gate->node;
        if (!first && sum.inputs[1] != gate->node) continue;
        return define_node(out, op::SpanGate{}, {gate->node, sum.inputs[first ? 1 : 0]});
    }
    return unsupported("a product of two tensors that is neither SiLU nor SPAN's gate");
}

Result<void> Importer::concat(const std::string& out, const std::vector<std::string>& in) {
    std::vector<int> parts;
    for (const std::string& name : in) {
        TRY(const int from, this->node(name));
        const Node& part = graph_.nodes()[static_cast<std::size_t>(from)];
        if (part.is<op::Concat>())
            parts.insert(parts.end(), part.inputs.begin(), part.inputs.end());
        else
            parts.push_back(from);
        if (parts.size() > kMostParts)
            return unsupported("a concatenation of more than " + std::to_string(kMostParts) + " tensors");
    }
    if (parts.size() == 1) return alias(in[0], out);
    return define_node(out, op::Concat{}, std::move(parts));
}

Result<void> Importer::pixel_shuffle(const std::string& out, const std::string& in, int factor) {
    return factor == 1 ? alias(in, out) : append(out, in, op::PixelShuffle{factor});
}

Result<void> Importer::pixel_unshuffle(const std::string& out, const std::string& in, int factor) {
    return factor == 1 ? alias(in, out) : append(out, in, op::PixelUnshuffle{factor});
}

Result<void> Importer::upsample_nearest(const std::string& out, const std::string& in, int factor) {
    return factor == 1 ? alias(in, out) : append(out, in, op::UpsampleNearest{factor});
}

Result<void> Importer::clamp(const std::string& out, const std::string& in, double low, double high) {
    if (!(low <= 0 && high >= 1)) return unsupported("a clamp to " + std::to_string(low) + ".." + std::to_string(high));
    TRY(Value* const value, use(in));
    TRY(const int from, materialise(*value));
    Value ended;
    ended.node = from;
    ended.ended = true;
    return define(out, std::move(ended));
}

Result<void> Importer::resize(const std::string& out, const std::string& in, double factor) {
    if (!(factor > 0.01 && factor < 100)) return unsupported("a resampling by " + std::to_string(factor));
    TRY(Value* const value, use(in));
    TRY(const int from, materialise(*value));
    Value ended;
    ended.node = from;
    ended.ended = true;
    ended.resize = factor;
    return define(out, std::move(ended));
}

Result<void> Importer::reshape(const std::string& out, const std::string& in, const Constant& shape) {
    TRY(Value* const value, use(in));
    if (value->form == Value::Form::permuted && shape.size() == 4) {
        if (value->shuffle) return define_node(out, op::PixelShuffle{value->count}, {value->node});
        return define_node(out, op::PixelUnshuffle{value->count}, {value->node});
    }
    TRY(const int from, materialise(*value));
    if (shape.size() != 6) return unsupported("a reshape to " + std::to_string(shape.size()) + " dimensions");
    Value split;
    split.form = Value::Form::reshaped;
    split.node = from;
    const int channels = graph_.nodes()[static_cast<std::size_t>(from)].channels;
    const bool small = shape[3] >= 2 && shape[3] <= 64;
    if (small && shape[3] == shape[5] && shape[1] == channels) {
        split.shuffle = false;
    } else if (small && shape[2] == shape[3] && (shape[1] == -1 || shape[1] * shape[2] * shape[3] == channels)) {
        split.shuffle = true;
    } else {
        return unsupported("a reshape that is no pixel shuffle");
    }
    split.count = static_cast<int>(shape[3]);
    return define(out, std::move(split));
}

Result<void> Importer::transpose(const std::string& out, const std::string& in, const Constant& order) {
    TRY(Value* const value, use(in));
    const Constant wanted = value->shuffle ? Constant{0, 1, 4, 2, 5, 3} : Constant{0, 1, 3, 5, 2, 4};
    if (value->form != Value::Form::reshaped || order != wanted) return unsupported("a transposition that is no pixel shuffle");
    Value permuted = *value;
    permuted.form = Value::Form::permuted;
    permuted.used = false;
    return define(out, std::move(permuted));
}

Result<ImportedGraph> Importer::finish() {
    const std::string* last = nullptr;
    for (const auto& [name, value] : values_) {
        if (value.used) continue;
        if (last) return unsupported("a network with more than one output ('" + printable(*last) + "' and '" + printable(name) + "')");
        last = &name;
    }
    if (!last) return Error{Errc::format, "the graph has no output"};
    Value& value = values_.at(*last);
    TRY(const int out, materialise(value));
    // What was computed after the output was only needed for its parts, such as the sum inside a gate.
    Graph whole;
    for (int i = 0; i <= out; ++i) TRY(whole.add(graph_.nodes()[static_cast<std::size_t>(i)]));
    ImportedGraph imported;
    imported.resize = value.resize;
    TRY(imported.graph, pruned(whole));
    return imported;
}

Result<Graph> pruned(const Graph& graph) {
    const std::vector<Node>& nodes = graph.nodes();
    std::vector<bool> needed(nodes.size(), false);
    needed.back() = true;
    for (std::size_t i = nodes.size(); i-- > 0;)
        if (needed[i])
            for (const int input : nodes[i].inputs) needed[static_cast<std::size_t>(input)] = true;
    needed[0] = true;
    std::vector<int> moved(nodes.size(), -1);
    Graph result;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (!needed[i]) continue;
        Node node = nodes[i];
        for (int& input : node.inputs) input = moved[static_cast<std::size_t>(input)];
        TRY(moved[i], result.add(std::move(node)));
    }
    TRY(result.validate());
    return result;
}

}  // namespace enlarge
