// SPDX-License-Identifier: Apache-2.0
#include "work/networks.hpp"

#include "enlarge/choice.hpp"
#include "enlarge/models.hpp"

namespace serve {
namespace {

using enlarge::Model;
using enlarge::Result;

constexpr std::size_t kKept = 6;

struct Chosen {
    std::string model;
    double denoise = -1, strength = 1;
};

// As the command line chooses: what was given, else what suits `for`, else the default for pictures or video.
Result<Chosen> choose(const Options& options, enlarge::Use use, double factor) {
    Chosen chosen{options.model, options.denoise, options.strength >= 0 ? options.strength : 1};
    if (!options.purpose.empty()) {
        const auto kind = enlarge::parse_kind(options.purpose);
        if (!kind) return kind.error();
        const enlarge::Choice suited = enlarge::choose(*kind, use, factor);
        if (chosen.model.empty() && chosen.denoise < 0 && suited.denoise < 1) chosen.denoise = suited.denoise;
        if (chosen.model.empty()) chosen.model = suited.model;
        if (options.strength < 0) chosen.strength = suited.strength;
    }
    if (!chosen.model.empty()) return chosen;
    chosen.model = enlarge::default_model(use, factor);
    if (chosen.denoise >= 0 && !enlarge::denoise_partner(chosen.model))
        chosen.model = enlarge::default_model(enlarge::Use::pictures, factor);
    return chosen;
}

// Public models by the path that the registry gives, so that no file of that name elsewhere is meant.
Result<Model> open(const std::string& name) {
    const auto known = enlarge::find_public_model(name);
    return Model::open(known && !known->path.empty() ? known->path : name);
}

Result<Model> open(const Chosen& chosen) {
    if (chosen.denoise < 0 || chosen.denoise == 1) return open(chosen.model);
    const auto partner_name = enlarge::denoise_partner(chosen.model);
    if (!partner_name) return enlarge::Error(partner_name.error()).within("denoise");
    if (chosen.denoise == 0) return open(*partner_name);
    auto model = open(chosen.model);
    if (!model) return model;
    auto partner = open(*partner_name);
    if (!partner) return partner;
    return model->blend(*partner, static_cast<float>(1 - chosen.denoise));
}

}  // namespace

Result<Network*> Networks::get(const Options& options, enlarge::Use use, double factor, const Work& work) {
    const auto chosen = choose(options, use, factor);
    if (!chosen) return chosen.error();
    std::string key = chosen->model;
    for (const double number :
         {chosen->denoise, chosen->strength, double(options.tta), double(static_cast<int>(options.precision)),
          double(static_cast<int>(options.alpha)), double(work.max_pixels), double(work.memory_bytes)})
        key += ' ' + std::to_string(number);
    for (auto it = networks_.begin(); it != networks_.end(); ++it) {
        if (it->key != key) continue;
        networks_.splice(networks_.begin(), networks_, it);
        return &networks_.front();
    }
    const auto model = open(*chosen);
    if (!model) return model.error();
    enlarge::EngineOptions engine{.device = device_,
                                  .precision = options.precision,
                                  .threads = threads_,
                                  .memory_bytes = work.memory_bytes,
                                  .tta = options.tta,
                                  .alpha = options.alpha,
                                  .strength = chosen->strength,
                                  .cache_folder = enlarge::cache_folder()};
    if (work.max_pixels > 0) engine.limits.pixels = work.max_pixels;
    auto created = enlarge::Engine::create(*model, engine);
    if (!created) return created.error();
    auto session = created->session();
    networks_.push_front({key, chosen->model, std::move(created).value(), std::move(session)});
    if (networks_.size() > kKept) networks_.pop_back();
    return &networks_.front();
}

}  // namespace serve
