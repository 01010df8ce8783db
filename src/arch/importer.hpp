// SPDX-License-Identifier: Apache-2.0
// From the layers of a file that carries its own graph to a Graph of ours. import_ncnn.cpp and import_onnx.cpp say what
// each layer means; this class keeps the values between them by name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "arch/arch.hpp"
#include "arch/graph_maker.hpp"
#include "arch/known.hpp"

namespace enlarge {

// What a file's layers compute.
struct ImportedGraph {
    Graph graph;  // as it is, but for a clamp to 0..1 at its end
    // Without the resampling that some files end with, where there is one: 0.5 makes the graph's result half as large.
    std::optional<Graph> before_resize;
    double resize = 1;
    std::int64_t own_multiple = 1;  // of what the file itself continues pictures to
};

// What may leave a rest: nothing, windows with steps, or also quotients of sizes.
enum class Rest { none, windows, anywhere };

class Importer {
public:
    // What a name stands for: a node of the graph, known numbers, or part of what only makes sense with what follows.
    struct Value {
        enum class Form {
            node,
            known,
            erf,       // factor * erf(node) + shift
            softplus,  // of the node
            reciprocal,
            tanh_softplus,
            expanded,  // the node, repeated to `shape`
            length,    // of the node's vectors along `axis`, at least `least`
            counted,   // whole numbers `first`, first + 1, ... along `axis` of `shape`; of which only that is known: -1
            strided,   // first + place along `axis` (-1: none) + step * place along `outer`
            flag,      // factor * node + shift, both of which are only ever 0 and 1
            grid,      // a list of places: innermost the numbers of `counts`
        } form = Form::node;
        int node = -1;
        Shape shape;  // as the file has it
        Known known;
        double factor = 1, shift = 0;
        int axis = 0;
        double least = 0;
        Extent first;
        int outer = 0;
        std::int64_t step = 1;
        std::vector<Value> counts = {};
        std::string layer;  // that computes it, for messages
        bool used = false;
    };

    GraphMaker make;
    Rest rest = Rest::none;     // at a picture's edge, which is not read
    [[nodiscard]] bool ragged() const { return rest != Rest::none; }
    int opset = 0;              // of an ONNX file; 0: the newest
    std::int64_t multiple = 1;  // of what both sides must be for what was assumed of sizes
    // How the file continues other pictures, at the bottom and at the right, and to which multiples; and whether it
    // does what a Continuation is not.
    struct Side {
        std::optional<Continuation> how;
        std::int64_t multiple = 1;
        bool operator==(const Side&) const = default;
    };
    Side below, beside;
    bool continues_otherwise = false;

    Result<void> define(const std::string& name, Value value);
    // The value that an earlier layer computed.
    Result<const Value*> use(const std::string& name);
    [[nodiscard]] const Value* find(const std::string& name) const;
    Result<void> alias(const std::string& from, const std::string& to);
    // The node of a value that is one: a missing half of a GELU is said by its own layer's name.
    static Result<int> node_of(const Value& value);
    static Error missing(const Value& value);

    // The graph whose output is the value of that name; empty: of the one value that nothing uses.
    Result<ImportedGraph> finish(const std::string& output);

private:
    Result<Graph> upto(int node) const;

    std::map<std::string, Value> values_;
};

// Windows with steps leave a rest where a picture's sides are no multiples of these, which the file's own program does
// not read. That is computed if the sides of all results can then be told for pictures of any size; else there is a
// graph for whole multiples. It says so where the file may have a result for other pictures too: where sizes do not fit
// together then, it has none.
template <class Import>
Result<ImportedGraph> import_in_whole(bool rounds, const Import& import) {
    if (!rounds) return import(Rest::none);
    auto exact = import(Rest::anywhere);
    if (exact.ok()) return exact;
    auto multiples = import(Rest::windows);
    if (!multiples.ok()) multiples = import(Rest::none);
    if (!multiples.ok()) return multiples;
    const bool own = multiples->graph.size_multiple() == multiples->own_multiple;
    if (own || exact.error().code == Errc::format) return multiples;
    multiples->graph.expect_multiples();
    if (multiples->before_resize) multiples->before_resize->expect_multiples();
    return multiples;
}

// The graph of a file with layers, for pictures of `channels`.
Result<ImportedGraph> import_ncnn(const StateDict& file, int channels);
Result<ImportedGraph> import_onnx(const StateDict& file, int channels);  // for sides of any size where it can

// The same for any such file: RGB or grey is found out.
Result<ImportedGraph> import_layers(const StateDict& file);

// The graph without nodes that its output does not depend on.
Result<Graph> pruned(const Graph& graph);

// Whether two graphs compute the same: the same operations on the same weights, whatever the order of nodes and of the
// operands of sums. Factors of sums and normalisations may differ as much as half precision rounds.
bool same_network(const Graph& a, const Graph& b);

}  // namespace enlarge
