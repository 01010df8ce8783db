// SPDX-License-Identifier: Apache-2.0
// ncnn: a text that lists layers, and their weights one after the other. The .bin has no names and no sizes, so every
// layer with weights must be known; what is left over at the end shows that one was not.
#include <algorithm>
#include <charconv>

#include "weights/elements.hpp"
#include "weights/formats.hpp"

namespace enlarge {
namespace {

constexpr std::string_view kMagic = "7767517";
constexpr std::uint32_t kTagHalf = 0x01306B47, kTagInt8 = 0x000D4B38, kTagRawFloat = 0x0002C056;
constexpr std::int64_t kMostBlobs = 4096;     // inputs and outputs of one layer
constexpr std::int64_t kMostParameters = 64;  // ncnn has 32

// Types that carry weights and that no network we know of uses; reading past them would give garbage.
constexpr std::string_view kUnread[] = {
    "BNLL", "Convolution1D", "Convolution3D", "ConvolutionDepthWise1D", "ConvolutionDepthWise3D", "Deconvolution1D",
    "Deconvolution3D", "DeformableConv2D", "Embed", "GRU", "Gemm", "LSTM", "MultiHeadAttention", "Normalize", "Quantize",
    "Dequantize", "Requantize", "RNN",
};

std::vector<std::string_view> words(std::string_view line) {
    std::vector<std::string_view> found;
    for (std::size_t at = 0;;) {
        at = line.find_first_not_of(" \t\r", at);
        if (at == std::string_view::npos) return found;
        const std::size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
        found.push_back(line.substr(at, end - at));
        at = end;
    }
}

template <class T>
bool parse(std::string_view text, T& value) {
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
}

// "0=64", "-23310=1,0.2" (the list for key 10), or a text.
Result<void> parse_parameter(std::string_view word, Layer& layer) {
    const std::size_t equals = word.find('=');
    std::int64_t key = 0;
    if (equals == std::string_view::npos || !parse(word.substr(0, equals), key))
        return Error{Errc::format, "\"" + printable(word, 40) + "\" where key=value is expected"};
    std::string_view value = word.substr(equals + 1);
    const std::int64_t id = key <= -23300 ? -23300 - key : key;
    if (id < 0 || id >= kMostParameters)
        return Error{Errc::format, "the key " + std::to_string(key) + " is out of range"};
    if (key >= 0) {
        double number = 0;
        if (parse(value, number))
            layer.numbers[std::to_string(key)] = number;
        else
            layer.texts[std::to_string(key)] = value;
        return {};
    }
    std::vector<double> list;
    bool first = true;
    std::int64_t count = 0;
    while (!value.empty()) {
        const std::size_t comma = std::min(value.find(','), value.size());
        double number = 0;
        if (!parse(value.substr(0, comma), number))
            return Error{Errc::format, "\"" + printable(word, 40) + "\" is not a list of numbers"};
        if (first)
            count = number >= 0 && number < 1e9 ? static_cast<std::int64_t>(number) : -1;
        else
            list.push_back(number);
        first = false;
        value.remove_prefix(std::min(comma + 1, value.size()));
    }
    if (count != static_cast<std::int64_t>(list.size()))
        return Error{Errc::format, "\"" + printable(word, 40) + "\" announces another number of items than it has"};
    layer.lists[std::to_string(id)] = std::move(list);
    return {};
}

Result<Layer> parse_layer(std::string_view line, std::int64_t& blobs_left) {
    const auto parts = words(line);
    std::int64_t inputs = 0, outputs = 0;
    if (parts.size() < 4 || !parse(parts[2], inputs) || !parse(parts[3], outputs) || inputs < 0 || outputs < 0 ||
        inputs > kMostBlobs || outputs > kMostBlobs)
        return Error{Errc::format, "\"" + printable(line, 60) + "\" where a type, a name and two counts are expected"};
    const auto need = static_cast<std::size_t>(4 + inputs + outputs);
    if (parts.size() < need)
        return Error{Errc::format, "layer " + printable(parts[1]) + " names " + std::to_string(parts.size() - 4) +
                                       " blobs; " + std::to_string(inputs + outputs) + " expected"};
    blobs_left -= outputs;
    if (blobs_left < 0) return Error{Errc::format, "more blobs than the file announces"};
    Layer layer;
    layer.type = parts[0];
    layer.name = parts[1];
    layer.inputs.assign(parts.begin() + 4, parts.begin() + 4 + inputs);
    layer.outputs.assign(parts.begin() + 4 + inputs, parts.begin() + 4 + inputs + outputs);
    for (std::size_t i = need; i < parts.size(); ++i) {
        auto parsed = parse_parameter(parts[i], layer);
        if (!parsed) return std::move(parsed.error()).within("layer " + printable(layer.name));
    }
    return layer;
}

Result<std::vector<Layer>> parse_param(std::string_view text, const Limits& limits) {
    if (static_cast<std::int64_t>(text.size()) > limits.header_bytes)
        return Error{Errc::limit, "a .param of " + std::to_string(text.size()) + " bytes; at most " +
                                      std::to_string(limits.header_bytes) + " allowed"};
    const auto next = [&](std::string_view& line) {
        while (!text.empty()) {
            const std::size_t end = std::min(text.find('\n'), text.size());
            line = text.substr(0, end);
            text.remove_prefix(std::min(end + 1, text.size()));
            if (!words(line).empty()) return true;
        }
        return false;
    };
    std::string_view line;
    if (!next(line) || words(line)[0] != kMagic) return Error{Errc::format, "not an ncnn .param: 7767517 expected first"};
    std::int64_t layer_count = 0, blob_count = 0;
    if (!next(line) || words(line).size() < 2 || !parse(words(line)[0], layer_count) || !parse(words(line)[1], blob_count) ||
        layer_count <= 0 || blob_count <= 0)
        return Error{Errc::format, "damaged .param: the counts of layers and blobs are missing"};
    if (layer_count > limits.tensors || blob_count > limits.tensors)
        return Error{Errc::limit, std::to_string(std::max(layer_count, blob_count)) + " layers or blobs; at most " +
                                      std::to_string(limits.tensors) + " allowed"};
    std::vector<Layer> layers;
    while (next(line)) {
        TRY(Layer layer, parse_layer(line, blob_count));
        layers.push_back(std::move(layer));
        if (static_cast<std::int64_t>(layers.size()) > layer_count)
            return Error{Errc::format, "damaged .param: more than the " + std::to_string(layer_count) + " layers announced"};
    }
    if (static_cast<std::int64_t>(layers.size()) != layer_count)
        return Error{Errc::format, "truncated .param: " + std::to_string(layers.size()) + " layers; " +
                                       std::to_string(layer_count) + " expected"};
    return layers;
}

// Reads the weights of one layer after the other.
class BinReader {
public:
    BinReader(Bytes bin, const Limits& limits) : in_(bin), budget_(limits, bin.size()) {}

