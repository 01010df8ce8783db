// SPDX-License-Identifier: Apache-2.0
// Python's pickle format, as data. The machine below builds lists, dicts and strings; it imports nothing and calls
// nothing. A global is kept as a symbol when it is one of the few that weight files need, and refused by name otherwise.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "weights/bytes.hpp"

namespace enlarge::pickle {

// The globals that are understood.
enum class Symbol : std::uint8_t {
    ordered_dict,       // collections.OrderedDict
    size,               // torch.Size
    rebuild_tensor,     // torch._utils._rebuild_tensor
    rebuild_tensor_v2,  // torch._utils._rebuild_tensor_v2
    rebuild_parameter,  // torch._utils._rebuild_parameter
    storage_f64, storage_f32, storage_f16, storage_bf16,  // torch.DoubleStorage ...
    storage_i64, storage_i32, storage_i16, storage_i8, storage_u8, storage_bool,
};

enum class Kind : std::uint8_t {
    none, boolean, integer, big_integer, real, text, bytes, tuple, list, dict, set, symbol,
    call,        // symbol(arguments), not carried out
    persistent,  // an object stored outside the pickle; args()[0] is its id
};

// One value. Cheap to copy: containers are indices into the Document, so shared and cyclic data cost nothing.
struct Value {
    Kind kind = Kind::none;
    std::uint32_t index = 0;   // containers, text
    union {
        std::int64_t integer = 0;  // integer, boolean
        double real;
        Symbol symbol;
    };
};

// The values of one pickle. Borrows the bytes it was read from.
class Document {
public:
    // Reads one pickle, protocol 0 to 5, from the front of `in` and leaves `in` after its STOP. Fails with Errc::format
    // when damaged, Errc::unsupported for a global outside the list, Errc::limit for too many objects or deep nesting.
    static Result<Document> read(ByteReader& in, const Limits& limits);

    [[nodiscard]] Value root() const { return root_; }
    // text, bytes; big_integer: its two's complement bytes, least significant first.
    [[nodiscard]] std::string_view text(Value v) const { return texts_[v.index]; }
    // tuple, list, set: the items. call: the arguments. persistent: the id alone.
    [[nodiscard]] const std::vector<Value>& items(Value v) const { return objects_[v.index].items; }
    [[nodiscard]] Symbol callee(Value call) const { return objects_[call.index].symbol; }
    // dict: keys and values, in the order they were set; a key set twice is there twice.
    [[nodiscard]] const std::vector<std::pair<Value, Value>>& entries(Value v) const { return objects_[v.index].entries; }
    // The value of a text key of a dict, the last one set.
    [[nodiscard]] std::optional<Value> find(Value dict, std::string_view key) const;
    // Every persistent value, in file order.
    [[nodiscard]] const std::vector<Value>& persistents() const { return persistents_; }

private:
    friend class Machine;
    struct Object {
        std::vector<Value> items;
        std::vector<std::pair<Value, Value>> entries;
        Symbol symbol{};
        int depth = 1;
    };
    Value root_;
    std::deque<Object> objects_;
    std::vector<std::string_view> texts_;
    std::deque<std::string> unescaped_;  // owns the texts that are not a part of the input
    std::vector<Value> persistents_;
};

// "a dict", "an integer" ..., for messages.
std::string_view kind_name(Kind kind);

}  // namespace enlarge::pickle
