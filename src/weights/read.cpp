// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <system_error>

#include "weights/formats.hpp"
#include "weights/state_dict.hpp"
#include "weights/torch.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;

Result<std::vector<std::byte>> read_file(const std::string& path, const Limits& limits) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found) return Error{Errc::not_found, "no such file"};
    if (fs::is_directory(status)) {
        if (fs::exists(fs::path(path) / "saved_model.pb", error))
            return Error{Errc::unsupported, "a TensorFlow SavedModel; only .pth, .safetensors, ncnn and .onnx are read"};
        return Error{Errc::unsupported, "a directory; a weight file expected"};
    }
    if (error) return Error{Errc::io, error.message()};
    if (!fs::is_regular_file(status)) return Error{Errc::unsupported, "not a regular file"};
    const std::uintmax_t size = fs::file_size(path, error);
    if (error) return Error{Errc::io, error.message()};
    if (size > static_cast<std::uintmax_t>(limits.file_bytes))
        return Error{Errc::limit, std::to_string(size) + " bytes; at most " + std::to_string(limits.file_bytes) + " allowed"};
    std::ifstream in(path, std::ios::binary);
    if (!in) return Error{Errc::io, std::string("cannot be opened: ") + std::strerror(errno)};
    std::vector<std::byte> bytes(static_cast<std::size_t>(size));
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
    if (in.gcount() != static_cast<std::streamsize>(size))
        return Error{Errc::io, "cannot be read beyond byte " + std::to_string(in.gcount())};
    return bytes;
}

// The other file of an ncnn pair.
Result<StateDict> read_ncnn_pair(const std::string& param_path, const std::string& bin_path, const Limits& limits) {
    auto param = read_file(param_path, limits);
    if (!param)
        return std::move(param.error()).within("its partner " + fs::path(param_path).filename().string());
    auto bin = read_file(bin_path, limits);
    if (!bin) return std::move(bin.error()).within("its partner " + fs::path(bin_path).filename().string());
    return read_ncnn({reinterpret_cast<const char*>(param->data()), param->size()}, *bin, limits);
}

// "model-00001-of-00003.safetensors": a model in several files, each with some of its tensors.
Result<void> refuse_part(const fs::path& file) {
    static const std::regex part(R"(.*-(\d{1,5})-of-(\d{1,5})(\.[^.]*)?)");
    std::smatch found;
    const std::string name = file.filename().string();
    if (name.size() > 255 || !std::regex_match(name, found, part) || std::stoi(found[2]) < 2) return {};
    return Error{Errc::unsupported, "part " + std::to_string(std::stoi(found[1])) + " of " +
                                        std::to_string(std::stoi(found[2])) +
                                        " of a model that is kept in several files; join those into one file first"};
}

// A file that a model names, beside that model: a plain name, and a file of that folder. A link only where the model is
// one as well, as in caches that keep all contents in another place. Where both were renamed, the model's new name
// tells.
Result<std::vector<std::byte>> read_beside(const fs::path& model, std::string name, const Limits& limits) {
    const std::string label = "its data file " + printable(name);
    if (name.starts_with("./")) name.erase(0, 2);
    if (name.empty() || name == "." || name == ".." || name.size() > 255 ||
        name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
        return Error{Errc::unsupported, label + " is not in the model's own folder, where it is expected"};
    fs::path path = model.parent_path() / name;
    std::error_code error;
    if (!fs::exists(fs::symlink_status(path, error)))
        for (const char* ending : {".data", "_data"})
            if (const fs::path renamed = model.string() + ending; fs::exists(fs::symlink_status(renamed, error)))
                path = renamed;
    if (fs::is_symlink(path, error) && !fs::is_symlink(model, error))
        return Error{Errc::unsupported, label + " is a link; a file in the model's own folder expected"};
    auto bytes = read_file(path.string(), limits);
    if (!bytes) return std::move(bytes.error()).within(label);
    return bytes;
}

Result<StateDict> read_onnx_file(const fs::path& path, Bytes file, const Limits& limits) {
    constexpr std::size_t kMostFiles = 16;
    std::map<std::string, std::vector<std::byte>> files;
    std::int64_t left = limits.file_bytes - static_cast<std::int64_t>(file.size());
    return read_onnx(file, limits, [&](const std::string& name) -> Result<Bytes> {
        const auto known = files.find(name);
        if (known != files.end()) return Bytes(known->second);
        if (files.size() >= kMostFiles)
            return Error{Errc::limit, "data in more than " + std::to_string(kMostFiles) + " other files"};
        Limits rest = limits;
        rest.file_bytes = left;
        TRY(std::vector<std::byte> bytes, read_beside(path, name, rest));
        left -= static_cast<std::int64_t>(bytes.size());
        return Bytes(files.emplace(name, std::move(bytes)).first->second);
    });
}

Result<StateDict> read_path(const std::string& path, const Limits& limits) {
    const fs::path file(path);
    TRY(refuse_part(file));
    TRY(const std::vector<std::byte> bytes, read_file(path, limits));
    const auto format = sniff(bytes);
    if (format.ok() && *format == WeightFormat::ncnn)
        return read_ncnn_pair(path, fs::path(file).replace_extension(".bin").string(), limits);
    if (file.extension() == ".bin") {  // ncnn's weights start with anything
        const std::string param = fs::path(file).replace_extension(".param").string();
        std::error_code error;
        if (fs::exists(param, error)) return read_ncnn_pair(param, path, limits);
        if (!format)
            return Error{Errc::not_found, "an ncnn .bin needs its partner " + fs::path(param).filename().string() + " beside it"};
    }
    if (format.ok() && *format == WeightFormat::onnx) return read_onnx_file(file, bytes, limits);
    return read_weights(bytes, limits);
}

}  // namespace

Result<StateDict> read_weights(std::span<const std::byte> bytes, const Limits& limits) {
    if (static_cast<std::int64_t>(bytes.size()) > limits.file_bytes)
        return Error{Errc::limit, std::to_string(bytes.size()) + " bytes; at most " + std::to_string(limits.file_bytes) + " allowed"};
    TRY(const WeightFormat format, sniff(bytes));
    switch (format) {
        case WeightFormat::pth_zip: return torch::read_zip(bytes, limits);
        case WeightFormat::pth_legacy: return torch::read_legacy(bytes, limits);
        case WeightFormat::safetensors: return read_safetensors(bytes, limits);
        case WeightFormat::onnx: return read_onnx(bytes, limits);
        case WeightFormat::ncnn: break;
    }
    return Error{Errc::unsupported, "an ncnn .param without its .bin"};
}

Result<StateDict> read_weights(const std::string& path, const Limits& limits) {
    auto weights = read_path(path, limits);
    if (!weights) return std::move(weights.error()).within(path);
    return weights;
}

}  // namespace enlarge
