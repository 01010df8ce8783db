// SPDX-License-Identifier: Apache-2.0
// The public list of models: the registry, and which of its families this build runs.
#include "enlarge/models.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>
#include <utility>

#include "arch/arch.hpp"
#include "enlarge/enlarge.hpp"
#include "zoo/files.hpp"
#include "zoo/registry.hpp"

namespace enlarge {
namespace {

bool contains(const std::string& text, const std::string& folded_word) {
    return zoo::folded(text).find(folded_word) != std::string::npos;
}

bool mentions(const PublicModel& model, const std::string& word) {
    const std::string folded = zoo::folded(word);
    const auto any = [&](const std::vector<std::string>& texts) {
        return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) { return contains(text, folded); });
    };
    return contains(model.name, folded) || contains(model.author, folded) || contains(model.family, folded) ||
           contains(model.purpose, folded) || any(model.aliases) || any(model.tags);
}

bool fits(const PublicModel& model, const ModelQuery& query) {
    if (query.scale != 0 && model.scale != query.scale) return false;
    if (!query.family.empty() && zoo::folded(model.family) != zoo::folded(query.family)) return false;
    if (query.commercial && model.commercial != true) return false;
    if (query.runs && !model.runs) return false;
    std::istringstream words(query.text);
    for (std::string word; words >> word;)
        if (!mentions(model, word)) return false;
    return true;
}

}  // namespace

Result<std::vector<PublicModel>> public_models() {
    TRY(zoo::Registry registry, zoo::load_registry());
    zoo::locate(registry.models, zoo::stored_files());
    for (PublicModel& model : registry.models) model.runs = runs_family(model.family);
    return std::move(registry.models);
}

Result<std::vector<StoredModel>> list_stored_models() {
    TRY(const std::vector<PublicModel> models, public_models());
    std::map<std::string, const PublicModel*> known;  // by folded name
    for (const PublicModel& model : models) {
        for (const std::string& alias : model.aliases) known.emplace(zoo::folded(alias), &model);
        known.emplace(zoo::folded(std::filesystem::path(model.file).stem().string()), &model);
        known[zoo::folded(model.name)] = &model;
    }
    std::map<std::string, std::string> built_in;  // by folded name
    for (const std::string& name : builtin_models()) built_in.emplace(zoo::folded(name), name);
    const std::vector<zoo::StoredFile> files = zoo::stored_files();
    const std::vector<std::string> names = zoo::names_of(files, [&](const std::string& name) {
        if (built_in.count(zoo::folded(name)) != 0) return true;
        const std::vector<const PublicModel*> meant = zoo::named(models, name);
        return meant.size() == 1 && !meant[0]->path.empty();
    });
    std::vector<StoredModel> stored;
    for (std::size_t i = 0; i < files.size(); ++i) {
        StoredModel model;
        model.path = files[i].path;
        model.name = names[i];
        const std::string stem = zoo::folded(std::filesystem::path(model.path).stem().string());
        const auto named = known.find(stem);
        const auto same = built_in.find(stem);
        if (named != known.end() && zoo::is_file_of(*named->second, model.path)) {
            model.public_model = named->second->name;
            if (named->second->path == model.path) model.name = model.public_model;
        } else if (same != built_in.end()) {
            model.namesake = same->second;
        } else if (named != known.end()) {
            model.namesake = named->second->name;
        }
        stored.push_back(std::move(model));
    }
    return stored;
}

Result<std::vector<PublicModel>> search_models(const ModelQuery& query) {
    TRY(std::vector<PublicModel> models, public_models());
    std::erase_if(models, [&](const PublicModel& model) { return !fits(model, query); });
    return models;
}

Result<PublicModel> find_public_model(const std::string& name) {
    TRY(const zoo::Registry registry, zoo::load_registry());
    TRY(const PublicModel* model, zoo::only_named(registry.models, name));
    std::vector<PublicModel> found{*model};  // of the others no file is read
    zoo::locate(found, zoo::stored_files());
    found[0].runs = runs_family(found[0].family);
    return std::move(found[0]);
}

}  // namespace enlarge
