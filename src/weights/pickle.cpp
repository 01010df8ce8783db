// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle.hpp"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "weights/pickle_ops.hpp"

namespace enlarge::pickle {
namespace {

struct KnownGlobal {
    std::string_view module, name;
    Symbol symbol;
};
constexpr KnownGlobal kGlobals[] = {
    {"collections", "OrderedDict", Symbol::ordered_dict},
    {"typing", "OrderedDict", Symbol::ordered_dict},
    {"collections", "defaultdict", Symbol::ordered_dict},
    {"collections", "Counter", Symbol::ordered_dict},
    {"builtins", "dict", Symbol::ordered_dict},
    {"torch", "Size", Symbol::size},
    {"builtins", "tuple", Symbol::size},
    {"builtins", "list", Symbol::list},
    {"collections", "deque", Symbol::list},
    {"builtins", "set", Symbol::set},
    {"builtins", "frozenset", Symbol::set},
    {"copyreg", "_reconstructor", Symbol::reconstructor},
    {"torch.jit._pickle", "build_intlist", Symbol::first_argument},
    {"torch.jit._pickle", "build_doublelist", Symbol::first_argument},
    {"torch.jit._pickle", "build_boollist", Symbol::first_argument},
    {"torch.jit._pickle", "build_tensorlist", Symbol::first_argument},
    {"torch.jit._pickle", "restore_type_tag", Symbol::first_argument},
    {"builtins", "bytearray", Symbol::data},
    {"builtins", "complex", Symbol::data},
    {"builtins", "slice", Symbol::data},
    {"builtins", "range", Symbol::data},
    {"builtins", "xrange", Symbol::data},  // how Python 3 writes range in protocol 2
    {"builtins", "object", Symbol::data},
    {"_codecs", "encode", Symbol::data},  // how Python 3 writes bytes in protocol 2
    {"numpy", "dtype", Symbol::data},
    {"numpy", "ndarray", Symbol::data},
    {"numpy.core.multiarray", "scalar", Symbol::data},
    {"numpy._core.multiarray", "scalar", Symbol::data},
    {"numpy.core.multiarray", "_reconstruct", Symbol::numpy_array},
    {"numpy._core.multiarray", "_reconstruct", Symbol::numpy_array},
    {"numpy.core.numeric", "_frombuffer", Symbol::numpy_array},
    {"numpy._core.numeric", "_frombuffer", Symbol::numpy_array},
    {"numpy.random._pickle", "__generator_ctor", Symbol::data},
    {"numpy.random._pickle", "__bit_generator_ctor", Symbol::data},
    {"numpy.random._pickle", "__randomstate_ctor", Symbol::data},
    {"numpy.random.bit_generator", "__pyx_unpickle_SeedSequence", Symbol::data},
    {"torch", "device", Symbol::data},
    {"torch.serialization", "_get_layout", Symbol::data},
    {"torch.nn.backends.thnn", "_get_thnn_function_backend", Symbol::data},
    {"functools", "partial", Symbol::data},
    {"argparse", "Namespace", Symbol::data},
    {"types", "SimpleNamespace", Symbol::data},
    {"pathlib", "Path", Symbol::data},
    {"pathlib", "PosixPath", Symbol::data},
    {"pathlib", "WindowsPath", Symbol::data},
    {"pathlib", "PurePosixPath", Symbol::data},
    {"pathlib", "PureWindowsPath", Symbol::data},
    {"pathlib._local", "PosixPath", Symbol::data},
    {"pathlib._local", "WindowsPath", Symbol::data},
    {"datetime", "datetime", Symbol::data},
    {"datetime", "date", Symbol::data},
    {"datetime", "time", Symbol::data},
    {"datetime", "timedelta", Symbol::data},
    {"datetime", "timezone", Symbol::data},
    {"decimal", "Decimal", Symbol::data},
    {"uuid", "UUID", Symbol::data},
    {"torch._utils", "_rebuild_tensor", Symbol::rebuild_tensor},
    {"torch._utils", "_rebuild_tensor_v2", Symbol::rebuild_tensor_v2},
    {"torch._utils", "_rebuild_tensor_v3", Symbol::rebuild_tensor_v3},
    {"torch._tensor", "_rebuild_from_type_v2", Symbol::rebuild_subclass},
    {"torch._utils", "_rebuild_qtensor", Symbol::rebuild_quantised},
    {"torch._utils", "_rebuild_sparse_tensor", Symbol::rebuild_sparse},
    {"torch._utils", "_rebuild_sparse_csr_tensor", Symbol::rebuild_sparse},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", Symbol::rebuild_without_data},
    {"torch._utils", "_rebuild_wrapper_subclass", Symbol::rebuild_sharded},
    {"torch.distributed.tensor", "DTensor", Symbol::rebuild_sharded},
    {"torch.distributed._tensor.api", "DTensor", Symbol::rebuild_sharded},
    {"torch._utils", "_rebuild_parameter", Symbol::rebuild_parameter},
    {"torch._utils", "_rebuild_parameter_with_state", Symbol::rebuild_parameter},
    {"torch", "DoubleStorage", Symbol::storage_f64},
    {"torch", "FloatStorage", Symbol::storage_f32},
    {"torch", "HalfStorage", Symbol::storage_f16},
    {"torch", "BFloat16Storage", Symbol::storage_bf16},
    {"torch", "LongStorage", Symbol::storage_i64},
    {"torch", "IntStorage", Symbol::storage_i32},
    {"torch", "ShortStorage", Symbol::storage_i16},
    {"torch", "CharStorage", Symbol::storage_i8},
    {"torch", "ByteStorage", Symbol::storage_u8},
    {"torch", "BoolStorage", Symbol::storage_bool},
};

// Python 2's names of modules.
std::string_view today(std::string_view module) {
    return module == "__builtin__" ? "builtins" : module == "copy_reg" ? "copyreg" : module;
}

// A text number with an optional 'L', as protocol 0 writes it. Nothing when it does not fit 64 bits.
std::optional<std::int64_t> parse_integer(std::string_view text) {
    if (!text.empty() && text.back() == 'L') text.remove_suffix(1);
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

void append_utf8(std::string& out, std::uint32_t c) {
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xc0 | (c >> 6));
        out += static_cast<char>(0x80 | (c & 63));
    } else if (c < 0x10000) {
        out += static_cast<char>(0xe0 | (c >> 12));
        out += static_cast<char>(0x80 | ((c >> 6) & 63));
        out += static_cast<char>(0x80 | (c & 63));
    } else {
        out += static_cast<char>(0xf0 | ((c >> 18) & 7));
        out += static_cast<char>(0x80 | ((c >> 12) & 63));
        out += static_cast<char>(0x80 | ((c >> 6) & 63));
        out += static_cast<char>(0x80 | (c & 63));
    }
}

// Undoes \\, \', \", \n, \t, \r, \xNN, \uNNNN and \UNNNNNNNN.
std::optional<std::string> unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out += text[i];
            continue;
        }
        if (++i == text.size()) return std::nullopt;
        const char c = text[i];
        const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        if (digits) {
            if (text.size() - i <= digits) return std::nullopt;
            std::uint32_t value = 0;
            const char* begin = text.data() + i + 1;
            const auto [end, error] = std::from_chars(begin, begin + digits, value, 16);
            if (error != std::errc() || end != begin + digits) return std::nullopt;
            append_utf8(out, value);
            i += digits;
        } else {
            out += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
    }
    return out;
}

}  // namespace

