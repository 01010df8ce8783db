// SPDX-License-Identifier: Apache-2.0
// torch.save before 1.6: five pickles in a row (magic number, protocol version, system, the object, storage keys), then
// for each key the element count as int64 and the elements.
#include <map>

#include "weights/torch.hpp"

namespace enlarge::torch {
namespace {

using pickle::Document;
using pickle::Kind;

// 0x1950a86a20f9469cfc6c as LONG1 holds it, and in digits as protocols 0 and 1 do.
constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr std::string_view kMagicDigits = "119547037146038801333356L";
constexpr std::int64_t kProtocol = 1001;

}  // namespace

Result<StateDict> read_legacy(Bytes file, const Limits& limits) {
    ByteReader in(file);
    TRY(const Document magic, Document::read(in, limits));
    if (magic.root().kind != Kind::big_integer ||
        (magic.text(magic.root()) != kMagic && magic.text(magic.root()) != kMagicDigits))
        return Error{Errc::unsupported, "a pickle that was not made by torch.save; it starts with " +
                                            std::string(kind_name(magic.root().kind))};
    TRY(const Document version, Document::read(in, limits));
    if (version.root().kind != Kind::integer || version.root().integer != kProtocol)
        return Error{Errc::unsupported, "an unknown version of torch's older format; 1001 expected"};
    TRY(const Document system, Document::read(in, limits));
    const auto little = system.find(system.root(), "little_endian");
    const bool swap = little && little->kind == Kind::boolean && !little->integer;

    TRY(const Document doc, Document::read(in, limits));
    TRY(std::vector<TensorRef> refs, find_weights(doc, limits));
    TRY(const Document keys, Document::read(in, limits));
    if (keys.root().kind != Kind::list) return Error{Errc::format, "the list of storages is missing"};

    // Where each storage lies. Their sizes come from the object's pickle: all of them, not only those of the weights.
    std::map<std::string_view, Storage> described;
    for (const pickle::Value persistent : doc.persistents()) {
        if (is_module_source(doc, persistent)) continue;
        TRY(const Storage storage, read_storage(doc, persistent));
        described.emplace(storage.key, storage);
    }
    std::map<std::string_view, Bytes> found;
    for (const pickle::Value key : keys.items(keys.root())) {
        if (key.kind != Kind::text) return Error{Errc::format, "a storage key that is not a string"};
        const std::string_view name = keys.text(key);
        const std::string label = "storage " + printable(name);
        const auto storage = described.find(name);
        if (storage == described.end()) return Error{Errc::format, label + " is not used by any tensor"};
        TRY(const auto elements, in.number<std::int64_t>());
        if (elements < 0 || static_cast<std::uint64_t>(elements) != storage->second.elements)
            return Error{Errc::format, label + " holds " + std::to_string(elements) + " elements; " +
                                           std::to_string(storage->second.elements) + " expected"};
        auto bytes = in.take(storage->second.elements * element_bytes(storage->second.type));
        if (!bytes) return std::move(bytes.error()).within(label);
        if (!found.emplace(name, *bytes).second) return Error{Errc::format, label + " is stored twice"};
    }

    Budget budget(limits, file.size());
    StateDict out;
    out.format = WeightFormat::pth_legacy;
    const StorageSource source = [&](const Storage& storage) -> Result<Bytes> {
        const auto bytes = found.find(storage.key);
        if (bytes == found.end()) return Error{Errc::format, "missing from the file"};
        return bytes->second;
    };
    TRY(read_tensors(std::move(refs), source, swap, budget, out));
    return out;
}

}  // namespace enlarge::torch
