// SPDX-License-Identifier: Apache-2.0
// torch.save since 1.6: a zip of <name>/data.pkl, <name>/data/<key> for each storage, and optionally <name>/byteorder.
#include <zip.h>

#include <algorithm>
#include <memory>

#include "weights/torch.hpp"

namespace enlarge::torch {
namespace {

class Archive {
public:
    static Result<Archive> open(Bytes file) {
        zip_error_t error;
        zip_error_init(&error);
        zip_source_t* source = zip_source_buffer_create(file.data(), file.size(), 0, &error);
        zip_t* zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : nullptr;
        if (!zip) {
            const std::string why = zip_error_strerror(&error);
            zip_error_fini(&error);
            if (source) zip_source_free(source);
            return Error{Errc::format, "damaged or truncated zip after " + std::to_string(file.size()) +
                                           " bytes; no valid directory at its end (" + why + ")"};
        }
        zip_error_fini(&error);
        return Archive(zip, file.size());
    }

    // Folder and slash before data.pkl; the shortest when there are several.
    Result<std::string> prefix() const {
        std::string best;
        bool found = false;
        for (zip_int64_t i = 0; i < count(); ++i) {
            const std::string_view name = entry(i);
            if (name != "data.pkl" && !name.ends_with("/data.pkl")) continue;
            const std::string_view front = name.substr(0, name.size() - 8);
            if (!found || front.size() < best.size()) best = front;
            found = true;
        }
        if (!found) return Error{Errc::unsupported, "a zip archive without data.pkl, so not made by torch.save" + guess()};
        return best;
    }

    [[nodiscard]] bool has(const std::string& name) const { return zip_name_locate(zip_.get(), name.c_str(), 0) >= 0; }

    // Unpacked size of an entry, as the directory has it.
    Result<std::uint64_t> size(const std::string& name) const {
        zip_stat_t stat;
        if (zip_stat(zip_.get(), name.c_str(), 0, &stat) != 0) return Error{Errc::format, "missing from the archive"};
        if (!(stat.valid & ZIP_STAT_SIZE)) return Error{Errc::format, "its size is missing from the archive"};
        return std::uint64_t{stat.size};
    }

    // The whole entry. `most` bounds it before memory is allocated.
    Result<std::vector<std::byte>> read(const std::string& name, std::uint64_t most) {
        TRY(const std::uint64_t expected, size(name));
        if (expected > most)
            return Error{Errc::limit, std::to_string(expected) + " bytes; at most " + std::to_string(most) + " allowed"};
        if (expected > budget_)
            return Error{Errc::limit, "the archive expands to more than " + std::to_string(kExpansion) +
                                          " times its size: a zip bomb"};
        budget_ -= expected;
        const std::unique_ptr<zip_file_t, decltype(&zip_fclose)> file(zip_fopen(zip_.get(), name.c_str(), 0), zip_fclose);
        if (!file) return Error{Errc::format, "cannot be unpacked (" + std::string(zip_strerror(zip_.get())) + ")"};
        std::vector<std::byte> bytes(static_cast<std::size_t>(expected));
        std::size_t have = 0;
        for (;;) {
            std::byte spare{};  // one read past the end lets libzip verify the checksum
            const bool full = have == bytes.size();
            const zip_int64_t got = zip_fread(file.get(), full ? &spare : bytes.data() + have, full ? 1 : bytes.size() - have);
            if (got < 0)
                return Error{Errc::format, "damaged (" + std::string(zip_file_strerror(file.get())) + ")"};
            if (got == 0) break;
            if (full) return Error{Errc::format, "longer than the archive's directory says"};
            have += static_cast<std::size_t>(got);
        }
        if (have != bytes.size()) return truncated(have, bytes.size());
        return bytes;
    }

private:
    static constexpr std::uint64_t kExpansion = 64;

    Archive(zip_t* zip, std::uint64_t file_bytes)
        : zip_(zip, zip_discard), budget_(file_bytes * kExpansion) {}

