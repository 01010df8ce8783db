// SPDX-License-Identifier: Apache-2.0
// ncnn's layers. Parameters have numbers for names; the numbers are those of ncnn's operators page.
#include <cmath>

#include "arch/importer.hpp"
#include "weights/bytes.hpp"

namespace enlarge {
namespace {

double number(const Layer& layer, const char* key, double otherwise) {
    const auto found = layer.numbers.find(key);
    return found == layer.numbers.end() ? otherwise : found->second;
}

// A small whole number, or -1000 when it is not one.
int whole(const Layer& layer, const char* key, int otherwise) {
    const double value = number(layer, key, otherwise);
    return std::fabs(value) <= 10000 && value == std::floor(value) ? static_cast<int>(value) : -1000;
}

Error unsupported(const std::string& what) { return {Errc::unsupported, what}; }

Result<void> convolution(Importer& to, const Layer& layer) {
    Importer::Convolution conv;
    conv.kernel = whole(layer, "1", 0);
    conv.dilation = whole(layer, "2", 1);
    conv.stride = whole(layer, "3", 1);
    conv.pad = whole(layer, "4", 0);
    for (const char* other : {"14", "15", "16"})
        if (whole(layer, other, conv.pad) != conv.pad) return unsupported("a convolution padded unequally");
    if (whole(layer, "13", conv.stride) != conv.stride || whole(layer, "12", conv.dilation) != conv.dilation)
        return unsupported("a convolution with unequal strides or dilations");
    if (conv.pad == -233) conv.pad = -1;  // SAME_UPPER
    else if (conv.pad < 0) return unsupported("a convolution with padding " + std::to_string(conv.pad));
    if (conv.pad != 0 && number(layer, "18", 0) != 0) return unsupported("a convolution padded with other than zero");
    if (layer.tensors.empty()) return Error{Errc::format, "no weights"};
    conv.weights = &layer.tensors[0];
    conv.bias = layer.tensors.size() > 1 ? &layer.tensors[1] : nullptr;

    const int activation = whole(layer, "9", 0);
    const std::string out = layer.outputs[0], linear = activation == 0 ? out : out + " before its activation";
    TRY(to.conv(linear, layer.inputs[0], conv));
    const auto list = layer.lists.find("10");
    const double slope = list != layer.lists.end() && !list->second.empty() ? list->second[0] : 0;
    switch (activation) {
        case 0: return {};
        case 1: return to.leaky_relu(out, linear, 0);
        case 2: return to.leaky_relu(out, linear, slope);
        case 4: return to.sigmoid(out, linear);
        default: return unsupported("a convolution with activation " + std::to_string(activation));
    }
}

Result<void> binary(Importer& to, const Layer& layer) {
    const int kind = whole(layer, "0", 0);
    const std::string& out = layer.outputs[0];
    const std::string& a = layer.inputs[0];
    if (number(layer, "1", 0) != 0 || layer.inputs.size() == 1) {
        const double b = number(layer, "2", 0);
        switch (kind) {
            case 0: return to.affine(out, a, {}, {b});
            case 1: return to.affine(out, a, {}, {-b});
            case 2: return to.affine(out, a, {b}, {});
            case 3: if (b != 0) return to.affine(out, a, {1 / b}, {}); break;
            case 7: return to.affine(out, a, {-1}, {b});
            default: break;
        }
        return unsupported("BinaryOp " + std::to_string(kind) + " with a number");
    }
    const std::string& b = layer.inputs[1];
    switch (kind) {
        case 0: return to.add(out, a, b);
        case 1: return to.add(out, a, b, 1, -1);
        case 2: return to.multiply(out, a, b);
        case 7: return to.add(out, a, b, -1, 1);
        default: return unsupported("BinaryOp " + std::to_string(kind));
    }
}

Result<void> eltwise(Importer& to, const Layer& layer) {
    const int kind = whole(layer, "0", 0);
    if (layer.inputs.size() != 2) return unsupported("Eltwise of " + std::to_string(layer.inputs.size()) + " tensors");
    if (kind == 0) return to.multiply(layer.outputs[0], layer.inputs[0], layer.inputs[1]);
    if (kind != 1) return unsupported("Eltwise " + std::to_string(kind));
    const auto list = layer.lists.find("1");
    if (list == layer.lists.end() || list->second.empty())
        return to.add(layer.outputs[0], layer.inputs[0], layer.inputs[1]);
    if (list->second.size() != 2) return Error{Errc::format, std::to_string(list->second.size()) + " factors; expected 2"};
    return to.add(layer.outputs[0], layer.inputs[0], layer.inputs[1], list->second[0], list->second[1]);
}

Result<void> interp(Importer& to, const Layer& layer) {
    const int kind = whole(layer, "0", 0);  // 1 nearest, 2 bilinear, 3 bicubic
    const double down = number(layer, "1", 1), across = number(layer, "2", 1);
    if (number(layer, "3", 0) != 0 || number(layer, "4", 0) != 0) return unsupported("Interp to a fixed size");
    if (down != across) return unsupported("Interp by unequal factors");
    if (kind == 1 && down == std::floor(down) && down >= 1 && down <= 64)
        return to.upsample_nearest(layer.outputs[0], layer.inputs[0], static_cast<int>(down));
    if (kind == 2 || kind == 3) return to.resize(layer.outputs[0], layer.inputs[0], down);
    return unsupported("Interp " + std::to_string(kind) + " by " + std::to_string(down));
}

Result<void> scale(Importer& to, const Layer& layer) {
    if (layer.tensors.empty()) return unsupported("Scale by a tensor that is computed");
    const auto numbers = [&](std::size_t i) {
        return i < layer.tensors.size() ? Importer::Constant(layer.tensors[i].values.begin(), layer.tensors[i].values.end())
                                        : Importer::Constant();
    };
    return to.affine(layer.outputs[0], layer.inputs[0], numbers(0), numbers(1));
}

Result<void> add_layer(Importer& to, const Layer& layer, int channels) {
    const std::string& type = layer.type;
    if (layer.outputs.empty()) return Error{Errc::format, "no output"};
    const std::string& out = layer.outputs[0];
    if (type == "Input") return to.input(out, channels);
    if (type == "MemoryData") {
        if (layer.tensors.size() != 1) return Error{Errc::format, "no values"};
        return to.constant(out, layer.tensors[0]);
    }
    if (layer.inputs.empty()) return Error{Errc::format, "no input"};
    const std::string& in = layer.inputs[0];
    if (type == "Split") {
        for (const std::string& name : layer.outputs) TRY(to.alias(in, name));
        return {};
    }
    if (layer.outputs.size() != 1) return unsupported("more than one output");
    if (type == "Noop" || type == "Dropout") return to.alias(in, out);
    if (type == "Convolution") return convolution(to, layer);
    if (type == "PReLU") {
        if (layer.tensors.size() != 1) return Error{Errc::format, "no slopes"};
        return to.prelu(out, in, layer.tensors[0]);
    }
    if (type == "ReLU") return to.leaky_relu(out, in, number(layer, "0", 0));
    if (type == "Sigmoid") return to.sigmoid(out, in);
    if (type == "Swish") return to.swish(out, in);
    if (type == "BinaryOp") return binary(to, layer);
    if (type == "Eltwise") return eltwise(to, layer);
    if (type == "Interp") return interp(to, layer);
    if (type == "Scale") return scale(to, layer);
    if (type == "Concat") {
        const int axis = whole(layer, "0", 0);
        if (axis != 0 && axis != -3) return unsupported("Concat along axis " + std::to_string(axis));
        return to.concat(out, layer.inputs);
    }
    if (type == "PixelShuffle" || type == "Reorg") {
        if (whole(layer, "1", 0) != 0) return unsupported("channels in another order than PyTorch's");
        const int factor = whole(layer, "0", 1);
        return type == "Reorg" ? to.pixel_unshuffle(out, in, factor) : to.pixel_shuffle(out, in, factor);
    }
    if (type == "Clip") return to.clamp(out, in, number(layer, "0", -1e30), number(layer, "1", 1e30));
    return unsupported("no part of a Compact, RRDB or SPAN network");
}

}  // namespace

Result<ImportedGraph> import_ncnn(const std::vector<Layer>& layers, int channels) {
    Importer importer;
    for (const Layer& layer : layers)
        if (auto added = add_layer(importer, layer, channels); !added.ok())
            return std::move(added.error()).within("layer '" + printable(layer.name) + "' (" + printable(layer.type) + ")");
    return importer.finish();
}

}  // namespace enlarge
