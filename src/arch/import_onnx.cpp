// SPDX-License-Identifier: Apache-2.0
// ONNX's operators, as PyTorch's exporters write them for these networks.
#include <algorithm>
#include <cmath>
#include <set>

#include "arch/importer.hpp"
#include "weights/bytes.hpp"

namespace enlarge {
namespace {

Error unsupported(const std::string& what) { return {Errc::unsupported, what}; }

double number(const Layer& layer, const char* key, double otherwise) {
    const auto found = layer.numbers.find(key);
    return found == layer.numbers.end() ? otherwise : found->second;
}

std::string text(const Layer& layer, const char* key, const char* otherwise) {
    const auto found = layer.texts.find(key);
    return found == layer.texts.end() ? otherwise : found->second;
}

// The constant that is input `slot` of the node, or null.
const Tensor* constant(const Layer& layer, int slot) {
    for (std::size_t i = 0; i < layer.slots.size(); ++i)
        if (layer.slots[i] == slot) return &layer.tensors[i];
    return nullptr;
}

Importer::Constant numbers(const Tensor* tensor) {
    return tensor ? Importer::Constant(tensor->values.begin(), tensor->values.end()) : Importer::Constant();
}

// The one number that all of a list are, `otherwise` when there is no list, -1000 when they differ.
int uniform(const Layer& layer, const char* key, int otherwise) {
    const auto found = layer.lists.find(key);
    if (found == layer.lists.end() || found->second.empty()) return otherwise;
    const double first = found->second[0];
    const bool same = std::all_of(found->second.begin(), found->second.end(), [&](double v) { return v == first; });
    return same && std::fabs(first) <= 10000 ? static_cast<int>(first) : -1000;
}

Result<void> conv(Importer& to, const Layer& layer) {
    Importer::Convolution what;
    what.weights = constant(layer, 1);
    what.bias = constant(layer, 2);
    if (layer.inputs.size() != 1) return unsupported("a convolution whose weights are computed");
    what.stride = uniform(layer, "strides", 1);
    what.dilation = uniform(layer, "dilations", 1);
    what.pad = uniform(layer, "pads", 0);
    what.group = static_cast<int>(std::clamp(number(layer, "group", 1), -1.0, 1e6));
    const std::string automatic = text(layer, "auto_pad", "NOTSET");
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") what.pad = -1;
    else if (automatic == "VALID") what.pad = 0;
    else if (what.pad < 0) return unsupported("a convolution padded unequally");
    return to.conv(layer.outputs[0], layer.inputs[0], what);
}

// Add, Sub, Mul, Div of a tensor with a constant on either side, or of two tensors.
Result<void> arithmetic(Importer& to, const Layer& layer) {
    const std::string& out = layer.outputs[0];
    const std::string& type = layer.type;
    if (layer.inputs.size() == 2) {
        if (type == "Add") return to.add(out, layer.inputs[0], layer.inputs[1]);
        if (type == "Sub") return to.add(out, layer.inputs[0], layer.inputs[1], 1, -1);
        if (type == "Mul") return to.multiply(out, layer.inputs[0], layer.inputs[1]);
        return unsupported("a quotient of two tensors");
    }
    const bool left = constant(layer, 0) != nullptr;
    const Tensor* tensor = constant(layer, left ? 0 : 1);
    if (!tensor || layer.inputs.size() != 1) return Error{Errc::format, "two operands are expected"};
    // Per channel means 1 x C x 1 x 1 or C x 1 x 1.
    const std::size_t rank = tensor->shape.size();
    if (tensor->values.size() > 1 && !(rank >= 3 && rank <= 4 && static_cast<std::size_t>(tensor->shape[rank - 3]) == tensor->values.size()))
        return unsupported("arithmetic with a constant that is not one number per channel");
    Importer::Constant c = numbers(tensor);
    if (type == "Add") return to.affine(out, layer.inputs[0], {}, c);
    if (type == "Mul") return to.affine(out, layer.inputs[0], c, {});
    if (type == "Sub" && left) return to.affine(out, layer.inputs[0], {-1}, c);
    for (double& value : c) {
        if (type == "Div" && (left || value == 0)) return unsupported("a constant divided by a tensor, or a division by zero");
        value = type == "Div" ? 1 / value : -value;
    }
    return type == "Div" ? to.affine(out, layer.inputs[0], c, {}) : to.affine(out, layer.inputs[0], {}, c);
}

Result<void> resize(Importer& to, const Layer& layer) {
    const Tensor* scales = constant(layer, layer.type == "Upsample" ? 1 : 2);
    if (!scales || scales->values.empty()) scales = constant(layer, 1);  // opset 10
    Importer::Constant factors = numbers(scales);
    if (const auto list = layer.lists.find("scales"); factors.empty() && list != layer.lists.end()) factors = list->second;
    if (factors.size() != 4 || factors[0] != 1 || factors[1] != 1 || factors[2] != factors[3])
        return unsupported("a resampling whose factors are computed, or unequal");
    const double factor = factors[2];
    const std::string mode = text(layer, "mode", "nearest");
    if (mode == "cubic" || mode == "linear") return to.resize(layer.outputs[0], layer.inputs[0], factor);
    // For whole factors these all repeat each pixel; rounding up from `asymmetric` would shift the picture.
    const std::string position = text(layer, "coordinate_transformation_mode", layer.type == "Upsample" ? "asymmetric" : "half_pixel");
    const std::string rounding = text(layer, "nearest_mode", layer.type == "Upsample" ? "floor" : "round_prefer_floor");
    const bool repeats = (position == "asymmetric" && rounding == "floor") ||
                         ((position == "half_pixel" || position == "pytorch_half_pixel") && rounding.starts_with("round"));
    if (mode != "nearest" || !repeats || factor != std::floor(factor) || factor < 1 || factor > 64)
        return unsupported("a resampling (" + printable(mode) + ", " + printable(position) + ", " + printable(rounding) + ") by " + std::to_string(factor));
    return to.upsample_nearest(layer.outputs[0], layer.inputs[0], static_cast<int>(factor));
}

Result<void> clip(Importer& to, const Layer& layer) {
    const auto bound = [&](int slot, const char* key, double otherwise) {
        const Tensor* tensor = constant(layer, slot);
        return tensor && tensor->values.size() == 1 ? static_cast<double>(tensor->values[0]) : number(layer, key, otherwise);
    };
    return to.clamp(layer.outputs[0], layer.inputs[0], bound(1, "min", -1e30), bound(2, "max", 1e30));
}

Result<void> add_layer(Importer& to, const Layer& layer) {
    const std::string& type = layer.type;
    if (layer.outputs.empty() || layer.inputs.empty()) return unsupported("no part of a Compact, RRDB or SPAN network");
    const std::string &in = layer.inputs[0], &out = layer.outputs[0];
    if (type == "Conv") return conv(to, layer);
    if (type == "PRelu") {
        const Tensor* slopes = constant(layer, 1);
        if (!slopes) return unsupported("slopes that are computed");
        return to.prelu(out, in, *slopes);
    }
    if (type == "LeakyRelu") return to.leaky_relu(out, in, number(layer, "alpha", 0.01F));
    if (type == "Relu") return to.leaky_relu(out, in, 0);
    if (type == "Sigmoid") return to.sigmoid(out, in);
    if (type == "Swish" && number(layer, "alpha", 1) == 1) return to.swish(out, in);
    if (type == "Add" || type == "Sub" || type == "Mul" || type == "Div") return arithmetic(to, layer);
    if (type == "Dropout") return to.alias(in, out);
    if (type == "Concat") {
        const double axis = number(layer, "axis", 1);
        if ((axis != 1 && axis != -3) || !layer.tensors.empty()) return unsupported("a concatenation along axis " + std::to_string(axis));
        return to.concat(out, layer.inputs);
    }
    if (type == "DepthToSpace") {
        if (text(layer, "mode", "DCR") != "CRD") return unsupported("channels in another order than PyTorch's");
        return to.pixel_shuffle(out, in, static_cast<int>(std::clamp(number(layer, "blocksize", 0), 0.0, 1000.0)));
    }
    if (type == "Resize" || type == "Upsample") return resize(to, layer);
    if (type == "Clip") return clip(to, layer);
    if (type == "Reshape" && layer.inputs.size() == 1) return to.reshape(out, in, numbers(constant(layer, 1)));
    if (type == "Transpose") {
        const auto order = layer.lists.find("perm");
        return to.transpose(out, in, order == layer.lists.end() ? Importer::Constant() : order->second);
    }
    return unsupported("no part of a Compact, RRDB or SPAN network");
}

}  // namespace

Result<ImportedGraph> import_onnx(const std::vector<Layer>& layers, int channels) {
    // The network's input is the name that no node computes.
    std::set<std::string> computed;
    for (const Layer& layer : layers) computed.insert(layer.outputs.begin(), layer.outputs.end());
    Importer importer;
    std::set<std::string> inputs;
    for (const Layer& layer : layers)
        for (const std::string& name : layer.inputs)
            if (!computed.contains(name) && inputs.insert(name).second) TRY(importer.input(name, channels));
    for (const Layer& layer : layers)
        if (auto added = add_layer(importer, layer); !added.ok())
            return std::move(added.error()).within("node '" + printable(layer.name) + "' (" + printable(layer.type) + ")");
    return importer.finish();
}

}  // namespace enlarge