    Result<void> read(Layer& layer) {
        if (std::find(std::begin(kUnread), std::end(kUnread), layer.type) != std::end(kUnread))
            return Error{Errc::unsupported, "layers of type " + printable(layer.type) + " are not read"};
        const std::string& type = layer.type;
        if (type == "Convolution" || type == "ConvolutionDepthWise") return convolution(layer);
        if (type == "Deconvolution" || type == "DeconvolutionDepthWise") return convolution(layer);
        if (type == "PReLU") return plain_vectors(layer, {"0"});
        if (type == "BatchNorm") return plain_vectors(layer, {"0", "0", "0", "0"});
        if (type == "Bias") return plain_vectors(layer, {"0"});
        if (type == "LayerNorm" || type == "InstanceNorm") return factors(layer, {"0", "0"}, "2");
        if (type == "RMSNorm") return factors(layer, {"0"}, "2");
        if (type == "GroupNorm") return factors(layer, {"1", "1"}, "3");
        if (type == "InnerProduct") return inner_product(layer);
        if (type == "Scale") return scale(layer);
        if (type == "MemoryData") return memory_data(layer);
        return {};
    }
    [[nodiscard]] const ByteReader& in() const { return in_; }

private:
    // A whole-number parameter. Anything that is not one, or outside the range, is refused.
    static Result<std::int64_t> number(const Layer& layer, const std::string& key, std::int64_t fallback, std::int64_t least,
                                       std::int64_t most = std::int64_t{1} << 40) {
        const auto found = layer.numbers.find(key);
        if (found == layer.numbers.end()) return fallback;
        if (!(found->second >= static_cast<double>(least) && found->second <= static_cast<double>(most)) ||
            found->second != static_cast<double>(static_cast<std::int64_t>(found->second)))
            return Error{Errc::format, "the parameter " + key + "=" + std::to_string(found->second) + " is out of range"};
        return static_cast<std::int64_t>(found->second);
    }

