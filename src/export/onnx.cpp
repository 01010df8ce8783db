// SPDX-License-Identifier: Apache-2.0
// Field numbers are those of onnx.proto. Only operators that every runtime has: pixel_unshuffle is written as a
// convolution with a stride, because SpaceToDepth orders channels in another way than PyTorch.
#include "export/onnx.hpp"

#include <bit>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "base/half.hpp"
#include "export/protobuf_writer.hpp"

namespace enlarge {
namespace {

constexpr int kIrVersion = 8, kOpset = 17;
constexpr int kFloat = 1, kInt = 2, kString = 3, kInts = 7;           // AttributeProto.type
constexpr int kTypeFloat = 1, kTypeHalf = 10;                         // TensorProto.data_type
constexpr std::size_t kMostBytes = (std::size_t{1} << 31) - 1;

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

struct Attribute {
    std::string name;
    int type = kInt;
    std::vector<std::int64_t> integers;
    float number = 0;
    std::string text;
};

Attribute integer(std::string name, std::int64_t value) { return {std::move(name), kInt, {value}, 0, {}}; }
Attribute integers(std::string name, std::vector<std::int64_t> values) { return {std::move(name), kInts, std::move(values), 0, {}}; }
Attribute number(std::string name, float value) { return {std::move(name), kFloat, {}, value, {}}; }
Attribute text(std::string name, std::string value) { return {std::move(name), kString, {}, 0, std::move(value)}; }

class OnnxWriter {
public:
    OnnxWriter(const Graph& graph, const OnnxFile& file) : nodes_(graph.nodes()), file_(file), output_(nodes_.size() - 1) {
        values_.resize(nodes_.size());
    }

    Result<std::string> write() {
        values_[0] = {"input", false};
        for (std::size_t i = 1; i < nodes_.size(); ++i) emit(i);
        if (values_[output_].half) {
            node("Cast", {values_[output_].name}, "output", {integer("to", kTypeFloat)});
        }
        graph_.bytes(2, file_.name);
        graph_.message(11, value_info("input", nodes_.front().channels, "height", "width"));
        graph_.message(12, value_info("output", nodes_.back().channels, "output_height", "output_width"));

        ProtobufWriter model, opset;
        model.integer(1, kIrVersion).bytes(2, "enlarge");
        if (!file_.description.empty()) model.bytes(6, file_.description);
        model.message(7, graph_);
        opset.bytes(1, "").integer(2, kOpset);
        model.message(8, opset);
        for (const auto& [key, value] : file_.metadata) {
            ProtobufWriter entry;
            entry.bytes(1, key).bytes(2, value);
            model.message(14, entry);
        }
        if (model.data().size() > kMostBytes)
            return Error{Errc::limit, std::to_string(model.data().size()) + " bytes of ONNX; at most 2 GiB are possible"};
        return model.data();
    }

private:
    // What a node's result is called, and whether it is in half precision.
    struct Value {
        std::string name;
        bool half = false;
    };

    const Node& node_at(int i) const { return nodes_[static_cast<std::size_t>(i)]; }

    void node(const std::string& type, const std::vector<std::string>& inputs, const std::string& output,
              const std::vector<Attribute>& attributes = {}) {
        ProtobufWriter out;
        for (const std::string& input : inputs) out.bytes(1, input);
        out.bytes(2, output).bytes(3, type + "_" + output).bytes(4, type);
        for (const Attribute& attribute : attributes) {
            ProtobufWriter a;
            a.bytes(1, attribute.name);
            if (attribute.type == kFloat) a.number(2, attribute.number);
            if (attribute.type == kInt) a.integer(3, attribute.integers[0]);
            if (attribute.type == kString) a.bytes(4, attribute.text);
            if (attribute.type == kInts)
                for (const std::int64_t value : attribute.integers) a.integer(8, value);
            a.integer(20, attribute.type);
            out.message(5, a);
        }
        graph_.message(1, out);
    }

