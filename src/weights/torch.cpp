// SPDX-License-Identifier: Apache-2.0
#include "weights/torch.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "weights/names.hpp"

namespace enlarge::torch {
namespace {

using pickle::Document;
using pickle::Kind;
using pickle::Symbol;
using pickle::Value;

// Names that training programs put around a state dict, the one to prefer first.
constexpr std::string_view kWrappers[] = {
    "params_ema", "params-ema",
    "params",     "state_dict_ema",
    "model_ema",  "ema_state_dict",
    "ema",        "g_ema",
    "state_dict", "model_state_dict",
    "model",      "net",
    "net_g",      "netG",
    "generator",  "generator_state_dict",
    "model_g",    "gen",
    "G",          "g",
    "network",    "weights",
    "module",
};

std::optional<ElementType> storage_type(Symbol symbol) {
    switch (symbol) {
        using enum ElementType;
        case Symbol::storage_f64: return f64;
        case Symbol::storage_f32: return f32;
        case Symbol::storage_f16: return f16;
        case Symbol::storage_bf16: return bf16;
        case Symbol::storage_i64: return i64;
        case Symbol::storage_i32: return i32;
        case Symbol::storage_i16: return i16;
        case Symbol::storage_i8: return i8;
        case Symbol::storage_u8: return u8;
        case Symbol::storage_bool: return boolean;
        default: return std::nullopt;
    }
}

Error bad_storage(const std::string& what) { return {Errc::format, "damaged storage description: " + what}; }

// The call that makes a tensor, through any Parameter and subclass around it.
struct TensorCall {
    Symbol symbol{};
    Value arguments;  // anything with items
};
std::optional<TensorCall> tensor_call(const Document& doc, Value v) {
    for (int wraps = 0; wraps < 4 && v.kind == Kind::call; ++wraps) {
        const std::vector<Value>& items = doc.items(v);
        switch (doc.callee(v)) {
            case Symbol::rebuild_tensor:
            case Symbol::rebuild_tensor_v2:
            case Symbol::rebuild_tensor_v3:
            case Symbol::rebuild_quantised:
            case Symbol::rebuild_sparse:
            case Symbol::rebuild_sharded:
            case Symbol::rebuild_without_data:
                return TensorCall{doc.callee(v), v};
            case Symbol::rebuild_subclass:  // (function, class, arguments, state)
                if (items.size() < 3 || items[0].kind != Kind::symbol || items[2].kind != Kind::tuple)
                    return std::nullopt;
                if (items[0].symbol == Symbol::rebuild_parameter || items[0].symbol == Symbol::rebuild_subclass)
                    return std::nullopt;
                return TensorCall{items[0].symbol, items[2]};
            case Symbol::rebuild_parameter:
                if (items.empty()) return std::nullopt;
                v = items[0];
                break;
            default:
                return std::nullopt;
        }
    }
    return std::nullopt;
}

// How many elements a tensor says it has; 1 when that cannot be told, and many where it is no tensor that can be read.
std::int64_t elements_of(const Document& doc, const TensorCall& call) {
    if (call.symbol != Symbol::rebuild_tensor && call.symbol != Symbol::rebuild_tensor_v2) return INT64_MAX;
    constexpr std::size_t kMostSides = 64;  // the memo may repeat a long shape
    const std::vector<Value>& arguments = doc.items(call.arguments);
    if (arguments.size() < 3 || (arguments[2].kind != Kind::tuple && arguments[2].kind != Kind::list)) return 1;
    if (doc.items(arguments[2]).size() > kMostSides) return 1;
    std::int64_t elements = 1;
    for (const Value side : doc.items(arguments[2])) {
        if (side.kind != Kind::integer || side.integer < 0) return 1;
        if (__builtin_mul_overflow(elements, side.integer, &elements)) return INT64_MAX;
    }
    return elements;
}

Result<std::vector<std::int64_t>> integers(const Document& doc, Value v, const std::string& what) {
    if (v.kind != Kind::tuple && v.kind != Kind::list)
        return Error{Errc::format, what + " is " + std::string(pickle::kind_name(v.kind)) + "; a tuple expected"};
    std::vector<std::int64_t> numbers;
    for (const Value item : doc.items(v)) {
        if (item.kind != Kind::integer)
            return Error{Errc::format, what + " holds " + std::string(pickle::kind_name(item.kind)) +
                                           "; integers of 64 bits expected"};
        numbers.push_back(item.integer);
        if (numbers.size() > 64) return Error{Errc::format, what + " has more than 64 dimensions"};
    }
    return numbers;
}

Result<TensorRef> read_ref(const Document& doc, std::string name, const TensorCall& call) {
    const std::string label = "tensor \"" + printable(name) + "\"";
    if (call.symbol == Symbol::rebuild_quantised)
        return Error{Errc::unsupported, label + " is quantised; a file of floats expected"};
    if (call.symbol == Symbol::rebuild_sparse)
        return Error{Errc::unsupported, label + " is sparse; a dense one expected"};
    if (call.symbol == Symbol::rebuild_without_data)
        return Error{Errc::unsupported,
                     label + " holds no data: it was saved from torch's device \"meta\", which keeps shapes alone"};
    if (call.symbol == Symbol::rebuild_sharded)
        return Error{Errc::unsupported, label + " is one part of a sharded tensor; a file of the whole model expected"};
    if (call.symbol == Symbol::rebuild_tensor_v3)
        return Error{Errc::unsupported,
                     label + " has an element type that is not read; floats of 16, 32 or 64 bits expected"};
    const auto& arguments = doc.items(call.arguments);
    if (arguments.size() < 4)
        return Error{Errc::format, label + " has " + std::to_string(arguments.size()) + " arguments; 4 or more expected"};
    TensorRef ref;
    ref.name = std::move(name);
    auto storage = read_storage(doc, arguments[0]);
    if (!storage) return std::move(storage.error()).within(label);
    ref.storage = *storage;
    if (arguments[1].kind != Kind::integer) return Error{Errc::format, label + ": the offset is not a 64-bit integer"};
    if (arguments[1].integer < 0)
        return Error{Errc::format, label + " starts at the negative offset " + std::to_string(arguments[1].integer)};
    if (__builtin_add_overflow(arguments[1].integer, ref.storage.view_offset, &ref.layout.offset))
        return Error{Errc::format, label + ": the offset overflows"};
    TRY(ref.layout.shape, integers(doc, arguments[2], label + ": the shape"));
    TRY(ref.layout.strides, integers(doc, arguments[3], label + ": the strides"));
    if (ref.layout.shape.size() != ref.layout.strides.size())
        return Error{Errc::format, label + " has " + std::to_string(ref.layout.strides.size()) + " strides for " +
                                       std::to_string(ref.layout.shape.size()) + " dimensions"};
    return ref;
}

std::string keys_of(const Document& doc, Value dict) {
    std::string text;
    std::size_t shown = 0;
    for (const auto& [key, value] : doc.entries(dict)) {
        if (key.kind != Kind::text) continue;
        if (shown++ == 6) return text + ", ...";
        text += (text.empty() ? "" : ", ") + printable(doc.text(key), 40);
    }
    return text;
}

struct Named {
    std::string name;
    TensorCall call;
};

// Looks for weights in a document, whose objects may repeat and contain each other in any way a file likes.
class Search {
public:
    Search(const Document& doc, const Limits& limits)
        : doc_(doc),
          limits_(limits),
          known_(doc.object_count(), Known::no),
          steps_left_(static_cast<std::int64_t>(doc.object_count()) * 4 + std::max<std::int64_t>(limits.tensors, 0)) {}

