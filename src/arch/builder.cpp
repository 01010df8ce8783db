// SPDX-License-Identifier: Apache-2.0
#include "arch/builder.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "weights/bytes.hpp"

namespace enlarge {

const Tensor* find(const StateDict& weights, const std::string& name) {
    const auto found = weights.tensors.find(name);
    return found == weights.tensors.end() ? nullptr : &found->second;
}

int dimension(const StateDict& weights, const std::string& name, std::size_t dim) {
    const Tensor* tensor = find(weights, name);
    if (!tensor || dim >= tensor->shape.size()) return 0;
    const std::int64_t size = tensor->shape[dim];
    return size > 0 && size <= (1 << 20) ? static_cast<int>(size) : 0;
}

int count_blocks(const StateDict& weights, const std::string& prefix, const std::string& suffix, int first) {
    int count = 0;
    while (has(weights, prefix + std::to_string(first + count) + suffix)) ++count;
    return count;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
    std::string text;
    for (const std::int64_t size : shape) {
        if (text.size() > 60) return text + "x...";
        if (!text.empty()) text += 'x';
        text += std::to_string(size);
    }
    return text.empty() ? "a single number" : text;
}

Builder::Builder(const StateDict& weights, int channels) : weights_(weights) {
    if (channels != 1 && channels != 3 && channels != 4)
        fail(Errc::unsupported, "a network for pictures of " + std::to_string(channels) +
                                    " channels; only grey (1), RGB (3) and RGBA (4) are supported");
    else if (auto input = graph_.input(channels); !input.ok()) error_ = input.error();
}

void Builder::fail(Errc code, const std::string& message) {
    if (!error_) error_ = Error{code, message};
}

bool Builder::expand(std::int64_t numbers) {
    constexpr std::int64_t kMost = std::int64_t{1} << 25;  // SPAN with 48 features: 1.3 million
    expanded_ += numbers;
    if (expanded_ > kMost)
        fail(Errc::limit, "a network that takes more than " + std::to_string(kMost) + " numbers to merge");
    return !error_;
}

std::vector<float> Builder::take(const std::string& name, const std::vector<std::int64_t>& shape) {
    if (error_) return {};
    const Tensor* tensor = find(weights_, name);
    if (!tensor) {
        fail(Errc::format, "tensor '" + name + "' is missing");
        return {};
    }
    if (tensor->shape != shape) {
        fail(Errc::format,
             "tensor '" + name + "' is " + shape_text(tensor->shape) + "; expected " + shape_text(shape));
        return {};
    }
    if (tensor->integers) {
        fail(Errc::unsupported, "tensor '" + name + "' holds integers, as quantised files do; floats expected");
        return {};
    }
    std::size_t elements = 1;
    for (const std::int64_t size : shape) elements *= static_cast<std::size_t>(size);
    if (tensor->values.size() != elements) {
        fail(Errc::format, "tensor '" + name + "' holds " + std::to_string(tensor->values.size()) +
                               " values; its shape says " + std::to_string(elements));
        return {};
    }
    if (!std::all_of(tensor->values.begin(), tensor->values.end(), [](float value) { return std::isfinite(value); })) {
        fail(Errc::format, "tensor '" + name + "' holds NaN or infinity");
        return {};
    }
    used_.insert(name);
    return tensor->values;
}

int Builder::append(Operation op, std::vector<int> from) {
    if (error_) return -1;
    auto index = graph_.add({std::move(op), std::move(from)});
    if (!index.ok()) {
        error_ = std::move(index).error();
        return -1;
    }
    return *index;
}

int Builder::channels(int node) const {
    if (node < 0 || static_cast<std::size_t>(node) >= graph_.nodes().size()) return 0;
    return graph_.nodes()[static_cast<std::size_t>(node)].channels;
}

int Builder::conv(int from, const std::string& name, int out, int kernel, bool bias) {
    std::vector<float> weights = take(name + ".weight", {out, channels(from), kernel, kernel});
    std::vector<float> biases =
        bias ? take(name + ".bias", {out}) : std::vector<float>(static_cast<std::size_t>(std::max(out, 0)));
    return conv(from, std::move(weights), std::move(biases), kernel);
}

int Builder::conv(int from, std::vector<float> weights, std::vector<float> bias, int kernel) {
    if (error_) return -1;
    const int out = static_cast<int>(bias.size());
    auto index = graph_.conv2d(from, out, kernel, std::move(weights), std::move(bias));
    if (!index.ok()) {
        error_ = std::move(index).error();
        return -1;
    }
    return *index;
}

int Builder::prelu(int from, const std::string& name) {
    const int count = channels(from);
    const Tensor* tensor = find(weights_, name + ".weight");
    const bool shared = tensor && tensor->shape == std::vector<std::int64_t>{1};
    std::vector<float> slopes = take(name + ".weight", {shared ? 1 : count});
    if (shared && slopes.size() == 1 && expand(count)) slopes.assign(static_cast<std::size_t>(count), slopes[0]);
    return append(op::Prelu{make_values(std::move(slopes))}, {from});
}

int Builder::scale_shift(int from, std::vector<float> scale, std::vector<float> shift) {
    return append(op::ScaleShift{make_values(std::move(scale)), make_values(std::move(shift))}, {from});
}

Result<Graph> Builder::finish() {
    if (error_) return *std::move(error_);
    for (const auto& [name, tensor] : weights_.tensors)
        if (!used_.contains(name))
            return Error{Errc::format, "tensor '" + printable(name) + "' (" + shape_text(tensor.shape) +
                                           ") does not belong to this network; nothing was loaded"};
    TRY(graph_.validate());
    if (graph_.output().channels != graph_.input_channels())
        return Error{Errc::unsupported, "a network from " + std::to_string(graph_.input_channels()) + " to " +
                                            std::to_string(graph_.output().channels) + " channels"};
    return std::move(graph_);
}

}  // namespace enlarge
