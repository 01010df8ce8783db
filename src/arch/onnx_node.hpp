// SPDX-License-Identifier: Apache-2.0
// A node of an ONNX file with its operands, for the operators of onnx_numbers.cpp, onnx_pictures.cpp and
// onnx_moves.cpp. Shapes of ONNX count the batch, graphs do not: the first side of a value's shape is dropped where it
// is a single one.
#pragma once

#include <algorithm>
#include <climits>
#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "arch/importer.hpp"
#include "weights/bytes.hpp"

namespace enlarge::onnx_import {

using Value = Importer::Value;
using Form = Value::Form;
using Integers = std::vector<std::int64_t>;

inline Error unsupported(const std::string& what) { return {Errc::unsupported, what}; }
inline Error malformed(const std::string& what) { return {Errc::format, what}; }

inline Shape without_batch(const Shape& shape) {
    return shape.size() >= 2 && shape[0] == Extent(1) ? Shape(shape.begin() + 1, shape.end()) : shape;
}

inline Shape sides_as_shape(const Known& numbers) {
    Shape sides;
    for (const std::int64_t side : numbers.sides) sides.emplace_back(side);
    return sides;
}

inline int saturated(std::int64_t value) {
    return static_cast<int>(std::clamp<std::int64_t>(value, -op::Slice::kEnd, op::Slice::kEnd));
}

// A number as an int, refused as what it is where it is none.
inline Result<int> fitting(std::int64_t value, const std::string& what) {
    if (saturated(value) != value) return malformed(std::to_string(value) + " as " + what + ", too large to be meant");
    return static_cast<int>(value);
}

// One node of the file with its operands.
class OnnxNode {
public:
    OnnxNode(Importer& to, const Layer& layer) : to(to), make(to.make), layer(layer), type(layer.type) {}

    // Operands in the node's own order; constants of the file and names of earlier results alike.
    Result<void> read_operands() {
        std::size_t most = 0;
        for (const std::vector<int>* slots : {&layer.slots, &layer.input_slots})
            for (const int slot : *slots) most = std::max(most, static_cast<std::size_t>(std::max(slot, 0)) + 1);
        operands_.resize(most);
        present_.assign(most, false);
        for (std::size_t i = 0; i < layer.tensors.size(); ++i) {
            const auto slot = static_cast<std::size_t>(layer.slots[i]);
            operands_[slot].form = Form::known;
            operands_[slot].known = known(layer.tensors[i]);
            operands_[slot].shape = sides_as_shape(operands_[slot].known);
            present_[slot] = true;
        }
        for (std::size_t i = 0; i < layer.inputs.size(); ++i) {
            const auto slot = static_cast<std::size_t>(layer.input_slots[i]);
            TRY(const Value* const value, to.use(layer.inputs[i]));
            operands_[slot] = *value;
            if (value->form == Form::known) operands_[slot].shape = sides_as_shape(value->known);
            present_[slot] = true;
        }
        return {};
    }

    [[nodiscard]] std::size_t count() const { return operands_.size(); }
    [[nodiscard]] bool has(std::size_t i) const { return i < operands_.size() && present_[i]; }
    [[nodiscard]] const Value& operand(std::size_t i) const { return operands_[i]; }
    [[nodiscard]] const Known* constant(std::size_t i) const {
        return has(i) && operands_[i].form == Form::known ? &operands_[i].known : nullptr;
    }
    Result<const Known*> expect_constant(std::size_t i, const char* what) const {
        const Known* numbers = constant(i);
        if (!numbers || numbers->symbolic())
            return unsupported(std::string(what) + " that " + (has(i) ? "is computed" : "is missing"));
        return numbers;
    }

