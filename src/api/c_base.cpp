// SPDX-License-Identifier: Apache-2.0
// The C interface: contexts, statuses, options, cancellation, lines, folders.
#include "api/c_interface.hpp"
#include "enlarge/log.hpp"

namespace enlarge::c {

enlarge_status status_of(Errc code) {
    switch (code) {
        case Errc::internal: return ENLARGE_INTERNAL;
        case Errc::argument: return ENLARGE_ARGUMENT;
        case Errc::not_found: return ENLARGE_NOT_FOUND;
        case Errc::io: return ENLARGE_IO;
        case Errc::exists: return ENLARGE_EXISTS;
        case Errc::format: return ENLARGE_FORMAT;
        case Errc::unsupported: return ENLARGE_UNSUPPORTED;
        case Errc::limit: return ENLARGE_LIMIT;
        case Errc::memory: return ENLARGE_MEMORY;
        case Errc::device: return ENLARGE_DEVICE;
        case Errc::network: return ENLARGE_NETWORK;
        case Errc::numeric: return ENLARGE_NUMERIC;
        case Errc::cancelled: return ENLARGE_CANCELLED;
    }
    return ENLARGE_INTERNAL;
}

enlarge_status fail(enlarge_context* ctx, enlarge_status status, const char* text) noexcept {
    try {
        ctx->error = text;
    } catch (...) {
        ctx->error.clear();
    }
    return status;
}

enlarge::Progress progress_of(enlarge_progress progress, void* user) {
    if (!progress) return {};
    return [progress, user](double fraction) { return progress(user, fraction) != 0; };
}

Result<void> give_report(enlarge_report* wanted, const enlarge::UpscaleReport& made) {
    if (!wanted) return {};
    enlarge_report report{};
    report.passes = made.passes;
    report.tiles = made.tiles;
    report.recomputed_tiles = made.recomputed_tiles;
    report.seconds = made.seconds;
    return fill_known(wanted, report, "report");
}

LogSink sink_of(enlarge_log log, void* user) {
    if (!log) return {};
    return [log, user](LogLevel level, const Notice& line) {
        log(user, static_cast<std::int32_t>(level), line.code.c_str(), line.text.c_str());
    };
}

Result<enlarge::EngineOptions> engine_options(const enlarge_options* options) {
    enlarge::EngineOptions engine;
    if (!options) return engine;
    auto known = known_part(options, "options");
    if (!known) return std::move(known).error();
    if (known->device) engine.device = known->device;
    if (known->precision < ENLARGE_PRECISION_AUTO || known->precision > ENLARGE_PRECISION_INT8)
        return Error{Errc::argument, "unknown precision " + std::to_string(known->precision)};
    if (known->max_pixels < 0 || known->max_side < 0) return Error{Errc::argument, "a negative limit"};
    engine.precision = static_cast<enlarge::Precision>(known->precision);
    engine.threads = known->threads;
    engine.memory_bytes = known->memory_bytes;
    engine.tile = known->tile;
    engine.tta = known->tta != 0;
    engine.strength = 1 - known->plain;
    engine.alpha = known->alpha == ENLARGE_ALPHA_LANCZOS ? enlarge::AlphaMode::lanczos : enlarge::AlphaMode::network;
    if (known->cache_folder) engine.cache_folder = known->cache_folder;
    if (known->max_pixels) engine.limits.pixels = known->max_pixels;
    if (known->max_side) engine.limits.side = known->max_side;
    if (known->log)
    engine.log = sink_of(known->log, known->log_user);
    return engine;
}

Result<enlarge::CallOptions> call_options(const enlarge_call* call) {
    enlarge::CallOptions options;
    if (!call) return options;
    auto known = known_part(call, "call");
    if (!known) return std::move(known).error();
    options.progress = progress_of(known->progress, known->progress_user);
    if (known->cancellation) options.cancel = known->cancellation->cancellation;
    return options;
}

}  // namespace enlarge::c

using enlarge::Result;
using namespace enlarge::c;

extern "C" {

const char* enlarge_version(void) { return enlarge::version(); }

enlarge_context* enlarge_context_create(void) { return new (std::nothrow) enlarge_context; }
void enlarge_context_destroy(enlarge_context* ctx) { delete ctx; }
const char* enlarge_error(const enlarge_context* ctx) { return ctx ? ctx->error.c_str() : "the context is null"; }

enlarge_cancellation* enlarge_cancellation_create(double seconds) {
    try {
        return new enlarge_cancellation{seconds > 0 ? enlarge::Cancellation::after(seconds)
                                                    : enlarge::Cancellation::create()};
    } catch (...) {
        return nullptr;
    }
}
void enlarge_cancel(enlarge_cancellation* cancellation) {
    if (cancellation) cancellation->cancellation.cancel();
}
void enlarge_cancellation_destroy(enlarge_cancellation* cancellation) { delete cancellation; }

void enlarge_set_log(enlarge_log log, void* user) {
    try {
        enlarge::set_log_sink(sink_of(log, user));
    } catch (...) {  // no memory for it: lines go where they went
    }
}

enlarge_status enlarge_cache_folder(enlarge_context* ctx, const char** folder) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!folder) return null_argument("folder");
        ctx->text = enlarge::cache_folder();
        *folder = ctx->text.c_str();
        return {};
    });
}

}  // extern "C"
