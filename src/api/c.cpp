// SPDX-License-Identifier: Apache-2.0
// The C interface on top of the C++ one. No exception leaves this file.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "enlarge/choice.hpp"
#include "enlarge/engine.hpp"
#include "enlarge/enlarge.h"

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;

struct enlarge_context {
    std::string error;
    std::string model, partner;  // of enlarge_choose
};
struct enlarge_model {
    explicit enlarge_model(enlarge::Model made) : model(std::move(made)) {
        for (const auto& [key, value] : model.info().facts) facts.push_back({key.c_str(), value.c_str()});
    }
    enlarge::Model model;
    std::vector<enlarge_fact> facts;  // pointers into the model's own
};
struct enlarge_engine {
    enlarge::Engine engine;
};
struct enlarge_session {
    enlarge::Engine::Session session;
};
struct enlarge_upscaler {
    enlarge_session session;
};
struct enlarge_cancellation {
    enlarge::Cancellation cancellation;
};

namespace {

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

// Text that fits a string without allocating, for the case that there is no memory.
enlarge_status fail(enlarge_context* ctx, enlarge_status status, const char* text) noexcept {
    try {
        ctx->error = text;
    } catch (...) {
        ctx->error.clear();
    }
    return status;
}

// Runs `body`, which returns Result<void>, and turns all that can go wrong into a status and a text.
template <class Body>
enlarge_status guarded(enlarge_context* ctx, Body&& body) noexcept {
    if (!ctx) return ENLARGE_ARGUMENT;
    try {
        ctx->error.clear();
        Result<void> result = body();
        if (result) return ENLARGE_OK;
        ctx->error = std::move(result.error().message);
        return status_of(result.error().code);
    } catch (const std::bad_alloc&) {
        return fail(ctx, ENLARGE_MEMORY, "out of memory");
    } catch (const std::exception& e) {
        return fail(ctx, ENLARGE_INTERNAL, e.what());
    } catch (...) {
        return fail(ctx, ENLARGE_INTERNAL, "unknown");
    }
}

Error null_argument(const char* name) { return {Errc::argument, std::string(name) + " is null"}; }

// A copy of a caller's struct, the fields it does not know set to zero. `size` is always its first field.
template <class Struct>
Result<Struct> known_part(const Struct* given, const char* name) {
    if (!given) return null_argument(name);
    if (given->size < sizeof(std::size_t) || given->size > 4096)
        return Error{Errc::argument, std::string(name) + ": set `size` to the size of the struct; it is " +
                                         std::to_string(given->size)};
    Struct copy{};
    std::memcpy(&copy, given, std::min(given->size, sizeof copy));
    copy.size = sizeof copy;
    return copy;
}

// The inverse: as much as the caller knows.
template <class Struct>
Result<void> fill_known(Struct* wanted, Struct value, const char* name) {
    if (wanted->size < sizeof(std::size_t) || wanted->size > 4096)
        return Error{Errc::argument, std::string(name) + ": set `size` to the size of the struct"};
    value.size = wanted->size;
    std::memcpy(wanted, &value, std::min(wanted->size, sizeof value));
    return {};
}

Result<enlarge::PixelFormat> format_of(const enlarge_image& image, const char* name) {
    if (image.sample < ENLARGE_U8 || image.sample > ENLARGE_F32)
        return Error{Errc::argument, std::string(name) + ": unknown sample type " + std::to_string(image.sample)};
    if (image.channels < 1 || image.channels > 4)
        return Error{Errc::argument, std::string(name) + ": " + std::to_string(image.channels) + " channels; expected 1 to 4"};
    enlarge::PixelFormat format;
    format.channels = static_cast<std::uint8_t>(image.channels);
    format.planar = image.planar != 0;
    switch (image.sample) {
        case ENLARGE_U8: format.sample = enlarge::SampleType::u8; format.bits = 8; break;
        case ENLARGE_U16:
            if (image.bits != 0 && (image.bits < 9 || image.bits > 16))
                return Error{Errc::argument, std::string(name) + ": " + std::to_string(image.bits) + " bits in 16-bit samples; expected 9 to 16"};
            format.sample = enlarge::SampleType::u16;
            format.bits = static_cast<std::uint8_t>(image.bits ? image.bits : 16);
            break;
        case ENLARGE_F16: format.sample = enlarge::SampleType::f16; format.bits = 16; break;
        default: format.sample = enlarge::SampleType::f32; format.bits = 32; break;
    }
    return format;
}

Result<enlarge::MutableImageView> view_of(const enlarge_image* given, const char* name) {
    auto known = known_part(given, name);
    if (!known) return std::move(known).error();
    const enlarge_image& image = *known;
    auto format = format_of(image, name);
    if (!format) return std::move(format).error();
    enlarge::MutableImageView view{*format, {image.width, image.height}, {}, {}};
    const int planes = format->planar ? format->channels : 1;
    for (int p = 0; p < planes; ++p) {
        if (!image.plane[p]) return Error{Errc::argument, std::string(name) + ": plane " + std::to_string(p) + " is null"};
        view.plane[static_cast<std::size_t>(p)] = static_cast<std::byte*>(image.plane[p]);
        view.stride_bytes[static_cast<std::size_t>(p)] = image.stride_bytes[p];
    }
    return view;
}

// What a callback sees of rows inside the library. Rows that are read from are const; the callback is told not to write.
template <class Byte>
enlarge_image c_image(const enlarge::BasicImageView<Byte>& view) {
    enlarge_image image{};
    image.size = sizeof image;
    image.width = view.size.width;
    image.height = view.size.height;
    image.channels = view.format.channels;
    image.sample = static_cast<std::int32_t>(view.format.sample);
    image.bits = view.format.bits;
    image.planar = view.format.planar;
    for (std::size_t p = 0; p < (view.format.planar ? view.format.channels : 1U); ++p) {
        image.plane[p] = const_cast<std::byte*>(view.plane[p]);
        image.stride_bytes[p] = view.stride_bytes[p];
    }
    return image;
}

class CallbackSource : public enlarge::RowSource {
public:
    CallbackSource(enlarge::Size size, enlarge::PixelFormat format, enlarge_rows read, void* user)
        : size_(size), format_(format), read_(read), user_(user) {}
    [[nodiscard]] enlarge::Size size() const override { return size_; }
    [[nodiscard]] enlarge::PixelFormat format() const override { return format_; }
    Result<void> read(const enlarge::MutableImageView& rows) override {
        const enlarge_image image = c_image(rows);
        if (read_(user_, &image) != 0) return Error{Errc::io, "the caller could not read the next rows"};
        return {};
    }

private:
    enlarge::Size size_;
    enlarge::PixelFormat format_;
    enlarge_rows read_;
    void* user_;
};

class CallbackSink : public enlarge::RowSink {
public:
    CallbackSink(enlarge_rows write, void* user) : write_(write), user_(user) {}
    Result<void> write(const enlarge::ImageView& rows) override {
        const enlarge_image image = c_image(rows);
        if (write_(user_, &image) != 0) return Error{Errc::io, "the caller could not write the next rows"};
        return {};
    }

private:
    enlarge_rows write_;
    void* user_;
};

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

// What the caller said, as far as it knows the struct; the rest keeps its defaults.
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
        engine.log = [log = known->log, user = known->log_user](enlarge::LogLevel level, const enlarge::Notice& line) {
            log(user, static_cast<std::int32_t>(level), line.code.c_str(), line.text.c_str());
        };
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

enlarge_device_info c_device(const enlarge::DeviceInfo& from) {
    enlarge_device_info to{};
    to.size = sizeof to;
    to.id = from.id.c_str();
    to.name = from.name.c_str();
    to.detail = from.detail.c_str();
    to.fallback_to = from.fallback_to.c_str();
    to.memory_bytes = from.memory_bytes;
    to.kind = static_cast<std::int32_t>(from.kind);
    to.usable = from.usable;
    for (const enlarge::Precision precision : from.precisions) to.precisions |= 1 << static_cast<int>(precision);
    to.takes_frames = from.takes_frames;
    return to;
}

Result<void> upscale(enlarge::Engine::Session& session, const enlarge_image* in, const enlarge_image* out,
                     const enlarge::CallOptions& call, enlarge_report* report) {
    const auto from = view_of(in, "in");
    if (!from) return from.error();
    const auto to = view_of(out, "out");
    if (!to) return to.error();
    const auto made = session.upscale(enlarge::ImageView(*from), *to, call);
    if (!made) return made.error();
    return give_report(report, *made);
}

// Size and format of a picture whose planes are not used.
Result<std::pair<enlarge::Size, enlarge::PixelFormat>> shape_of(const enlarge_image* given, const char* name) {
    const auto known = known_part(given, name);
    if (!known) return known.error();
    const auto format = format_of(*known, name);
    if (!format) return format.error();
    return std::pair{enlarge::Size{known->width, known->height}, *format};
}

struct Rows {
    const enlarge_image* shape;
    enlarge_rows call;
    void* user;
};
Result<void> upscale_rows(enlarge::Engine::Session& session, const Rows& in, const Rows& out,
                          const enlarge::CallOptions& call, enlarge_report* report) {
    if (!in.call || !out.call) return null_argument("a callback");
    const auto from = shape_of(in.shape, "in");
    if (!from) return from.error();
    const auto to = shape_of(out.shape, "out");
    if (!to) return to.error();
    CallbackSource source(from->first, from->second, in.call, in.user);
    CallbackSink sink(out.call, out.user);
    const auto made = session.upscale(source, sink, to->first, to->second, call);
    if (!made) return made.error();
    return give_report(report, *made);
}

// Hands a new model to the caller.
Result<void> give_model(Result<enlarge::Model> made, enlarge_model** model) {
    if (!made) return std::move(made).error();
    *model = new enlarge_model(std::move(made).value());
    return {};
}

}  // namespace