    // ---- attributes ----
    [[nodiscard]] double number(const char* key, double otherwise) const {
        if (const auto found = layer.numbers.find(key); found != layer.numbers.end()) return found->second;
        const auto list = layer.lists.find(key);
        return list != layer.lists.end() && list->second.size() == 1 ? list->second[0] : otherwise;
    }
    [[nodiscard]] int whole(const char* key, int otherwise) const {
        const double value = number(key, otherwise);
        return std::fabs(value) <= op::Slice::kEnd ? static_cast<int>(value) : INT_MIN;
    }
    [[nodiscard]] std::int64_t integer(const char* key, std::int64_t otherwise) const {
        const double value = number(key, static_cast<double>(otherwise));
        return std::isnan(value) ? otherwise : static_cast<std::int64_t>(std::clamp(value, -9e18, 9e18));
    }
    [[nodiscard]] std::string text(const char* key, const char* otherwise) const {
        const auto found = layer.texts.find(key);
        return found == layer.texts.end() ? otherwise : found->second;
    }
    [[nodiscard]] std::optional<Integers> list(const char* key) const {
        const auto found = layer.lists.find(key);
        if (found == layer.lists.end()) return {};
        Integers all;
        for (const double value : found->second)
            all.push_back(static_cast<std::int64_t>(std::clamp(value, -9e18, 9e18)));
        return all;
    }
    // `count` numbers, all `otherwise` where there is no such list.
    Result<std::vector<int>> numbers(const char* key, std::size_t count, int otherwise) const {
        const auto found = list(key);
        if (!found || found->empty()) return std::vector<int>(count, otherwise);
        if (found->size() != count)
            return unsupported(std::to_string(found->size()) + " " + key + "; expected " + std::to_string(count));
        std::vector<int> all;
        for (const std::int64_t value : *found) {
            TRY(const int small, fitting(value, key));
            all.push_back(small);
        }
        return all;
    }
    // Whole numbers from input `slot`, or (older files) from the attribute.
    Result<std::optional<Integers>> integers(std::size_t slot, const char* key) const {
        if (!has(slot)) return list(key);
        TRY(const Known* const numbers, expect_constant(slot, key));
        TRY(auto all, integers_of(*numbers));
        return std::optional(std::move(all));
    }

    // Whether the file's operators are of an older version than this.
    [[nodiscard]] bool older_than(int opset) const { return to.opset != 0 && to.opset < opset; }

    // ---- operands as tensors of the graph ----
    static bool batched(const Shape& shape) { return shape.size() >= 2 && shape[0] == Extent(1); }
    // The node of an operand; a constant becomes one.
    Result<int> node(std::size_t i) {
        if (!has(i)) return malformed("operand " + std::to_string(i) + " is missing");
        Value& value = operands_[i];
        if (value.form != Form::known) return Importer::node_of(value);
        if (value.known.symbolic()) return unsupported("arithmetic of a tensor with the picture's size");
        Integers sides = value.known.sides;
        if (sides.size() >= 2 && sides[0] == 1) sides.erase(sides.begin());
        std::vector<int> small;
        for (const std::int64_t side : sides) small.push_back(saturated(side));
        return make.constant(std::move(small), value.known.values);
    }
    // Operand i as a tensor of the same shape.
    void replace(std::size_t i, int node) {
        operands_[i].form = Form::node;
        operands_[i].node = node;
    }
    // The same numbers in another shape, of ONNX's.
    Result<void> reshape_operand(std::size_t i, Shape shape) {
        TRY(operands_[i].node, make.reshape(operands_[i].node, without_batch(shape)));
        operands_[i].shape = std::move(shape);
        return {};
    }
    // Whether it is one number, repeated.
    [[nodiscard]] bool one_number(std::size_t i) const {
        return has(i) && operands_[i].form == Form::expanded && make.node(operands_[i].node).is<op::Constant>() &&
               volume(make.shape(operands_[i].node)) == std::optional(Extent(1));
    }
    // Its shape as ONNX has it.
    [[nodiscard]] Shape shape(std::size_t i) const { return operands_[i].shape; }
    // An operand that is one picture: 1 x channels x rows x columns.
    Result<int> picture(std::size_t i = 0) {
        TRY(const int from, node(i));
        if (operands_[i].shape.size() == 4 && !batched(operands_[i].shape))
            return unsupported("many pictures at once (" + enlarge::text(operands_[i].shape) +
                               "), such as patches as a batch");
        if (operands_[i].shape.size() != 4)
            return unsupported("a tensor of " + enlarge::text(operands_[i].shape) +
                               " where 1 x channels x rows x columns is expected");
        return from;
    }
    // The axis of the graph's tensor.
    Result<int> axis(const Shape& shape, std::int64_t axis) const {
        const auto rank = static_cast<std::int64_t>(shape.size());
        if (axis < -rank || axis >= rank)
            return malformed("axis " + std::to_string(axis) + " of " + enlarge::text(shape));
        if (axis < 0) axis += rank;
        if (!batched(shape)) return static_cast<int>(axis);
        if (axis == 0) return unsupported("work along the batch");
        return static_cast<int>(axis) - 1;
    }
    // The operand with all sides that ONNX gives it, the batch too.
    Result<int> with_batch(std::size_t i) {
        TRY(const int from, node(i));
        return make.reshape(from, operands_[i].shape);
    }

