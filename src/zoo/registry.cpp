// SPDX-License-Identifier: Apache-2.0
#include "zoo/registry.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

namespace enlarge {

extern const std::string_view kBuiltinRegistry;  // builtin_registry.cpp, made from models/registry.json

std::optional<bool> allows_commercial_use(std::string_view licence) {
    if (licence.empty() || licence == "unknown") return std::nullopt;
    return licence.find("-NC") == std::string_view::npos;
}

namespace zoo {
namespace {

using nlohmann::json;

Result<std::string> text_field(const json& model, const char* key) {
    const auto found = model.find(key);
    if (found == model.end() || !found->is_string() || found->get_ref<const std::string&>().empty())
        return Error{Errc::format, std::string("\"") + key + "\" is missing or not a string"};
    return found->get<std::string>();
}

Result<std::int64_t> number_field(const json& model, const char* key, std::int64_t most) {
    const auto found = model.find(key);
    if (found == model.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() == 0 ||
        found->get<std::uint64_t>() > static_cast<std::uint64_t>(most))
        return Error{Errc::format, std::string("\"") + key + "\" is missing or not a number from 1 to " + std::to_string(most)};
    return static_cast<std::int64_t>(found->get<std::uint64_t>());
}

std::string optional_text(const json& model, const char* key) {
    const auto found = model.find(key);
    return found != model.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// A list of non-empty strings; empty when the key is not there.
Result<std::vector<std::string>> list_field(const json& model, const char* key) {
    std::vector<std::string> list;
    const auto found = model.find(key);
    if (found == model.end()) return list;
    const Error wrong{Errc::format, std::string("\"") + key + "\" is not a list of strings"};
    if (!found->is_array()) return wrong;
    for (const json& entry : *found) {
        if (!entry.is_string() || entry.get_ref<const std::string&>().empty()) return wrong;
        list.push_back(entry.get<std::string>());
    }
    return list;
}

// A file name and nothing more, so that nothing is ever written outside the folder.
bool is_plain_name(const std::string& name) {
    return name[0] != '.' && std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '+';
    });
}

bool is_allowed_address(const std::string& address, bool overridden) {
    if (address.starts_with("https://")) return true;
    return overridden && (address.starts_with("http://127.0.0.1:") || address.starts_with("http://[::1]:"));
}

Result<void> check(const PublicModel& model, bool overridden) {
    if (!is_plain_name(model.name)) return Error{Errc::format, "\"name\" may hold letters, digits and - _ . + only"};
    if (!is_plain_name(model.file)) return Error{Errc::format, "\"file\" may hold letters, digits and - _ . + only"};
    for (const std::string& address : model.addresses)
        if (!is_allowed_address(address, overridden))
            return Error{Errc::format, "\"addresses\" must start with https://"};
    if (!model.page.empty() && !model.page.starts_with("https://"))
        return Error{Errc::format, "\"page\" must start with https://"};
    if (model.addresses.empty() && model.page.empty())
        return Error{Errc::format, "neither \"addresses\" nor \"page\" says where the file is"};
    if (model.sha256.size() != 64 || model.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
        return Error{Errc::format, "\"sha256\" must be 64 lower-case hex digits"};
    return {};
}

Result<PublicModel> parse_model(const json& entry, bool overridden) {
    if (!entry.is_object()) return Error{Errc::format, "an object expected"};
    PublicModel model;
    TRY(model.name, text_field(entry, "name"));
    TRY(model.aliases, list_field(entry, "aliases"));
    model.author = optional_text(entry, "author");
    TRY(model.file, text_field(entry, "file"));
    TRY(model.addresses, list_field(entry, "addresses"));
    model.page = optional_text(entry, "page");
    TRY(model.bytes, number_field(entry, "bytes", std::int64_t{1} << 40));
    TRY(model.sha256, text_field(entry, "sha256"));
    TRY(model.licence, text_field(entry, "licence"));
    model.licence_address = optional_text(entry, "licence_address");
    model.commercial = allows_commercial_use(model.licence);
    TRY(model.family, text_field(entry, "family"));
    TRY(const std::int64_t scale, number_field(entry, "scale", 64));
    model.scale = static_cast<int>(scale);
    TRY(model.tags, list_field(entry, "tags"));
    model.purpose = optional_text(entry, "purpose");
    model.original = !model.purpose.empty();
    if (!model.original)
        for (const std::string& tag : model.tags) model.purpose += (model.purpose.empty() ? "" : ", ") + tag;
    TRY(check(model, overridden));
    return model;
}

}  // namespace

Result<Registry> parse_registry(std::string_view text, bool overridden) {
    const json document = json::parse(text, nullptr, false);
    if (document.is_discarded()) return Error{Errc::format, "not valid JSON"};
    const auto models = document.is_object() ? document.find("models") : document.end();
    if (!document.is_object() || models == document.end() || !models->is_array())
        return Error{Errc::format, "a list \"models\" expected"};
    Registry registry;
    registry.overridden = overridden;
    std::set<std::string> seen;
    for (const json& entry : *models) {
        auto model = parse_model(entry, overridden);
        if (!model) return std::move(model.error()).within("model " + std::to_string(registry.models.size() + 1));
        std::set<std::string> names(model->aliases.begin(), model->aliases.end());
        names.insert({model->name, model->file});
        for (const std::string& name : names)
            if (!seen.insert(name).second) return Error{Errc::format, "two models are named " + name};
        registry.models.push_back(std::move(*model));
    }
    return registry;
}

std::string folded(std::string_view name) {
    std::string text(name);
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c == '_' || c == ' ' ? '-' : c;
    return text;
}

std::vector<const PublicModel*> named(const std::vector<PublicModel>& models, const std::string& name) {
    const auto known_as = [&](const PublicModel& model, const auto& same) {
        return same(model.name) || same(model.file) || std::any_of(model.aliases.begin(), model.aliases.end(), same);
    };
    for (const PublicModel& model : models)
        if (known_as(model, [&](const std::string& other) { return other == name; })) return {&model};
    std::vector<const PublicModel*> found;
    const std::string wanted = folded(name);
    for (const PublicModel& model : models)
        if (known_as(model, [&](const std::string& other) { return folded(other) == wanted; })) found.push_back(&model);
    return found;
}

Result<const PublicModel*> only_named(const std::vector<PublicModel>& models, const std::string& name) {
    const std::vector<const PublicModel*> found = named(models, name);
    if (found.empty()) return Error{Errc::not_found, "no public model is named \"" + name + "\"; enlarge models lists them"};
    if (found.size() > 1)
        return Error{Errc::not_found, "\"" + name + "\" may mean " + found[0]->name + " or " + found[1]->name + "; write one exactly"};
    return found[0];
}

Result<Registry> load_registry() {
    const char* path = std::getenv(kRegistryVariable);
    if (!path || !*path) {  // parsed once: a start that names a stored model asks several times
        static const Result<Registry> builtin = parse_registry(kBuiltinRegistry, false);
        return builtin;
    }
    std::ifstream in(path, std::ios::binary);
    if (!in) return Error{Errc::not_found, std::string(path) + " (from " + kRegistryVariable + ") cannot be opened"};
    std::ostringstream text;
    text << in.rdbuf();
    auto registry = parse_registry(text.str(), true);
    if (!registry) return std::move(registry.error()).within(path);
    return registry;
}

}  // namespace zoo
}  // namespace enlarge
