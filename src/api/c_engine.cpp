// SPDX-License-Identifier: Apache-2.0
// The C interface: pictures in memory, engines, sessions, devices.
#include "api/c_interface.hpp"

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;
using namespace enlarge::c;

namespace {

Result<enlarge::PixelFormat> format_of(const enlarge_image& image, const char* name) {
    if (image.sample < ENLARGE_U8 || image.sample > ENLARGE_F32)
        return Error{Errc::argument, std::string(name) + ": unknown sample type " + std::to_string(image.sample)};
    if (image.channels < 1 || image.channels > 4)
        return Error{Errc::argument,
                     std::string(name) + ": " + std::to_string(image.channels) + " channels; expected 1 to 4"};
    enlarge::PixelFormat format;
    format.channels = static_cast<std::uint8_t>(image.channels);
    format.planar = image.planar != 0;
    switch (image.sample) {
        case ENLARGE_U8: format.sample = enlarge::SampleType::u8; format.bits = 8; break;
        case ENLARGE_U16:
            if (image.bits != 0 && (image.bits < 9 || image.bits > 16))
                return Error{Errc::argument, std::string(name) + ": " + std::to_string(image.bits) +
                                                 " bits in 16-bit samples; expected 9 to 16"};
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
        if (!image.plane[p])
            return Error{Errc::argument, std::string(name) + ": plane " + std::to_string(p) + " is null"};
        view.plane[static_cast<std::size_t>(p)] = static_cast<std::byte*>(image.plane[p]);
        view.stride_bytes[static_cast<std::size_t>(p)] = image.stride_bytes[p];
    }
    return view;
}

// What a callback sees of rows inside the library. Rows that are read from are const; the callback is told not to
// write.
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

}  // namespace

extern "C" {

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

enlarge_status enlarge_upscale(enlarge_context* ctx, enlarge_upscaler* upscaler, const enlarge_image* in,
                               const enlarge_image* out, enlarge_progress progress, void* user,
                               enlarge_report* report) {
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

enlarge_status enlarge_devices(enlarge_context* ctx,
                               void (*visit)(void* user, const char* id, const char* name, int64_t memory_bytes,
                                             int usable, const char* detail),
                               void* user) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!visit) return null_argument("visit");
        for (const enlarge::DeviceInfo& device : enlarge::devices())
            visit(user, device.id.c_str(), device.name.c_str(), device.memory_bytes, device.usable,
                  device.detail.c_str());
        return {};
    });
}

}  // extern "C"
