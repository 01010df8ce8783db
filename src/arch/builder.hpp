// SPDX-License-Identifier: Apache-2.0
// What the families are written with: takes tensors out of a state dict by name and appends ops, so that a family reads
// like the network's definition. After the first failure all calls do nothing; finish() reports it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "arch/arch.hpp"

namespace enlarge {

// The tensor, or null.
const Tensor* find(const StateDict& weights, const std::string& name);
// While it lives, the names that find() was asked for on this thread and did not have: what a file lacks to be of a
// family.
class NotFound {
public:
    NotFound();
    ~NotFound();
    NotFound(const NotFound&) = delete;
    NotFound& operator=(const NotFound&) = delete;
    std::set<std::string> names, had;  // and those that it had

private:
    NotFound* outer_;
};
inline bool has(const StateDict& weights, const std::string& name) { return find(weights, name) != nullptr; }

// Size of dimension `dim` of a tensor, or 0 when there is no such tensor or dimension, or it does not fit an int.
int dimension(const StateDict& weights, const std::string& name, std::size_t dim);

// How many of prefix + "0" + suffix, prefix + "1" + suffix, ... are there without a gap.
int count_blocks(const StateDict& weights, const std::string& prefix, const std::string& suffix, int first = 0);

// "64x3x3x3".
std::string shape_text(const std::vector<std::int64_t>& shape);

// The whole scale at which `values` per pixel are scale x scale pixels of `channels` channels; 0 when there is none.
int whole_scale(int values, int channels);

// "`what`: tensor 'a' is 64x3x3x3, tensor 'b' is 12x64x3x3": sizes that these tensors tell and that do not fit. Where
// one of them is not there, that is what is said.
Error misfit(const StateDict& weights, const std::string& what, const std::vector<std::string>& tensors);

// The same of a network that makes `outputs` of `inputs` channels where a whole scale squared times as many are
// expected.
Error no_scale(const StateDict& weights, const std::string& family, const std::string& first, int inputs,
               const std::string& last, int outputs);

// How a convolution's window moves. pad_h, pad_w -1: so that the size stays.
struct ConvWindow {
    int kernel_h = 3, kernel_w = 3;
    int stride = 1;
    int pad_h = -1, pad_w = -1;
    int groups = 1;
    int dilation = 1;
    bool ragged = false;
};
inline ConvWindow square(int kernel) { return {.kernel_h = kernel, .kernel_w = kernel}; }

class Builder {
public:
    // `told_by`: the tensor whose shape tells how many channels the pictures have.
    Builder(const StateDict& weights, int channels, const std::string& told_by = {});

    // The values of tensor `name`, which must have this shape, be finite and no integers; marks it as used. Empty after
    // a failure.
    Values take_values(const std::string& name, const std::vector<std::int64_t>& shape);
    std::vector<float> take(const std::string& name, const std::vector<std::int64_t>& shape);
    // Marks as used whatever its shape; no failure when it is not there.
    void ignore(const std::string& name) { used_.insert(name); }
    // Accounts for numbers that the family makes beyond those the file holds. False, and a failure, when all of them
    // together are more than any network needs.
    bool expand(std::int64_t numbers);
    // Reports a failure of the family's own.
    void fail(Errc code, const std::string& message);
    void fail(Error error);

