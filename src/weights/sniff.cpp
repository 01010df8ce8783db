// SPDX-License-Identifier: Apache-2.0
// Tells formats by content, and names what people give by mistake.
#include <algorithm>
#include <cctype>

#include "weights/formats.hpp"

namespace enlarge {
namespace {

struct Foreign {
    std::string_view start;
    std::size_t offset;
    const char* what;
};
constexpr Foreign kForeign[] = {
    {"version https://git-lfs", 0, "a git-lfs pointer, not weights; fetch the file itself with git lfs pull"},
    {"\x89HDF\r\n\x1a\n", 0, "an HDF5 file (Keras, TensorFlow?); only .pth, .safetensors, ncnn and .onnx are read"},
    {"TFL3", 4, "a TensorFlow Lite model; only .pth, .safetensors, ncnn and .onnx are read"},
    {"GGUF", 0, "a GGUF model; only .pth, .safetensors, ncnn and .onnx are read"},
    {"\x93NUMPY", 0, "a NumPy array; named tensors expected"},
    {"ustar", 257, "a tar archive; unpack it and give the file inside"},
    {"\x1f\x8b", 0, "gzip-compressed; unpack it first"},
    {"7z\xbc\xaf\x27\x1c", 0, "a 7z archive; unpack it and give the file inside"},
    {"Rar!", 0, "a RAR archive; unpack it and give the file inside"},
    {"\xfd" "7zXZ", 0, "xz-compressed; unpack it first"},
    {"\x28\xb5\x2f\xfd", 0, "zstd-compressed; unpack it first"},
    {"\x89PNG", 0, "a PNG picture, not weights"},
    {"\xff\xd8\xff", 0, "a JPEG picture, not weights"},
    {"RIFF", 0, "a picture or sound (RIFF), not weights"},
    {"\xdd\x85\x76\x00", 0, "a binary ncnn .param; only the text form of .param is read"},
    {"ftrt", 0, "a TensorRT engine; give the .onnx it was made from"},
    {"ptrt", 0, "a TensorRT engine; give the .onnx it was made from"},
    {"\x7f" "ELF", 0, "a program, not weights"},
};

std::string lower_start(std::string_view text) {
    std::string out;
    std::size_t i = text.starts_with("\xef\xbb\xbf") ? 3 : 0;
    while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i]))) ++i;
    for (const char c : text.substr(i, 64)) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

bool is_pickle(std::string_view text) {
    return (text.size() >= 2 && text[0] == '\x80' && text[1] >= 0 && text[1] <= 5) || text.starts_with("L119547037146038801333356L\n");
}

// A header length below 4 GiB and the header's first brace. Asked first, as that length may look like anything.
bool is_safetensors(std::string_view text) {
    return text.size() > 8 && text[8] == '{' && text.substr(4, 4) == std::string_view("\0\0\0\0", 4);
}

}  // namespace

Result<WeightFormat> sniff(Bytes file) {
    const std::string_view text = as_text(file);
    if (text.empty()) return Error{Errc::format, "an empty file"};
    if (is_safetensors(text)) return WeightFormat::safetensors;
    if (text.starts_with("PK\x03\x04")) return WeightFormat::pth_zip;
    if (text.starts_with("PK\x05\x06")) return Error{Errc::format, "an empty zip archive"};
    if (is_pickle(text)) return WeightFormat::pth_legacy;
    if (text.starts_with("7767517")) return WeightFormat::ncnn;
    if (text.size() > 8 && text[8] == '{') return WeightFormat::safetensors;
    for (const Foreign& foreign : kForeign)
        if (text.size() >= foreign.offset && text.substr(foreign.offset).starts_with(foreign.start))
            return Error{Errc::unsupported, foreign.what};
    if (std::all_of(text.begin(), text.end(), [](char c) { return c == 0; }))
        return Error{Errc::format, "nothing but zero bytes (an interrupted download?)"};

    const std::string start = lower_start(text);
    if (start.starts_with("<!doctype html") || start.starts_with("<html"))
        return Error{Errc::unsupported, "an HTML page, not weights; download the file itself"};
    if (start.starts_with("<?xml")) return Error{Errc::unsupported, "an XML file (OpenVINO?), not weights"};
    if (start.starts_with("{") && text.find("\"weight_map\"") != std::string_view::npos)
        return Error{Errc::unsupported,
                     "the index of a model that is kept in several files; join those into one file first"};
    if (start.starts_with("{"))
        return Error{Errc::unsupported, start.find("graph-model") != std::string::npos || start.find("layers-model") != std::string::npos
                                            ? "a TensorFlow.js model; only .pth, .safetensors, ncnn and .onnx are read"
                                            : "a JSON file, not weights"};
    // ModelProto: ir_version first, a small varint, then a known field. GraphDef (TensorFlow): nodes first.
    if (text.size() >= 3 && text[0] == '\x08' && text[1] > 0 && text[1] < 32) return WeightFormat::onnx;
    if (text[0] == '\x3a' || text.starts_with("\x12\x07pytorch")) return WeightFormat::onnx;
    if (text[0] == '\x0a' && text.substr(0, 256).find("\x12\x0bPlaceholder") != std::string_view::npos)
        return Error{Errc::unsupported, "a TensorFlow graph; only .pth, .safetensors, ncnn and .onnx are read"};
    return Error{Errc::unsupported, "not a weight file that is known; .pth, .safetensors, ncnn .param + .bin or .onnx expected"};
}

}  // namespace enlarge
