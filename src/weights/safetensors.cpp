// SPDX-License-Identifier: Apache-2.0
// safetensors: u64 header length, a JSON object {name: {dtype, shape, data_offsets}}, the data without gaps.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "weights/elements.hpp"
#include "weights/formats.hpp"
#include "weights/names.hpp"

namespace enlarge {
namespace {

struct Entry {
    std::string name;
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::vector<std::uint64_t> offsets;
    bool has_dtype = false, has_shape = false, has_offsets = false;
};

// Takes the header apart while it is parsed, so that only what the format allows is ever stored.
class HeaderSax : public nlohmann::json_sax<nlohmann::json> {
public:
    explicit HeaderSax(const Limits& limits) : limits_(limits) {}

    std::vector<Entry> entries;
    std::map<std::string, std::string> metadata;
    std::optional<Error> error;

    bool start_object(std::size_t) override {
        switch (state_) {
            case State::start: state_ = State::names; return true;
            case State::entry_value:
                if (static_cast<std::int64_t>(entries.size()) >= limits_.tensors)
                    return fail(Errc::limit, "more than " + std::to_string(limits_.tensors) + " tensors");
                entries.push_back({key_, {}, {}, {}});
                state_ = State::fields;
                return true;
            case State::metadata_value: state_ = State::metadata; return true;
            default: return unexpected("an object");
        }
    }
    bool end_object() override {
        switch (state_) {
            case State::names: state_ = State::done; return true;
            case State::fields: state_ = State::names; return true;
            case State::metadata: state_ = State::names; return true;
            default: return unexpected("the end of an object");
        }
    }
    bool key(std::string& text) override {
        key_ = text;
        switch (state_) {
            case State::names:
                if (!names_.insert(text).second)
                    return fail(Errc::format, "two tensors are named \"" + printable(text) + "\"");
                state_ = text == "__metadata__" ? State::metadata_value : State::entry_value;
                return true;
            case State::fields: return field(text);
            case State::metadata: return true;
            default: return unexpected("a key");
        }
    }
    bool start_array(std::size_t) override {
        if (state_ == State::shape_value) return enter(State::shape);
        if (state_ == State::offsets_value) return enter(State::offsets);
        return unexpected("an array");
    }
    bool end_array() override {
        if (state_ == State::shape || state_ == State::offsets) return enter(State::fields);
        return unexpected("the end of an array");
    }
    bool number_unsigned(std::uint64_t value) override {
        if (state_ == State::shape) {
            if (value > static_cast<std::uint64_t>(INT64_MAX)) return fail(Errc::limit, "a shape overflows");
            if (entries.back().shape.size() >= 64) return fail(Errc::format, "a shape of more than 64 dimensions");
            entries.back().shape.push_back(static_cast<std::int64_t>(value));
            return true;
        }
        if (state_ == State::offsets) {
            if (entries.back().offsets.size() >= 2) return fail(Errc::format, "more than two data_offsets");
            entries.back().offsets.push_back(value);
            return true;
        }
        return unexpected("a number");
    }
    bool number_integer(std::int64_t) override { return unexpected("a negative number"); }
    bool number_float(double, const std::string&) override { return unexpected("a fraction"); }
    bool string(std::string& text) override {
        if (state_ == State::dtype_value) {
            entries.back().dtype = text;
            return enter(State::fields);
        }
        if (state_ == State::metadata) {
            metadata[key_] = text;
            return true;
        }
        return unexpected("a string");
    }
    bool null() override { return unexpected("null"); }
    bool boolean(bool) override { return unexpected("a boolean"); }
    bool binary(nlohmann::json::binary_t&) override { return unexpected("binary data"); }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
        return fail(Errc::format, "damaged header: broken JSON at byte " + std::to_string(position));
    }

private:
    enum class State {
        start, names, entry_value, fields, dtype_value, shape_value, shape, offsets_value, offsets,
        metadata_value, metadata, done,
    };
    bool enter(State next) {
        state_ = next;
        return true;
    }
    bool fail(Errc code, std::string message) {
        if (!error) error = Error{code, std::move(message)};
        return false;
    }
    bool unexpected(const std::string& what) {
        return fail(Errc::format, "damaged header: " + what + " where none belongs" +
                                      (key_.empty() ? "" : " (near \"" + printable(key_) + "\")"));
    }
    bool field(const std::string& text) {
        Entry& entry = entries.back();
        const auto once = [&](bool& seen, State next) {
            if (std::exchange(seen, true))
                return fail(Errc::format, "tensor \"" + printable(entry.name) + "\" has " + text + " twice");
            return enter(next);
        };
        if (text == "dtype") return once(entry.has_dtype, State::dtype_value);
        if (text == "shape") return once(entry.has_shape, State::shape_value);
        if (text == "data_offsets") return once(entry.has_offsets, State::offsets_value);
        return fail(Errc::format, "tensor \"" + printable(entry.name) + "\" has the unknown field \"" + printable(text) + "\"");
    }

