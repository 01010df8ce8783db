// SPDX-License-Identifier: Apache-2.0
#include "inputs.hpp"

#include <glob.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include "text.hpp"

namespace cli {
namespace {

namespace fs = std::filesystem;
using enlarge::Errc;
using enlarge::Error;

// The same for all names of one file or folder, whether it is there or not.
std::string identity(const fs::path& path) {
    std::error_code error;
    const fs::path absolute = fs::absolute(path, error);
    const fs::path real = fs::weakly_canonical(absolute, error);
    fs::path name = error || real.empty() ? absolute.lexically_normal() : real;
    if (name.filename().empty()) name = name.parent_path();  // "out/"
    return name.string();
}

// Whether a stem ends as size_suffix() ends one: "_x2", "_x1.5", "_640x480", "_640w", "_480h". `base` is what is before.
bool names_size(const std::string& stem, std::string& base) {
    const std::size_t at = stem.rfind('_');
    if (at == std::string::npos || at == 0) return false;
    const std::string end = stem.substr(at + 1);
    double number = 0;
    int width = 0, height = 0, read = 0;
    const auto whole = [&](int fields, int wanted) { return fields == wanted && read == static_cast<int>(end.size()); };
    char unit = 0;
    const bool digits = end.size() > 1 && (std::isdigit(static_cast<unsigned char>(end[0])) || end[0] == 'x');
    if (!digits || !(whole(std::sscanf(end.c_str(), "x%lf%n", &number, &read), 1) ||
                     whole(std::sscanf(end.c_str(), "%dx%d%n", &width, &height, &read), 2) ||
                     (whole(std::sscanf(end.c_str(), "%d%c%n", &width, &unit, &read), 2) && (unit == 'w' || unit == 'h'))))
        return false;
    base = stem.substr(0, at);
    return true;
}

struct Lister {
    const InputOptions& options;
    std::string results;  // identity of the output folder; empty when results lie beside their inputs
    Plan& plan;
    std::size_t earlier = 0;  // files taken for results of earlier runs
    std::string example;