    // ---- results ----
    [[nodiscard]] const std::string& out() const { return layer.outputs[0]; }
    Result<void> define(int node, Shape shape, std::size_t output = 0) {
        TRY(const int fitting, make.reshape(node, without_batch(shape)));
        Value value;
        value.node = fitting;
        value.shape = std::move(shape);
        return to.define(layer.outputs[output], std::move(value));
    }
    // Of a picture, or a tensor with the same batch as operand 0.
    Result<void> define_like(int node, std::size_t output = 0) {
        Shape shape = make.shape(node);
        if (batched(operands_[0].shape) || operands_[0].shape.size() == shape.size() + 1)
            shape.insert(shape.begin(), 1);
        return define(node, std::move(shape), output);
    }
    Result<void> define(Known numbers) {
        TRY(make.expand(numbers.count()));
        Value value;
        value.form = Form::known;
        value.known = std::move(numbers);
        value.used = true;  // one that nothing needs does no harm
        return to.define(out(), std::move(value));
    }
    Result<void> pend(Form form, int node, Shape shape, double factor = 1, double shift = 0) {
        Value value;
        value.form = form;
        value.node = node;
        value.shape = std::move(shape);
        value.factor = factor;
        value.shift = shift;
        value.layer = label();
        return to.define(out(), std::move(value));
    }
    [[nodiscard]] std::string label() const { return node_label(layer); }

    Importer& to;
    GraphMaker& make;
    const Layer& layer;
    const std::string& type;

private:
    std::vector<Value> operands_;
    std::vector<bool> present_;
};

// The shape of what ONNX makes of two.
inline Result<Shape> broadcast(const Shape& a, const Shape& b) {
    const Shape& longer = a.size() >= b.size() ? a : b;
    const Shape& shorter = a.size() >= b.size() ? b : a;
    Shape result = longer;
    for (std::size_t i = 0; i < shorter.size(); ++i) {
        Extent& side = result[longer.size() - shorter.size() + i];
        if (side == Extent(1))
            side = shorter[i];
        else if (side != shorter[i] && shorter[i] != Extent(1))
            return malformed("inputs differ: " + text(a) + " and " + text(b));
    }
    return result;
}

// The length of a vector, but at least so much.
inline Result<void> at_least(OnnxNode& n, const Value& length, double least) {
    Value value = length;
    value.least = std::max(length.least, least);
    value.used = false;
    return n.to.define(n.out(), std::move(value));
}

// An operator and what makes it operations of the graph. The node has at least one operand.
struct Rule {
    const char* type;
    Result<void> (*add)(OnnxNode&);
};

// Of files for one size: the same shape with the picture's rows and columns times a small number, where it may be one.
std::optional<Shape> as_picture(const Shape& shape, Size own);
// The same for pictures of that size alone.
Shape as_numbers(const Shape& shape, Size own);
// Makes a node's operands fit each other.
Result<void> fit_own_size(OnnxNode& n);

// Numbers that count up to a size, and what is written at places that they list; false where it is neither.
Result<bool> add_counted(OnnxNode& n);

std::span<const Rule> number_rules();   // arithmetic, activations, normalisations, products of matrices
std::span<const Rule> picture_rules();  // convolutions, pooling, resampling, padding
std::span<const Rule> move_rules();     // the same numbers in another shape, parts of them, their sizes

}  // namespace enlarge::onnx_import
