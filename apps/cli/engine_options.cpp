// SPDX-License-Identifier: Apache-2.0
#include "engine_options.hpp"

#include <cmath>
#include <cstdlib>

#include "CLI/CLI.hpp"
#include "checks.hpp"
#include "text.hpp"

namespace cli {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Model;
using enlarge::Result;

constexpr long long kMostPixels = 1 << 24;  // of one side

Result<Model> mix(const Model& model, const std::string& text, const FetchConsent& consent) {
    const auto colon = text.rfind(':');
    std::string_view rest;
    const double weight = colon == std::string::npos ? -1 : leading_number(std::string_view(text).substr(colon + 1), rest).value_or(-1);
    if (colon == std::string::npos || colon == 0 || !rest.empty() || !(weight >= 0 && weight <= 1))
        return Error{Errc::argument, "--blend '" + text + "' should be FILE:WEIGHT with a weight from 0 to 1, such as soft.pth:0.3"};
    auto other = open_named(text.substr(0, colon), consent);
    if (!other) return other;
    return model.blend(*other, static_cast<float>(weight));
}

}  // namespace

void define_model_options(CLI::App& app, EngineChoice& choice) {
    app.add_option("-m,--model", choice.model,
                   "Network: a name (`enlarge models` lists them) or a weight file (default: for pictures " +
                       enlarge::default_model(enlarge::Use::pictures) + ", for video " +
                       enlarge::default_model(enlarge::Use::video) +
                       ", up to twice the size their -x2; or what `enlarge models use` chose)")
        ->type_name("NAME|FILE")->group("Model");
    app.add_option("--for", choice.purpose,
                   "What it is: photo, drawing, text, film, tape or phone; chooses network, --denoise, --strength and deinterlacing, of "
                   "which those that are given win")
        ->type_name("KIND")->check(not_empty("write one of them, or leave it out"))->group("Model");
    app.add_option("--denoise", choice.denoise,
                   "How strongly noise is removed, 0 to 1 (default: 1); with fine-x4, fine-x2 and realesr-general-x4v3, of which the "
                   "first two are taken where none is named")
        ->type_name("STRENGTH")->check(number(0, 1))->group("Model");
    app.add_option("--blend", choice.blend, "Mix in another network of the same shape with this weight (0 to 1)")
        ->type_name("FILE:WEIGHT")->group("Model");
    app.add_option("--strength", choice.strength, "How much of the network's picture is in the result, 0 to 1; the rest is plain Lanczos (default: 1)")
        ->type_name("SHARE")->check(number(0, 1))->group("Model");
    define_fetch_options(app, choice.fetch, "Model");
}

void define_size_options(CLI::App& app, EngineChoice& choice) {
    auto* scale = app.add_option("-s,--scale", choice.scale, "Enlarge by this factor; any number (default: the network's own)")
                      ->type_name("FACTOR")->check(number(0.01, 1024))->group("Size");
    auto* width = app.add_option("--width", choice.width, "Output width; the height follows")
                      ->type_name("PIXELS")->check(whole(1, kMostPixels))->group("Size")->excludes(scale);
    auto* height = app.add_option("--height", choice.height, "Output height; the width follows")
                       ->type_name("PIXELS")->check(whole(1, kMostPixels))->group("Size")->excludes(scale);
    app.add_option("--size", choice.size, "Output width and height")
        ->type_name("WxH")->group("Size")->excludes(scale)->excludes(width)->excludes(height);
    auto* fit = app.add_flag("--fit", choice.fit, "With two sides given: fit inside them, keeping the shape (default)")->group("Size");
    app.add_flag("--exact", choice.exact, "With two sides given: exactly these, stretching if need be")->group("Size")->excludes(fit);
}

void define_engine_options(CLI::App& app, EngineChoice& choice) {
    app.add_option("-d,--device", choice.engine.device, "Where to compute: auto, cpu, cuda, cuda:N, vulkan:N (see `enlarge devices`)")
        ->type_name("DEVICE")->capture_default_str()->group("Engine");
    app.add_option("-p,--precision", choice.precision, "auto, fp32 (exact), fp16, int16 or int8")
        ->type_name("PRECISION")->capture_default_str()->group("Engine");
    app.add_flag("--tta", choice.engine.tta, "Average over the 8 mirrorings and rotations: 8 times slower, slightly better")->group("Engine");
    app.add_option("--tile", choice.engine.tile, "Largest tile side in input pixels; 0: from the memory limit")
        ->type_name("PIXELS")->check(whole(0, kMostPixels))->capture_default_str()->group("Engine");
    app.add_option("--threads", choice.engine.threads, "Processor threads; 0: all usable cores")
        ->type_name("N")->check(whole(0, 4096))->capture_default_str()->group("Engine");
    app.add_option("--memory", choice.memory, "Working memory besides the network's weights, such as 800M or 2G (default: half of what is free)")
        ->type_name("SIZE")->group("Engine");
}

