// SPDX-License-Identifier: Apache-2.0
// From the layers of a file that carries its own graph to a Graph of ours. import_ncnn.cpp and import_onnx.cpp say what
// each layer means; this class keeps the values between them and puts together what other formats write as several
// layers: x * sigmoid(x), SPAN's gate, a factor before a sum.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "arch/arch.hpp"

namespace enlarge {

// What a network's file says beyond the operations of a Graph.
struct ImportedGraph {
    Graph graph;
    double resize = 1;  // a resampling after the end: 0.5 when the file's own output is half as large as the graph's
};

class Importer {
public:
    using Constant = std::vector<double>;  // one number, or one per channel

    // The file's input; there is one.
    Result<void> input(const std::string& name, int channels);
    Result<void> constant(const std::string& name, const Tensor& tensor);
    Result<void> alias(const std::string& from, const std::string& to);

    // One call per layer. `out` is the name of the result; operands are names of earlier results.
    struct Convolution {
        int kernel = 0, stride = 1, dilation = 1, group = 1, pad = 0;  // pad -1: "as much as keeps the size"
        const Tensor* weights = nullptr;
        const Tensor* bias = nullptr;  // null: none
    };
    Result<void> conv(const std::string& out, const std::string& in, const Convolution& what);
    Result<void> prelu(const std::string& out, const std::string& in, const Tensor& slopes);
    Result<void> leaky_relu(const std::string& out, const std::string& in, double slope);
    Result<void> sigmoid(const std::string& out, const std::string& in);
    Result<void> swish(const std::string& out, const std::string& in);
    Result<void> add(const std::string& out, const std::string& a, const std::string& b, double alpha = 1, double beta = 1);
    Result<void> multiply(const std::string& out, const std::string& a, const std::string& b);
    // in * factor + shift.
    Result<void> affine(const std::string& out, const std::string& in, const Constant& factor, const Constant& shift);
    Result<void> concat(const std::string& out, const std::vector<std::string>& in);
    Result<void> pixel_shuffle(const std::string& out, const std::string& in, int factor);
    Result<void> pixel_unshuffle(const std::string& out, const std::string& in, int factor);
    Result<void> upsample_nearest(const std::string& out, const std::string& in, int factor);
    // Only after the network's end: clamping to 0..1, and making the result smaller or larger by other than repetition.
    Result<void> clamp(const std::string& out, const std::string& in, double low, double high);
    Result<void> resize(const std::string& out, const std::string& in, double factor);
    // A reshape to five or more dimensions and the permutation after it, with which exporters write pixel (un)shuffles.
    Result<void> reshape(const std::string& out, const std::string& in, const Constant& shape);
    Result<void> transpose(const std::string& out, const std::string& in, const Constant& order);

    [[nodiscard]] bool is_constant(const std::string& name) const;
    // The graph whose output is the one result that nothing uses.
    Result<ImportedGraph> finish();

private:
    struct Value {
        enum class Form { plain, sigmoid, constant, reshaped, permuted } form = Form::plain;
        int node = 0;            // of the value; of what the sigmoid is taken
        Constant factor, shift;  // not yet applied; empty for none. For constants: factor holds the numbers
        bool ended = false;      // clamped or resized: only the output may follow
        double resize = 1;
        bool shuffle = false;    // reshaped, permuted: on the way to a pixel shuffle, else to the inverse
        int count = 1;           // factor of that
        bool used = false;
    };
    Result<Value*> use(const std::string& name);
    Result<void> expand(std::int64_t numbers);  // accounts for numbers that the file does not hold one by one
    Result<int> node(const std::string& name);      // the value as a node of the graph
    Result<int> materialise(Value& value);
    Result<void> define(const std::string& name, Value value);
    Result<void> define_node(const std::string& name, Operation op, std::vector<int> from);
    Result<void> append(const std::string& out, const std::string& in, Operation op);  // of one operand
    Result<void> scale_by(const std::string& out, const std::string& in, const std::string& constant);

    Graph graph_;
    std::map<std::string, Value> values_;
    std::int64_t expanded_ = 0;
};

// The graph of a file with layers, for pictures of `channels`.
Result<ImportedGraph> import_ncnn(const std::vector<Layer>& layers, int channels);
Result<ImportedGraph> import_onnx(const std::vector<Layer>& layers, int channels);

// The same for any such file: RGB or grey is found out.
Result<ImportedGraph> import_layers(const StateDict& file);

// The graph without nodes that its output does not depend on.
Result<Graph> pruned(const Graph& graph);

// Whether two graphs compute the same: the same operations on the same weights, whatever the order of nodes and of the
// operands of sums. Factors of sums and normalisations may differ as much as half precision rounds.
bool same_network(const Graph& a, const Graph& b);

}  // namespace enlarge