    Result<std::vector<Named>> run() {
        TRY(const Value place, find());
        std::vector<Named> found;
        if (place.kind == Kind::object) {
            TRY(walk(place, "", 0, found));
        } else {
            for (const auto& [key, value] : doc_.entries(place)) {
                const auto call = tensor_call(doc_, value);
                if (!call) continue;  // an integer, a string, None: not weights
                if (key.kind != Kind::text) return Error{Errc::format, "a tensor whose name is not a string"};
                TRY(add(std::string(doc_.text(key)), *call, found));
            }
        }
        if (found.empty()) return Error{Errc::format, "a dict without tensors; named tensors expected"};
        return found;
    }

private:
    enum class Known : std::uint8_t { no, being_asked, empty, holds };

    static bool has_entries(Value v) { return v.kind == Kind::dict || v.kind == Kind::object; }

    Result<void> add(std::string name, const TensorCall& call, std::vector<Named>& found) const {
        if (static_cast<std::int64_t>(found.size()) >= limits_.tensors)
            return Error{Errc::limit, "more than " + std::to_string(limits_.tensors) + " tensors"};
        found.push_back({std::move(name), call});
        return {};
    }

    // A tensor that may be a weight: any but single numbers, which are counters and scores as often.
    [[nodiscard]] bool is_weight(Value v) const {
        const auto call = tensor_call(doc_, v);
        return call && elements_of(doc_, *call) != 1;
    }
    [[nodiscard]] bool has_own(Value dict, bool any_tensor) const {
        const auto& entries = doc_.entries(dict);
        return std::any_of(entries.begin(), entries.end(), [&](const auto& e) {
            return any_tensor ? tensor_call(doc_, e.second).has_value() : is_weight(e.second);
        });
    }

