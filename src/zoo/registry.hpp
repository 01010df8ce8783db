// SPDX-License-Identifier: Apache-2.0
// The list of public models: compiled in from models/registry.json, or another one for tests and mirrors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "enlarge/models.hpp"

namespace enlarge::zoo {

inline constexpr const char* kRegistryVariable = "ENLARGE_MODELS_REGISTRY";  // path of a registry to use instead

struct Registry {
    std::vector<PublicModel> models;  // path and runs are not filled in
    bool overridden = false;          // then http:// to this machine is allowed
};

// The registry in effect.
Result<Registry> load_registry();

// Parses and checks a registry: names and files without folders, https addresses (http://127.0.0.1 and [::1] only when
// `overridden`), an address or a page, positive sizes, 64 hex digits, no name twice. Fails with Errc::format, naming the
// model and the field.
Result<Registry> parse_registry(std::string_view json, bool overridden);

// The models of one that is meant by a name: by exactly that name, alias or file; else by one that differs in case, or in
// '_', '-' and ' ', alone. Empty when there is none; several when only such differences tell them apart.
std::vector<const PublicModel*> named(const std::vector<PublicModel>& models, const std::string& name);

// The one model of that name. Fails with Errc::not_found when there is none, or when several may be meant.
Result<const PublicModel*> only_named(const std::vector<PublicModel>& models, const std::string& name);

// A name without what people do not remember: lower case, '-' for '_' and ' '.
std::string folded(std::string_view name);

}  // namespace enlarge::zoo
