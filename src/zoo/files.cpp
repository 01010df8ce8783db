// SPDX-License-Identifier: Apache-2.0
#include "zoo/files.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <tuple>
#include <utility>

#include "zoo/registry.hpp"
#include "zoo/store.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;
using zoo::StoredFile;

// Folders of a user's own models: how deep below one, and how many files of each are looked at.
constexpr int kDeepest = 3;
constexpr std::size_t kMostFiles = 10000;

bool is_weight_file(const fs::path& path) {
    const std::string extension = zoo::folded(path.extension().string());
    return extension == ".pth" || extension == ".pt" || extension == ".ckpt" || extension == ".safetensors" ||
           extension == ".onnx" || extension == ".param";
}

std::string without_ending(const std::string& name) { return fs::path(name).replace_extension().string(); }

// The folders that ENLARGE_MODELS names.
std::vector<std::string> own_folders() {
    const char* variable = std::getenv("ENLARGE_MODELS");
    std::vector<std::string> folders;
    std::istringstream list(variable ? variable : "");
    for (std::string folder; std::getline(list, folder, ':');)
        if (!folder.empty()) folders.push_back(folder);
    return folders;
}

// The weight files in a folder, sorted, and in those below down to `depth`.
void add_weight_files(const fs::path& folder, int depth, std::vector<StoredFile>& all) {
    std::vector<StoredFile> files;
    std::error_code error;
    for (fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error), end;
         !error && it != end && files.size() < kMostFiles; it.increment(error)) {
        std::error_code ignored;
        const bool hidden = it->path().filename().string().starts_with('.');
        if (hidden || it.depth() >= depth) it.disable_recursion_pending();
        if (!hidden && it->is_regular_file(ignored) && is_weight_file(it->path()))
            files.push_back({it->path().string(), it->path().lexically_relative(folder).string()});
    }
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    all.insert(all.end(), files.begin(), files.end());
}

// What a name may be of a file but its path within the folder.
bool is_short_for(const StoredFile& file, const std::string& name, std::string (*as)(std::string_view)) {
    const std::string last = fs::path(file.relative).filename().string();
    return as(last) == name || as(without_ending(last)) == name || as(without_ending(file.relative)) == name;
}

std::string as_it_is(std::string_view name) { return std::string(name); }

Error several_meant(const std::string& name, const std::vector<const StoredFile*>& candidates) {
    constexpr std::size_t kMostNamed = 6;
    std::map<std::string, int> count;
    for (const StoredFile* file : candidates) ++count[file->relative];
    std::string list;
    for (std::size_t i = 0; i < std::min(candidates.size(), kMostNamed); ++i) {
        const bool last = i + 1 == std::min(candidates.size(), kMostNamed);
        list += i == 0 ? "" : last ? " or " : ", ";
        list += count[candidates[i]->relative] > 1 ? candidates[i]->path : candidates[i]->relative;
    }
    if (candidates.size() > kMostNamed) list += " (and " + std::to_string(candidates.size() - kMostNamed) + " more)";
    return {Errc::argument, "\"" + name + "\" may mean " + list + "; write one of them"};
}

// SHA-256 of a file, kept while the file stays as it is; empty where it cannot be read.
std::string known_sha256(const std::string& path, const struct stat& info) {
    using Key = std::tuple<std::string, dev_t, ino_t, off_t, time_t, long>;
    static std::mutex mutex;
    static std::map<Key, std::string> known;
    const Key key{path, info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    const std::lock_guard lock(mutex);
    if (const auto found = known.find(key); found != known.end()) return found->second;
    const auto hash = zoo::sha256_of(path);
    return known[key] = hash.ok() ? *hash : std::string();
}

}  // namespace

std::vector<std::string> stored_models() {
    std::vector<std::string> paths;
    for (StoredFile& file : zoo::stored_files()) paths.push_back(std::move(file.path));
    return paths;
}

Result<std::string> find_model(const std::string& name) {
    TRY(zoo::Found found, zoo::find(name));
    return std::move(found.path);
}

std::vector<Notice> own_folder_notices() {
    std::vector<Notice> notices;
    std::error_code error;
    for (const std::string& folder : own_folders()) {
        if (fs::is_directory(folder, error)) continue;
        const char* what = fs::exists(folder, error) ? "is no folder" : "is not there";
        notices.push_back({"models-folder-missing", folder + ", which ENLARGE_MODELS names, " + what});
    }
    return notices;
}