std::string_view kind_name(Kind kind) {
    switch (kind) {
        using enum Kind;
        case none: return "None";
        case boolean: return "a boolean";
        case integer: case big_integer: return "an integer";
        case real: return "a float";
        case text: return "a string";
        case bytes: return "bytes";
        case tuple: return "a tuple";
        case list: return "a list";
        case dict: return "a dict";
        case set: return "a set";
        case symbol:
        case global:
            return "a class or function";
        case object:
            return "an object";
        case call: return "an object";
        case persistent: return "a storage";
    }
    return "something unknown";
}

std::optional<Value> Document::find(Value dict, std::string_view key) const {
    if (dict.kind != Kind::dict && dict.kind != Kind::object) return std::nullopt;
    const auto& all = entries(dict);
    for (auto it = all.rbegin(); it != all.rend(); ++it)
        if (it->first.kind == Kind::text && text(it->first) == key) return it->second;
    return std::nullopt;
}

// The stack machine. Work and memory are linear in the number of opcodes and bytes read.
class Machine {
public:
    Machine(ByteReader& in, const Limits& limits)
        : in_(in),
          start_(in.position()),
          limits_(limits),
          most_objects_(std::max<std::int64_t>(limits.tensors, 0) * kObjectsPerTensor),
          objects_left_(most_objects_) {}