extern "C" {

const char* enlarge_version(void) { return enlarge::version(); }

enlarge_context* enlarge_context_create(void) { return new (std::nothrow) enlarge_context; }
void enlarge_context_destroy(enlarge_context* ctx) { delete ctx; }
const char* enlarge_error(const enlarge_context* ctx) { return ctx ? ctx->error.c_str() : "the context is null"; }

enlarge_status enlarge_model_open(enlarge_context* ctx, const char* name, enlarge_model** model) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!name) return null_argument("name");
        if (!model) return null_argument("model");
        return give_model(enlarge::Model::open(name), model);
    });
}

enlarge_status enlarge_model_read(enlarge_context* ctx, const void* bytes, size_t byte_count, const char* name,
                                  enlarge_model** model) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!bytes) return null_argument("bytes");
        if (!model) return null_argument("model");
        const std::span file(static_cast<const std::byte*>(bytes), byte_count);
        return give_model(enlarge::Model::read(file, name ? name : "model"), model);
    });
}

enlarge_status enlarge_model_blend(enlarge_context* ctx, const enlarge_model* a, const enlarge_model* b, float share,
                                   enlarge_model** model) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!a || !b) return null_argument("a model");
        if (!model) return null_argument("model");
        return give_model(a->model.blend(b->model, share), model);
    });
}