    // Whether there are named weights somewhere below. Each object is looked through once.
    bool holds(Value v, int depth) {
        const bool list = v.kind == Kind::list || v.kind == Kind::tuple;
        if ((!has_entries(v) && !list) || depth > limits_.nesting) return false;
        if (known_[v.index] != Known::no) return known_[v.index] == Known::holds;
        known_[v.index] = Known::being_asked;
        bool found = !list && has_own(v, false);
        if (list) {
            for (const Value item : doc_.items(v)) found = found || holds(item, depth + 1);
        } else {
            for (const auto& [key, value] : doc_.entries(v)) found = found || holds(value, depth + 1);
        }
        known_[v.index] = found ? Known::holds : Known::empty;
        return found;
    }

    // Whether this is a module: what torch.nn.Module keeps its parts in, or attributes as TorchScript has them.
    [[nodiscard]] bool is_module(Value object) const {
        return doc_.find(object, "_parameters") || doc_.find(object, "_modules") || doc_.find(object, "training");
    }

    // The parameters and buffers of a module and its sub-modules, under the names that state_dict() gives them.
    Result<void> walk(Value module, const std::string& prefix, int depth, std::vector<Named>& found) {
        if (depth > limits_.nesting)
            return Error{Errc::limit, "modules nested more than " + std::to_string(limits_.nesting) + " deep"};
        if (doc_.class_name(module).find("quantized") != std::string_view::npos)
            return Error{Errc::unsupported, "the weights are quantised (" + printable(doc_.class_name(module), 160) +
                                                "); a file of floats expected"};
        const auto parameters = doc_.find(module, "_parameters"), buffers = doc_.find(module, "_buffers"),
                   modules = doc_.find(module, "_modules");
        if (!parameters && !buffers && !modules) return walk_entries(module, prefix, depth, true, true, nullptr, found);
        const auto passing = doc_.find(module, "_non_persistent_buffers_set");
        const Value* const not_saved = passing && passing->kind == Kind::set ? &*passing : nullptr;
        if (parameters && has_entries(*parameters))
            TRY(walk_entries(*parameters, prefix, depth, true, false, nullptr, found));
        if (buffers && has_entries(*buffers)) TRY(walk_entries(*buffers, prefix, depth, true, false, not_saved, found));
        if (modules && has_entries(*modules)) TRY(walk_entries(*modules, prefix, depth, false, true, nullptr, found));
        return {};
    }
    Result<void> walk_entries(Value dict, const std::string& prefix, int depth, bool tensors, bool modules,
                              const Value* without, std::vector<Named>& found) {
        for (const auto& [key, value] : doc_.entries(dict)) {
            steps_left_ -= without ? 1 + static_cast<std::int64_t>(doc_.items(*without).size()) : 1;
            if (steps_left_ < 0) return Error{Errc::limit, "modules that repeat each other too often"};
            if (key.kind != Kind::text) continue;
            const std::string_view name = doc_.text(key);
            const auto call = tensors ? tensor_call(doc_, value) : std::nullopt;
            const bool sub = modules && value.kind == Kind::object;
            if ((!call && !sub) || (without && contains(*without, name))) continue;
            if (prefix.size() + name.size() > kLongestName)
                return Error{Errc::limit,
                             "a tensor whose name is longer than " + std::to_string(kLongestName) + " bytes"};
            std::string full = prefix + std::string(name);
            if (call)
                TRY(add(std::move(full), *call, found));
            else
                TRY(walk(value, full + ".", depth + 1, found));
        }
        return {};
    }
    [[nodiscard]] bool contains(Value set, std::string_view text) const {
        const auto& items = doc_.items(set);
        return std::any_of(items.begin(), items.end(),
                           [&](Value v) { return v.kind == Kind::text && doc_.text(v) == text; });
    }