    Result<void> keep(Layer& layer, Result<Tensor> tensor) {
        if (!tensor) return std::move(tensor).error();
        layer.slots.push_back(static_cast<int>(layer.tensors.size()));
        layer.tensors.push_back(std::move(tensor).value());
        return {};
    }

    // Floats without a tag.
    Result<Tensor> plain(std::vector<std::int64_t> shape, const std::string& name) {
        return elements(std::move(shape), ElementType::f32, name);
    }
    Result<Tensor> elements(std::vector<std::int64_t> shape, ElementType type, const std::string& name) {
        TRY(const std::int64_t count, element_count(shape, name));
        std::uint64_t bytes;
        if (__builtin_mul_overflow(static_cast<std::uint64_t>(count), std::uint64_t{element_bytes(type)}, &bytes) ||
            bytes > UINT64_MAX - 3)
            return Error{Errc::limit, "its size overflows"};
        TRY(const Bytes raw, in_.take(type == ElementType::f32 ? bytes : (bytes + 3) / 4 * 4));
        return read_tensor(raw, type, {std::move(shape), {}, 0}, false, budget_, name);
    }

    // A tag of four bytes says how the weights are stored.
    Result<Tensor> tagged(std::vector<std::int64_t> shape, const std::string& name) {
        TRY(const auto tag, in_.number<std::uint32_t>());
        if (tag == kTagHalf) return elements(std::move(shape), ElementType::f16, name);
        if (tag == 0 || tag == kTagRawFloat) return plain(std::move(shape), name);
        if (tag == kTagInt8)
            return Error{Errc::unsupported, "int8 weights; give the model with fp16 or fp32 weights"};
        return codebook(std::move(shape), name);
    }
    // 256 floats, then one index per weight.
    Result<Tensor> codebook(std::vector<std::int64_t> shape, const std::string& name) {
        TRY(const Bytes table, in_.take(256 * sizeof(float)));
        TRY(Tensor tensor, elements(std::move(shape), ElementType::u8, name));
        tensor.integers = false;
        for (float& value : tensor.values.edit()) {
            float entry;
            std::memcpy(&entry, table.data() + static_cast<std::size_t>(value) * sizeof(float), sizeof(float));
            value = entry;
        }
        return tensor;
    }

