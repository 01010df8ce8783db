// SPDX-License-Identifier: Apache-2.0
#include "inputs.hpp"

#include <glob.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace cli {
namespace {

namespace fs = std::filesystem;
using enlarge::Errc;
using enlarge::Error;

// Files of a folder in order of name, those of subfolders after.
void list(const fs::path& folder, const fs::path& into, const InputOptions& options, std::vector<Job>& jobs) {
    std::error_code error;
    std::vector<fs::directory_entry> files, folders;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        if (it->path().filename().string().front() == '.') continue;  // hidden, our temporary files too
        std::error_code ignored;
        if (it->is_directory(ignored)) {
            if (!it->is_symlink(ignored)) folders.push_back(*it);
        } else if (it->is_regular_file(ignored)) {
            files.push_back(*it);
        }
    }
    if (error) jobs.push_back({folder.string(), "", "", folder.string() + ": cannot read the folder: " + error.message(), Errc::io});
    std::sort(files.begin(), files.end());
    std::sort(folders.begin(), folders.end());
    for (const auto& file : files) {
        const std::string stem = file.path().stem().string();
        const bool earlier = options.output.empty() && stem.size() > options.suffix.size() && stem.ends_with(options.suffix);
        if (!earlier && options.wanted(file.path().string())) jobs.push_back({file.path().string(), "", into.string(), "", {}});
    }
    for (const auto& sub : folders) list(sub.path(), into.empty() ? into : into / sub.path().filename(), options, jobs);
}

std::vector<std::string> expand(const std::string& word) {
    std::error_code error;
    if (word == "-" || fs::exists(word, error) || word.find_first_of("*?[") == std::string::npos) return {word};
    std::vector<std::string> found;
    glob_t matches = {};
    if (::glob(word.c_str(), 0, nullptr, &matches) == 0)
        for (std::size_t i = 0; i < matches.gl_pathc; ++i) found.emplace_back(matches.gl_pathv[i]);
    ::globfree(&matches);
    if (found.empty()) found.push_back(word);
    return found;
}

}  // namespace

enlarge::Result<std::vector<Job>> plan_jobs(const InputOptions& options) {
    std::vector<std::string> words;
    for (const std::string& word : options.inputs)
        for (std::string& found : expand(word)) words.push_back(std::move(found));
    std::error_code error;
    const std::string& output = options.output;
    const bool any_folder = std::any_of(words.begin(), words.end(), [&](auto& word) { return word != "-" && fs::is_directory(word, error); });
    const bool to_folder = !output.empty() && output != "-" && (output.back() == '/' || any_folder || words.size() > 1 || fs::is_directory(output, error));
    if (output == "-" && (words.size() > 1 || any_folder)) return Error{Errc::argument, "standard output takes one picture, not several"};
    if (to_folder && fs::exists(output, error) && !fs::is_directory(output, error))
        return Error{Errc::argument, output + ": is a file; several inputs need a folder to go to"};

    // "enlarge small.png big.png": the habit of cp and convert.
    if (output.empty() && words.size() == 2 && words[1] != "-" && !fs::exists(words[1], error) && words[1].find("://") == std::string::npos &&
        fs::exists(words[0], error) && options.wanted(words[1]))
        return Error{Errc::argument, words[1] + ": no such file; did you mean -o " + words[1] + "?"};

    std::vector<Job> jobs;
    for (const std::string& word : words) {
        if (word != "-" && fs::is_directory(word, error)) {
            if (!options.recursive) {
                jobs.push_back({word, "", "", word + ": is a folder; add -r to enlarge what is in it", Errc::argument});
                continue;
            }
            const std::size_t before = jobs.size();
            list(word, to_folder ? output : "", options, jobs);
            if (jobs.size() == before) jobs.push_back({word, "", "", word + ": holds no pictures or videos", Errc::not_found});
        } else {
            jobs.push_back({word, to_folder ? "" : output, to_folder ? output : "", "", {}});
        }
    }
    return jobs;
}

std::string size_suffix(double scale, int width, int height) {
    char text[64];
    if (width > 0 && height > 0) std::snprintf(text, sizeof text, "_%dx%d", width, height);
    else if (width > 0) std::snprintf(text, sizeof text, "_%dw", width);
    else if (height > 0) std::snprintf(text, sizeof text, "_%dh", height);
    else std::snprintf(text, sizeof text, "_x%.6g", scale);
    return text;
}

std::string default_output(const std::string& input, const std::string& folder, const std::string& suffix, const std::string& extension) {
    const fs::path path(input);
    fs::path where = folder.empty() ? path.parent_path() : fs::path(folder);
    return (where / (path.stem().string() + suffix + (extension.empty() ? path.extension().string() : "." + extension))).string();
}

}  // namespace cli