    // An initialiser; its name. Always float when `half` is false.
    std::string constant(const std::string& name, const std::vector<std::int64_t>& shape, const std::vector<float>& values, bool half) {
        ProtobufWriter tensor;
        for (const std::int64_t side : shape) tensor.integer(1, side);
        tensor.integer(2, half ? kTypeHalf : kTypeFloat).bytes(8, name);
        if (half) {
            std::vector<std::uint16_t> halves;
            for (const float value : values) halves.push_back(float_to_half(value));
            tensor.bytes(9, {reinterpret_cast<const char*>(halves.data()), halves.size() * sizeof(std::uint16_t)});
        } else {
            tensor.bytes(9, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
        }
        graph_.message(5, tensor);
        return name;
    }

    // The value of node i in the wanted precision, with a Cast where it is in the other.
    std::string in_precision(int i, bool half) {
        const Value& value = values_[static_cast<std::size_t>(i)];
        if (value.half == half) return value.name;
        const std::string cast = value.name + (half ? "_half" : "_float");
        if (casts_.insert(cast).second) node("Cast", {value.name}, cast, {integer("to", half ? kTypeHalf : kTypeFloat)});
        return cast;
    }

    // Convolutions, activations and joins run in half precision when that is asked for. What only moves or scales
    // pixels stays as its operand is, and a sum with a float is a float: so the input that a Compact network adds to
    // its result is not rounded.
    bool precision_of(const Node& n) const {
        const auto half = [&](int i) { return values_[static_cast<std::size_t>(i)].half; };
        switch (n.op) {
            case Op::scale_shift:
            case Op::upsample_nearest:
            case Op::pixel_unshuffle:
            case Op::pixel_shuffle: return half(n.inputs[0]);
            case Op::add: return half(n.inputs[0]) && half(n.inputs[1]);
            default: return file_.half;
        }
    }

    void emit(std::size_t index) {
        const Node& n = nodes_[index];
        const bool half = precision_of(n);
        std::string name = "n" + std::to_string(index);
        values_[index] = {index == output_ && !half ? "output" : name, half};
        const std::string out = values_[index].name;
        std::vector<std::string> in;
        for (const int input : n.inputs) in.push_back(in_precision(input, half));
        const auto channels = static_cast<std::int64_t>(n.channels);
        const std::vector<std::int64_t> per_channel{1, channels, 1, 1};
        switch (n.op) {
            case Op::input: break;
            case Op::conv2d: {
                const std::int64_t k = n.kernel, from = node_at(n.inputs[0]).channels;
                node("Conv", {in[0], constant(name + ".weight", {channels, from, k, k}, *n.weights, half), constant(name + ".bias", {channels}, *n.bias, half)},
                     out, {integers("kernel_shape", {k, k}), integers("pads", std::vector<std::int64_t>(4, k / 2)),
                           integers("strides", {1, 1}), integers("dilations", {1, 1}), integer("group", 1)});
                break;
            }
            case Op::prelu:
                node("PRelu", {in[0], constant(name + ".slope", {channels, 1, 1}, *n.weights, half)}, out);
                break;
            case Op::leaky_relu:
                if (n.alpha == 0) node("Relu", in, out);
                else node("LeakyRelu", in, out, {number("alpha", n.alpha)});
                break;
            case Op::silu:
                node("Sigmoid", in, name + "_sigmoid");
                node("Mul", {in[0], name + "_sigmoid"}, out);
                break;
            case Op::add:
                for (std::size_t i = 0; i < 2; ++i) {
                    const float factor = i == 0 ? n.alpha : n.beta;
                    if (factor == 1) continue;
                    const std::string scaled = name + "_operand" + std::to_string(i);
                    node("Mul", {in[i], constant(scaled + ".factor", {}, {factor}, half)}, scaled);
                    in[i] = scaled;
                }
                node("Add", in, out);
                break;
            case Op::concat:
                node("Concat", in, out, {integer("axis", 1)});
                break;
            case Op::pixel_shuffle:
                node("DepthToSpace", in, out, {integer("blocksize", n.factor), text("mode", "CRD")});
                break;
            case Op::pixel_unshuffle: {
                const std::int64_t f = n.factor, from = node_at(n.inputs[0]).channels;
                std::vector<float> pick(static_cast<std::size_t>(channels * from * f * f), 0.0F);
                for (std::int64_t c = 0; c < channels; ++c) pick[static_cast<std::size_t>(c * from * f * f + c)] = 1;
                node("Conv", {in[0], constant(name + ".pick", {channels, from, f, f}, pick, half)}, out,
                     {integers("kernel_shape", {f, f}), integers("pads", {0, 0, 0, 0}), integers("strides", {f, f})});
                break;
            }
            case Op::upsample_nearest: {
                const auto f = static_cast<float>(n.factor);
                node("Resize", {in[0], "", constant(name + ".scales", {4}, {1, 1, f, f}, false)}, out,
                     {text("mode", "nearest"), text("nearest_mode", "floor"), text("coordinate_transformation_mode", "asymmetric")});
                break;
            }
            case Op::scale_shift:
                node("Mul", {in[0], constant(name + ".scale", per_channel, *n.weights, half)}, name + "_scaled");
                node("Add", {name + "_scaled", constant(name + ".shift", per_channel, *n.bias, half)}, out);
                break;
            case Op::span_gate:
                node("Sigmoid", {in[0]}, name + "_sigmoid");
                node("Sub", {name + "_sigmoid", constant(name + ".half", {}, {0.5F}, half)}, name + "_centred");
                node("Add", in, name + "_sum");
                node("Mul", {name + "_sum", name + "_centred"}, out);
                break;
        }
    }

    static ProtobufWriter value_info(const std::string& name, int channels, const char* height, const char* width) {
        ProtobufWriter shape, tensor, type, info;
        const auto side = [&](const char* symbol, int fixed) {
            ProtobufWriter dimension;
            if (symbol) dimension.bytes(2, symbol);
            else dimension.integer(1, fixed);
            shape.message(1, dimension);
        };
        side("batch", 0);
        side(nullptr, channels);
        side(height, 0);
        side(width, 0);
        tensor.integer(1, kTypeFloat).message(2, shape);
        type.message(1, tensor);
        info.bytes(1, name).message(2, type);
        return info;
    }

    const std::vector<Node>& nodes_;
    const OnnxFile& file_;
    std::size_t output_;
    std::vector<Value> values_;
    std::set<std::string> casts_;
    ProtobufWriter graph_;
};

}  // namespace

Result<std::string> write_onnx(const Graph& graph, const OnnxFile& file) {
    TRY(graph.validate());
    return OnnxWriter(graph, file).write();
}

}  // namespace enlarge