    Result<void> convolution(Layer& layer) {
        TRY(const std::int64_t out, number(layer, "0", 0, 1));
        TRY(const std::int64_t width, number(layer, "1", 0, 1, 1024));
        TRY(const std::int64_t height, number(layer, "11", width, 1, 1024));
        TRY(const std::int64_t bias, number(layer, "5", 0, 0, 1));
        TRY(const std::int64_t count, number(layer, "6", 0, 1));
        TRY(const std::int64_t group, number(layer, "7", 1, 1));
        TRY(const std::int64_t int8, number(layer, "8", 0, 0, 1000));
        TRY(const std::int64_t dynamic, number(layer, "19", 0, 0, 1));
        if (int8) return Error{Errc::unsupported, "int8 weights; give the model with fp16 or fp32 weights"};
        if (dynamic) return Error{Errc::unsupported, "weights that the network computes"};
        if (out < 1 || width < 1 || count % (width * height)) return bad_count(count);
        const std::int64_t pairs = count / (width * height);  // output channels * input channels of a group
        if (pairs % out || out % group) return bad_count(count);
        TRY(keep(layer, tagged({out, pairs / out, height, width}, layer.name)));
        if (bias) TRY(keep(layer, plain({out}, layer.name)));
        return {};
    }
    static Error bad_count(std::int64_t count) {
        return {Errc::format, std::to_string(count) + " weights do not fit the channels and the kernel"};
    }

    Result<void> inner_product(Layer& layer) {
        TRY(const std::int64_t out, number(layer, "0", 0, 1));
        TRY(const std::int64_t bias, number(layer, "1", 0, 0, 1));
        TRY(const std::int64_t count, number(layer, "2", 0, 1));
        TRY(const std::int64_t int8, number(layer, "8", 0, 0, 1000));
        if (int8) return Error{Errc::unsupported, "int8 weights; give the model with fp16 or fp32 weights"};
        if (out < 1 || count % out) return bad_count(count);
        TRY(keep(layer, tagged({out, count / out}, layer.name)));
        if (bias) TRY(keep(layer, plain({out}, layer.name)));
        return {};
    }

    Result<void> scale(Layer& layer) {
        TRY(const std::int64_t size, number(layer, "0", 0, -233));
        if (size == -233) return {};  // the factors are computed by the network
        TRY(const std::int64_t bias, number(layer, "1", 0, 0, 1));
        for (std::int64_t i = 0; i <= bias; ++i) TRY(keep(layer, plain({size}, layer.name)));
        return {};
    }

    Result<void> memory_data(Layer& layer) {
        TRY(const std::int64_t width, number(layer, "0", 0, 0));
        TRY(const std::int64_t height, number(layer, "1", 0, 0));
        TRY(const std::int64_t depth, number(layer, "11", 0, 0));
        TRY(const std::int64_t channels, number(layer, "2", 0, 0));
        TRY(const std::int64_t untagged, number(layer, "21", 1, 0, 1));
        std::vector<std::int64_t> shape;
        for (const std::int64_t side : {channels, depth, height, width})
            if (side) shape.push_back(side);
        if (shape.empty()) shape.push_back(0);
        return keep(layer, untagged ? plain(shape, layer.name) : tagged(shape, layer.name));
    }

    // Of a normalisation, unless the parameter `given` says that there are none.
    Result<void> factors(Layer& layer, std::initializer_list<const char*> sizes, const char* given) {
        TRY(const std::int64_t affine, number(layer, given, 1, 0, 1));
        return affine ? plain_vectors(layer, sizes) : Result<void>();
    }

    Result<void> plain_vectors(Layer& layer, std::initializer_list<const char*> sizes) {
        for (const char* key : sizes) {
            TRY(const std::int64_t size, number(layer, key, 0, 0));
            TRY(keep(layer, plain({size}, layer.name)));
        }
        return {};
    }

    ByteReader in_;
    Budget budget_;
};

}  // namespace

Result<StateDict> read_ncnn(std::string_view param, std::span<const std::byte> bin, const Limits& limits) {
    StateDict out;
    out.format = WeightFormat::ncnn;
    TRY(out.layers, parse_param(param, limits));
    BinReader reader(bin, limits);
    for (Layer& layer : out.layers) {
        auto done = reader.read(layer);
        if (!done) return std::move(done.error()).within("layer " + printable(layer.name));
    }
    if (!reader.in().done())
        return Error{Errc::format, std::to_string(reader.in().left()) + " bytes of the .bin are left over after the last of " +
                                       std::to_string(out.layers.size()) + " layers; do .param and .bin belong together?"};
    return out;
}

}  // namespace enlarge