    Result<Document> run() {
        for (;;) {
            if (in_.position() - start_ > static_cast<std::uint64_t>(limits_.header_bytes))
                return Error{Errc::limit, "a pickle of more than " + std::to_string(limits_.header_bytes) + " bytes"};
            TRY(const auto code, in_.number<std::uint8_t>());
            if (static_cast<Op>(code) == Op::stop) {
                TRY(doc_.root_, pop());
                return std::move(doc_);
            }
            TRY(step(static_cast<Op>(code)));
            if (static_cast<std::int64_t>(stack_.size() + marks_.size()) > most_objects_)
                return Error{Errc::limit, "a pickle whose stack holds more than " + std::to_string(most_objects_) + " objects"};
        }
    }

private:
    static constexpr std::int64_t kObjectsPerTensor = 64;  // a tensor takes about 25; optimizers have more of them

    Error damaged(const std::string& what) const {
        return {Errc::format, "damaged pickle at byte " + std::to_string(in_.position()) + ": " + what};
    }

    Result<Value> pop() {
        if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) return damaged("the stack is empty");
        const Value v = stack_.back();
        stack_.pop_back();
        return v;
    }
    Result<Value> top() {
        if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) return damaged("the stack is empty");
        return stack_.back();
    }
    // Everything above the last mark, which is removed.
    Result<std::vector<Value>> pop_to_mark() {
        if (marks_.empty()) return damaged("no mark on the stack");
        const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
        std::vector<Value> items(begin, stack_.end());
        stack_.erase(begin, stack_.end());
        marks_.pop_back();
        return items;
    }

    void push(Value v) { stack_.push_back(v); }
    void push_integer(std::int64_t i) {
        Value v{Kind::integer};
        v.integer = i;
        push(v);
    }
    void push_real(double d) {
        Value v{Kind::real};
        v.real = d;
        push(v);
    }

    Result<void> spend() {
        if (--objects_left_ < 0)
            return Error{Errc::limit, "a pickle of more than " + std::to_string(most_objects_) + " objects"};
        return {};
    }
    Result<void> push_text(Kind kind, std::string_view text) {
        TRY(spend());
        doc_.texts_.push_back(text);
        push(Value{kind, static_cast<std::uint32_t>(doc_.texts_.size() - 1)});
        return {};
    }
    Result<void> push_owned(std::string text) {
        doc_.unescaped_.push_back(std::move(text));
        return push_text(Kind::text, doc_.unescaped_.back());
    }
    Result<Value> make(Kind kind) {
        TRY(spend());
        doc_.objects_.emplace_back();
        return Value{kind, static_cast<std::uint32_t>(doc_.objects_.size() - 1)};
    }

    static bool holds_values(Kind kind) {
        switch (kind) {
            case Kind::tuple:
            case Kind::list:
            case Kind::dict:
            case Kind::set:
            case Kind::object:
            case Kind::call:
            case Kind::persistent:
                return true;
            default: return false;
        }
    }
    // Notes that `parent` contains `child`. A cycle grows the depth by one each time and is found like this, too.
    Result<void> contain(Value parent, Value child) {
        if (!holds_values(child.kind)) return {};
        int& depth = doc_.objects_[parent.index].depth;
        depth = std::max(depth, doc_.objects_[child.index].depth + 1);
        if (depth > limits_.nesting)
            return Error{Errc::limit, "objects nested more than " + std::to_string(limits_.nesting) + " deep"};
        return {};
    }
    Result<void> append(Value parent, Value child) {
        TRY(spend());
        TRY(contain(parent, child));
        doc_.objects_[parent.index].items.push_back(child);
        return {};
    }
    Result<void> set_entry(Value dict, Value key, Value value) {
        TRY(spend());
        TRY(contain(dict, key));
        TRY(contain(dict, value));
        doc_.objects_[dict.index].entries.emplace_back(key, value);
        return {};
    }
    Result<void> push_sequence(Kind kind, const std::vector<Value>& items) {
        TRY(const Value made, make(kind));
        for (const Value v : items) TRY(append(made, v));
        push(made);
        return {};
    }
    Result<void> push_tuple(std::size_t count) {
        std::vector<Value> items(count);
        for (std::size_t i = count; i-- > 0;) {
            TRY(items[i], pop());
        }
        return push_sequence(Kind::tuple, items);
    }
    Result<void> set_entries(Value dict, const std::vector<Value>& items) {
        if (dict.kind != Kind::dict && dict.kind != Kind::object)
            return damaged("items set on " + std::string(kind_name(dict.kind)));
        if (items.size() % 2) return damaged("a key without a value");
        for (std::size_t i = 0; i < items.size(); i += 2) TRY(set_entry(dict, items[i], items[i + 1]));
        return {};
    }

    Result<void> push_global(std::string_view module, std::string_view name) {
        module = today(module);
        for (const KnownGlobal& known : kGlobals) {
            if (known.module != module || known.name != name) continue;
            Value v{Kind::symbol};
            v.symbol = known.symbol;
            push(v);
            return {};
        }
        return push_name(module, name);
    }

    // A class or function that is not known.
    Result<void> push_name(std::string_view module, std::string_view name) {
        constexpr std::size_t kLongestName = 1000;  // the memo can repeat what it is made of
        if (module.size() + name.size() > kLongestName)
            return damaged("a global whose name has " + std::to_string(module.size() + name.size()) + " bytes");
        std::string full(module);
        full += '.';
        full += name;
        doc_.unescaped_.push_back(std::move(full));
        return push_text(Kind::global, doc_.unescaped_.back());
    }

    [[nodiscard]] Error refused(Value callee) const {
        return {Errc::unsupported, "the file wants to run " + printable(doc_.text(callee), 160) + "; refused"};
    }

    // A class's name, from the global itself or from what older files store beside it: ("module", class, file, source).
    [[nodiscard]] std::optional<std::string_view> class_of(Value callee) const {
        if (callee.kind == Kind::global) return doc_.text(callee);
        if (callee.kind != Kind::persistent) return std::nullopt;
        const Value id = doc_.items(callee)[0];
        if (id.kind != Kind::tuple) return std::nullopt;
        const std::vector<Value>& parts = doc_.items(id);
        if (parts.size() < 2 || parts[0].kind != Kind::text || doc_.text(parts[0]) != "module" ||
            parts[1].kind != Kind::global)
            return std::nullopt;
        return doc_.text(parts[1]);
    }

    // getattr(what, name), as functions of a class are written: a name like any other, so that whoever calls it is
    // refused. Gives the name of `what`, or nothing where this is another call.
    [[nodiscard]] std::optional<std::string_view> attribute_owner(Value callee,
                                                                  const std::vector<Value>& arguments) const {
        if (callee.kind != Kind::global || doc_.text(callee) != "builtins.getattr" || arguments.size() != 2 ||
            arguments[1].kind != Kind::text)
            return std::nullopt;
        if (arguments[0].kind == Kind::object) return doc_.class_name(arguments[0]);
        return class_of(arguments[0]);
    }

    // An object that its class makes without being called: class.__new__(class, arguments).
    Result<void> push_object(Value callee, const std::vector<Value>& arguments) {
        const auto name = class_of(callee);
        if (!name) return reduce(callee, arguments);
        if (name->starts_with("builtins.")) return refused(callee);  // a function, or it would be among the known
        TRY(push_sequence(Kind::object, arguments));
        doc_.objects_[stack_.back().index].class_name = *name;
        return {};
    }

    // callee(arguments): what is plain data becomes that, the rest of what is known is remembered as a call.
    Result<void> reduce(Value callee, const std::vector<Value>& arguments) {
        if (const auto owner = attribute_owner(callee, arguments)) return push_name(*owner, doc_.text(arguments[1]));
        if (callee.kind == Kind::global) return refused(callee);
        if (callee.kind != Kind::symbol) return damaged("a call of " + std::string(kind_name(callee.kind)));
        const bool sequence =
            arguments.size() == 1 && (arguments[0].kind == Kind::tuple || arguments[0].kind == Kind::list);
        switch (callee.symbol) {
            case Symbol::ordered_dict:
                return push_ordered_dict(arguments);
            case Symbol::size: {
                if (!sequence) return damaged("torch.Size of something else than a tuple");
                const std::vector<Value> sides = doc_.items(arguments[0]);
                return push_sequence(Kind::tuple, sides);
            }
            case Symbol::list:
            case Symbol::set: {
                const Kind kind = callee.symbol == Symbol::list ? Kind::list : Kind::set;
                if (arguments.empty() || (arguments[0].kind != Kind::tuple && arguments[0].kind != Kind::list))
                    return push_sequence(kind, {});
                const std::vector<Value> items = doc_.items(arguments[0]);
                return push_sequence(kind, items);
            }
            case Symbol::reconstructor:
                if (arguments.empty() || !class_of(arguments[0])) return damaged("an object without a class");
                return push_object(arguments[0], {});
            case Symbol::first_argument:
                if (arguments.empty()) return damaged("a call without arguments");
                push(arguments[0]);
                return {};
            default:
                break;
        }
        TRY(push_sequence(Kind::call, arguments));
        doc_.objects_[stack_.back().index].symbol = callee.symbol;
        return {};
    }

    // object.__setstate__(state), which is its attributes in a dict, or two dicts for classes with slots.
    Result<void> set_state(Value target, Value state) {
        if (target.kind == Kind::call || target.kind == Kind::dict) return {};  // a _metadata that nobody needs
        if (target.kind != Kind::object) return damaged("a state set on " + std::string(kind_name(target.kind)));
        const auto set_all = [&](Value dict) -> Result<void> {
            if (dict.kind != Kind::dict) return {};
            const auto entries = doc_.entries(dict);  // a copy: an object may be its own state
            for (const auto& [key, value] : entries) TRY(set_entry(target, key, value));
            return {};
        };
        if (state.kind != Kind::tuple) return set_all(state);
        const std::vector<Value> parts = doc_.items(state);
        for (const Value part : parts) TRY(set_all(part));
        return {};
    }

    Result<void> push_ordered_dict(const std::vector<Value>& arguments) {
        TRY(const Value dict, make(Kind::dict));
        if (arguments.size() > 1) return damaged("OrderedDict with several arguments");
        const Kind from = arguments.empty() ? Kind::none : arguments[0].kind;
        if (from == Kind::dict) {  // a Counter of what it counted
            const auto entries = doc_.entries(arguments[0]);
            for (const auto& [key, value] : entries) TRY(set_entry(dict, key, value));
        } else if (from == Kind::list || from == Kind::tuple) {
            for (const Value pair : doc_.items(arguments[0])) {
                if ((pair.kind != Kind::list && pair.kind != Kind::tuple) || doc_.items(pair).size() != 2)
                    return damaged("OrderedDict made from something else than pairs");
                TRY(set_entry(dict, doc_.items(pair)[0], doc_.items(pair)[1]));
            }
        }
        push(dict);
        return {};
    }
    Result<void> push_persistent(Value id) {
        TRY(push_sequence(Kind::persistent, {id}));
        doc_.persistents_.push_back(stack_.back());
        return {};
    }

    Result<void> remember(std::uint64_t key) {
        TRY(const Value v, top());
        TRY(spend());
        memo_[key] = v;
        return {};
    }
    Result<void> recall(std::uint64_t key) {
        const auto found = memo_.find(key);
        if (found == memo_.end()) return damaged("memo " + std::to_string(key) + " was never stored");
        push(found->second);
        return {};
    }
    Result<std::uint64_t> memo_key() {
        TRY(const std::string_view line, in_.line());
        const auto key = parse_integer(line);
        if (!key || *key < 0) return damaged("a memo key that is not a number");
        return static_cast<std::uint64_t>(*key);
    }

    template <class Length>
    Result<void> counted_text(Kind kind) {
        TRY(const Length length, in_.number<Length>());
        TRY(const Bytes raw, in_.take(length));
        return push_text(kind, as_text(raw));
    }
    template <class Length>
    Result<void> long_integer() {
        TRY(const Length length, in_.number<Length>());
        TRY(const Bytes raw, in_.take(length));
        if (raw.size() > 8) return push_text(Kind::big_integer, as_text(raw));
        std::uint64_t bits = 0;
        for (std::size_t i = 0; i < raw.size(); ++i) bits |= std::to_integer<std::uint64_t>(raw[i]) << (8 * i);
        const unsigned unused = 64 - 8 * static_cast<unsigned>(raw.size());
        push_integer(unused == 64 ? 0 : static_cast<std::int64_t>(bits << unused) >> unused);
        return {};
    }

    Result<void> step(Op op);
    Result<void> step_text(Op op);
    Result<void> step_object(Op op);

    ByteReader& in_;
    std::size_t start_;
    Limits limits_;
    std::int64_t most_objects_;
    std::int64_t objects_left_;  // containers, their items, texts and memo entries
    Document doc_;
    std::vector<Value> stack_;
    std::vector<std::size_t> marks_;
    std::unordered_map<std::uint64_t, Value> memo_;
};

