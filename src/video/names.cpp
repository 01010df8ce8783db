// SPDX-License-Identifier: Apache-2.0
#include "video/names.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <utility>

#include "video/job.hpp"
#include "media/place.hpp"

namespace enlarge::video {

namespace {

namespace fs = std::filesystem;
using media::Standing;

bool is_sequence(const Job& job) { return job.request.container == "image2" && is_pattern(job.output); }

// Numbered file of a pattern; empty when it has no place for a number.
std::string numbered(const std::string& pattern, int number) {
    char name[4096];
    return media::sequence_name(pattern, number, name, sizeof name) ? name : std::string();
}

// The files that are read, so that none of them is written.
std::set<std::pair<dev_t, ino_t>> input_files(const Job& job) {
    std::set<std::pair<dev_t, ino_t>> files;
    struct stat info {};
    if (::stat(job.input.c_str(), &info) == 0) files.emplace(info.st_dev, info.st_ino);
    else
        for (int i = job.source->input().first_number(); ::stat(numbered(job.input, i).c_str(), &info) == 0; ++i)
            files.emplace(info.st_dev, info.st_ino);
    return files;
}

bool among(const std::set<std::pair<dev_t, ino_t>>& files, const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && files.count({info.st_dev, info.st_ino}) > 0;
}

Error is_the_input(const std::string& path) {
    return {Errc::argument, path + ": the output is the input; -o with another name"};
}

Error not_a_file(const std::string& path) {
    return {Errc::argument, path + ": not a file that could be replaced; write to stdout (-o -) and send that there"};
}

// What the pattern's numbers from `first` on would replace.
Result<std::string> taken_of_sequence(const Job& job) {
    const fs::path parent = fs::path(job.output).parent_path();
    const auto inputs = input_files(job);
    std::string taken;
    std::error_code error;
    fs::directory_iterator it(parent.empty() ? fs::path(".") : parent, error);
    for (; !error && it != fs::directory_iterator(); it.increment(error)) {
        const std::string name = it->path().filename().string();
        const std::string path = parent.empty() ? name : (parent / name).string();
        for (std::size_t at = 0; (at = name.find_first_of("0123456789", at)) != std::string::npos;) {
            const int number = std::atoi(name.substr(at, 9).c_str());
            at = std::min(name.find_first_not_of("0123456789", at), name.size());
            if (number < job.mux.first_number || fs::path(numbered(job.output, number)).filename() != name) continue;
            if (among(inputs, path)) return is_the_input(path);
            if (fs::is_directory(path, error)) return Error{Errc::exists, path + ": is a folder"};
            if (taken.empty() || path < taken) taken = path;
        }
    }
    if (error) return Error{Errc::io, (parent.empty() ? std::string(".") : parent.string()) + ": " + error.message()};
    return taken;
}

}  // namespace

Result<OutputStanding> OutputStanding::look(const Job& job) {
    OutputStanding found{{}, job.output};
    std::error_code error;
    if (const fs::path folder = fs::path(job.output).parent_path(); !folder.empty() && !fs::is_directory(folder, error))
        return Error{Errc::not_found, "there is no folder " + folder.string() + " for the output"};
    if (is_sequence(job)) {
        TRY(media::standing(numbered(job.output, job.mux.first_number)));
        TRY(found.taken, taken_of_sequence(job));
        return found;
    }
    TRY(const Standing at_name, media::standing(job.output));
    if (at_name == Standing::nothing) return found;
    found.taken = job.output;
    const fs::file_status target = fs::status(job.output, error);
    if (fs::is_directory(target)) return Error{Errc::exists, job.output + ": is a folder; name a file in it"};
    if (among(input_files(job), job.output)) return is_the_input(job.output);
    if (at_name != Standing::link) {
        if (at_name != Standing::file) return not_a_file(job.output);
        return found;
    }
    if (!fs::exists(target)) return found;  // leads nowhere
    if (!fs::is_regular_file(target)) return not_a_file(job.output);
    const fs::path real = fs::canonical(job.output, error);
    if (!error) found.path = real.string();
    return found;
}

std::string work_folder(const Job& job) { return media::beside(job.output, ".enlarge"); }

bool has_work_folder(const Job& job) {
    const auto found = media::standing(work_folder(job));
    return found && *found != Standing::nothing;
}

std::string work_file(const Job& job) {
    if (!is_sequence(job)) return work_folder(job) + "/output.part";
    const std::string ending = fs::path(job.output).extension().string();
    return work_folder(job) + "/output-%06d" + (ending.find('%') == std::string::npos ? ending : "");
}

Result<void> write_beside(Job& job) {
    job.mux.path = job.standing.path;
    job.mux.part = true;
    if (!is_sequence(job)) return {};
    TRY(job.part_folder, media::create_part_folder(job.output));
    job.mux.path = job.part_folder + "/" + fs::path(work_file(job)).filename().string();
    return {};
}

Result<void> give_final_names(const Job& job, const std::string& written) {
    const auto name = [&](const std::string& from, const std::string& to) -> Result<void> {
        auto placed = media::place(from, to, job.options.overwrite);
        if (placed || placed.error().code != Errc::exists) return placed;
        std::string kept = from;
        if (job.journal)
            kept = work_folder(job) +
                   ", and the same command with --force, or after that file was moved, gives it its name";
        return Error{Errc::exists, to + ": appeared while the work was done, and is left as it is; the finished work " +
                                       "is kept in " + kept};
    };
    if (!is_sequence(job)) {
        TRY(name(written, job.standing.path));
        return media::sync_folder_of(job.standing.path);
    }
    for (int i = job.mux.first_number;; ++i) {
        const std::string from = numbered(written, i);
        TRY(const Standing made, media::standing(from));
        if (made != Standing::file) break;
        TRY(name(from, numbered(job.output, i)));
    }
    return media::sync_folder_of(job.output);
}

}  // namespace enlarge::video
