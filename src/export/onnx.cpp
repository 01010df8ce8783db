// SPDX-License-Identifier: Apache-2.0
// Field numbers are those of onnx.proto. Only operators that every runtime has: pixel_unshuffle is written as a
// convolution with a stride, because SpaceToDepth orders channels in another way than PyTorch.
#include "export/onnx.hpp"

#include <bit>
#include <functional>
#include <string_view>
#include <type_traits>

#include "base/half.hpp"
#include "export/onnx_operation.hpp"
#include "export/onnx_writer.hpp"
#include "graph/traits.hpp"

namespace enlarge {
namespace onnx_export {
namespace {

constexpr int kIrVersion = 8, kOpset = 17;
constexpr std::size_t kLookedUp = 4096;  // bytes of a tensor that may have been written before
constexpr std::size_t kMostBytes = (std::size_t{1} << 31) - 1;

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

ProtobufWriter value_info(const std::string& name, int channels, const char* height, const char* width) {
    ProtobufWriter shape, tensor, type, info;
    const auto side = [&](const char* symbol, int fixed) {
        ProtobufWriter dimension;
        if (symbol)
            dimension.bytes(2, symbol);
        else
            dimension.integer(1, fixed);
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

// Places are whole numbers, and half precision ends at 2048: what computes or orders them stays in float, as do the
// sums over all pixels of channel attention.
bool stays_float(const Node& n) {
    return n.is<op::Argmax>() || n.is<op::Argsort>() || n.is<op::GridSample>() || n.is<op::CategoryAttention>() ||
           n.is<op::ChannelAttention>();
}

}  // namespace

OnnxWriter::OnnxWriter(const Graph& graph, const OnnxFile& file)
    : graph_(graph), file_(file), output_(graph.nodes().size() - 1), values_(graph.nodes().size()) {}

Result<std::string> OnnxWriter::write() {
    if (graph_.inputs() > 1) return Error{Errc::unsupported, "a network with several inputs cannot be written"};
    values_[0] = {any_size() ? "input" : continued(), false};
    for (std::size_t i = 1; i < values_.size(); ++i) emit(i);
    const std::string& result = values_[output_].name;
    if (values_[output_].half)
        node("Cast", {result}, any_size() ? "output" : "result_float", {integer("to", kTypeFloat)});
    if (!any_size()) cut(values_[output_].half ? "result_float" : result);
    return finish();
}

Result<std::string> OnnxWriter::finish() {
    written_.bytes(2, file_.name);
    written_.message(11, value_info("input", node_at(0).channels, "height", "width"));
    written_.message(12, value_info("output", graph_.output().channels, "output_height", "output_width"));

    ProtobufWriter model, opset;
    model.integer(1, kIrVersion).bytes(2, "enlarge");
    if (!file_.description.empty()) model.bytes(6, file_.description);
    model.message(7, written_);
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

void OnnxWriter::node(const std::string& type, const std::vector<std::string>& inputs,
                      const std::vector<std::string>& outputs, const std::vector<Attribute>& attributes) {
    ProtobufWriter out;
    for (const std::string& input : inputs) out.bytes(1, input);
    for (const std::string& output : outputs) out.bytes(2, output);
    out.bytes(3, type + "_" + outputs.back()).bytes(4, type);
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
    written_.message(1, out);
}

std::string OnnxWriter::constant(const std::string& name, const Integers& shape, const std::vector<float>& values,
                                 bool half) {
    std::vector<std::uint16_t> halves;
    if (half)
        for (const float value : values) halves.push_back(float_to_half(value));
    const auto view = [](const auto& numbers) {
        return std::string_view(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(numbers[0]));
    };
    const std::string_view bytes = half ? view(halves) : view(values);
    Large own{name, shape, half, 0};
    const std::size_t hash = bytes.size() < kLookedUp ? 0 : std::hash<std::string_view>()(bytes);
    if (const Large* same = hash == 0 ? nullptr : written_before(own, hash, bytes)) return same->name;
    ProtobufWriter tensor;
    for (const std::int64_t side : shape) tensor.integer(1, side);
    tensor.integer(2, half ? kTypeHalf : kTypeFloat).bytes(8, name).bytes(9, bytes);
    written_.message(5, tensor);
    own.end = written_.data().size();  // their bytes are the last
    if (hash != 0) large_.emplace(hash, std::move(own));
    return name;
}

// Layers that share a filter have it once in the file.
const OnnxWriter::Large* OnnxWriter::written_before(const Large& own, std::size_t hash, std::string_view bytes) const {
    const auto [first, last] = large_.equal_range(hash);
    for (auto it = first; it != last; ++it) {
        const Large& other = it->second;
        if (other.shape == own.shape && other.half == own.half &&
            std::string_view(written_.data()).substr(other.end - bytes.size(), bytes.size()) == bytes)
            return &other;
    }
    return nullptr;
}

std::string OnnxWriter::whole_numbers(const std::string& name, const Integers& values) {
    ProtobufWriter tensor;
    tensor.integer(1, static_cast<std::int64_t>(values.size())).integer(2, kTypeInt64).bytes(8, name);
    tensor.bytes(9, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int64_t)});
    written_.message(5, tensor);
    return name;
}

// Without a side.
std::string OnnxWriter::whole_number(const std::string& name, std::int64_t value) {
    ProtobufWriter tensor;
    tensor.integer(2, kTypeInt64).bytes(8, name);
    tensor.bytes(9, {reinterpret_cast<const char*>(&value), sizeof value});
    written_.message(5, tensor);
    return name;
}

std::string OnnxWriter::picture_side(std::int64_t axis) {
    const std::string name = axis == 2 ? "picture_rows" : "picture_columns";
    return once(name, [&] {
        node("Shape", {values_[0].name}, name, {integer("start", axis), integer("end", axis + 1)});
        return name;
    });
}

// The value of node i in the wanted precision, with a Cast where it is in the other.
std::string OnnxWriter::in_precision(int i, bool half) {
    const Value& value = values_[static_cast<std::size_t>(i)];
    if (value.half == half) return value.name;
    const std::string cast = value.name + (half ? "_half" : "_float");
    if (casts_.insert(cast).second) node("Cast", {value.name}, cast, {integer("to", half ? kTypeHalf : kTypeFloat)});
    return cast;
}

// Convolutions, activations and joins run in half precision when that is asked for. What only moves or scales
// pixels stays as its operand is, and a sum with a float is a float: so the input that a Compact network adds to
// its result is not rounded.
bool OnnxWriter::precision_of(const Node& n) const {
    const auto half = [&](int i) { return values_[static_cast<std::size_t>(i)].half; };
    if (stays_float(n)) return false;
    if (n.is<op::ScaleShift>() || n.is<op::UpsampleNearest>() || n.is<op::PixelUnshuffle>() ||
        n.is<op::PixelShuffle>() || n.is<op::Gather>())
        return half(n.inputs[0]);
    if (n.is<op::Add>()) return half(n.inputs[0]) && half(n.inputs[1]);
    return file_.half;
}

void OnnxWriter::emit(std::size_t index) {
    const Node& n = graph_.nodes()[index];
    const bool half = precision_of(n);
    const std::string name = "n" + std::to_string(index);
    values_[index] = {index == output_ && !half && any_size() ? "output" : name, half};
    std::vector<std::string> in;
    for (std::size_t k = 0; k < n.inputs.size(); ++k)
        in.push_back(in_precision(n.inputs[k], half && !(n.is<op::Gather>() && k == 1)));
    std::visit(OnnxOperation{*this, n, std::move(in), name, values_[index].name, half}, n.op);
}

// ---- pictures of any size ----

// How many pixels a side lacks: as many as the remainder of side + spare asks, and the spare ones.
std::string OnnxWriter::missing(const std::string& name, std::int64_t axis) {
    node("Shape", {"input"}, name + "_side", {integer("start", axis), integer("end", axis + 1)});
    const std::string multiple = whole_numbers(name + ".multiple", {graph_.size_multiple()});
    std::string side = name + "_side";
    if (graph_.spare() > 0) {
        node("Add", {side, whole_numbers(name + ".spare", {graph_.spare()})}, name + "_least");
        side = name + "_least";
    }
    node("Mod", {side, multiple}, name + "_over");
    node("Sub", {multiple, name + "_over"}, name + "_missing");
    node("Mod", {name + "_missing", multiple}, name + "_whole");
    if (graph_.spare() == 0) return name + "_whole";
    node("Add", {name + "_whole", name + ".spare"}, name + "_count");
    return name + "_count";
}

// The last `count`, backwards.
std::string OnnxWriter::mirrored(const std::string& name, const std::string& from, std::int64_t axis,
                                 const std::string& count) {
    node("Neg", {count}, name + "_back");
    const std::string last = whole_numbers(name + ".last", {-1});
    node("Add", {name + "_back", last}, name + "_end");
    node("Slice", {from, last, name + "_end", whole_numbers(name + ".axis", {axis}), last}, name + "_mirrored");
    node("Concat", {from, name + "_mirrored"}, name + "_continued", {integer("axis", axis)});
    return name + "_continued";
}

// 1 where both sides are longer than what they lack, so that one mirror reaches far enough; else 0.
std::string OnnxWriter::mirror_reaches(const std::vector<std::string>& names, const std::vector<std::string>& counts) {
    const std::string one = whole_numbers("mirror.one", {1});
    for (std::size_t i = 0; i < 2; ++i) {
        node("Add", {counts[i], one}, names[i] + "_needed");
        node("Div", {names[i] + "_side", names[i] + "_needed"}, names[i] + "_times");
        node("Min", {names[i] + "_times", one}, names[i] + "_reaches");
    }
    node("Mul", {names[0] + "_reaches", names[1] + "_reaches"}, "mirror_reaches");
    return "mirror_reaches";
}

// To the right and at the bottom, until the sides are multiples.
std::string OnnxWriter::continued() {
    const std::vector<std::string> names{"more_rows", "more_columns"};
    const std::vector<std::string> counts{missing(names[0], 2), missing(names[1], 3)};
    const Continuation how = graph_.continuation();
    const std::string reaches = how == Continuation::reflect_or_zeros ? mirror_reaches(names, counts) : "";
    std::string from = "input";
    for (std::size_t i = 0; i < 2; ++i) {
        const std::int64_t axis = static_cast<std::int64_t>(i) + 2;
        const std::string &name = names[i], &count = counts[i];
        if (how == Continuation::mirror) {
            from = mirrored(name, from, axis, count);
        } else if (how == Continuation::reflect_or_zeros) {
            node("Mul", {count, reaches}, name + "_reflected");
            node("Sub", {count, name + "_reflected"}, name + "_empty");
            from = padded(from, axis, name + "_reflected", name + "_part", "reflect");
            from = padded(from, axis, name + "_empty", name + "_continued", "constant");
        } else {
            from = padded(from, axis, count, name + "_continued",
                          how == Continuation::zeros    ? "constant"
                          : how == Continuation::repeat ? "edge"
                                                        : "reflect");
        }
    }
    return from;
}

std::string OnnxWriter::padded(const std::string& from, std::int64_t axis, const std::string& count,
                               const std::string& result, const char* mode) {
    const auto zeros = [&](const char* which, std::size_t n) { return whole_numbers(result + which, Integers(n, 0)); };
    std::vector<std::string> pads{zeros(".before", 4), zeros(".outer", axis == 2 ? 2 : 3), count};
    if (axis == 2) pads.push_back(zeros(".inner", 1));
    node("Concat", pads, result + "_pads", {integer("axis", 0)});
    node("Pad", {from, result + "_pads"}, result, {text("mode", mode)});
    return result;
}

void OnnxWriter::cut(const std::string& from) {
    std::vector<std::string> ends;
    const std::string scale = whole_numbers("result.scale", {graph_.scale()});
    for (const char* side : {"more_rows_side", "more_columns_side"}) {
        ends.push_back(std::string(side) + "_scaled");
        node("Mul", {side, scale}, ends.back());
    }
    node("Concat", ends, "result_sides", {integer("axis", 0)});
    node("Slice", {from, whole_numbers("result.begin", {0, 0}), "result_sides", whole_numbers("result.axes", {2, 3})},
         "output");
}

}  // namespace onnx_export

Result<std::string> write_onnx(const Graph& graph, const OnnxFile& file) {
    TRY(graph.validate());
    return onnx_export::OnnxWriter(graph, file).write();
}

}  // namespace enlarge
