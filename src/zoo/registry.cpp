// SPDX-License-Identifier: Apache-2.0
#include "zoo/registry.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

namespace enlarge {

extern const std::string_view kBuiltinRegistry;  // builtin_registry.cpp, made from models/registry.json

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

Result<PublicModel> parse_model(const json& entry, bool overridden) {
    if (!entry.is_object()) return Error{Errc::format, "an object expected"};
    PublicModel model;
    TRY(model.name, text_field(entry, "name"));
    TRY(model.file, text_field(entry, "file"));
    TRY(model.address, text_field(entry, "address"));
    TRY(model.bytes, number_field(entry, "bytes", std::int64_t{1} << 40));
    TRY(model.sha256, text_field(entry, "sha256"));
    TRY(model.licence, text_field(entry, "licence"));
    TRY(model.licence_address, text_field(entry, "licence_address"));
    TRY(model.family, text_field(entry, "family"));
    TRY(const std::int64_t scale, number_field(entry, "scale", 64));
    model.scale = static_cast<int>(scale);
    TRY(model.purpose, text_field(entry, "purpose"));
    if (!is_plain_name(model.name)) return Error{Errc::format, "\"name\" may hold letters, digits and - _ . + only"};
    if (!is_plain_name(model.file)) return Error{Errc::format, "\"file\" may hold letters, digits and - _ . + only"};
    if (!is_allowed_address(model.address, overridden)) return Error{Errc::format, "\"address\" must start with https://"};
    if (model.sha256.size() != 64 || model.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
        return Error{Errc::format, "\"sha256\" must be 64 lower-case hex digits"};
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
        if (!seen.insert(model->name).second || (model->file != model->name && !seen.insert(model->file).second))
            return Error{Errc::format, "two models are named " + model->name};
        registry.models.push_back(std::move(*model));
    }
    return registry;
}

Result<Registry> load_registry() {
    const char* path = std::getenv(kRegistryVariable);
    if (!path || !*path) return parse_registry(kBuiltinRegistry, false);
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
