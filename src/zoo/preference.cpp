// SPDX-License-Identifier: Apache-2.0
// The model that a user prefers: one line in a file of his configuration folder.
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "base/folders.hpp"
#include "enlarge/models.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;

fs::path preference_file() {
    const std::string folder = user_folder("XDG_CONFIG_HOME", ".config");
    return folder.empty() ? fs::path() : fs::path(folder) / "model";
}

}  // namespace

std::string preferred_model() {
    std::ifstream in(preference_file());
    std::string name;
    std::getline(in, name);
    return name;
}

Result<void> prefer_model(const std::string& name) {
    const fs::path file = preference_file();
    if (file.empty()) return Error{Errc::not_found, "no folder for settings: neither XDG_CONFIG_HOME nor HOME is set"};
    if (name.find('\n') != std::string::npos) return Error{Errc::argument, "a model's name has one line"};
    std::error_code error;
    if (name.empty()) {
        fs::remove(file, error);
        return error ? Result<void>(Error{Errc::io, file.string() + ": cannot be removed: " + error.message()}) : Result<void>();
    }
    fs::create_directories(file.parent_path(), error);
    const fs::path part = file.string() + ".part";
    std::ofstream(part, std::ios::trunc) << name << '\n';
    if (!error) fs::rename(part, file, error);
    if (error || preferred_model() != name) return Error{Errc::io, file.string() + ": cannot be written"};
    return {};
}

}  // namespace enlarge