// Opcodes of the binary protocols that push, store and group.
Result<void> Machine::step(Op op) {
    switch (op) {
        case Op::proto: {
            TRY(const auto version, in_.number<std::uint8_t>());
            if (version > 5)
                return Error{Errc::unsupported, "pickle protocol " + std::to_string(version) + "; 0 to 5 are read"};
            return {};
        }
        case Op::frame: TRY(in_.number<std::uint64_t>()); return {};
        case Op::mark: marks_.push_back(stack_.size()); return {};
        case Op::pop: {
            if (!marks_.empty() && marks_.back() == stack_.size()) {
                marks_.pop_back();
                return {};
            }
            TRY(pop());
            return {};
        }
        case Op::pop_mark: TRY(pop_to_mark()); return {};
        case Op::dup: {
            TRY(const Value v, top());
            push(v);
            return {};
        }
        case Op::none: push({}); return {};
        case Op::new_true: case Op::new_false: {
            Value v{Kind::boolean};
            v.integer = op == Op::new_true;
            push(v);
            return {};
        }
        case Op::bin_int: { TRY(const auto i, in_.number<std::int32_t>()); push_integer(i); return {}; }
        case Op::bin_int1: { TRY(const auto i, in_.number<std::uint8_t>()); push_integer(i); return {}; }
        case Op::bin_int2: { TRY(const auto i, in_.number<std::uint16_t>()); push_integer(i); return {}; }
        case Op::long1: return long_integer<std::uint8_t>();
        case Op::long4: return long_integer<std::uint32_t>();
        case Op::bin_float: {
            TRY(const auto raw, in_.number<std::uint64_t>());
            push_real(std::bit_cast<double>(__builtin_bswap64(raw)));
            return {};
        }
        case Op::bin_unicode: return counted_text<std::uint32_t>(Kind::text);
        case Op::short_bin_unicode: return counted_text<std::uint8_t>(Kind::text);
        case Op::bin_unicode8: return counted_text<std::uint64_t>(Kind::text);
        case Op::bin_string: return counted_text<std::uint32_t>(Kind::text);  // Python 2's str
        case Op::short_bin_string: return counted_text<std::uint8_t>(Kind::text);
        case Op::bin_bytes: return counted_text<std::uint32_t>(Kind::bytes);
        case Op::short_bin_bytes: return counted_text<std::uint8_t>(Kind::bytes);
        case Op::bin_bytes8: case Op::byte_array8: return counted_text<std::uint64_t>(Kind::bytes);
        case Op::bin_put: { TRY(const auto key, in_.number<std::uint8_t>()); return remember(key); }
        case Op::long_bin_put: { TRY(const auto key, in_.number<std::uint32_t>()); return remember(key); }
        case Op::memoize: return remember(memo_.size());
        case Op::bin_get: { TRY(const auto key, in_.number<std::uint8_t>()); return recall(key); }
        case Op::long_bin_get: { TRY(const auto key, in_.number<std::uint32_t>()); return recall(key); }
        default: return step_text(op);
    }
}

