// SPDX-License-Identifier: Apache-2.0
// The C interface: models, and which to take.
#include <cstdlib>
#include <span>

#include "api/c_interface.hpp"
#include "enlarge/choice.hpp"

using enlarge::Error;
using enlarge::Result;
using namespace enlarge::c;

namespace {

// Hands a new model to the caller.
Result<void> give_model(Result<enlarge::Model> made, enlarge_model** model) {
    if (!made) return std::move(made).error();
    *model = new enlarge_model(std::move(made).value());
    return {};
}

// What the caller said; 0 stands for the default.
Result<enlarge::Limits> limits_of(const enlarge_model_limits* given) {
    const auto known = known_or_zero(given, "limits");
    if (!known) return known.error();
    enlarge::Limits limits;
    for (const auto& [from, to] : {std::pair{known->file_bytes, &limits.file_bytes},
                                   std::pair{known->header_bytes, &limits.header_bytes},
                                   std::pair{known->tensors, &limits.tensors},
                                   std::pair{known->tensor_elements, &limits.tensor_elements},
                                   std::pair{known->total_elements, &limits.total_elements}}) {
        if (from < 0) return Error{enlarge::Errc::argument, "a negative limit"};
        if (from) *to = from;
    }
    if (known->nesting < 0) return Error{enlarge::Errc::argument, "a negative limit"};
    if (known->nesting) limits.nesting = known->nesting;
    return limits;
}

}  // namespace

extern "C" {

enlarge_status enlarge_model_open(enlarge_context* ctx, const char* name, enlarge_model** model) {
    return enlarge_model_open_within(ctx, name, nullptr, model);
}

enlarge_status enlarge_model_open_within(enlarge_context* ctx, const char* name, const enlarge_model_limits* limits,
                                         enlarge_model** model) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!name) return null_argument("name");
        if (!model) return null_argument("model");
        const auto bounds = limits_of(limits);
        if (!bounds) return bounds.error();
        return give_model(enlarge::Model::open(name, *bounds), model);
    });
}

enlarge_status enlarge_model_read(enlarge_context* ctx, const void* bytes, size_t byte_count, const char* name,
                                  enlarge_model** model) {
    return enlarge_model_read_within(ctx, bytes, byte_count, name, nullptr, model);
}

enlarge_status enlarge_model_read_within(enlarge_context* ctx, const void* bytes, size_t byte_count, const char* name,
                                         const enlarge_model_limits* limits, enlarge_model** model) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!bytes) return null_argument("bytes");
        if (!model) return null_argument("model");
        const auto bounds = limits_of(limits);
        if (!bounds) return bounds.error();
        const std::span file(static_cast<const std::byte*>(bytes), byte_count);
        return give_model(enlarge::Model::read(file, name ? name : "model", *bounds), model);
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

enlarge_status enlarge_output_size(enlarge_context* ctx, const enlarge_model* model, int32_t in_width,
                                   int32_t in_height, double scale, int32_t width, int32_t height, int fit,
                                   int32_t* out_width, int32_t* out_height) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!model) return null_argument("model");
        if (!out_width || !out_height) return null_argument("the place for the size");
        const enlarge::OutputSize wanted{scale, width, height, fit != 0};
        const auto size = enlarge::resolve(wanted, {in_width, in_height}, model->model.info().scale);
        if (!size) return size.error();
        *out_width = size->width;
        *out_height = size->height;
        return {};
    });
}

enlarge_status enlarge_choose(enlarge_context* ctx, const char* kind, int video, double factor,
                              enlarge_choice* choice) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!kind) return null_argument("kind");
        if (!choice) return null_argument("choice");
        const auto known = enlarge::parse_kind(kind);
        if (!known) return known.error();
        const enlarge::Use use = video ? enlarge::Use::video : enlarge::Use::pictures;
        const enlarge::Choice chosen = enlarge::choose(*known, use, factor);
        ctx->model = chosen.model;
        ctx->filter = video ? chosen.filter_before : "";
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
        to.filter_before = ctx->filter.c_str();
        to.no_deinterlace = video && !chosen.deinterlace;
        return fill_known(choice, to, "choice");
    });
}

enlarge_status enlarge_denoise_partner(enlarge_context* ctx, const char* model, const char** partner) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!model) return null_argument("model");
        if (!partner) return null_argument("partner");
        TRY(ctx->text, enlarge::denoise_partner(model));
        *partner = ctx->text.c_str();
        return {};
    });
}

enlarge_status enlarge_default_model(enlarge_context* ctx, int video, double factor, const char** name) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!name) return null_argument("name");
        const enlarge::Use use = video ? enlarge::Use::video : enlarge::Use::pictures;
        ctx->text = enlarge::default_model(use, factor > 0 ? factor : 4);
        *name = ctx->text.c_str();
        return {};
    });
}

}  // extern "C"
