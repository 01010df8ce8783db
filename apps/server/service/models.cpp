// SPDX-License-Identifier: Apache-2.0
// GET /v1/models: what can be asked for by name.
#include "enlarge/models.hpp"

#include <algorithm>
#include <mutex>

#include "enlarge/choice.hpp"
#include "enlarge/enlarge.hpp"
#include "service/service.hpp"

namespace serve {
namespace {

// Of the built-in networks, for people.
struct Words {
    const char* name;  // without "-x4"
    const char* title;
    const char* purpose;
};
constexpr Words kWords[] = {
    {"fine", "Poor pictures", "Removes noise, JPEG damage and blur while it enlarges."},
    {"fine-wdn", "Photos, noise kept", "As fine, and leaves noise and grain; denoise blends the two."},
    {"swift", "Films, and fast", "The same at a tenth of the work; it is what films get."},
    {"drawing", "Drawings", "Clean lines and flat colours: anime, comics, logos, maps."},
    {"faithful", "Nothing invented", "Stays near to what is there: text, scans, evidence."},
};

json described(const enlarge::ModelInfo& info) {
    return {
        {"name", info.name},       {"scale", info.scale},           {"family", info.family},
        {"licence", info.licence}, {"parameters", info.parameters}, {"multiplications_per_pixel", info.macs_per_pixel}};
}

json builtin(const std::string& name) {
    const auto model = enlarge::Model::open(name);
    if (!model) return {{"name", name}};
    json entry = described(model->info());
    entry.update({{"name", name}, {"built_in", true}, {"denoise", enlarge::denoise_partner(name).ok()}});
    for (const Words& words : kWords)
        if (name == words.name + ("-x" + std::to_string(model->info().scale)))
            entry.update({{"title", words.title}, {"purpose", words.purpose}});
    return entry;
}

json stored(const enlarge::PublicModel& model) {
    return {
        {"name", model.name},       {"scale", model.scale},   {"family", model.family},
        {"licence", model.licence}, {"author", model.author}, {"purpose", model.purpose},
        {"tags", model.tags},       {"built_in", false},      {"denoise", enlarge::denoise_partner(model.name).ok()}};
}

}  // namespace

json models_json() {
    static std::mutex mutex;  // weights are read to tell their sizes: once
    static json builtins;
    json list;
    {
        const std::lock_guard lock(mutex);
        if (builtins.empty())
            for (const std::string& name : enlarge::builtin_models()) builtins.push_back(builtin(name));
        list = builtins;
    }
    if (const auto known = enlarge::public_models())
        for (const enlarge::PublicModel& model : *known)
            if (!model.path.empty() && model.runs) list.push_back(stored(model));
    return {{"models", list},
            {"default", enlarge::default_model(enlarge::Use::pictures)},
            {"default_video", enlarge::default_model(enlarge::Use::video)},
            {"kinds", {"photo", "drawing", "text", "film", "tape", "phone"}}};
}

Answer Service::models(Request&) { return json_response(200, models_json()); }

Answer Service::model(Request& request) {
    const json all = models_json();
    for (const json& one : all["models"])
        if (one["name"] == request.part("name")) return json_response(200, one);
    return error_response(
        404, "not_found",
        "there is no model '" + safe_name(request.part("name")) + "' here; /v1/models lists those that are");
}

}  // namespace serve