    // The part of a dict or object to go on with.
    std::optional<Value> inner(Value at) {
        for (const std::string_view wrapper : kWrappers)
            if (const auto found = doc_.find(at, wrapper); found && holds(*found, 0)) return found;
        return std::nullopt;
    }
    std::optional<Value> any_inner(Value at) {
        if (at.kind == Kind::list || at.kind == Kind::tuple) {
            for (const Value item : doc_.items(at))
                if (holds(item, 0)) return item;
            return std::nullopt;
        }
        for (const bool others : {false, true}) {  // a discriminator only when there is nothing else
            for (const auto& [key, value] : doc_.entries(at)) {
                const std::string_view name = key.kind == Kind::text ? doc_.text(key) : std::string_view();
                if (!is_never_weights(name) && is_other_network(name) == others && holds(value, 0)) return value;
            }
        }
        return std::nullopt;
    }

    // Descends through wrappers to the dict whose values are tensors, or to the module.
    Result<Value> find() {
        Value at = doc_.root();
        std::set<std::uint32_t> wrappers;
        for (int depth = 0; depth < limits_.nesting; ++depth) {
            if (tensor_call(doc_, at)) return Error{Errc::format, "a single tensor; named tensors expected"};
            const bool list = at.kind == Kind::list || at.kind == Kind::tuple;
            if (!has_entries(at) && !(list && holds(at, 0)))
                return Error{Errc::format,
                             "it holds " + std::string(pickle::kind_name(at.kind)) + "; named tensors expected"};
            if (!wrappers.insert(at.index).second) return Error{Errc::format, "a dict that contains itself"};
            if (at.kind == Kind::object && is_module(at)) {
                std::vector<Named> found;
                TRY(walk(at, "", 0, found));
                if (!found.empty()) return at;
            }
            std::optional<Value> next = list ? std::nullopt : inner(at);
            if (!next && !list && has_own(at, false)) return at;
            if (!next) next = any_inner(at);
            if (!next && !list && has_own(at, true)) return at;  // nothing but single numbers
            if (!next) return nothing(at);
            at = *next;
        }
        return Error{Errc::limit, "dicts nested more than " + std::to_string(limits_.nesting) + " deep"};
    }
    // Whether NumPy arrays are among the values of a dict, or of a dict in it.
    [[nodiscard]] bool has_arrays(Value dict, bool inner) const {
        const auto& entries = doc_.entries(dict);
        return std::any_of(entries.begin(), entries.end(), [&](const auto& e) {
            const Value v = e.second;
            if (v.kind == Kind::call) return doc_.callee(v) == Symbol::numpy_array;
            return inner && has_entries(v) && has_arrays(v, false);
        });
    }
    [[nodiscard]] Error nothing(Value at) const {
        if (at.kind == Kind::object)
            return {Errc::format,
                    "an object (" + printable(doc_.class_name(at), 160) + ") without tensors; named tensors expected"};
        if (doc_.entries(at).empty()) return {Errc::format, "an empty dict; named tensors expected"};
        const std::string keys = keys_of(doc_, at);
        if (has_entries(at) && has_arrays(at, true))
            return {Errc::unsupported, "its values are NumPy arrays; tensors as torch.save writes them expected"};
        const auto& entries = doc_.entries(at);
        if (std::any_of(entries.begin(), entries.end(), [&](const auto& e) {
                return e.first.kind == Kind::text && (doc_.text(e.first).starts_with("optim") ||
                                                      doc_.text(e.first).starts_with("sched"));
            }))
            return {Errc::format, "the state of a training (optimizers, schedulers) without weights; the keys are: " +
                                      keys};
        return {Errc::format, "no tensors found" + (keys.empty() ? keys : "; the keys are: " + keys)};
    }

    static constexpr std::size_t kLongestName = 1000;

