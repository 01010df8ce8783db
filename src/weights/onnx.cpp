// SPDX-License-Identifier: Apache-2.0
// ONNX: a protocol buffer. Only the fields that hold the graph and its constants are looked at.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "weights/formats.hpp"
#include "weights/onnx_tensor.hpp"
#include "weights/protobuf.hpp"

namespace enlarge {
namespace {

using onnx::DataType;
using protobuf::Field;
using protobuf::Wire;

constexpr std::int64_t kNodePartsPerTensor = 64;  // inputs, outputs, attributes and items, times Limits::tensors

// A node as the file has it.
struct Node {
    Layer layer;  // type, name, outputs, attributes; inputs are all names, constants among them
    std::map<std::string, std::shared_ptr<const Tensor>> tensors;  // attributes that are tensors
};

class GraphReader {
public:
    GraphReader(const Limits& limits, std::uint64_t file_bytes, const FileBeside& beside)
        : limits_(limits),
          beside_(beside),
          budget_(limits, file_bytes),
          parts_left_(std::max<std::int64_t>(limits.tensors, 0) * kNodePartsPerTensor) {
        out_.format = WeightFormat::onnx;
    }

    Result<StateDict> read(Bytes graph) {
        std::vector<Bytes> nodes;
        for (ByteReader in(graph); !in.done();) {
            TRY(const Field field, protobuf::read_field(in));
            if (field.wire != Wire::bytes) continue;
            if (field.number == 1) {
                if (static_cast<std::int64_t>(nodes.size()) >= limits_.tensors)
                    return Error{Errc::limit, "more than " + std::to_string(limits_.tensors) + " nodes"};
                nodes.push_back(field.data);
            } else if (field.number == 5) {
                TRY(read_initialiser(field.data));
            } else if (field.number == 11 || field.number == 12) {
                TRY(Port port, read_port(field.data));
                (field.number == 11 ? out_.inputs : out_.outputs).push_back(std::move(port));
            } else if (field.number == 15) {
                return Error{Errc::unsupported, "sparse initialisers"};
            }
        }
        std::erase_if(out_.inputs, [&](const Port& port) { return constants_.contains(port.name); });
        for (const Bytes node : nodes) TRY(read_node(node));
        for (Port& port : out_.outputs) port.name = resolve(port.name);
        if (out_.layers.empty() && out_.tensors.empty()) return Error{Errc::format, "an empty ONNX graph"};
        return std::move(out_);
    }

private:
    Result<onnx::NamedTensor> read_tensor(Bytes proto) {
        if (!beside_) return onnx::read_tensor_proto(proto, budget_);
        return onnx::read_tensor_proto(proto, budget_, [this](const std::string& name) -> Result<Bytes> {
            TRY(const Bytes file, beside_(name));
            if (files_.insert(name).second) budget_.grow(file.size());
            return file;
        });
    }

    Result<void> read_initialiser(Bytes proto) {
        TRY(onnx::NamedTensor read, read_tensor(proto));
        if (!defined_.insert(read.name).second)
            return Error{Errc::format, "two tensors are named \"" + printable(read.name) + "\""};
        TRY(budget_.take(read.tensor.shape, read.name));  // kept twice: by name, and for the nodes
        constants_[read.name] = std::make_shared<const Tensor>(read.tensor);
        out_.tensors.emplace(std::move(read.name), std::move(read.tensor));
        return {};
    }

    // A ValueInfoProto: a name, and the sides of its tensor where they are told.
    Result<Port> read_port(Bytes proto) {
        TRY(spend());
        Port port;
        for (ByteReader in(proto); !in.done();) {
            TRY(const Field field, protobuf::read_field(in));
            if (field.wire != Wire::bytes) continue;
            if (field.number == 1) port.name = as_text(field.data);
            if (field.number != 2) continue;
            TRY(const std::optional<Bytes> tensor, part_of(field.data, 1));
            if (!tensor) continue;
            TRY(const std::optional<Bytes> shape, part_of(*tensor, 2));
            if (!shape) continue;
            for (ByteReader sides(*shape); !sides.done();) {
                TRY(const Field side, protobuf::read_field(sides));
                if (side.number != 1 || side.wire != Wire::bytes) continue;
                TRY(spend());
                port.shape.push_back(-1);
                for (ByteReader parts(side.data); !parts.done();) {
                    TRY(const Field part, protobuf::read_field(parts));
                    if (part.number == 1 && part.wire == Wire::varint) port.shape.back() = static_cast<std::int64_t>(part.value);
                }
            }
        }
        return port;
    }
    // The last field of that number, where there is one.
    static Result<std::optional<Bytes>> part_of(Bytes message, std::uint32_t number) {
        std::optional<Bytes> found;
        for (ByteReader in(message); !in.done();) {
            TRY(const Field field, protobuf::read_field(in));
            if (field.number == number && field.wire == Wire::bytes) found = field.data;
        }
        return found;
    }