void enlarge_model_close(enlarge_model* model) { delete model; }

enlarge_status enlarge_model_describe(enlarge_context* ctx, const enlarge_model* model, enlarge_model_info* info) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!model) return null_argument("model");
        if (!info) return null_argument("info");
        const enlarge::ModelInfo& from = model->model.info();
        enlarge_model_info to{};
        to.name = from.name.c_str();
        to.family = from.family.c_str();
        to.licence = from.licence.c_str();
        to.scale = from.scale;
        to.channels = from.channels;
        to.features = std::atoi(from.fact("features").c_str());
        to.blocks = std::atoi(from.fact("blocks").c_str());
        to.receptive_radius = from.receptive_radius;
        to.parameters = from.parameters;
        to.macs_per_pixel = from.macs_per_pixel;
        to.variant = from.variant.c_str();
        to.facts = model->facts.data();
        to.fact_count = model->facts.size();
        to.size_multiple = from.size_multiple;
        to.tiles_exact = from.tiles_exact;
        return fill_known(info, to, "info");
    });
}

enlarge_status enlarge_upscaler_create(enlarge_context* ctx, const enlarge_model* model, const enlarge_options* options,
                                       enlarge_upscaler** upscaler) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!model) return null_argument("model");
        if (!upscaler) return null_argument("upscaler");
        const auto how = engine_options(options);
        if (!how) return how.error();
        auto made = enlarge::Engine::create(model->model, *how);
        if (!made) return std::move(made).error();
        *upscaler = new enlarge_upscaler{{made->session()}};
        return {};
    });
}