    Limits limits_;
    State state_ = State::start;
    std::string key_;
    std::set<std::string> names_;
};

Result<ElementType> parse_dtype(const std::string& name) {
    static const std::map<std::string, ElementType> known = {
        {"F64", ElementType::f64}, {"F32", ElementType::f32}, {"F16", ElementType::f16}, {"BF16", ElementType::bf16},
        {"I64", ElementType::i64}, {"I32", ElementType::i32}, {"I16", ElementType::i16}, {"I8", ElementType::i8},
        {"U64", ElementType::u64}, {"U32", ElementType::u32}, {"U16", ElementType::u16}, {"U8", ElementType::u8},
        {"BOOL", ElementType::boolean},
    };
    const auto found = known.find(name);
    if (found == known.end())
        return Error{Errc::unsupported, "the element type \"" + printable(name) + "\"; F64, F32, F16, BF16 or integers expected"};
    return found->second;
}

Result<Tensor> read_entry(const Entry& entry, Bytes data, Budget& budget) {
    const std::string label = "tensor \"" + printable(entry.name) + "\"";
    if (!entry.has_dtype || !entry.has_shape || entry.offsets.size() != 2)
        return Error{Errc::format, label + " lacks dtype, shape or two data_offsets"};
    auto type = parse_dtype(entry.dtype);
    if (!type) return std::move(type.error()).within(label);
    const std::uint64_t begin = entry.offsets[0], end = entry.offsets[1];
    if (begin > end)
        return Error{Errc::format, label + " ends at " + std::to_string(end) + " before it starts at " + std::to_string(begin)};
    if (end > data.size())
        return Error{Errc::format, label + ": truncated after " + std::to_string(data.size()) + " bytes of data; " +
                                       std::to_string(end) + " expected"};
    TRY(const std::int64_t count, element_count(entry.shape, entry.name));
    std::uint64_t bytes;
    if (__builtin_mul_overflow(static_cast<std::uint64_t>(count), std::uint64_t{element_bytes(*type)}, &bytes))
        return Error{Errc::limit, label + ": its size overflows"};
    if (bytes != end - begin)
        return Error{Errc::format, label + " holds " + std::to_string(end - begin) + " bytes; its shape needs " + std::to_string(bytes)};
    const Bytes raw = data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    return read_tensor(raw, *type, {entry.shape, {}, 0}, false, budget, entry.name);
}

// The format wants every byte of the data to belong to exactly one tensor.
Result<void> check_coverage(std::vector<Entry> entries, std::uint64_t size) {
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.offsets < b.offsets; });
    std::uint64_t at = 0;
    for (const Entry& entry : entries) {
        if (entry.offsets[0] != at)
            return Error{Errc::format, "tensor \"" + printable(entry.name) + "\" starts at byte " +
                                           std::to_string(entry.offsets[0]) + " of the data; " + std::to_string(at) +
                                           " expected (tensors may not overlap or leave gaps)"};
        at = entry.offsets[1];
    }
    if (at != size)
        return Error{Errc::format, std::to_string(size - at) + " bytes of data belong to no tensor"};
    return {};
}

}  // namespace

Result<StateDict> read_safetensors(Bytes file, const Limits& limits) {
    ByteReader in(file);
    TRY(const auto length, in.number<std::uint64_t>());
    if (length > static_cast<std::uint64_t>(limits.header_bytes))
        return Error{Errc::limit, "a header of " + std::to_string(length) + " bytes; at most " +
                                      std::to_string(limits.header_bytes) + " allowed"};
    TRY(const Bytes header, in.take(length));
    HeaderSax sax(limits);
    const std::string_view text = as_text(header);
    if (!nlohmann::json::sax_parse(text.begin(), text.end(), &sax))
        return sax.error ? *sax.error : Error{Errc::format, "damaged header"};
    TRY(const Bytes data, in.take(in.left()));

    Budget budget(limits, file.size());
    StateDict out;
    out.format = WeightFormat::safetensors;
    out.metadata = std::move(sax.metadata);
    std::vector<TensorName> names;
    for (const Entry& entry : sax.entries) {
        std::int64_t elements = 1;
        for (const std::int64_t side : entry.shape)
            if (__builtin_mul_overflow(elements, side, &elements)) elements = INT64_MAX;
        const auto type = parse_dtype(entry.dtype);
        names.push_back({entry.name, elements, type.ok() && is_integer(*type)});
    }
    const TidyNames tidy = tidy_names(names);
    for (std::size_t i = 0; i < sax.entries.size(); ++i) {
        const Entry& entry = sax.entries[i];
        TRY(Tensor tensor, read_entry(entry, data, budget));  // what is dropped must be sound, too
        if (tidy.keep[i]) out.tensors.emplace(entry.name.substr(tidy.prefix), std::move(tensor));
    }
    TRY(check_coverage(std::move(sax.entries), data.size()));
    if (out.tensors.empty()) return Error{Errc::format, "no tensors in it"};
    return out;
}

}  // namespace enlarge