    Result<void> spend() {
        if (--parts_left_ < 0) return Error{Errc::limit, "nodes with too many inputs, outputs, attributes and items of lists"};
        return {};
    }

    Result<void> read_attribute(Bytes proto, Node& node) {
        TRY(spend());
        std::string name;
        std::vector<double> list;
        bool is_list = false, is_graph = false;
        std::optional<double> number;
        std::optional<std::string> text;
        std::shared_ptr<const Tensor> tensor;
        for (ByteReader in(proto); !in.done();) {
            TRY(const Field field, protobuf::read_field(in));
            switch (field.number) {
                case 1: name = as_text(field.data); break;
                case 2: number = static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(field.value))); break;
                case 3: number = static_cast<double>(static_cast<std::int64_t>(field.value)); break;
                case 4: text = std::string(as_text(field.data)); break;
                case 5: {
                    TRY(onnx::NamedTensor read, read_tensor(field.data));
                    tensor = std::make_shared<const Tensor>(std::move(read.tensor));
                    break;
                }
                case 6: case 11: is_graph = true; break;
                case 7:
                    is_list = true;
                    TRY(protobuf::read_repeated(field, Wire::fixed32, [&](std::uint64_t v) -> Result<void> {
                        TRY(spend());
                        list.push_back(static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(v))));
                        return {};
                    }));
                    break;
                case 8:
                    is_list = true;
                    TRY(protobuf::read_repeated(field, Wire::varint, [&](std::uint64_t v) -> Result<void> {
                        TRY(spend());
                        list.push_back(static_cast<double>(static_cast<std::int64_t>(v)));
                        return {};
                    }));
                    break;
                default: break;
            }
        }
        if (is_graph) return Error{Errc::unsupported, "the attribute " + printable(name) + " is a graph of its own"};
        if (is_list) node.layer.lists[name] = std::move(list);
        else if (number) node.layer.numbers[name] = *number;
        else if (text) node.layer.texts[name] = std::move(*text);
        else if (tensor) node.tensors[name] = std::move(tensor);
        return {};
    }

    Result<Node> parse_node(Bytes proto) {
        Node node;
        std::string domain;
        std::vector<Bytes> attributes;
        for (ByteReader in(proto); !in.done();) {
            TRY(const Field field, protobuf::read_field(in));
            if (field.wire != Wire::bytes) continue;
            const std::string_view text = as_text(field.data);
            switch (field.number) {
                case 1: TRY(spend()); node.layer.inputs.emplace_back(text); break;
                case 2: TRY(spend()); node.layer.outputs.emplace_back(text); break;
                case 3: node.layer.name = text; break;
                case 4: node.layer.type = text; break;
                case 5: attributes.push_back(field.data); break;
                case 7: domain = text; break;
                default: break;
            }
        }
        if (!domain.empty() && domain != "ai.onnx") node.layer.type = domain + "." + node.layer.type;
        for (const Bytes attribute : attributes) {
            auto read = read_attribute(attribute, node);
            if (!read) return std::move(read.error()).within(node_label(node.layer));
        }
        return node;
    }
    Result<void> read_node(Bytes proto) {
        TRY(Node node, parse_node(proto));
        auto added = add(node);
        if (!added) return std::move(added.error()).within(node_label(node.layer));
        return {};
    }

    Result<void> add(Node& node) {
        Layer& layer = node.layer;
        for (const std::string& output : layer.outputs)
            if (!output.empty() && !defined_.insert(output).second)
                return Error{Errc::format, "\"" + printable(output) + "\" is written a second time"};
        if (layer.type == "Constant") return add_constant(node);
        if (layer.type == "Identity" || layer.type == "CastLike" || (layer.type == "Cast" && !cuts(layer)))
            return add_alias(layer);

        std::vector<std::string> activations;
        for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
            const std::string& name = layer.inputs[i];
            if (const auto constant = constants_.find(name); constant != constants_.end()) {
                TRY(budget_.take(constant->second->shape, name));
                layer.tensors.push_back(*constant->second);
                layer.slots.push_back(static_cast<int>(i));
            } else if (!name.empty()) {
                activations.push_back(resolve(name));
                layer.input_slots.push_back(static_cast<int>(i));
            }
        }
        layer.inputs = std::move(activations);
        for (const auto& [name, tensor] : node.tensors)  // ConstantOfShape: a few numbers
            layer.lists[name] = {tensor->values.begin(), tensor->values.end()};
        out_.layers.push_back(std::move(layer));
        return {};
    }

    // Whether a cast of what the network computes makes whole numbers of it.
    [[nodiscard]] bool cuts(const Layer& layer) const {
        const auto to = layer.numbers.find("to");
        if (to == layer.numbers.end() || layer.inputs.empty() || constants_.contains(layer.inputs[0])) return false;
        const double type = to->second;
        return (type >= 2 && type <= 7) || type == 9 || type == 12 || type == 13;
    }

    [[nodiscard]] std::string resolve(const std::string& name) const {
        const auto alias = aliases_.find(name);
        return alias == aliases_.end() ? name : alias->second;
    }

    Result<void> add_constant(const Node& node) {
        const Layer& layer = node.layer;
        if (layer.outputs.size() != 1) return Error{Errc::format, std::to_string(layer.outputs.size()) + " outputs; 1 expected"};
        auto& constant = constants_[layer.outputs[0]];
        if (const auto tensor = node.tensors.find("value"); tensor != node.tensors.end()) {
            constant = tensor->second;
            return {};
        }
        for (const char* key : {"value_float", "value_int"}) {
            if (const auto number = layer.numbers.find(key); number != layer.numbers.end()) {
                constant = std::make_shared<const Tensor>(Tensor{{}, {static_cast<float>(number->second)}});
                return {};
            }
        }
        for (const char* key : {"value_floats", "value_ints"}) {
            if (const auto list = layer.lists.find(key); list != layer.lists.end()) {
                Tensor tensor{{static_cast<std::int64_t>(list->second.size())}, {}};
                TRY(budget_.take(tensor.shape, layer.outputs[0]));
                for (const double v : list->second) tensor.values.edit().push_back(static_cast<float>(v));
                constant = std::make_shared<const Tensor>(std::move(tensor));
                return {};
            }
        }
        return Error{Errc::unsupported, "a constant that is not of numbers"};
    }

    // Identity and casts to floats disappear: their output is another name of their input. A constant is rounded as Cast does.
    Result<void> add_alias(const Layer& layer) {
        if (layer.inputs.empty() || layer.outputs.size() != 1 || layer.inputs[0].empty())
            return Error{Errc::format, std::to_string(layer.inputs.size()) + " inputs and " +
                                           std::to_string(layer.outputs.size()) + " outputs; one each expected"};
        const auto constant = constants_.find(layer.inputs[0]);
        if (constant == constants_.end()) {
            aliases_[layer.outputs[0]] = resolve(layer.inputs[0]);
            return {};
        }
        std::shared_ptr<const Tensor> value = constant->second;
        if (const auto to = layer.numbers.find("to"); layer.type == "Cast" && to != layer.numbers.end()) {
            if (!(to->second >= 0 && to->second < 256)) return Error{Errc::format, "the type to cast to is out of range"};
            TRY(budget_.take(value->shape, layer.outputs[0]));
            TRY(Tensor made, onnx::cast(*value, static_cast<DataType>(static_cast<std::uint32_t>(to->second))));
            value = std::make_shared<const Tensor>(std::move(made));
        }
        constants_[layer.outputs[0]] = std::move(value);
        return {};
    }

    Limits limits_;
    const FileBeside& beside_;
    std::set<std::string> files_;  // those that were read
    Budget budget_;
    std::int64_t parts_left_;
    StateDict out_;
    std::map<std::string, std::shared_ptr<const Tensor>> constants_;
    std::map<std::string, std::string> aliases_;
    std::set<std::string> defined_;
};

