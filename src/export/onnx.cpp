// SPDX-License-Identifier: Apache-2.0
// Field numbers are those of onnx.proto. Only operators that every runtime has: pixel_unshuffle is written as a
// convolution with a stride, because SpaceToDepth orders channels in another way than PyTorch.
#include "export/onnx.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/half.hpp"
#include "export/protobuf_writer.hpp"
#include "graph/fields.hpp"
#include "graph/traits.hpp"

namespace enlarge {
namespace {

constexpr int kIrVersion = 8, kOpset = 17;
constexpr int kFloat = 1, kInt = 2, kString = 3, kInts = 7;           // AttributeProto.type
constexpr int kTypeFloat = 1, kTypeInt64 = 7, kTypeHalf = 10;         // TensorProto.data_type
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
        if (nodes_.size() > 1 && nodes_[1].is<op::Input>())
            return Error{Errc::unsupported, "a network with several inputs cannot be written"};
        values_[0] = {"input", false};
        for (std::size_t i = 1; i < nodes_.size(); ++i) TRY(emit(i));
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

    // The same of whole numbers in a row.
    std::string whole_numbers(const std::string& name, const std::vector<std::int64_t>& values) {
        ProtobufWriter tensor;
        tensor.integer(1, static_cast<std::int64_t>(values.size())).integer(2, kTypeInt64).bytes(8, name);
        tensor.bytes(9, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int64_t)});
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
        if (n.is<op::ScaleShift>() || n.is<op::UpsampleNearest>() || n.is<op::PixelUnshuffle>() ||
            n.is<op::PixelShuffle>())
            return half(n.inputs[0]);
        if (n.is<op::Add>()) return half(n.inputs[0]) && half(n.inputs[1]);
        return file_.half;
    }

    Result<void> emit(std::size_t index) {
        const Node& n = nodes_[index];
        if (traits(n.op).onnx.empty())
            return Error{Errc::unsupported, "ONNX has no operator for " + std::string(n.name())};
        const bool half = precision_of(n);
        const std::string name = "n" + std::to_string(index);
        values_[index] = {index == output_ && !half ? "output" : name, half};
        std::vector<std::string> in;
        for (const int input : n.inputs) in.push_back(in_precision(input, half));
        std::visit(Emit{*this, n, std::move(in), name, values_[index].name, half}, n.op);
        if (refused_) return *refused_;
        return {};
    }

    // One overload per operation that has fields, or is more than one operator: without one it does not compile.
    struct Emit {
        OnnxWriter& to;
        const Node& n;
        std::vector<std::string> in;
        std::string name, out;
        bool half;

        std::int64_t in_channels() const { return to.node_at(n.inputs[0]).channels; }
        std::int64_t channels() const { return n.channels; }
        std::string onnx() const { return std::string(traits(n.op).onnx); }
        std::string constant(const std::string& suffix, const std::vector<std::int64_t>& shape,
                             const std::vector<float>& values) {
            return to.constant(name + "." + suffix, shape, values, half);
        }

        // Nothing to say but the name.
        template <class T>
        requires(field_count<T>() == 0) void operator()(const T&) { same(); }

        void operator()(const op::Input&) {}
        void operator()(const op::Conv2d& op) {
            to.node("Conv",
                    {in[0],
                     constant("weight", {channels(), in_channels() / op.groups, op.kernel_h, op.kernel_w}, *op.weights),
                     constant("bias", {channels()}, *op.bias)},
                    out,
                    {integers("kernel_shape", {op.kernel_h, op.kernel_w}),
                     integers("pads", {op.pad_top, op.pad_left, op.pad_bottom, op.pad_right}),
                     integers("strides", {op.stride_h, op.stride_w}),
                     integers("dilations", {op.dilation_h, op.dilation_w}), integer("group", op.groups)});
        }
        void operator()(const op::Prelu& op) {
            to.node("PRelu", {in[0], constant("slope", {channels(), 1, 1}, *op.slopes)}, out);
        }
        void operator()(const op::LeakyRelu& op) {
            if (op.slope == 0)
                to.node("Relu", in, out);
            else
                to.node("LeakyRelu", in, out, {number("alpha", op.slope)});
        }
        void operator()(const op::Silu&) {
            to.node("Sigmoid", in, name + "_sigmoid");
            to.node("Mul", {in[0], name + "_sigmoid"}, out);
        }
        void operator()(const op::Add& op) {
            for (std::size_t i = 0; i < 2; ++i) {
                const float factor = i == 0 ? op.alpha : op.beta;
                if (factor == 1) continue;
                const std::string scaled = name + "_operand" + std::to_string(i);
                to.node("Mul", {in[i], to.constant(scaled + ".factor", {}, {factor}, half)}, scaled);
                in[i] = scaled;
            }
            to.node("Add", in, out);
        }
        void operator()(const op::Concat& op) { to.node("Concat", in, out, {integer("axis", axis(op.axis))}); }
        void operator()(const op::PixelShuffle& op) {
            to.node("DepthToSpace", in, out, {integer("blocksize", op.factor), text("mode", "CRD")});
        }
        void operator()(const op::PixelUnshuffle& op) {
            const std::int64_t f = op.factor, from = in_channels();
            std::vector<float> pick(static_cast<std::size_t>(channels() * from * f * f), 0.0F);
            for (std::int64_t c = 0; c < channels(); ++c) pick[static_cast<std::size_t>(c * from * f * f + c)] = 1;
            to.node("Conv", {in[0], constant("pick", {channels(), from, f, f}, pick)}, out,
                    {integers("kernel_shape", {f, f}), integers("pads", {0, 0, 0, 0}), integers("strides", {f, f})});
        }
        void operator()(const op::UpsampleNearest& op) {
            const auto f = static_cast<float>(op.factor);
            to.node("Resize", {in[0], "", to.constant(name + ".scales", {4}, {1, 1, f, f}, false)}, out,
                    {text("mode", "nearest"), text("nearest_mode", "floor"),
                     text("coordinate_transformation_mode", "asymmetric")});
        }
        void operator()(const op::ScaleShift& op) {
            to.node("Mul", {in[0], constant("scale", {1, channels(), 1, 1}, *op.scale)}, name + "_scaled");
            to.node("Add", {name + "_scaled", constant("shift", {1, channels(), 1, 1}, *op.shift)}, out);
        }
        void operator()(const op::SpanGate&) {
            to.node("Sigmoid", {in[0]}, name + "_sigmoid");
            to.node("Sub", {name + "_sigmoid", constant("half", {}, {0.5F})}, name + "_centred");
            to.node("Add", in, name + "_sum");
            to.node("Mul", {name + "_sum", name + "_centred"}, out);
        }

        // ---- the rest of the vocabulary ----

        [[nodiscard]] std::int64_t rank() const {
            return static_cast<std::int64_t>(n.shape.size()) + 1;
        }  // with the batch
        // Graphs have no batch; ONNX counts it.
        static std::int64_t axis(int of_graph) { return of_graph < 0 ? of_graph : of_graph + 1; }
        [[nodiscard]] const Shape& shape_of(std::size_t input) const { return to.node_at(n.inputs[input]).shape; }
        void refuse(const std::string& why) {
            if (!to.refused_)
                to.refused_ = Error{Errc::unsupported, "node " + name + " (" + std::string(n.name()) + "): " + why};
        }
        // Another node on the way to the result; its name.
        std::string step(const std::string& type, const std::vector<std::string>& inputs,
                         const std::vector<Attribute>& attributes = {}) {
            const std::string result = name + "_" + std::to_string(steps++);
            to.node(type, inputs, result, attributes);
            return result;
        }
        std::string number_of(const std::string& suffix, double value) {
            return constant(suffix, {}, {static_cast<float>(value)});
        }
        std::string whole(const std::string& suffix, const std::vector<std::int64_t>& numbers) {
            return to.whole_numbers(name + "." + suffix, numbers);
        }
        // 1 x ... x count x ... x 1, for arithmetic along an axis.
        std::string along(const std::string& suffix, const Values& values, int of_graph) {
            std::vector<std::int64_t> shape(static_cast<std::size_t>(rank()), 1);
            shape[static_cast<std::size_t>(of_graph < 0 ? of_graph + rank() : of_graph + 1)] = values.count();
            return constant(suffix, shape, *values);
        }
        void same(const std::vector<Attribute>& attributes = {}) { to.node(onnx(), in, out, attributes); }
        // Operands whose missing outer sides ONNX would take the batch for.
        void pair() {
            if (shape_of(0).size() != shape_of(1).size())
                return refuse("operands of " + text(shape_of(0)) + " and " + text(shape_of(1)));
            same();
        }

        void operator()(const op::Constant& op) {
            std::vector<std::int64_t> sides{1};
            sides.insert(sides.end(), op.sides.begin(), op.sides.end());
            to.node("Identity", {constant("values", sides, *op.values)}, out);
        }
        void operator()(const op::ConvTranspose2d& op) {
            to.node(
                "ConvTranspose",
                {in[0],
                 constant("weight", {in_channels(), channels() / op.groups, op.kernel_h, op.kernel_w}, *op.weights),
                 constant("bias", {channels()}, *op.bias)},
                out,
                {integers("kernel_shape", {op.kernel_h, op.kernel_w}),
                 integers("pads", {op.pad_top, op.pad_left, op.pad_bottom, op.pad_right}),
                 integers("strides", {op.stride_h, op.stride_w}), integers("dilations", {op.dilation_h, op.dilation_w}),
                 integer("group", op.groups), integers("output_padding", {op.extra_h, op.extra_w})});
        }
        void operator()(const op::Linear& op) {
            const auto outs = static_cast<std::size_t>(op.bias.count()),
                       ins = static_cast<std::size_t>(op.weights.count()) / outs;
            std::vector<float> turned(outs * ins);
            for (std::size_t o = 0; o < outs; ++o)
                for (std::size_t i = 0; i < ins; ++i) turned[i * outs + o] = (*op.weights)[o * ins + i];
            const std::string product = step(
                "MatMul",
                {in[0], constant("weight", {static_cast<std::int64_t>(ins), static_cast<std::int64_t>(outs)}, turned)});
            to.node("Add", {product, constant("bias", {op.bias.count()}, *op.bias)}, out);
        }
        void operator()(const op::MatMul& op) {
            std::string right = in[1];
            if (op.transpose_b) {
                std::vector<std::int64_t> order;
                for (std::int64_t i = 0; i < rank(); ++i) order.push_back(i);
                std::swap(order[order.size() - 1], order[order.size() - 2]);
                right = step("Transpose", {right}, {integers("perm", order)});
            }
            to.node("Mul", {step("MatMul", {in[0], right}), number_of("scale", op.scale)}, out);
        }
        void operator()(const op::Gelu& op) {
            std::string inner;
            if (op.tanh_form) {
                const std::string cube =
                    step("Mul", {step("Mul", {in[0], in[0]}), step("Mul", {in[0], number_of("cube", 0.044715)})});
                inner =
                    step("Tanh", {step("Mul", {step("Add", {in[0], cube}), number_of("root", 0.7978845608028654)})});
            } else {
                inner = step("Erf", {step("Mul", {in[0], number_of("root", 0.7071067811865476)})});
            }
            to.node("Mul", {step("Mul", {in[0], number_of("half", 0.5)}), step("Add", {inner, number_of("one", 1)})},
                    out);
        }
        void operator()(const op::Mish&) { to.node("Mul", {in[0], step("Tanh", {step("Softplus", {in[0]})})}, out); }
        void operator()(const op::Clamp& op) {
            to.node("Clip", {in[0], number_of("low", op.low), number_of("high", op.high)}, out);
        }
        void operator()(const op::Multiply&) { pair(); }
        void operator()(const op::Maximum&) { pair(); }
        void operator()(const op::LayerNorm& op) {
            const std::vector<Attribute> how{integer("axis", -1), number("epsilon", op.epsilon)};
            const std::string scale = constant("scale", {op.scale.count()}, *op.scale),
                              shift = constant("shift", {op.shift.count()}, *op.shift);
            if (op.axis == -1 || op.axis + 2 == rank())
                return to.node("LayerNormalization", {in[0], scale, shift}, out, how);
            if (rank() != 4 || (op.axis != 0 && op.axis != -3)) return refuse("over axis " + std::to_string(op.axis));
            const std::string turned = step("Transpose", {in[0]}, {integers("perm", {0, 2, 3, 1})});
            to.node("Transpose", {step("LayerNormalization", {turned, scale, shift}, how)}, out,
                    {integers("perm", {0, 3, 1, 2})});
        }
        // The groups become channels of an instance normalisation.
        void operator()(const op::GroupNorm& op) {
            const std::string groups = step("Reshape", {in[0], whole("groups", {0, op.groups, -1})});
            const auto count = static_cast<std::size_t>(op.groups);
            const std::string normal = step("InstanceNormalization",
                                            {groups, constant("ones", {op.groups}, std::vector<float>(count, 1)),
                                             constant("zeros", {op.groups}, std::vector<float>(count, 0))},
                                            {number("epsilon", op.epsilon)});
            const std::string back = step("Reshape", {normal, step("Shape", {in[0]})});
            to.node("Add", {step("Mul", {back, along("scale", op.scale, 0)}), along("shift", op.shift, 0)}, out);
        }
        void operator()(const op::InstanceNorm& op) {
            to.node("InstanceNormalization",
                    {in[0], constant("scale", {channels()}, *op.scale), constant("shift", {channels()}, *op.shift)},
                    out, {number("epsilon", op.epsilon)});
        }
        void operator()(const op::RmsNorm& op) {
            const std::string mean = step("ReduceMean", {step("Mul", {in[0], in[0]})},
                                          {integers("axes", {axis(op.axis)}), integer("keepdims", 1)});
            const std::string normal =
                step("Div", {in[0], step("Sqrt", {step("Add", {mean, number_of("epsilon", op.epsilon)})})});
            to.node("Mul", {normal, along("scale", op.scale, op.axis)}, out);
        }
        void operator()(const op::L2Norm& op) {
            const std::string length =
                step("ReduceL2", {in[0]}, {integers("axes", {axis(op.axis)}), integer("keepdims", 1)});
            to.node("Div", {in[0], step("Max", {length, number_of("epsilon", op.epsilon)})}, out);
        }
        void operator()(const op::Softmax& op) { same({integer("axis", axis(op.axis))}); }
        static std::vector<Attribute> window(std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
            return {integers("kernel_shape", {kernel, kernel}), integers("strides", {stride, stride}),
                    integers("pads", {pad, pad, pad, pad})};
        }
        void operator()(const op::AveragePool& op) {
            std::vector<Attribute> how = window(op.kernel, op.stride, op.pad);
            how.push_back(integer("count_include_pad", op.count_padding ? 1 : 0));
            same(how);
        }
        void operator()(const op::MaxPool& op) { same(window(op.kernel, op.stride, op.pad)); }
        void operator()(const op::Resize& op) {
            using Mode = op::Resize::Mode;
            if (n.inputs.size() > 1) return refuse("to the size of another tensor");
            const float factor = static_cast<float>(op.num) / static_cast<float>(op.den);
            const bool nearest = op.mode == Mode::nearest;
            std::vector<Attribute> how{text("mode", nearest                     ? "nearest"
                                                    : op.mode == Mode::bilinear ? "linear"
                                                                                : "cubic"),
                                       text("coordinate_transformation_mode", nearest            ? "asymmetric"
                                                                              : op.align_corners ? "align_corners"
                                                                                                 : "half_pixel")};
            if (nearest) how.push_back(text("nearest_mode", "floor"));
            if (op.mode == Mode::bicubic) how.push_back(number("cubic_coeff_a", op.cubic));
            to.node("Resize", {in[0], "", to.constant(name + ".scales", {4}, {1, 1, factor, factor}, false)}, out, how);
        }
        void operator()(const op::GridSample& op) {
            if (op.groups != 1) return refuse("in " + std::to_string(op.groups) + " groups");
            if (op.offsets) return refuse("at offsets in pixels");
            const std::string places = step("Transpose", {in[1]}, {integers("perm", {0, 2, 3, 1})});
            const bool border = op.beyond == op::GridSample::Beyond::border;
            to.node("GridSample", {in[0], places}, out,
                    {text("mode", "bilinear"), text("padding_mode", border ? "border" : "zeros"),
                     integer("align_corners", op.align_corners ? 1 : 0)});
        }
        void operator()(const op::Pad& op) {
            const std::string pads = whole("pads", {0, 0, op.top, op.left, 0, 0, op.bottom, op.right});
            to.node("Pad", {in[0], pads}, out,
                    {text("mode", op.mode == op::Pad::Mode::reflect  ? "reflect"
                          : op.mode == op::Pad::Mode::repeat ? "edge"
                                                             : "constant")});
        }
        std::string slice(const std::string& from, const std::string& suffix, std::vector<std::int64_t> begin,
                          std::vector<std::int64_t> end, std::vector<std::int64_t> axes, std::vector<std::int64_t> by,
                          const std::string& result) {
            to.node("Slice",
                    {from, whole(suffix + "begin", begin), whole(suffix + "end", end), whole(suffix + "axes", axes),
                     whole(suffix + "step", by)},
                    result);
            return result;
        }
        static constexpr std::int64_t kAll = std::int64_t{1} << 40;
        void operator()(const op::Crop& op) {
            slice(in[0], "", {op.top, op.left}, {op.bottom ? -op.bottom : kAll, op.right ? -op.right : kAll}, {2, 3},
                  {1, 1}, out);
        }
        // The end comes before the beginning.
        void operator()(const op::Roll& op) {
            std::string from = in[0];
            for (const auto& [side, by] : {std::pair{std::int64_t{2}, op.rows}, {std::int64_t{3}, op.columns}}) {
                if (by == 0) continue;
                const std::string suffix = side == 2 ? "down_" : "across_";
                const std::string tail =
                    slice(from, suffix + "tail_", {-by}, {kAll}, {side}, {1}, name + "_" + suffix + "tail");
                const std::string head =
                    slice(from, suffix + "head_", {0}, {-by}, {side}, {1}, name + "_" + suffix + "head");
                from = step("Concat", {tail, head}, {integer("axis", side)});
            }
            to.node("Identity", {from}, out);
        }
        void operator()(const op::Slice& op) {
            slice(in[0], "", {op.begin}, {op.end == op::Slice::kEnd ? kAll : op.end}, {axis(op.axis)}, {op.step}, out);
        }
        void operator()(const op::Argmax& op) {
            const std::string place = step("ArgMax", {in[0]}, {integer("axis", axis(op.axis)), integer("keepdims", 1)});
            to.node("Cast", {place}, out, {integer("to", half ? kTypeHalf : kTypeFloat)});
        }
        void operator()(const op::Gather& op) {
            if (shape_of(1).size() != shape_of(0).size()) return refuse("of whole slices");
            to.node("GatherElements", {in[0], step("Cast", {in[1]}, {integer("to", kTypeInt64)})}, out,
                    {integer("axis", axis(op.axis))});
        }
        // A side as a number that is computed from the picture's.
        std::string size_of(const Extent& side, const std::string& suffix) {
            if (side.constant()) return whole(suffix, {side.fixed});
            const std::string shape = step("Shape", {to.values_[0].name});
            const auto of_picture = [&](std::int64_t axis) {
                return slice(shape, suffix + "_from" + std::to_string(axis), {axis}, {axis + 1}, {0}, {1},
                             name + "_" + suffix + "_side" + std::to_string(axis));
            };
            const std::string rows = of_picture(2), columns = of_picture(3);
            std::string total = whole(suffix, {side.fixed * side.den});
            const std::pair<std::int64_t, std::string> terms[] = {
                {side.h, rows}, {side.w, columns}, {side.area, side.area ? step("Mul", {rows, columns}) : ""}};
            for (const auto& [factor, term] : terms)
                if (factor != 0)
                    total = step("Add", {total, step("Mul", {term, whole(std::to_string(steps) + "factor", {factor})})});
            return step("Div", {total, whole(suffix + "_den", {side.den})});
        }
        void operator()(const op::Reshape& op) {
            std::vector<std::int64_t> sides{0};  // the batch as it is
            for (const Extent& side : op.sides) sides.push_back(side.constant() ? side.fixed : -1);
            if (std::count(sides.begin(), sides.end(), -1) <= 1)
                return to.node("Reshape", {in[0], whole("sides", sides)}, out);
            std::vector<std::string> parts{whole("batch", {0})};
            for (std::size_t i = 0; i < op.sides.size(); ++i)
                parts.push_back(size_of(op.sides[i], "size" + std::to_string(i)));
            to.node("Reshape", {in[0], step("Concat", parts, {integer("axis", 0)})}, out);
        }
        void operator()(const op::Transpose& op) {
            std::vector<std::int64_t> order{0};
            for (const int from : op.order) order.push_back(from + 1);
            same({integers("perm", order)});
        }
        // Refused before they come here: traits know no ONNX operator for them.
        void operator()(const op::DynamicConv2d&) {}
        void operator()(const op::WindowAttention&) {}
        void operator()(const op::OverlapAttention&) {}
        void operator()(const op::GridAttention&) {}
        void operator()(const op::ChannelAttention&) {}
        void operator()(const op::CrossAttention&) {}
        void operator()(const op::CategoryAttention&) {}
        void operator()(const op::Argsort&) {}

        int steps = 0;
    };

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
    std::optional<Error> refused_;
    ProtobufWriter graph_;
};

}  // namespace

Result<std::string> write_onnx(const Graph& graph, const OnnxFile& file) {
    TRY(graph.validate());
    return OnnxWriter(graph, file).write();
}

}  // namespace enlarge
