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
    "params_ema", "params-ema", "params", "state_dict_ema", "model_ema", "ema",   "state_dict", "model_state_dict",
    "model",      "net",        "net_g",  "netG",           "generator", "model_g", "gen",       "G",
    "network",    "weights",
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

// The call that makes a tensor, through any Parameter around it.
std::optional<Value> tensor_call(const Document& doc, Value v) {
    for (int wraps = 0; wraps < 4 && v.kind == Kind::call; ++wraps) {
        if (doc.callee(v) == Symbol::rebuild_tensor || doc.callee(v) == Symbol::rebuild_tensor_v2) return v;
        if (doc.callee(v) != Symbol::rebuild_parameter || doc.items(v).empty()) return std::nullopt;
        v = doc.items(v)[0];
    }
    return std::nullopt;
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

Result<TensorRef> read_ref(const Document& doc, std::string_view name, Value call) {
    const std::string label = "tensor \"" + printable(name) + "\"";
    const auto& arguments = doc.items(call);
    if (arguments.size() < 4)
        return Error{Errc::format, label + " has " + std::to_string(arguments.size()) + " arguments; 4 or more expected"};
    TensorRef ref;
    ref.name = name;
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

bool has_tensors(const Document& doc, Value dict) {
    if (dict.kind != Kind::dict) return false;
    const auto& entries = doc.entries(dict);
    return std::any_of(entries.begin(), entries.end(), [&](const auto& e) { return tensor_call(doc, e.second).has_value(); });
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

// Descends through wrappers to the dict whose values are tensors.
Result<Value> find_dict(const Document& doc, const Limits& limits) {
    Value at = doc.root();
    std::set<std::uint32_t> wrappers;
    std::set<std::uint32_t> seen;  // each dict is looked through once, however often the memo repeats it
    for (int depth = 0; depth < limits.nesting; ++depth) {
        if (tensor_call(doc, at)) return Error{Errc::format, "a single tensor; named tensors expected"};
        if (at.kind != Kind::dict)
            return Error{Errc::format, "it holds " + std::string(pickle::kind_name(at.kind)) + "; named tensors expected"};
        if (!wrappers.insert(at.index).second) return Error{Errc::format, "a dict that contains itself"};
        std::optional<Value> inner;
        for (const std::string_view wrapper : kWrappers) {
            const auto found = doc.find(at, wrapper);
            if (found && found->kind == Kind::dict && !doc.entries(*found).empty()) {
                inner = found;
                break;
            }
        }
        if (!inner) {
            seen.insert(at.index);
            if (has_tensors(doc, at)) return at;
            for (const auto& [key, value] : doc.entries(at)) {
                if (value.kind != Kind::dict || !seen.insert(value.index).second) continue;
                if (has_tensors(doc, value) || (doc.entries(at).size() == 1)) {
                    inner = value;
                    break;
                }
            }
        }
        if (!inner) {
            const std::string keys = keys_of(doc, at);
            if (doc.entries(at).empty()) return Error{Errc::format, "an empty dict; named tensors expected"};
            return Error{Errc::format, "no tensors found" + (keys.empty() ? keys : "; the keys are: " + keys)};
        }
        at = *inner;
    }
    return Error{Errc::limit, "dicts nested more than " + std::to_string(limits.nesting) + " deep"};
}

}  // namespace

Result<Storage> read_storage(const Document& doc, Value persistent) {
    if (persistent.kind != Kind::persistent)
        return bad_storage(std::string(pickle::kind_name(persistent.kind)) + " where a storage belongs");
    const Value id = doc.items(persistent)[0];
    if (id.kind != Kind::tuple) return bad_storage("a persistent id that is " + std::string(pickle::kind_name(id.kind)));
    const auto& parts = doc.items(id);
    if (parts.empty() || parts[0].kind != Kind::text) return bad_storage("a persistent id without a type");
    if (doc.text(parts[0]) == "module")
        return Error{Errc::unsupported, "the file holds a whole program (torch.save of a module), not a state dict"};
    if (doc.text(parts[0]) != "storage")
        return bad_storage("a persistent id of type \"" + printable(doc.text(parts[0])) + "\"");
    if (parts.size() < 5) return bad_storage(std::to_string(parts.size()) + " parts; 5 expected");
    Storage storage;
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

Result<std::vector<TensorRef>> find_weights(const Document& doc, const Limits& limits) {
    TRY(const Value dict, find_dict(doc, limits));
    std::vector<TensorRef> refs;
    std::set<std::string_view> names;
    for (const auto& [key, value] : doc.entries(dict)) {
        const auto call = tensor_call(doc, value);
        if (!call) continue;  // an integer, a string, None: not weights
        if (key.kind != Kind::text) return Error{Errc::format, "a tensor whose name is not a string"};
        if (!names.insert(doc.text(key)).second)
            return Error{Errc::format, "two tensors are named \"" + printable(doc.text(key)) + "\""};
        if (static_cast<std::int64_t>(refs.size()) >= limits.tensors)
            return Error{Errc::limit, "more than " + std::to_string(limits.tensors) + " tensors"};
        TRY(TensorRef ref, read_ref(doc, doc.text(key), *call));
        refs.push_back(std::move(ref));
    }
    if (refs.empty()) return Error{Errc::format, "a dict without tensors; named tensors expected"};
    std::vector<std::string_view> all;
    for (const TensorRef& ref : refs) all.push_back(ref.name);
    if (const std::string_view part = generator_prefix(all); !part.empty()) {
        std::erase_if(refs, [&](const TensorRef& ref) { return !ref.name.starts_with(part); });
        std::erase_if(all, [&](std::string_view name) { return !name.starts_with(part); });
    }
    const std::size_t prefix = shared_prefix(all);
    for (TensorRef& ref : refs) ref.name.remove_prefix(prefix);
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