void enlarge_upscaler_destroy(enlarge_upscaler* upscaler) { delete upscaler; }
const char* enlarge_upscaler_path(const enlarge_upscaler* upscaler) {
    return upscaler ? upscaler->session.session.info().description.c_str() : "";
}

enlarge_status enlarge_output_size(enlarge_context* ctx, const enlarge_model* model, int32_t in_width, int32_t in_height,
                                   double scale, int32_t width, int32_t height, int fit, int32_t* out_width,
                                   int32_t* out_height) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!model) return null_argument("model");
        if (!out_width || !out_height) return null_argument("the place for the size");
        const auto size = enlarge::resolve({scale, width, height, fit != 0}, {in_width, in_height}, model->model.info().scale);
        if (!size) return size.error();
        *out_width = size->width;
        *out_height = size->height;
        return {};
    });
}

enlarge_status enlarge_upscale(enlarge_context* ctx, enlarge_upscaler* upscaler, const enlarge_image* in,
                               const enlarge_image* out, enlarge_progress progress, void* user, enlarge_report* report) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!upscaler) return null_argument("upscaler");
        const enlarge::CallOptions call{.progress = progress_of(progress, user), .cancel = {}};
        return upscale(upscaler->session.session, in, out, call, report);
    });
}

enlarge_status enlarge_upscale_rows(enlarge_context* ctx, enlarge_upscaler* upscaler, const enlarge_image* in,
                                    enlarge_rows read, void* read_user, const enlarge_image* out, enlarge_rows write,
                                    void* write_user, enlarge_progress progress, void* user, enlarge_report* report) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!upscaler) return null_argument("upscaler");
        return upscale_rows(upscaler->session.session, {in, read, read_user}, {out, write, write_user},
                            {.progress = progress_of(progress, user), .cancel = {}}, report);
    });
}

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

enlarge_status enlarge_engine_create(enlarge_context* ctx, const enlarge_model* model, const enlarge_options* options,
                                     enlarge_engine** engine) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!model) return null_argument("model");
        if (!engine) return null_argument("engine");
        const auto how = engine_options(options);
        if (!how) return how.error();
        auto made = enlarge::Engine::create(model->model, *how);
        if (!made) return std::move(made).error();
        *engine = new enlarge_engine{std::move(made).value()};
        return {};
    });
}
void enlarge_engine_destroy(enlarge_engine* engine) { delete engine; }

enlarge_status enlarge_engine_describe(enlarge_context* ctx, const enlarge_engine* engine, enlarge_engine_info* info,
                                       enlarge_device_info* device) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!engine) return null_argument("engine");
        const enlarge::EngineInfo& from = engine->engine.info();
        if (info) {
            enlarge_engine_info to{};
            to.description = from.description.c_str();
            to.precision = static_cast<std::int32_t>(from.precision);
            to.devices = from.devices;
            to.plain_loops = from.plain_loops;
            if (auto filled = fill_known(info, to, "info"); !filled) return filled;
        }
        return device ? fill_known(device, c_device(from.device), "device") : Result<void>{};
    });
}