    [[nodiscard]] zip_int64_t count() const { return zip_get_num_entries(zip_.get(), 0); }
    [[nodiscard]] std::string_view entry(zip_int64_t i) const {
        const char* name = zip_get_name(zip_.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
        return name ? name : "";
    }
    // What else the archive may be.
    [[nodiscard]] std::string guess() const {
        for (zip_int64_t i = 0; i < count(); ++i) {
            const std::string_view name = entry(i);
            if (name.ends_with("saved_model.pb") || name.ends_with("model.weights.h5")) return " (TensorFlow or Keras?)";
            if (name.ends_with(".npy")) return " (NumPy arrays)";
            if (name.ends_with("models/model.json") || name.ends_with("archive_format"))
                return " (a program of torch.export; save its state_dict instead)";
            if (name.ends_with("/model.json"))
                return " by a PyTorch of today (TorchScript of before 1.4: save it again)";
            if (name.ends_with(".distcp")) return " (a sharded checkpoint; join its parts first)";
            if (name.ends_with(".pth") || name.ends_with(".safetensors") || name.ends_with(".onnx") || name.ends_with(".bin"))
                return "; unpack it and give the file inside, " + printable(name);
        }
        return "";
    }

    std::unique_ptr<zip_t, decltype(&zip_discard)> zip_;
    std::uint64_t budget_;
};

}  // namespace

Result<StateDict> read_zip(Bytes file, const Limits& limits) {
    TRY(Archive archive, Archive::open(file));
    TRY(const std::string prefix, archive.prefix());
    auto pickled = archive.read(prefix + "data.pkl", static_cast<std::uint64_t>(limits.header_bytes));
    if (!pickled) return std::move(pickled.error()).within("data.pkl");

    bool swap = false;
    if (archive.has(prefix + "byteorder")) {
        auto order = archive.read(prefix + "byteorder", 64);
        if (!order) return std::move(order.error()).within("byteorder");
        const std::string_view text = as_text(*order);
        if (text != "little" && text != "big")
            return Error{Errc::format, "the byte order \"" + printable(text) + "\"; little or big expected"};
        swap = text == "big";
    }

    ByteReader in(*pickled);
    TRY(const pickle::Document doc, pickle::Document::read(in, limits));
    auto weights = find_weights(doc, limits);
    // TorchScript programs carry their constants beside; when they are frozen, weights are among them, without names.
    if (!weights && weights.error().code == Errc::format && archive.has(prefix + "constants.pkl"))
        return Error{Errc::unsupported,
                     "a TorchScript program without parameters: it was frozen (torch.jit.freeze, or made for "
                     "mobile), so that its weights have no names; save it before that, or save a state_dict"};
    TRY(std::vector<TensorRef> refs, std::move(weights));
    Budget budget(limits, file.size());
    StateDict out;
    // A container that says which network it holds; nothing else tells waifu2x's from Real-CUGAN's.
    const auto name = doc.root().kind == pickle::Kind::dict ? doc.find(doc.root(), "name") : std::nullopt;
    if (name && name->kind == pickle::Kind::text && doc.find(doc.root(), "nunif_model"))
        out.metadata["name"] = doc.text(*name);
    out.format = WeightFormat::pth_zip;
    std::vector<std::byte> bytes;
    const StorageSource source = [&](const Storage& storage) -> Result<Bytes> {
        const std::string name = prefix + "data/" + std::string(storage.key);
        const std::uint64_t expected = storage.elements * element_bytes(storage.type);
        TRY(const std::uint64_t found, archive.size(name));
        if (found != expected)
            return Error{Errc::format, "holds " + std::to_string(found) + " bytes; " + std::to_string(expected) + " expected"};
        TRY(bytes, archive.read(name, static_cast<std::uint64_t>(limits.file_bytes)));
        return Bytes(bytes);
    };
    TRY(read_tensors(std::move(refs), source, swap, budget, out));
    return out;
}

}  // namespace enlarge::torch
