// SPDX-License-Identifier: Apache-2.0
#include "common/engine.hpp"

#include <utility>

namespace enlarge_host {
namespace {

struct Names {
    std::string model, partner;  // partner: to blend with; "" for none
};

// Networks for video have no partner that removes less noise: who asks for that gets one for pictures.
enlarge_status choose(enlarge_context* context, const EngineSettings& settings, Names& names) {
    const char* found = nullptr;
    names.model = settings.model;
    if (names.model.empty()) {
        const int video = settings.denoise ? 0 : 1;
        const auto status = enlarge_default_model(context, video, settings.scale, &found);
        if (status != ENLARGE_OK) return status;
        names.model = found;
    }
    if (!settings.denoise) return ENLARGE_OK;
    const auto status = enlarge_denoise_partner(context, names.model.c_str(), &found);
    if (status != ENLARGE_OK) return status;
    names.partner = found;
    if (*settings.denoise <= 0) names.model = std::exchange(names.partner, "");
    if (*settings.denoise >= 1) names.partner.clear();
    return ENLARGE_OK;
}

enlarge_status open_one(enlarge_context* context, const std::string& name, Handle<enlarge_model>& opened) {
    enlarge_model* model = nullptr;
    const auto status = enlarge_model_open(context, name.c_str(), &model);
    if (status == ENLARGE_OK) opened.reset(model);
    return status;
}

enlarge_status open_model(enlarge_context* context, const EngineSettings& settings, Handle<enlarge_model>& opened) {
    Names names;
    enlarge_status status = choose(context, settings, names);
    if (status == ENLARGE_OK) status = open_one(context, names.model, opened);
    if (status != ENLARGE_OK || names.partner.empty()) return status;
    Handle<enlarge_model> partner;
    if (status = open_one(context, names.partner, partner); status != ENLARGE_OK) return status;
    enlarge_model* blended = nullptr;
    const auto share = static_cast<float>(1 - *settings.denoise);
    status = enlarge_model_blend(context, opened.get(), partner.get(), share, &blended);
    if (status == ENLARGE_OK) opened.reset(blended);
    return status;
}

}  // namespace

enlarge_status open_engine(enlarge_context* context, const EngineSettings& settings, enlarge_log log, void* user,
                           OpenEngine& opened) {
    Handle<enlarge_model> model;
    if (const auto status = open_model(context, settings, model); status != ENLARGE_OK) return status;
    const char* cache = nullptr;
    if (const auto status = enlarge_cache_folder(context, &cache); status != ENLARGE_OK) return status;
    const std::string folder = cache;
    auto options = sized<enlarge_options>();
    options.device = settings.device.empty() ? nullptr : settings.device.c_str();
    options.precision = settings.precision;
    options.threads = settings.threads;
    options.tile = settings.tile;
    options.cache_folder = folder.empty() ? nullptr : folder.c_str();
    options.log = log;
    options.log_user = user;
    enlarge_engine* engine = nullptr;
    if (const auto status = enlarge_engine_create(context, model.get(), &options, &engine); status != ENLARGE_OK)
        return status;
    opened.model = std::move(model);
    opened.engine.reset(engine);
    return ENLARGE_OK;
}

}  // namespace enlarge_host
