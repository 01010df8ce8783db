// SPDX-License-Identifier: Apache-2.0
// The public list of models: the registry, and which of its families this build runs.
#include "enlarge/models.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

#include "arch/arch.hpp"
#include "zoo/registry.hpp"
#include "zoo/store.hpp"

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
    TRY(std::vector<PublicModel> models, zoo::registered_models());
    for (PublicModel& model : models) model.runs = runs_family(model.family);
    return models;
}

Result<std::vector<PublicModel>> search_models(const ModelQuery& query) {
    TRY(std::vector<PublicModel> models, public_models());
    std::erase_if(models, [&](const PublicModel& model) { return !fits(model, query); });
    return models;
}

Result<PublicModel> find_public_model(const std::string& name) {
    TRY(const std::vector<PublicModel> models, public_models());
    TRY(const PublicModel* model, zoo::only_named(models, name));
    return *model;
}

}  // namespace enlarge
