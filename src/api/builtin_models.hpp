// SPDX-License-Identifier: Apache-2.0
// The models that are compiled in: models/*.safetensors at build time, sorted by name.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace enlarge {

struct BuiltinModel {
    std::string_view name;            // the file's name without extension
    std::span<const std::byte> file;  // the whole safetensors file
};

const std::vector<BuiltinModel>& builtin_model_files();

}  // namespace enlarge