Result<Model> open_named(const std::string& name, const FetchConsent& consent) {
    auto model = Model::open(name);
    if (model || model.error().code != Errc::not_found || name.find('/') != std::string::npos) return model;
    if (enlarge::find_public_model(name)) {
        const auto path = fetch_model(name, consent);
        return path ? Model::open(name) : path.error();
    }
    model.error().message += suggestion(name);
    return model;
}

Result<Model> open_model(const std::string& name, const EngineChoice& choice) {
    if (choice.denoise >= 0 && !choice.blend.empty())
        return Error{Errc::argument, "--denoise and --blend cannot be used together"};
    if (choice.denoise >= 0 && choice.denoise < 1) {
        auto partner_name = enlarge::denoise_partner(name);
        if (!partner_name) return std::move(partner_name.error()).within("--denoise");
        // W = d * network + (1 - d) * partner, as the original does; either end needs one of them only.
        if (choice.denoise == 0) return open_named(*partner_name, choice.fetch);
        auto model = open_named(name, choice.fetch);
        if (!model) return model;
        auto partner = open_named(*partner_name, choice.fetch);
        if (!partner) return partner;
        return model->blend(*partner, static_cast<float>(1.0 - choice.denoise));
    }
    auto model = open_named(name, choice.fetch);
    for (const std::string& other : choice.blend) {
        if (!model) break;
        model = mix(*model, other, choice.fetch);
    }
    return model;
}

Result<enlarge::OutputSize> output_size(const EngineChoice& choice) {
    enlarge::OutputSize size{choice.scale, choice.width, choice.height, !choice.exact};
    if (!choice.size.empty()) {
        char rest = 0;
        if (std::sscanf(choice.size.c_str(), "%9dx%9d%c", &size.width, &size.height, &rest) != 2 || size.width <= 0 ||
            size.height <= 0)
            return Error{Errc::argument, "--size '" + choice.size + "' should be WIDTHxHEIGHT, such as 1920x1080"};
    }
    if (choice.exact && !(size.width && size.height))
        return Error{Errc::argument, "--exact needs both sides: --size WxH, or --width and --height"};
    return size;
}

Result<enlarge::EngineOptions> engine_options(const EngineChoice& choice) {
    enlarge::EngineOptions engine = choice.engine;
    engine.alpha = choice.alpha == "lanczos" ? enlarge::AlphaMode::lanczos : enlarge::AlphaMode::network;
    auto precision = enlarge::parse_precision(choice.precision);
    if (!precision) return std::move(precision).error();
    engine.precision = *precision;
    engine.cache_folder = enlarge::cache_folder();
    if (choice.strength >= 0) engine.strength = choice.strength;
    if (!choice.memory.empty()) {
        auto bytes = parse_bytes(choice.memory);
        if (!bytes) return std::move(bytes).error();
        engine.memory_bytes = *bytes;
    }
    return engine;
}

Result<std::int64_t> parse_bytes(const std::string& text) {
    std::string_view rest;
    const double number = leading_number(text, rest).value_or(-1);
    std::string unit(rest);
    for (char& c : unit) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (unit.size() > 1 && unit.back() == 'B') unit.pop_back();
    if (unit.size() > 1 && unit.back() == 'I') unit.pop_back();
    const std::string units = "BKMGT";
    const auto power = unit.empty() ? 0 : units.find(unit);
    const double bytes = power == std::string::npos || unit.size() > 1 ? -1 : number * std::pow(1024.0, static_cast<double>(power));
    if (!(bytes >= 1 && bytes < 9e18))
        return Error{Errc::argument, "'" + text + "' is not a size; write 800M, 2G or a number of bytes"};
    return static_cast<std::int64_t>(bytes);
}

}  // namespace cli