// Opcodes of protocol 0, which is lines of text.
Result<void> Machine::step_text(Op op) {
    switch (op) {
        case Op::integer: {
            TRY(const std::string_view line, in_.line());
            if (line == "00" || line == "01") {
                Value v{Kind::boolean};
                v.integer = line == "01";
                push(v);
                return {};
            }
            const auto value = parse_integer(line);
            if (!value) return damaged("an integer that is not a number");
            push_integer(*value);
            return {};
        }
        case Op::long_text: {
            TRY(const std::string_view line, in_.line());
            if (const auto value = parse_integer(line)) {
                push_integer(*value);
                return {};
            }
            return push_text(Kind::big_integer, line);
        }
        case Op::real: {
            TRY(const std::string_view line, in_.line());
            double value = 0;
            const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
            if (error != std::errc() || end != line.data() + line.size()) return damaged("a float that is not a number");
            push_real(value);
            return {};
        }
        case Op::string: {
            TRY(const std::string_view line, in_.line());
            if (line.size() < 2 || line.front() != line.back() || (line[0] != '\'' && line[0] != '"'))
                return damaged("a string without quotes");
            auto text = unescape(line.substr(1, line.size() - 2));
            if (!text) return damaged("a string with a broken escape");
            return push_owned(std::move(*text));
        }
        case Op::unicode: {
            TRY(const std::string_view line, in_.line());
            auto text = unescape(line);
            if (!text) return damaged("a string with a broken escape");
            return push_owned(std::move(*text));
        }
        case Op::put: { TRY(const auto key, memo_key()); return remember(key); }
        case Op::get: { TRY(const auto key, memo_key()); return recall(key); }
        case Op::persid: {
            TRY(const std::string_view line, in_.line());
            TRY(push_text(Kind::text, line));
            TRY(const Value id, pop());
            return push_persistent(id);
        }
        default: return step_object(op);
    }
}

