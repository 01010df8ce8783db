// SPDX-License-Identifier: Apache-2.0
#include "service/shim_requests.hpp"

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

namespace serve {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;
using json = nlohmann::json;

constexpr std::size_t kMostPictures = 64;
constexpr int kDeepest = 16;
constexpr std::size_t kMostValues = 10'000;                 // of a request besides a tensor's numbers: none needs more
constexpr std::size_t kMostNumbers = std::size_t{1} << 25;  // of a tensor in JSON; more come as binary data

// What "data" holds, taken out while the text is read: as JSON's own values, numbers would need many times the memory.
struct Numbers {
    std::vector<float> values;
    bool good = true;
};

struct TooMuch {};

// Nothing where it is no JSON, or nested deeper or with more values than any of these requests has: reading ends there.
json parsed(std::string_view text, Numbers* numbers = nullptr) {
    bool in_data = false;
    std::size_t count = 0;
    using Event = json::parse_event_t;
    const auto look = [&](int depth, Event event, json& value) {
        const bool starts = event == Event::object_start || event == Event::array_start;
        if (event == Event::key || event == Event::object_end)
            in_data = event == Event::key && numbers && value == "data";
        if ((depth > kDeepest && starts) || (!in_data && ++count > kMostValues)) throw TooMuch{};
        if (!in_data || event == Event::key || starts) return true;
        if (event == Event::value) {
            numbers->good = numbers->good && value.is_number() && numbers->values.size() < kMostNumbers;
            if (numbers->good) numbers->values.push_back(value.get<float>());
        }
        return false;
    };
    try {
        json whole = json::parse(text, look, false);
        return whole.is_discarded() ? json() : whole;
    } catch (const TooMuch&) {
        return {};
    }
}

std::string text_of(const json& value, const char* key, const std::string& otherwise) {
    const auto found = value.find(key);
    return found != value.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

double number_of(const json& value, const char* key, double otherwise) {
    const auto found = value.find(key);
    return found != value.end() && found->is_number() ? found->get<double>() : otherwise;
}

Result<std::string> picture_of(const json& value) {
    if (!value.is_string()) return Error{Errc::argument, "a picture should be a text in base64"};
    const std::string& text = value.get_ref<const std::string&>();
    std::string_view digits = text;
    if (digits.starts_with("data:")) {
        const auto comma = digits.find(',');
        digits = comma == std::string_view::npos ? "" : digits.substr(comma + 1);
    }
    if (digits.starts_with("http:") || digits.starts_with("https:"))
        return Error{Errc::unsupported, "a picture should be in base64; addresses are not fetched"};
    auto bytes = base64_decoded(digits);
    if (!bytes || bytes->empty()) return Error{Errc::argument, "a picture is not in base64"};
    return std::move(*bytes);
}

Result<void> add_size(const json& value, Params& options) {
    const double mode = number_of(value, "resize_mode", 0);
    if (mode == 0) {
        options.emplace_back("scale", json(number_of(value, "upscaling_resize", 2)).dump());
        return {};
    }
    if (mode != 1) return Error{Errc::argument, "resize_mode should be 0 or 1"};
    for (const auto& [key, name] :
         {std::pair{"upscaling_resize_w", "width"}, std::pair{"upscaling_resize_h", "height"}}) {
        const double side = number_of(value, key, 512);
        if (!(side >= 1 && side <= 1 << 20))
            return Error{Errc::argument, std::string(key) + " should be a number of pixels"};
        options.emplace_back(name, std::to_string(static_cast<int>(side)));
    }
    const auto crop = value.find("upscaling_crop");
    options.emplace_back("cover", crop != value.end() && crop->is_boolean() && !crop->get<bool>() ? "whole" : "crop");
    return {};
}

}  // namespace

Params upscaler_options(const std::string& name) {
    if (name.empty() || name == "Default" || name.starts_with("R-ESRGAN") || name.starts_with("ESRGAN")) return {};
    if (name == "None" || name == "Lanczos" || name == "Nearest") return {{"strength", "0"}};
    return {{"model", name}};
}

Result<ExtrasRequest> parse_extras(const std::string& body, bool batch) {
    const json value = parsed(body);
    if (!value.is_object()) return Error{Errc::argument, "the body should be a JSON object with a picture in base64"};
    ExtrasRequest request;
    for (const char* face : {"gfpgan_visibility", "codeformer_visibility"})
        if (number_of(value, face, 0) > 0)
            return Error{Errc::unsupported, std::string(face) + " is more than 0; faces are not restored here"};
    const std::string second = text_of(value, "upscaler_2", "None");
    if (second != "None" && !second.empty() && number_of(value, "extras_upscaler_2_visibility", 0) > 0)
        return Error{Errc::unsupported, "a second upscaler is not mixed in; extras_upscaler_2_visibility should be 0"};
    request.options = upscaler_options(text_of(value, "upscaler_1", ""));
    if (auto sized = add_size(value, request.options); !sized) return std::move(sized).error();
    request.options.emplace_back("format", "png");
    const json list = batch ? value.value("imageList", json())
                            : json::array({{{"data", value.value("image", json())}, {"name", "picture"}}});
    if (!list.is_array() || list.empty() || list.size() > kMostPictures)
        return Error{Errc::argument, "imageList should have 1 to 64 pictures"};
    for (const json& one : list) {
        if (!one.is_object())
            return Error{Errc::argument, "a picture of imageList should be an object with data and name"};
        auto bytes = picture_of(one.value("data", json()));
        if (!bytes) return std::move(bytes).error();
        request.pictures.push_back({safe_name(text_of(one, "name", "picture")), std::move(bytes).value()});
    }
    return request;
}

namespace {

Result<void> read_shape(const json& shape, InferRequest& request) {
    const std::string form = request.floats ? "[1, channels, height, width]" : "[height, width, channels]";
    if (!shape.is_array() || (shape.size() != 3 && shape.size() != 4))
        return Error{Errc::argument, "the shape should be " + form};
    std::vector<std::int64_t> sides;
    for (const json& side : shape) {
        if (!side.is_number_integer()) return Error{Errc::argument, "the shape should be of whole numbers"};
        sides.push_back(side.get<std::int64_t>());
        if (sides.back() < 1 || sides.back() > 1 << 20)
            return Error{Errc::limit, "a side of the tensor is " + side.dump() + "; 1 to 1048576 are taken"};
    }
    request.batched = sides.size() == 4;
    if (request.batched && sides[0] != 1)
        return Error{Errc::unsupported, "a batch of " + std::to_string(sides[0]) + "; one picture is taken at a time"};
    const std::int64_t* side = sides.data() + (request.batched ? 1 : 0);
    const std::int64_t channels = side[request.floats ? 0 : 2];
    if (channels != 1 && channels != 3)
        return Error{Errc::unsupported,
                     std::to_string(channels) + " channels; the shape should be " + form + " with 1 or 3 channels"};
    request.channels = static_cast<int>(channels);
    request.height = static_cast<int>(side[request.floats ? 1 : 0]);
    request.width = static_cast<int>(side[request.floats ? 2 : 1]);
    return {};
}

Result<void> take_numbers(const Numbers& numbers, std::size_t wanted, InferRequest& request) {
    if (numbers.values.size() == kMostNumbers && !numbers.good)
        return Error{Errc::limit, "a tensor in JSON has at most " + std::to_string(kMostNumbers) +
                                      " numbers; larger ones should be binary data"};
    if (!numbers.good || numbers.values.size() != wanted)
        return Error{Errc::argument, "the data has " + std::to_string(numbers.values.size()) +
                                         " numbers; the shape says " + std::to_string(wanted)};
    if (request.floats) {
        request.pixels.assign(reinterpret_cast<const char*>(numbers.values.data()), wanted * sizeof(float));
        return {};
    }
    for (const float number : numbers.values) {
        if (!(number >= 0 && number <= 255) || number != std::floor(number))
            return Error{Errc::argument, "the data should be whole numbers from 0 to 255"};
        request.pixels += static_cast<char>(static_cast<int>(number));
    }
    return {};
}

Result<void> check_finite(const InferRequest& request) {
    if (!request.floats) return {};
    for (std::size_t at = 0; at < request.pixels.size(); at += sizeof(float)) {
        float number;
        std::memcpy(&number, request.pixels.data() + at, sizeof number);
        if (!std::isfinite(number)) return Error{Errc::argument, "the data has a value that is not finite"};
    }
    return {};
}

bool flag(const json& object, const char* key) {
    const auto parameters = object.find("parameters");
    if (parameters == object.end() || !parameters->is_object()) return false;
    const auto found = parameters->find(key);
    return found != parameters->end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

Result<InferRequest> parse_infer(const std::string& body, std::int64_t head_bytes) {
    if (head_bytes > static_cast<std::int64_t>(body.size()))
        return Error{Errc::argument, "Inference-Header-Content-Length is more than the body has"};
    const std::string_view head =
        std::string_view(body).substr(0, head_bytes < 0 ? body.size() : static_cast<std::size_t>(head_bytes));
    Numbers numbers;
    const json value = parsed(head, &numbers);
    if (!value.is_object()) return Error{Errc::argument, "the request should be a JSON object"};
    InferRequest request;
    request.id = text_of(value, "id", "");
    const json inputs = value.value("inputs", json());
    if (!inputs.is_array() || inputs.size() != 1 || !inputs[0].is_object())
        return Error{Errc::argument, "inputs should be one tensor"};
    const json& input = inputs[0];
    const std::string type = text_of(input, "datatype", "");
    request.floats = type == "FP32";
    if (type != "UINT8" && type != "FP32")
        return Error{Errc::unsupported,
                     (type.empty() ? "the tensor has no datatype" : "the tensor is of '" + safe_name(type) + "'") +
                         "; UINT8 (version 1) and FP32 (version 2) are taken"};
    if (auto shaped = read_shape(input.value("shape", json()), request); !shaped) return std::move(shaped).error();
    const std::size_t wanted = std::size_t(request.width) * std::size_t(request.height) * std::size_t(request.channels);
    const std::size_t bytes = wanted * (request.floats ? sizeof(float) : 1);
    const json parameters = input.value("parameters", json::object());
    if (parameters.is_object() && parameters.contains("binary_data_size")) {
        const std::string_view raw = std::string_view(body).substr(head.size());
        if (parameters["binary_data_size"] != bytes || raw.size() != bytes)
            return Error{Errc::argument, "the tensor has " + std::to_string(raw.size()) + " bytes; its shape says " +
                                             std::to_string(bytes)};
        request.pixels = raw;
    } else if (auto taken = take_numbers(numbers, wanted, request); !taken) {
        return std::move(taken).error();
    }
    if (auto finite = check_finite(request); !finite) return std::move(finite).error();
    request.binary = flag(value, "binary_data_output");
    if (const json outputs = value.value("outputs", json());
        outputs.is_array() && outputs.size() == 1 && outputs[0].is_object()) {
        request.output = text_of(outputs[0], "name", "image");
        request.binary = request.binary || flag(outputs[0], "binary_data");
    }
    if (const json options = value.value("parameters", json()); options.is_object())
        for (const auto& [key, one] : options.items())
            if (key != "binary_data_output" && (one.is_number() || one.is_string() || one.is_boolean()))
                request.options.emplace_back(key, one.is_string() ? one.get<std::string>() : one.dump());
    return request;
}

}  // namespace serve
