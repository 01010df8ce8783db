// SPDX-License-Identifier: Apache-2.0
// What the families are written with: takes tensors out of a state dict by name and appends ops, so that a family reads
// like the network's definition. After the first failure all calls do nothing; finish() reports it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "arch/arch.hpp"

namespace enlarge {

// The tensor, or null.
const Tensor* find(const StateDict& weights, const std::string& name);
inline bool has(const StateDict& weights, const std::string& name) { return find(weights, name) != nullptr; }

// Size of dimension `dim` of a tensor, or 0 when there is no such tensor or dimension, or it does not fit an int.
int dimension(const StateDict& weights, const std::string& name, std::size_t dim);

// How many of prefix + "0" + suffix, prefix + "1" + suffix, ... are there without a gap.
int count_blocks(const StateDict& weights, const std::string& prefix, const std::string& suffix, int first = 0);

// "64x3x3x3".
std::string shape_text(const std::vector<std::int64_t>& shape);

class Builder {
public:
    Builder(const StateDict& weights, int channels);

    // The values of tensor `name`, which must have this shape, be finite and no integers; marks it as used. Empty after a failure.
    std::vector<float> take(const std::string& name, const std::vector<std::int64_t>& shape);
    // Marks as used whatever its shape; no failure when it is not there.
    void ignore(const std::string& name) { used_.insert(name); }
    // Accounts for numbers that the family makes beyond those the file holds. False, and a failure, when all of them
    // together are more than any network needs.
    bool expand(std::int64_t numbers);
    // Reports a failure of the family's own.
    void fail(Errc code, const std::string& message);

    // name + ".weight" of shape out x channels x kernel x kernel and name + ".bias"; without bias it is zero.
    int conv(int from, const std::string& name, int out, int kernel = 3, bool bias = true);
    // The same with weights at hand.
    int conv(int from, std::vector<float> weights, std::vector<float> bias, int kernel = 3);
    // name + ".weight": one slope per channel, or one for all.
    int prelu(int from, const std::string& name);
    int leaky_relu(int from, float slope) { return append(op::LeakyRelu{slope}, {from}); }
    int silu(int from) { return append(op::Silu{}, {from}); }
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

    [[nodiscard]] int channels(int node) const;
    // The checked graph. Fails when something failed before, or when a tensor of the file was not used.
    Result<Graph> finish();

private:
    const StateDict& weights_;
    std::set<std::string> used_;
    std::int64_t expanded_ = 0;
    Graph graph_;
    std::optional<Error> error_;
};

}  // namespace enlarge
