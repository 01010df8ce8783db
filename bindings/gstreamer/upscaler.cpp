// SPDX-License-Identifier: Apache-2.0
#include "upscaler.hpp"

#include <utility>

namespace enlarge_gst {

std::optional<Failure> Upscaler::open(const Settings& settings, enlarge_log log, void* user) {
    close();
    if (!work_ || !control_) return Failure{ENLARGE_MEMORY, "out of memory"};
    settings_ = settings;
    enlarge_host::OpenEngine opened;
    if (const auto status = enlarge_host::open_engine(work_.get(), settings, log, user, opened); status != ENLARGE_OK)
        return failed(status);
    engine_ = std::move(opened.engine);
    const std::lock_guard lock(lock_);
    model_ = std::move(opened.model);
    return std::nullopt;
}

void Upscaler::close() {
    drop_stream();
    engine_.reset();
    const std::lock_guard lock(lock_);
    model_.reset();
}

void Upscaler::drop_stream() {
    Handle<enlarge_stream> old;  // which waits for its frame, after the lock
    const std::lock_guard lock(lock_);
    old = std::move(stream_);
}

std::optional<Failure> Upscaler::begin(const enlarge_frame& in, enlarge_frame& out) {
    drop_stream();
    out = sized<enlarge_frame>();
    const auto [width, height] = Size{settings_.width, settings_.height};
    auto status = enlarge_output_frame(work_.get(), engine_.get(), &in, settings_.scale, width, height, 1, &out);
    if (status != ENLARGE_OK) return failed(status);
    enlarge_stream* made = nullptr;
    status = enlarge_stream_create(work_.get(), engine_.get(), &in, &out, nullptr, &made);
    if (status != ENLARGE_OK) return failed(status);
    const std::lock_guard lock(lock_);
    stream_.reset(made);
    return std::nullopt;
}

Upscaler::Outcome Upscaler::enlarge(const enlarge_frame& in, const enlarge_frame& out, Failure& failure) {
    {
        const std::lock_guard lock(lock_);
        if (stopped_) return Outcome::stopped;
        const auto status = enlarge_stream_submit(work_.get(), stream_.get(), &in, &out, nullptr);
        if (status != ENLARGE_OK) {
            failure = failed(status);
            return Outcome::failed;
        }
    }
    auto done = sized<enlarge_frame_done>();
    const enlarge_status status = enlarge_stream_next(work_.get(), stream_.get(), -1, &done);
    if (status != ENLARGE_OK) {
        failure = failed(status);
        return Outcome::failed;
    }
    return done.finished ? Outcome::made : Outcome::stopped;
}

void Upscaler::stop() {
    const std::lock_guard lock(lock_);
    stopped_ = true;
    if (stream_) enlarge_stream_flush(control_.get(), stream_.get());
}

void Upscaler::resume() {
    const std::lock_guard lock(lock_);
    stopped_ = false;
}

std::optional<Size> Upscaler::output_size(Size in) {
    const std::lock_guard lock(lock_);
    Size out;
    if (!model_ || enlarge_output_size(control_.get(), model_.get(), in.width, in.height, settings_.scale,
                                       settings_.width, settings_.height, 1, &out.width, &out.height) != ENLARGE_OK)
        return std::nullopt;
    return out;
}

double Upscaler::factor() {
    const std::lock_guard lock(lock_);
    if (!model_ || settings_.width > 0 || settings_.height > 0) return 0;
    if (settings_.scale > 0) return settings_.scale;
    auto info = sized<enlarge_model_info>();
    return enlarge_model_describe(control_.get(), model_.get(), &info) == ENLARGE_OK ? info.scale : 0;
}

}  // namespace enlarge_gst