    // Files of a folder in order of name, those of subfolders after.
    void list(const fs::path& folder, const fs::path& into) {
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
        if (error) plan.jobs.push_back({folder.string(), "", "", folder.string() + ": cannot read the folder: " + error.message(), Errc::io});
        std::sort(files.begin(), files.end());
        std::sort(folders.begin(), folders.end());
        const bool beside = into.empty() || identity(into) == identity(folder);
        std::set<std::string> stems;
        for (const auto& file : files) stems.insert(file.path().stem().string());
        for (const auto& file : files) {
            const std::string stem = file.path().stem().string();
            if (!options.wanted(file.path().string())) continue;
            std::string base;  // of another size, beside what it was made from
            const bool sized = names_size(stem, base) && stems.contains(base);
            if (beside && stem.size() > options.suffix.size() && (sized || stem.ends_with(options.suffix))) {
                if (earlier++ == 0) example = file.path().string();
            } else {
                plan.jobs.push_back({file.path().string(), "", into.string(), "", {}});
            }
        }
        for (const auto& sub : folders) {
            if (!results.empty() && identity(sub.path()) == results)
                plan.notices.push_back({"results-left-out", sub.path().string() + " is left out: it is where the results go"});
            else
                list(sub.path(), into.empty() ? into : into / sub.path().filename());
        }
    }
};

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

enlarge::Result<Plan> plan_jobs(const InputOptions& options) {
    std::vector<std::string> words;
    for (const std::string& word : options.inputs)
        for (std::string& found : expand(word))
            if (std::find(words.begin(), words.end(), found) == words.end()) words.push_back(std::move(found));
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

    Plan plan;
    Lister lister{options, to_folder ? identity(output) : "", plan, 0, {}};
    for (const std::string& word : words) {
        if (word != "-" && fs::is_directory(word, error)) {
            if (!options.recursive) {
                plan.jobs.push_back({word, "", "", word + ": is a folder; add -r to enlarge what is in it", Errc::argument});
                continue;
            }
            const std::size_t before = plan.jobs.size(), earlier = lister.earlier;
            lister.list(word, to_folder ? output : "");
            if (plan.jobs.size() > before) continue;
            plan.jobs.push_back({word, "", "", word + (lister.earlier > earlier ? ": holds nothing but results of earlier runs (names that end in a size, as " + options.suffix + ")"
                                                                               : ": holds no pictures or videos"), Errc::not_found});
        } else {
            plan.jobs.push_back({word, to_folder ? "" : output, to_folder ? output : "", "", {}});
        }
    }
    if (lister.earlier > 0)
        plan.notices.push_back({"results-left-out", lister.example + (lister.earlier > 1 ? " and " + std::to_string(lister.earlier - 1) + " more are" : " is") +
                                                        " left out as results of earlier runs, since the name ends in a size, as " + options.suffix});
    return plan;
}

enlarge::Result<void> check_distinct(const std::vector<Job>& jobs, const std::string& suffix, const NameOutput& name_output) {
    if (jobs.size() < 2) return {};
    // Without the extension, which may depend on what is in the input: who has none of these in common writes another file.
    const auto rough = [](const fs::path& path) { return (fs::path(path).parent_path() / path.stem()).string(); };
    std::map<std::string, std::string> folders;  // identity() asks the file system for every part of a path
    const auto place = [&](const fs::path& path) {
        const std::string folder = path.parent_path().string();
        auto found = folders.find(folder);
        if (found == folders.end()) found = folders.emplace(folder, identity(folder.empty() ? "." : folder)).first;
        return fs::path(found->second) / path.filename();
    };
    const auto named = [&](const Job& job) {
        if (job.output.empty() && job.input.find("://") != std::string::npos) return place("live.mkv");  // addresses give no name
        return job.output.empty() ? place(default_output(job.input, job.folder, suffix, "x")) : place(job.output);
    };
    const auto usable = [](const Job& job) { return job.error.empty() && job.input != "-" && job.output != "-"; };
    std::map<std::string, int> writers;
    std::map<std::string, const Job*> readers;
    for (const Job& job : jobs) {
        if (!usable(job)) continue;
        ++writers[rough(named(job))];
        readers.emplace(place(job.input).string(), &job);
    }
    std::set<std::string> read;
    for (const auto& [path, job] : readers) read.insert(rough(path));

    std::map<std::string, const Job*> outputs;
    for (const Job& job : jobs) {
        if (!usable(job)) continue;
        const std::string about = rough(named(job));
        if (writers[about] < 2 && !read.contains(about)) continue;  // alone with it
        const auto output = job.output.empty() ? name_output(job) : job.output;
        if (!output || *output == "-") continue;  // said when it is its turn
        const std::string path = place(*output).string();
        const auto [other, first] = outputs.emplace(path, &job);
        if (!first)
            return Error{Errc::argument, other->second->input + " and " + job.input + " would both be written to " + *output +
                                             "; give them different names, or enlarge them one by one with -o"};
        const auto reader = readers.find(path);
        if (reader != readers.end() && reader->second != &job)
            return Error{Errc::argument, job.input + " would be written to " + *output + ", which is itself an input of this run; give -o another folder"};
    }
    return {};
}

std::string size_suffix(double scale, int width, int height) {
    char text[64];
    if (width > 0 && height > 0) std::snprintf(text, sizeof text, "_%dx%d", width, height);
    else if (width > 0) std::snprintf(text, sizeof text, "_%dw", width);
    else if (height > 0) std::snprintf(text, sizeof text, "_%dh", height);
    else return "_x" + shortest(scale);
    return text;
}

std::string default_output(const std::string& input, const std::string& folder, const std::string& suffix, const std::string& extension) {
    const fs::path path(input);
    fs::path where = folder.empty() ? path.parent_path() : fs::path(folder);
    return (where / (path.stem().string() + suffix + (extension.empty() ? path.extension().string() : "." + extension))).string();
}

}  // namespace cli
