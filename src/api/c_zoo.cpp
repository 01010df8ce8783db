// SPDX-License-Identifier: Apache-2.0
// The C interface: which models there are, and how to get them.
#include "api/c_interface.hpp"
#include "enlarge/models.hpp"

using enlarge::PublicModel;
using enlarge::Result;
using namespace enlarge::c;

namespace {

std::vector<const char*> pointers(const std::vector<std::string>& texts) {
    std::vector<const char*> out;
    for (const std::string& text : texts) out.push_back(text.c_str());
    return out;
}

void show(const PublicModel& model, void (*visit)(void* user, const enlarge_public_model* model), void* user) {
    const auto aliases = pointers(model.aliases), tags = pointers(model.tags), addresses = pointers(model.addresses);
    enlarge_public_model to{};
    to.size = sizeof to;
    to.name = model.name.c_str();
    to.author = model.author.c_str();
    to.file = model.file.c_str();
    to.page = model.page.c_str();
    to.sha256 = model.sha256.c_str();
    to.licence = model.licence.c_str();
    to.licence_address = model.licence_address.c_str();
    to.family = model.family.c_str();
    to.purpose = model.purpose.c_str();
    to.path = model.path.c_str();
    to.aliases = aliases.data();
    to.alias_count = aliases.size();
    to.tags = tags.data();
    to.tag_count = tags.size();
    to.addresses = addresses.data();
    to.address_count = addresses.size();
    to.bytes = model.bytes;
    to.scale = model.scale;
    to.commercial = model.commercial ? *model.commercial : -1;
    to.runs = model.runs;
    to.original = model.original;
    visit(user, &to);
}

}  // namespace

extern "C" {

enlarge_status enlarge_visit_models(enlarge_context* ctx, const enlarge_model_query* query,
                                    void (*visit)(void* user, const enlarge_public_model* model), void* user) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!visit) return null_argument("visit");
        TRY(const enlarge_model_query given, known_or_zero(query, "query"));
        enlarge::ModelQuery wanted;
        wanted.text = text_of(given.text);
        wanted.family = text_of(given.family);
        wanted.scale = given.scale;
        wanted.commercial = given.commercial != 0;
        wanted.runs = given.runs != 0;
        TRY(const std::vector<PublicModel> models, enlarge::search_models(wanted));
        for (const PublicModel& model : models) show(model, visit, user);
        return {};
    });
}

enlarge_status enlarge_visit_builtin_models(enlarge_context* ctx, void (*visit)(void* user, const char* name),
                                            void* user) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!visit) return null_argument("visit");
        for (const std::string& name : enlarge::builtin_models()) visit(user, name.c_str());
        return {};
    });
}

enlarge_status enlarge_visit_stored_models(enlarge_context* ctx, void (*visit)(void* user, const char* path),
                                           void* user) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!visit) return null_argument("visit");
        for (const std::string& path : enlarge::stored_models()) visit(user, path.c_str());
        return {};
    });
}

enlarge_status enlarge_model_find(enlarge_context* ctx, const char* name, const char** path) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!name) return null_argument("name");
        if (!path) return null_argument("path");
        TRY(ctx->text, enlarge::find_model(name));
        *path = ctx->text.c_str();
        return {};
    });
}

enlarge_status enlarge_models_folder(enlarge_context* ctx, const char** folder) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!folder) return null_argument("folder");
        TRY(ctx->text, enlarge::models_folder());
        *folder = ctx->text.c_str();
        return {};
    });
}

enlarge_status enlarge_model_pull(enlarge_context* ctx, const char* name, enlarge_pull_progress progress, void* user,
                                  const enlarge_cancellation* cancellation, const char** path) {
    return guarded(ctx, [&]() -> Result<void> {
        if (!name) return null_argument("name");
        enlarge::PullProgress told;
        if (progress) told = [&](std::int64_t done, std::int64_t total) { return progress(user, done, total) != 0; };
        const enlarge::Cancellation cancel = cancellation ? cancellation->cancellation : enlarge::Cancellation();
        TRY(ctx->text, enlarge::pull_model(name, told, cancel));
        if (path) *path = ctx->text.c_str();
        return {};
    });
}

}  // extern "C"
