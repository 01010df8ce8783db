// SPDX-License-Identifier: Apache-2.0
#include "arch/builder.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "weights/bytes.hpp"

namespace enlarge {

namespace {

thread_local NotFound* asked = nullptr;

}  // namespace

NotFound::NotFound() : outer_(asked) { asked = this; }
NotFound::~NotFound() { asked = outer_; }

const Tensor* find(const StateDict& weights, const std::string& name) {
    const auto found = weights.tensors.find(name);
    if (found != weights.tensors.end()) {
        if (asked) asked->had.insert(name);
        return &found->second;
    }
    if (asked) asked->names.insert(name);
    return nullptr;
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

int whole_scale(int values, int channels) {
    for (int scale = 1; channels > 0 && scale <= 64; ++scale)
        if (std::int64_t{scale} * scale * channels == values) return scale;
    return 0;
}

Error misfit(const StateDict& weights, const std::string& what, const std::vector<std::string>& tensors) {
    std::string found;
    for (const std::string& name : tensors) {
        const Tensor* tensor = find(weights, name);
        if (!tensor) return {Errc::format, "tensor '" + name + "' is missing"};
        found += (found.empty() ? ": tensor '" : ", tensor '") + name + "' is " + shape_text(tensor->shape);
    }
    return {Errc::unsupported, what + found};
}

Error no_scale(const StateDict& weights, const std::string& family, const std::string& first, int inputs,
               const std::string& last, int outputs) {
    return misfit(weights,
                  family + " from " + std::to_string(inputs) + " channels to " + std::to_string(outputs) +
                      " values per pixel, which is no whole scale",
                  {first, last});
}

Builder::Builder(const StateDict& weights, int channels, const std::string& told_by) : weights_(weights) {
    if (channels != 1 && channels != 3 && channels != 4)
        fail(misfit(weights,
                    "a network for pictures of " + std::to_string(channels) +
                        " channels; only grey (1), RGB (3) and RGBA (4) are supported",
                    told_by.empty() ? std::vector<std::string>() : std::vector<std::string>{told_by}));
    else if (auto input = graph_.input(channels); !input.ok())
        error_ = input.error();
}

void Builder::fail(Errc code, const std::string& message) { fail(Error{code, message}); }

void Builder::fail(Error error) {
    if (!error_) error_ = std::move(error);
}

bool Builder::expand(std::int64_t numbers) {
    constexpr std::int64_t kMost = std::int64_t{1} << 25;  // SPAN with 48 features: 1.3 million
    expanded_ += numbers;
    if (expanded_ > kMost)
        fail(Errc::limit, "a network that takes more than " + std::to_string(kMost) + " numbers to merge");
    return !error_;
}

Values Builder::take_values(const std::string& name, const std::vector<std::int64_t>& shape) {
    if (error_) return {};
    const Tensor* tensor = find(weights_, name);
    if (!tensor) {
        fail(Errc::format, "tensor '" + name + "' is missing");
        return {};
    }
    if (tensor->shape != shape) {
        fail(Errc::format, "tensor '" + name + "' is " + shape_text(tensor->shape) + "; expected " + shape_text(shape));
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
    last_ = name;
    return Values(tensor->values.shared());
}

std::vector<float> Builder::take(const std::string& name, const std::vector<std::int64_t>& shape) {
    const Values values = take_values(name, shape);
    return values ? *values : std::vector<float>();
}

std::vector<float> Builder::take_flat(const std::string& name, std::int64_t count) {
    const Tensor* tensor = find(weights_, name);
    if (!tensor || static_cast<std::int64_t>(tensor->values.size()) != count) return take(name, {count});
    return take(name, tensor->shape);
}

std::vector<int> Builder::take_list(const std::string& name, std::size_t count) {
    if (error_) return {};
    const Tensor* tensor = find(weights_, name);
    if (!tensor || tensor->values.size() != count) {
        fail(Errc::format, tensor ? "tensor '" + name + "' holds " + std::to_string(tensor->values.size()) +
                                        " numbers; expected " + std::to_string(count)
                                  : "tensor '" + name + "' is missing");
        return {};
    }
    std::vector<int> list;
    for (const float value : tensor->values) {
        if (!(value >= 0 && value <= (1 << 20))) {
            fail(Errc::format,
                 "tensor '" + name + "' holds " + std::to_string(value) + "; small whole numbers expected");
            return {};
        }
        list.push_back(static_cast<int>(value));
    }
    used_.insert(name);
    return list;
}

bool Builder::has_any(std::string_view ending) const {
    return std::any_of(weights_.tensors.begin(), weights_.tensors.end(),
                       [&](const auto& tensor) { return tensor.first.ends_with(ending); });
}

int Builder::append(Operation op, std::vector<int> from) {
    if (error_) return -1;
    auto index = graph_.add({std::move(op), std::move(from)});
    if (!index.ok()) {
        error_ = std::move(index).error();
        if (const Tensor* tensor = find(weights_, last_))
            error_->message +=
                "; tensor '" + printable(last_) + "', the last before it, is " + shape_text(tensor->shape);
        return -1;
    }
    return *index;
}

int Builder::channels(int node) const {
    if (node < 0 || static_cast<std::size_t>(node) >= graph_.nodes().size()) return 0;
    return graph_.nodes()[static_cast<std::size_t>(node)].channels;
}

int Builder::conv(int from, const std::string& name, int out, int kernel, bool bias) {
    return conv(from, name, out, square(kernel), bias);
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

int Builder::conv(int from, const std::string& name, int out, const ConvWindow& window, bool bias) {
    const int in = channels(from), groups = std::max(window.groups, 1);
    if (in % groups != 0)
        fail(Errc::format,
             "'" + name + "' has " + std::to_string(in) + " inputs in " + std::to_string(groups) + " groups");
    op::Conv2d op{.kernel_h = window.kernel_h,
                  .kernel_w = window.kernel_w,
                  .stride_h = window.stride,
                  .stride_w = window.stride,
                  .dilation_h = window.dilation,
                  .dilation_w = window.dilation,
                  .groups = groups};
    op.ragged = window.ragged;
    op.pad_top = op.pad_bottom = window.pad_h < 0 ? window.kernel_h / 2 * window.dilation : window.pad_h;
    op.pad_left = op.pad_right = window.pad_w < 0 ? window.kernel_w / 2 * window.dilation : window.pad_w;
    op.weights = take_values(name + ".weight", {out, in / groups, window.kernel_h, window.kernel_w});
    op.bias = bias ? take_values(name + ".bias", {out})
                   : make_values(std::vector<float>(static_cast<std::size_t>(std::max(out, 0))));
    return append(std::move(op), {from});
}

int Builder::depthwise(int from, const std::string& name, int kernel, bool bias) {
    ConvWindow window = square(kernel);
    window.groups = channels(from);
    return conv(from, name, channels(from), window, bias);
}

int Builder::linear(int from, const std::string& name, int out, bool bias) {
    std::vector<float> weights = take(name + ".weight", {out, channels(from)});
    std::vector<float> biases =
        bias ? take(name + ".bias", {out}) : std::vector<float>(static_cast<std::size_t>(std::max(out, 0)));
    return conv(from, std::move(weights), std::move(biases), 1);
}

int Builder::conv_transpose(int from, const std::string& name, int out, int kernel, int stride, int pad, bool bias) {
    op::ConvTranspose2d op{.kernel_h = kernel, .kernel_w = kernel, .stride_h = stride, .stride_w = stride};
    op.pad_top = op.pad_left = op.pad_bottom = op.pad_right = pad;
    op.weights = take_values(name + ".weight", {channels(from), out, kernel, kernel});
    op.bias = bias ? take_values(name + ".bias", {out})
                   : make_values(std::vector<float>(static_cast<std::size_t>(std::max(out, 0))));
    return append(std::move(op), {from});
}

int Builder::layer_norm(int from, const std::string& name, float epsilon) {
    const int count = channels(from);
    op::LayerNorm op{.axis = 0, .epsilon = epsilon};
    op.scale = take_values(name + ".weight", {count});
    op.shift = take_values(name + ".bias", {count});
    return append(std::move(op), {from});
}

int Builder::group_norm(int from, const std::string& name, int groups, float epsilon) {
    const int count = channels(from);
    op::GroupNorm op{.groups = groups, .epsilon = epsilon};
    op.scale = take_values(name + ".weight", {count});
    op.shift = take_values(name + ".bias", {count});
    return append(std::move(op), {from});
}

int Builder::batch_norm(int from, const std::string& name, float epsilon) {
    const int count = channels(from);
    std::vector<float> scale = take(name + ".weight", {count}), shift = take(name + ".bias", {count});
    const std::vector<float> mean = take(name + ".running_mean", {count}),
                             variance = take(name + ".running_var", {count});
    ignore(name + ".num_batches_tracked");
    if (error_) return -1;
    for (std::size_t i = 0; i < scale.size(); ++i) {
        if (variance[i] < 0) fail(Errc::format, "tensor '" + name + ".running_var' holds a negative variance");
        const double factor = scale[i] / std::sqrt(double{variance[i]} + epsilon);
        scale[i] = static_cast<float>(factor);
        shift[i] = static_cast<float>(shift[i] - factor * mean[i]);
    }
    return scale_shift(from, std::move(scale), std::move(shift));
}

int Builder::channels_of(int from, int first, int count) {
    if (first == 0 && count == channels(from)) return from;
    return append(op::Slice{.axis = 0, .begin = first, .end = first + count}, {from});
}

int Builder::affine(int from, float factor, float shift) {
    const auto count = static_cast<std::size_t>(channels(from));
    return scale_shift(from, std::vector<float>(count, factor), std::vector<float>(count, shift));
}

int Builder::scale_channels(int from, const std::string& name) {
    std::vector<float> factors = take_flat(name, channels(from));
    const std::size_t count = factors.size();
    return scale_shift(from, std::move(factors), std::vector<float>(count));
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
        return misfit(weights_,
                      "a network from " + std::to_string(graph_.input_channels()) + " to " +
                          std::to_string(graph_.output().channels) + " channels",
                      {last_});
    return std::move(graph_);
}

Result<Network> Builder::network(std::string family, std::string variant, std::vector<Fact> facts) {
    Network network;
    TRY(network.graph, finish());
    network.family = std::move(family);
    network.variant = std::move(variant);
    network.facts = std::move(facts);
    network.scale = network.graph.scale();
    return network;
}

}  // namespace enlarge
