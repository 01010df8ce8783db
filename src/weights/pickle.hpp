// SPDX-License-Identifier: Apache-2.0
// Python's pickle format, as data. The machine below builds lists, dicts, strings and objects without behaviour; it
// imports nothing and calls nothing. A class that is not known is its name, and an instance of it a bag of attributes. A
// file that would have something called is refused by the name of that, but for the few calls below, whose results are
// known without calling, and getattr of a class, which is one more name.
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
    ordered_dict,       // collections.OrderedDict, defaultdict, Counter, dict: dicts
    size,               // torch.Size, tuple
    list,               // list, collections.deque
    set,                // set, frozenset
    reconstructor,      // copyreg._reconstructor(class, base, state): an object
    first_argument,     // what gives back its first argument: a list, a value with its type
    data,               // makes plain data that no weights are made of: numbers of NumPy, times, paths, devices
    rebuild_tensor,     // torch._utils._rebuild_tensor
    rebuild_tensor_v2,  // torch._utils._rebuild_tensor_v2
    rebuild_tensor_v3,  // torch._utils._rebuild_tensor_v3: element types that are no weights'
    rebuild_subclass,   // torch._tensor._rebuild_from_type_v2(one of these, class, arguments, state)
    rebuild_quantised,  // torch._utils._rebuild_qtensor
    rebuild_sparse,     // torch._utils._rebuild_sparse_tensor
    numpy_array,        // plain data as well, that may have been meant as weights
    rebuild_without_data,  // torch._utils._rebuild_meta_tensor_no_storage: the tensor's shape alone
    rebuild_sharded,    // a part of a tensor that is spread over several files
    rebuild_parameter,  // torch._utils._rebuild_parameter, _rebuild_parameter_with_state
    storage_f64, storage_f32, storage_f16, storage_bf16,  // torch.DoubleStorage ...
    storage_i64, storage_i32, storage_i16, storage_i8, storage_u8, storage_bool,
};

enum class Kind : std::uint8_t {
    none, boolean, integer, big_integer, real, text, bytes, tuple, list, dict, set, symbol,
    global,      // a class or function that is not known; its text is "module.name"
    object,      // an instance of such a class: entries() are its attributes, and its items if it is a kind of dict
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
    // when damaged, Errc::unsupported for a call of something outside the list, Errc::limit for too many objects or deep nesting.
    static Result<Document> read(ByteReader& in, const Limits& limits);

    [[nodiscard]] Value root() const { return root_; }
    // text, bytes, global; big_integer: its two's complement bytes, least significant first.
    [[nodiscard]] std::string_view text(Value v) const { return texts_[v.index]; }
    // tuple, list, set, object: the items. call: the arguments. persistent: the id alone.
    [[nodiscard]] const std::vector<Value>& items(Value v) const { return objects_[v.index].items; }
    [[nodiscard]] Symbol callee(Value call) const { return objects_[call.index].symbol; }
    // "module.name" of an object's class.
    [[nodiscard]] std::string_view class_name(Value object) const { return objects_[object.index].class_name; }
    // dict, object: keys and values, in the order they were set; a key set twice is there twice.
    [[nodiscard]] const std::vector<std::pair<Value, Value>>& entries(Value v) const { return objects_[v.index].entries; }
    // The value of a text key of a dict or object, the last one set.
    [[nodiscard]] std::optional<Value> find(Value dict, std::string_view key) const;
    // How many tuples, lists, dicts, objects ... there are; the index of each is below.
    [[nodiscard]] std::size_t object_count() const { return objects_.size(); }
    // Every persistent value, in file order.
    [[nodiscard]] const std::vector<Value>& persistents() const { return persistents_; }

private:
    friend class Machine;
    struct Object {
        std::vector<Value> items;
        std::vector<std::pair<Value, Value>> entries;
        Symbol symbol{};
        std::string_view class_name;
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