namespace zoo {

std::vector<StoredFile> stored_files() {
    std::vector<StoredFile> files;
    std::set<fs::path> seen;  // folders
    const auto add = [&](const std::string& folder, int depth) {
        std::error_code error;
        const fs::path real = fs::canonical(folder, error);
        if (!error && seen.insert(real).second) add_weight_files(folder, depth, files);
    };
    if (const auto folder = models_folder()) add(*folder, 0);
    for (const std::string& folder : own_folders()) add(folder, kDeepest);
    return files;
}

std::vector<const StoredFile*> meant(const std::vector<StoredFile>& files, const std::string& name) {
    const std::string wanted = folded(name);
    std::vector<const StoredFile*> found;
    const auto those = [&](const auto& fits) {
        for (const StoredFile& file : files)
            if (fits(file)) found.push_back(&file);
        return !found.empty();
    };
    if (those([&](const StoredFile& file) { return file.relative == name; })) return found;
    if (those([&](const StoredFile& file) { return is_short_for(file, name, as_it_is); })) return found;
    if (those([&](const StoredFile& file) { return folded(file.relative) == wanted; })) return found;
    those([&](const StoredFile& file) { return is_short_for(file, wanted, folded); });
    return found;
}

std::vector<std::string> names_of(const std::vector<StoredFile>& files,
                                  const std::function<bool(const std::string& name)>& taken) {
    std::map<std::string, int> folded_count, exact_count;
    for (const StoredFile& file : files) {
        const std::string last = fs::path(file.relative).filename().string();
        const std::set<std::string> own{folded(file.relative), folded(last), folded(without_ending(last)),
                                        folded(without_ending(file.relative))};
        for (const std::string& name : own) ++folded_count[name];
        ++exact_count[file.relative];
    }
    std::vector<std::string> names;
    for (const StoredFile& file : files) {
        const std::string stem = without_ending(fs::path(file.relative).filename().string());
        if (folded_count[folded(stem)] == 1 && !taken(stem)) names.push_back(stem);
        else if (exact_count[file.relative] == 1 && !taken(file.relative)) names.push_back(file.relative);
        else names.push_back(file.path);
    }
    return names;
}

bool is_named_as(const PublicModel& model, const std::string& path) {
    const fs::path file(path);
    const std::string stem = folded(file.stem().string());
    return file.filename() == model.file || stem == folded(fs::path(model.file).stem().string()) ||
           stem == folded(model.name) ||
           std::any_of(model.aliases.begin(), model.aliases.end(),
                       [&](const std::string& alias) { return stem == folded(alias); });
}

bool is_file_of(const PublicModel& model, const std::string& path) {
    struct stat info = {};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size == model.bytes &&
           known_sha256(path, info) == model.sha256;
}

void locate(std::vector<PublicModel>& models, const std::vector<StoredFile>& files) {
    std::multimap<std::string, const StoredFile*> by_name;
    for (const StoredFile& file : files) by_name.emplace(folded(fs::path(file.path).stem().string()), &file);
    for (PublicModel& model : models) {
        std::vector<std::string> names = model.aliases;
        names.insert(names.begin(), {fs::path(model.file).stem().string(), model.name});
        for (const std::string& name : names)
            for (auto [it, end] = by_name.equal_range(folded(name)); it != end && model.path.empty(); ++it)
                if (is_file_of(model, it->second->path)) model.path = it->second->path;
    }
}

Result<Found> find(const std::string& name) {
    TRY(const Registry registry, load_registry());
    const std::vector<const PublicModel*> known = named(registry.models, name);
    const std::vector<StoredFile> files = stored_files();
    if (known.size() == 1)
        for (const StoredFile& file : files)
            if (is_named_as(*known[0], file.path) && is_file_of(*known[0], file.path)) return Found{file.path, ""};
    const std::vector<const StoredFile*> own = meant(files, name);
    if (own.size() > 1) return several_meant(name, own);
    if (own.size() == 1) return Found{own[0]->path, known.size() == 1 ? known[0]->name : ""};
    if (!known.empty()) {
        TRY(const PublicModel* model, only_named(registry.models, name));
        return Error{Errc::not_found, "the model " + model->name + " is not on this machine; get it with: " +
                                          "enlarge models pull " + model->name};
    }
    return Error{Errc::not_found, "no model is named \"" + name + "\"; enlarge models lists them"};
}

}  // namespace zoo
}  // namespace enlarge