// An OperatorSetIdProto: the version of the operators of one domain; ONNX's own has no name.
Result<void> read_opset(Bytes proto, std::int64_t& opset) {
    std::string_view domain;
    std::int64_t version = 0;
    for (ByteReader in(proto); !in.done();) {
        TRY(const Field field, protobuf::read_field(in));
        if (field.number == 1 && field.wire == Wire::bytes) domain = as_text(field.data);
        if (field.number == 2 && field.wire == Wire::varint) version = static_cast<std::int64_t>(field.value);
    }
    if (domain.empty() || domain == "ai.onnx") opset = version;
    return {};
}

}  // namespace

std::string node_label(const Layer& layer) {
    const bool named = !layer.name.empty() || layer.outputs.empty();
    return (named ? "node '" + printable(layer.name) : "node of '" + printable(layer.outputs[0])) + "' (" +
           printable(layer.type) + ")";
}

Result<StateDict> read_onnx(Bytes file, const Limits& limits, const FileBeside& beside) {
    std::optional<Bytes> graph;
    std::int64_t opset = 0;
    for (ByteReader in(file); !in.done();) {
        TRY(const Field field, protobuf::read_field(in));
        if (field.number == 8 && field.wire == Wire::bytes) TRY(read_opset(field.data, opset));
        if (field.number != 7 || field.wire != Wire::bytes) continue;
        if (graph) return Error{Errc::format, "damaged ONNX model: two graphs"};
        graph = field.data;
    }
    if (!graph) return Error{Errc::format, "damaged ONNX model: no graph in it"};
    TRY(StateDict read, GraphReader(limits, file.size(), beside).read(*graph));
    read.opset = static_cast<int>(std::clamp<std::int64_t>(opset, 0, 1000));
    return read;
}

}  // namespace enlarge
