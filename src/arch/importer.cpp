// SPDX-License-Identifier: Apache-2.0
#include "arch/importer.hpp"

#include <utility>

#include "arch/builder.hpp"
#include "arch/onnx_node.hpp"
#include "weights/bytes.hpp"

namespace enlarge {
namespace {

Error unsupported(const std::string& what) { return {Errc::unsupported, what}; }

// A network without padding makes less than its scale times the picture: it is given more of the picture, reflected at
// the edges, so that the result is whole. Nothing where that is not so.
std::optional<op::Pad> missing_edge(const Shape& out) {
    if (out.size() != 3 || !out[0].constant()) return {};
    const Extent &rows = out[1], &columns = out[2];
    const bool same = rows.h == columns.w && rows.fixed == columns.fixed && rows.den == 1 && columns.den == 1;
    if (!same || rows.h < 1 || rows.w != 0 || columns.h != 0 || rows.fixed >= 0 || rows.fixed % (2 * rows.h) != 0)
        return {};
    const int edge = static_cast<int>(-rows.fixed / (2 * rows.h));
    return op::Pad{op::Pad::Mode::reflect, edge, edge, edge, edge};
}

Result<Graph> with_pad(const Graph& graph, const op::Pad& pad) {
    Graph padded;
    TRY(padded.add(graph.nodes().front()));
    TRY(padded.add({pad, {0}}));
    for (std::size_t i = 1; i < graph.nodes().size(); ++i) {
        Node node = graph.nodes()[i];
        for (int& input : node.inputs) ++input;
        TRY(padded.add(std::move(node)));
    }
    return padded;
}

}  // namespace

Result<void> Importer::define(const std::string& name, Value value) {
    if (!values_.emplace(name, std::move(value)).second)
        return Error{Errc::format, "'" + printable(name) + "' is computed twice"};
    return {};
}

const Importer::Value* Importer::find(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? nullptr : &found->second;
}

Result<const Importer::Value*> Importer::use(const std::string& name) {
    const auto found = values_.find(name);
    if (found == values_.end()) return Error{Errc::format, "'" + printable(name) + "' is used before it is computed"};
    found->second.used = true;
    return &std::as_const(found->second);
}

Result<void> Importer::alias(const std::string& from, const std::string& to) {
    TRY(const Value* const value, use(from));
    Value copy = *value;
    copy.used = copy.form == Value::Form::known;
    return define(to, std::move(copy));
}

Error Importer::missing(const Value& value) {
    using Form = Value::Form;
    switch (value.form) {
        case Form::erf:
            return unsupported("an error function that is no part of a GELU").within(value.layer);
        case Form::softplus:
        case Form::tanh_softplus:
            return unsupported("a softplus that is no part of a Mish").within(value.layer);
        case Form::reciprocal:
            return unsupported("a quotient that is no part of a normalisation").within(value.layer);
        case Form::length:
            return unsupported("a length that is no part of a normalisation").within(value.layer);
        case Form::flag:
            return unsupported("a comparison that is no part of a choice").within(value.layer);
        case Form::counted:
        case Form::strided:
        case Form::grid:
            return unsupported("numbers up to a size that is not known").within(value.layer);
        case Form::expanded:
            return unsupported("a tensor that is repeated for other than arithmetic").within(value.layer);
        default:
            return unsupported("a constant where a tensor is expected");
    }
}

Result<int> Importer::node_of(const Value& value) {
    if (value.form != Value::Form::node) return missing(value);
    return value.node;
}

// What was computed after the output was only needed for its parts, such as the sum inside a gate.
Result<Graph> Importer::upto(int node) const {
    Graph whole;
    for (int i = 0; i <= node; ++i) TRY(whole.add(make.node(i)));
    return pruned(whole);
}

Result<ImportedGraph> Importer::finish(const std::string& output) {
    const std::string* last = output.empty() ? nullptr : &output;
    if (!last)
        for (const auto& [name, value] : values_) {
            if (value.used) continue;
            if (last)
                return unsupported("a network with more than one output ('" + printable(*last) + "' and '" +
                                   printable(name) + "')");
            last = &name;
        }
    if (!last) return Error{Errc::format, "the graph has no output"};
    TRY(const Value* const value, use(*last));
    TRY(int out, node_of(*value));
    if (make.own)
        if (const auto picture = onnx_import::as_picture(make.shape(out), *make.own)) {
            TRY(out, make.reshape(out, *picture));
        }
    // What fits all sizes was read with one in mind.
    if (const auto* shaped = make.node(out).as<op::Reshape>(); make.own && !(shaped && shaped->own_rows > 0)) {
        TRY(out, make.put(op::Reshape{make.shape(out), make.own->height, make.own->width}, {out}));
    }
    const auto clamps = [&](int i) {
        const auto* clamp = make.node(i).as<op::Clamp>();
        return clamp && clamp->low <= 0 && clamp->high >= 1;
    };
    if (clamps(out)) out = make.node(out).inputs[0];
    ImportedGraph imported;
    TRY(imported.graph, upto(out));
    if (imported.graph.size_multiple() % multiple != 0)
        return unsupported("a network that asks whether the picture's sides are multiples of " +
                           std::to_string(multiple));
    imported.own_multiple = multiple;
    const bool as_given = below == beside && (!below.how || below.multiple == multiple);
    const auto continue_as_the_file = [&](Graph& graph) {
        if (as_given && below.how) graph.continue_by(*below.how);
        if (!as_given || continues_otherwise) graph.expect_multiples();
    };
    continue_as_the_file(imported.graph);
    const auto* resize = make.node(out).as<op::Resize>();
    if (resize && resize->mode != op::Resize::Mode::nearest && make.node(out).inputs.size() == 1) {
        int before = make.node(out).inputs[0];
        if (clamps(before)) before = make.node(before).inputs[0];
        if (auto graph = upto(before); graph.ok()) {
            imported.before_resize = std::move(graph).value();
            continue_as_the_file(*imported.before_resize);
        }
        imported.resize = static_cast<double>(resize->num) / resize->den;
    }
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
    if (const auto pad = missing_edge(result.output().shape)) {
        TRY(result, with_pad(result, *pad));
    }
    TRY(result.validate());
    return result;
}

}  // namespace enlarge
