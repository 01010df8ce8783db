// SPDX-License-Identifier: Apache-2.0
// The graph of an ONNX file while it is written: nodes, initialisers, and what is shared by several operations.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "export/onnx.hpp"
#include "export/protobuf_writer.hpp"

namespace enlarge::onnx_export {

// AttributeProto.type.
inline constexpr int kFloat = 1, kInt = 2, kString = 3, kInts = 7;
// TensorProto.data_type.
inline constexpr int kTypeFloat = 1, kTypeInt64 = 7, kTypeHalf = 10;

using Integers = std::vector<std::int64_t>;

struct Attribute {
    std::string name;
    int type = kInt;
    Integers integers;
    float number = 0;
    std::string text;
};

inline Attribute integer(std::string name, std::int64_t value) { return {std::move(name), kInt, {value}, 0, {}}; }
inline Attribute integers(std::string name, Integers values) {
    return {std::move(name), kInts, std::move(values), 0, {}};
}
inline Attribute number(std::string name, float value) { return {std::move(name), kFloat, {}, value, {}}; }
inline Attribute text(std::string name, std::string value) {
    return {std::move(name), kString, {}, 0, std::move(value)};
}

class OnnxWriter {
public:
    OnnxWriter(const Graph& graph, const OnnxFile& file);

    // The bytes of the whole file.
    Result<std::string> write();

    // ---- for the operations ----

    [[nodiscard]] const Node& node_at(int i) const { return graph_.nodes()[static_cast<std::size_t>(i)]; }
    void node(const std::string& type, const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
              const std::vector<Attribute>& attributes = {});
    void node(const std::string& type, const std::vector<std::string>& inputs, const std::string& output,
              const std::vector<Attribute>& attributes = {}) {
        node(type, inputs, std::vector<std::string>{output}, attributes);
    }
    // An initialiser; its name, or that of one that is the same. Always float when `half` is false.
    std::string constant(const std::string& name, const Integers& shape, const std::vector<float>& values, bool half);
    // The same of whole numbers in a row.
    std::string whole_numbers(const std::string& name, const Integers& values);
    std::string whole_number(const std::string& name, std::int64_t value);
    // What is written once, however many operations need it: make() is called for the first, and its result's name
    // kept.
    template <class Make>
    std::string once(const std::string& key, Make make) {
        const auto found = shared_.find(key);
        return found != shared_.end() ? found->second : shared_.emplace(key, make()).first->second;
    }
    // A side of the picture, as one whole number: axis 2 (rows) or 3 (columns).
    std::string picture_side(std::int64_t axis);

private:
    // What a node's result is called, and whether it is in half precision.
    struct Value {
        std::string name;
        bool half = false;
    };

    // A tensor of many numbers, and where it ends in what is written.
    struct Large {
        std::string name;
        Integers shape;
        bool half = false;
        std::size_t end = 0;
    };

    [[nodiscard]] const Large* written_before(const Large& own, std::size_t hash, std::string_view bytes) const;
    std::string in_precision(int i, bool half);
    [[nodiscard]] bool precision_of(const Node& n) const;
    void emit(std::size_t index);
    Result<std::string> finish();
    [[nodiscard]] bool any_size() const { return graph_.size_multiple() == 1 && graph_.spare() == 0; }
    // The picture continued until it fits; and the result without what that added, which is the file's output.
    std::string continued();
    std::string missing(const std::string& name, std::int64_t axis);
    std::string mirrored(const std::string& name, const std::string& from, std::int64_t axis, const std::string& count);
    std::string mirror_reaches(const std::vector<std::string>& names, const std::vector<std::string>& counts);
    std::string padded(const std::string& from, std::int64_t axis, const std::string& count, const std::string& result,
                       const char* mode);
    void cut(const std::string& from);

    const Graph& graph_;
    const OnnxFile& file_;
    std::size_t output_;
    std::vector<Value> values_;
    std::set<std::string> casts_;
    std::map<std::string, std::string> shared_;
    std::unordered_multimap<std::size_t, Large> large_;  // by a hash of their bytes
    ProtobufWriter written_;
};

}  // namespace enlarge::onnx_export
