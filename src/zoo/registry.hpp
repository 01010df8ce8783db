// SPDX-License-Identifier: Apache-2.0
// The list of public models: compiled in from models/registry.json, or another one for tests and mirrors.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "enlarge/models.hpp"

namespace enlarge::zoo {

inline constexpr const char* kRegistryVariable = "ENLARGE_MODELS_REGISTRY";  // path of a registry to use instead

struct Registry {
    std::vector<PublicModel> models;  // path is not filled in
    bool overridden = false;          // then http:// to this machine is allowed
};

// The registry in effect.
Result<Registry> load_registry();

// Parses and checks a registry: names and files without folders, https addresses (http://127.0.0.1 and [::1] only when
// `overridden`), positive sizes, 64 hex digits. Fails with Errc::format, naming the model and the field.
Result<Registry> parse_registry(std::string_view json, bool overridden);

}  // namespace enlarge::zoo