enlarge_status enlarge_session_create(enlarge_context* ctx, const enlarge_engine* engine, enlarge_session** session) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!engine) return null_argument("engine");
        if (!session) return null_argument("session");
        *session = new enlarge_session{engine->engine.session()};
        return {};
    });
}
void enlarge_session_destroy(enlarge_session* session) { delete session; }

enlarge_status enlarge_session_memory(enlarge_context* ctx, const enlarge_session* session, const enlarge_image* in,
                                      const enlarge_image* out, int64_t* bytes) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!session) return null_argument("session");
        if (!bytes) return null_argument("bytes");
        const auto from = shape_of(in, "in");
        if (!from) return from.error();
        const auto to = shape_of(out, "out");
        if (!to) return to.error();
        const enlarge::OutputSize size{0, to->first.width, to->first.height, false};
        const auto need = session->session.memory_for(from->first, from->second, size);
        if (!need) return need.error();
        *bytes = *need;
        return {};
    });
}

enlarge_status enlarge_session_upscale(enlarge_context* ctx, enlarge_session* session, const enlarge_image* in,
                                       const enlarge_image* out, const enlarge_call* call, enlarge_report* report) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!session) return null_argument("session");
        const auto how = call_options(call);
        if (!how) return how.error();
        return upscale(session->session, in, out, *how, report);
    });
}

enlarge_status enlarge_session_upscale_rows(enlarge_context* ctx, enlarge_session* session, const enlarge_image* in,
                                            enlarge_rows read, void* read_user, const enlarge_image* out,
                                            enlarge_rows write, void* write_user, const enlarge_call* call,
                                            enlarge_report* report) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!session) return null_argument("session");
        const auto how = call_options(call);
        if (!how) return how.error();
        return upscale_rows(session->session, {in, read, read_user}, {out, write, write_user}, *how, report);
    });
}

enlarge_status enlarge_visit_devices(enlarge_context* ctx, void (*visit)(void* user, const enlarge_device_info* device),
                                     void* user) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!visit) return null_argument("visit");
        for (const enlarge::DeviceInfo& device : enlarge::devices()) {
            const enlarge_device_info shown = c_device(device);
            visit(user, &shown);
        }
        return {};
    });
}

enlarge_status enlarge_choose(enlarge_context* ctx, const char* kind, int video, double factor, enlarge_choice* choice) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!kind) return null_argument("kind");
        if (!choice) return null_argument("choice");
        const auto known = enlarge::parse_kind(kind);
        if (!known) return known.error();
        const enlarge::Choice chosen = enlarge::choose(*known, video ? enlarge::Use::video : enlarge::Use::pictures, factor);
        ctx->model = chosen.model;
        ctx->partner.clear();
        if (chosen.denoise < 1) {
            auto partner = enlarge::denoise_partner(chosen.model);
            if (!partner) return std::move(partner).error();
            ctx->partner = std::move(partner).value();
        }
        enlarge_choice to{};
        to.model = ctx->model.c_str();
        to.partner = ctx->partner.c_str();
        to.denoise = chosen.denoise;
        to.plain = 1 - chosen.strength;
        return fill_known(choice, to, "choice");
    });
}

enlarge_status enlarge_devices(enlarge_context* ctx,
                               void (*visit)(void* user, const char* id, const char* name, int64_t memory_bytes,
                                             int usable, const char* detail),
                               void* user) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!visit) return null_argument("visit");
        for (const enlarge::DeviceInfo& device : enlarge::devices())
            visit(user, device.id.c_str(), device.name.c_str(), device.memory_bytes, device.usable, device.detail.c_str());
        return {};
    });
}

}  // extern "C"