    // name + ".weight" of shape out x channels x kernel x kernel and name + ".bias"; without bias it is zero.
    int conv(int from, const std::string& name, int out, int kernel = 3, bool bias = true);
    // The same with weights at hand.
    int conv(int from, std::vector<float> weights, std::vector<float> bias, int kernel = 3);
    // Any other convolution: name + ".weight" of shape out x channels / groups x kernel_h x kernel_w.
    int conv(int from, const std::string& name, int out, const ConvWindow& window, bool bias = true);
    // One kernel x kernel filter per channel.
    int depthwise(int from, const std::string& name, int kernel, bool bias = true);
    // Of each pixel's channels: name + ".weight" of shape out x channels, as a 1x1 convolution.
    int linear(int from, const std::string& name, int out, bool bias = true);
    // name + ".weight" of shape channels x out x kernel x kernel.
    int conv_transpose(int from, const std::string& name, int out, int kernel, int stride, int pad, bool bias = true);
    // Over the channels of each pixel: name + ".weight" and name + ".bias".
    int layer_norm(int from, const std::string& name, float epsilon = 1e-5F);
    int group_norm(int from, const std::string& name, int groups, float epsilon = 1e-5F);
    // As training left it: running statistics, name + ".weight" and name + ".bias".
    int batch_norm(int from, const std::string& name, float epsilon = 1e-5F);
    // name + ".weight": one slope per channel, or one for all.
    int prelu(int from, const std::string& name);
    int leaky_relu(int from, float slope) { return append(op::LeakyRelu{slope}, {from}); }
    int relu(int from) { return leaky_relu(from, 0); }
    int silu(int from) { return append(op::Silu{}, {from}); }
    int gelu(int from) { return append(op::Gelu{}, {from}); }
    int mish(int from) { return append(op::Mish{}, {from}); }
    int sigmoid(int from) { return append(op::Sigmoid{}, {from}); }
    int tanh(int from) { return append(op::Tanh{}, {from}); }
    int multiply(int a, int b) { return append(op::Multiply{}, {a, b}); }
    int global_mean(int from) { return append(op::GlobalMean{}, {from}); }
    // Channels first ... first + count - 1.
    int channels_of(int from, int first, int count);
    // factor * x + shift, of every channel.
    int affine(int from, float factor, float shift);
    // factor * x, one factor per channel: a tensor of as many numbers, whatever its shape.
    int scale_channels(int from, const std::string& name);
    int add(int a, int b, float alpha = 1, float beta = 1) { return append(op::Add{alpha, beta}, {a, b}); }
    int concat(std::vector<int> parts) { return append(op::Concat{}, std::move(parts)); }
    int scale_shift(int from, std::vector<float> scale, std::vector<float> shift);
    int span_gate(int o, int x) { return append(op::SpanGate{}, {o, x}); }
    // A factor of 1 leaves things as they are.
    int pixel_shuffle(int from, int factor) { return factor == 1 ? from : append(op::PixelShuffle{factor}, {from}); }
    int pixel_unshuffle(int from, int factor) {
        return factor == 1 ? from : append(op::PixelUnshuffle{factor}, {from});
    }
    int upsample_nearest(int from, int factor) {
        return factor == 1 ? from : append(op::UpsampleNearest{factor}, {from});
    }
    // Any other operation.
    int append(Operation op, std::vector<int> from);

    // Whether the file has a tensor.
    [[nodiscard]] bool has(const std::string& name) const { return weights_.tensors.contains(name); }
    // Whether any tensor's name ends so: what blocks have is the same for all of them.
    [[nodiscard]] bool has_any(std::string_view ending) const;
    // Size of a dimension of a tensor; 0 as in enlarge::dimension().
    [[nodiscard]] int dim(const std::string& name, std::size_t of) const { return dimension(weights_, name, of); }
    // All numbers of a tensor of any shape that has as many; a failure otherwise.
    std::vector<float> take_flat(const std::string& name, std::int64_t count);
    // The numbers of a list of whole numbers, as buffers hold them; marks it as used.
    std::vector<int> take_list(const std::string& name, std::size_t count);

    [[nodiscard]] int channels(int node) const;
    [[nodiscard]] bool failed() const { return error_.has_value(); }
    [[nodiscard]] const StateDict& weights() const { return weights_; }
    Graph& graph() { return graph_; }
    // The checked graph. Fails when something failed before, or when a tensor of the file was not used.
    Result<Graph> finish();
    // The same with what is said of it.
    Result<Network> network(std::string family, std::string variant, std::vector<Fact> facts);

private:
    const StateDict& weights_;
    std::set<std::string> used_;
    std::string last_;  // of the tensors taken
    std::int64_t expanded_ = 0;
    Graph graph_;
    std::optional<Error> error_;
};

}  // namespace enlarge