// Opcodes that build containers and calls.
Result<void> Machine::step_object(Op op) {
    switch (op) {
        case Op::empty_tuple: return push_sequence(Kind::tuple, {});
        case Op::empty_list: return push_sequence(Kind::list, {});
        case Op::empty_dict: return push_sequence(Kind::dict, {});
        case Op::empty_set: return push_sequence(Kind::set, {});
        case Op::tuple1: return push_tuple(1);
        case Op::tuple2: return push_tuple(2);
        case Op::tuple3: return push_tuple(3);
        case Op::tuple: { TRY(const auto items, pop_to_mark()); return push_sequence(Kind::tuple, items); }
        case Op::list: { TRY(const auto items, pop_to_mark()); return push_sequence(Kind::list, items); }
        case Op::frozenset: { TRY(const auto items, pop_to_mark()); return push_sequence(Kind::set, items); }
        case Op::dict: {
            TRY(const auto items, pop_to_mark());
            TRY(const Value made, make(Kind::dict));
            push(made);
            return set_entries(made, items);
        }
        case Op::append: {
            TRY(const Value item, pop());
            TRY(const Value list, top());
            if (list.kind != Kind::list && list.kind != Kind::object)
                return damaged("an item appended to " + std::string(kind_name(list.kind)));
            return append(list, item);
        }
        case Op::appends: case Op::add_items: {
            TRY(const auto items, pop_to_mark());
            TRY(const Value list, top());
            if (list.kind != (op == Op::appends ? Kind::list : Kind::set) && list.kind != Kind::object)
                return damaged("items appended to " + std::string(kind_name(list.kind)));
            for (const Value v : items) TRY(append(list, v));
            return {};
        }
        case Op::set_item: {
            TRY(const Value value, pop());
            TRY(const Value key, pop());
            TRY(const Value dict, top());
            return set_entries(dict, {key, value});
        }
        case Op::set_items: {
            TRY(const auto items, pop_to_mark());
            TRY(const Value dict, top());
            return set_entries(dict, items);
        }
        case Op::global: {
            TRY(const std::string_view module, in_.line());
            TRY(const std::string_view name, in_.line());
            return push_global(module, name);
        }
        case Op::stack_global: {
            TRY(const Value name, pop());
            TRY(const Value module, pop());
            if (module.kind != Kind::text || name.kind != Kind::text) return damaged("a global whose name is not text");
            return push_global(doc_.text(module), doc_.text(name));
        }
        case Op::inst: {
            TRY(const std::string_view module, in_.line());
            TRY(const std::string_view name, in_.line());
            TRY(push_global(module, name));
            TRY(const Value callee, pop());
            TRY(const auto arguments, pop_to_mark());
            return reduce(callee, arguments);
        }
        case Op::obj: {
            TRY(const auto items, pop_to_mark());
            if (items.empty()) return damaged("an object without a class");
            return reduce(items[0], {items.begin() + 1, items.end()});
        }
        case Op::reduce:
        case Op::new_obj:
        case Op::new_obj_ex: {
            if (op == Op::new_obj_ex) TRY(pop());  // arguments by name
            TRY(const Value arguments, pop());
            TRY(const Value callee, pop());
            if (arguments.kind != Kind::tuple) return damaged("arguments that are not a tuple");
            const std::vector<Value> items = doc_.items(arguments);
            return op == Op::reduce ? reduce(callee, items) : push_object(callee, items);
        }
        case Op::build: {
            TRY(const Value state, pop());
            TRY(const Value target, top());
            return set_state(target, state);
        }
        case Op::bin_persid: { TRY(const Value id, pop()); return push_persistent(id); }
        default:
            return damaged("unknown opcode " + std::to_string(static_cast<int>(op)));
    }
}

Result<Document> Document::read(ByteReader& in, const Limits& limits) { return Machine(in, limits).run(); }

}  // namespace enlarge::pickle