    const Document& doc_;
    const Limits& limits_;
    std::vector<Known> known_;
    std::int64_t steps_left_;
};

}  // namespace

Result<Storage> read_storage(const Document& doc, Value persistent) {
    if (persistent.kind != Kind::persistent)
        return bad_storage(std::string(pickle::kind_name(persistent.kind)) + " where a storage belongs");
    const Value id = doc.items(persistent)[0];
    if (id.kind != Kind::tuple) return bad_storage("a persistent id that is " + std::string(pickle::kind_name(id.kind)));
    const auto& parts = doc.items(id);
    if (parts.empty() || parts[0].kind != Kind::text) return bad_storage("a persistent id without a type");
    if (doc.text(parts[0]) == "module") return bad_storage("a class where a storage belongs");
    if (doc.text(parts[0]) != "storage")
        return bad_storage("a persistent id of type \"" + printable(doc.text(parts[0])) + "\"");
    if (parts.size() < 5) return bad_storage(std::to_string(parts.size()) + " parts; 5 expected");
    Storage storage;
    if (parts[1].kind == Kind::global) {
        const std::string_view name = doc.text(parts[1]);
        const bool quantised = name.starts_with("torch.Q");
        return Error{Errc::unsupported, std::string(quantised ? "quantised elements (" : "elements of the type (") +
                                            printable(name) + "); floats of 16, 32 or 64 bits expected"};
    }
    const auto type = parts[1].kind == Kind::symbol ? storage_type(parts[1].symbol) : std::nullopt;
    if (!type) return bad_storage("no element type");
    storage.type = *type;
    if (parts[2].kind != Kind::text) return bad_storage("a key that is not a string");
    storage.key = doc.text(parts[2]);
    if (parts[4].kind != Kind::integer || parts[4].integer < 0) return bad_storage("no element count");
    storage.elements = static_cast<std::uint64_t>(parts[4].integer);
    if (storage.elements > UINT64_MAX / 16) return Error{Errc::limit, "a storage whose size overflows"};
    if (parts.size() > 5 && parts[5].kind == Kind::tuple) {  // (view key, offset, view size)
        const auto& view = doc.items(parts[5]);
        if (view.size() != 3 || view[1].kind != Kind::integer || view[2].kind != Kind::integer)
            return bad_storage("a broken view");
        if (view[1].integer < 0 || view[2].integer < 0) return bad_storage("a view with a negative offset or size");
        if (static_cast<std::uint64_t>(view[1].integer) > storage.elements ||
            static_cast<std::uint64_t>(view[2].integer) > storage.elements - static_cast<std::uint64_t>(view[1].integer))
            return bad_storage("a view outside its storage");
        storage.view_offset = view[1].integer;
    }
    return storage;
}

bool is_module_source(const Document& doc, Value persistent) {
    if (persistent.kind != Kind::persistent || doc.items(persistent)[0].kind != Kind::tuple) return false;
    const auto& parts = doc.items(doc.items(persistent)[0]);
    return !parts.empty() && parts[0].kind == Kind::text && doc.text(parts[0]) == "module";
}

Result<std::vector<TensorRef>> find_weights(const Document& doc, const Limits& limits) {
    TRY(std::vector<Named> found, Search(doc, limits).run());
    std::vector<TensorName> names;
    std::set<std::string_view> seen;
    for (const Named& one : found) {
        if (!seen.insert(one.name).second)
            return Error{Errc::format, "two tensors are named \"" + printable(one.name) + "\""};
        const std::vector<Value>& arguments = doc.items(one.call.arguments);
        const Result<Storage> storage =
            arguments.empty() ? Result<Storage>(Error{Errc::format, "no storage"}) : read_storage(doc, arguments[0]);
        names.push_back({one.name, elements_of(doc, one.call), storage.ok() && is_integer(storage->type)});
    }
    const TidyNames tidy = tidy_names(names);
    std::vector<TensorRef> refs;
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (!tidy.keep[i]) continue;
        TRY(TensorRef ref, read_ref(doc, found[i].name.substr(tidy.prefix), found[i].call));
        refs.push_back(std::move(ref));
    }
    return refs;
}

Result<void> read_tensors(std::vector<TensorRef> refs, const StorageSource& source, bool swap, Budget& budget,
                          StateDict& out) {
    std::stable_sort(refs.begin(), refs.end(),
                     [](const TensorRef& a, const TensorRef& b) { return a.storage.key < b.storage.key; });
    Bytes bytes;
    const Storage* loaded = nullptr;
    for (const TensorRef& ref : refs) {
        const std::string label = "storage " + printable(ref.storage.key);
        if (!loaded || loaded->key != ref.storage.key) {
            auto found = source(ref.storage);
            if (!found) return std::move(found.error()).within(label);
            bytes = *found;
            loaded = &ref.storage;
        }
        if (loaded->elements != ref.storage.elements || loaded->type != ref.storage.type)
            return Error{Errc::format, label + " is described in two different ways"};
        TRY(Tensor tensor, read_tensor(bytes, ref.storage.type, ref.layout, swap, budget, ref.name));
        out.tensors.emplace(std::string(ref.name), std::move(tensor));
    }
    return {};
}

}  // namespace enlarge::torch
