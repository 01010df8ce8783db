// SPDX-License-Identifier: Apache-2.0
#include "upscaler.hpp"

#include <utility>

namespace enlarge_gst {

namespace {

// As the command line chooses where no network is named.
enlarge_status default_name(enlarge_context* ctx, const Settings& settings, std::string& name) {
    const char* found = nullptr;
    const int video = settings.denoise < 1 ? 0 : 1;  // networks for video have no partner that removes less noise
    const enlarge_status status = enlarge_default_model(ctx, video, settings.scale, &found);
    if (status == ENLARGE_OK) name = found;
    return status;
}

}  // namespace

Upscaler::Upscaler() : work_(enlarge_context_create()), control_(enlarge_context_create()) {}

Upscaler::~Upscaler() {
    close();
    enlarge_context_destroy(control_);
    enlarge_context_destroy(work_);
}

enlarge_status Upscaler::open_model(const Settings& settings) {
    std::string name = settings.model, partner_name;
    enlarge_status status = name.empty() ? default_name(work_, settings, name) : ENLARGE_OK;
    if (status != ENLARGE_OK) return status;
    enlarge_model* model = nullptr;
    if (settings.denoise < 1) {
        const char* found = nullptr;
        if ((status = enlarge_denoise_partner(work_, name.c_str(), &found)) != ENLARGE_OK) return status;
        partner_name = found;
        if (settings.denoise <= 0) name = std::exchange(partner_name, "");
    }
    if ((status = enlarge_model_open(work_, name.c_str(), &model)) != ENLARGE_OK) return status;
    if (!partner_name.empty()) {
        enlarge_model *partner = nullptr, *blended = nullptr;
        status = enlarge_model_open(work_, partner_name.c_str(), &partner);
        if (status == ENLARGE_OK)
            status = enlarge_model_blend(work_, model, partner, static_cast<float>(1 - settings.denoise), &blended);
        enlarge_model_close(partner);
        enlarge_model_close(std::exchange(model, blended));
    }
    const std::lock_guard lock(lock_);
    model_ = model;
    return status;
}

std::optional<Failure> Upscaler::open(const Settings& settings, enlarge_log log, void* user) {
    close();
    if (!work_ || !control_) return Failure{ENLARGE_MEMORY, "out of memory"};
    settings_ = settings;
    if (const auto status = open_model(settings); status != ENLARGE_OK) return failed(status);
    const char* cache = nullptr;
    if (const auto status = enlarge_cache_folder(work_, &cache); status != ENLARGE_OK) return failed(status);
    const std::string folder = cache;
    auto options = sized<enlarge_options>();
    options.device = settings.device.empty() ? nullptr : settings.device.c_str();
    options.precision = settings.precision;
    options.threads = settings.threads;
    options.tile = settings.tile;
    options.cache_folder = folder.empty() ? nullptr : folder.c_str();
    options.log = log;
    options.log_user = user;
    const enlarge_status status = enlarge_engine_create(work_, model_, &options, &engine_);
    if (status == ENLARGE_OK) return std::nullopt;
    const Failure failure = failed(status);
    close();
    return failure;
}

void Upscaler::close() {
    drop_stream();
    enlarge_engine_destroy(std::exchange(engine_, nullptr));
    const std::lock_guard lock(lock_);
    enlarge_model_close(std::exchange(model_, nullptr));
}

void Upscaler::drop_stream() {
    enlarge_stream* old = nullptr;
    {
        const std::lock_guard lock(lock_);
        old = std::exchange(stream_, nullptr);
    }
    enlarge_stream_destroy(old);
}

std::optional<Failure> Upscaler::begin(const enlarge_frame& in, enlarge_frame& out) {
    drop_stream();
    out = sized<enlarge_frame>();
    const auto [width, height] = Size{settings_.width, settings_.height};
    auto status = enlarge_output_frame(work_, engine_, &in, settings_.scale, width, height, 1, &out);
    if (status != ENLARGE_OK) return failed(status);
    enlarge_stream* made = nullptr;
    status = enlarge_stream_create(work_, engine_, &in, &out, nullptr, &made);
    if (status != ENLARGE_OK) return failed(status);
    const std::lock_guard lock(lock_);
    stream_ = made;
    return std::nullopt;
}

Upscaler::Outcome Upscaler::enlarge(const enlarge_frame& in, const enlarge_frame& out, Failure& failure) {
    {
        const std::lock_guard lock(lock_);
        if (stopped_) return Outcome::stopped;
        if (const auto status = enlarge_stream_submit(work_, stream_, &in, &out, nullptr); status != ENLARGE_OK) {
            failure = failed(status);
            return Outcome::failed;
        }
    }
    auto done = sized<enlarge_frame_done>();
    const enlarge_status status = enlarge_stream_next(work_, stream_, -1, &done);
    if (status != ENLARGE_OK) {
        failure = failed(status);
        return Outcome::failed;
    }
    return done.finished ? Outcome::made : Outcome::stopped;
}

void Upscaler::stop() {
    const std::lock_guard lock(lock_);
    stopped_ = true;
    if (stream_) enlarge_stream_flush(control_, stream_);
}

void Upscaler::resume() {
    const std::lock_guard lock(lock_);
    stopped_ = false;
}

std::optional<Size> Upscaler::output_size(Size in) {
    const std::lock_guard lock(lock_);
    Size out;
    if (!model_ || enlarge_output_size(control_, model_, in.width, in.height, settings_.scale, settings_.width,
                                       settings_.height, 1, &out.width, &out.height) != ENLARGE_OK)
        return std::nullopt;
    return out;
}

double Upscaler::factor() {
    const std::lock_guard lock(lock_);
    if (!model_ || settings_.width > 0 || settings_.height > 0) return 0;
    if (settings_.scale > 0) return settings_.scale;
    auto info = sized<enlarge_model_info>();
    return enlarge_model_describe(control_, model_, &info) == ENLARGE_OK ? info.scale : 0;
}

}  // namespace enlarge_gst
