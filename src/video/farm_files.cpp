// SPDX-License-Identifier: Apache-2.0
#include "video/farm_files.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "media/place.hpp"
#include "media/sha256.hpp"

namespace enlarge::video {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// A name that cannot lead out of its folder.
bool stays_inside(const std::string& name) {
    const fs::path path(name);
    if (name.empty() || path.is_absolute()) return false;
    for (const fs::path& step : path)
        if (step == ".." || step == "." || step.empty()) return false;
    return true;
}

JobFile file_of(const Json& json) { return {json.at(0), json.at(1), json.at(2), json.at(3), json.at(4)}; }

// A copy beside the name, on disk, that then gets it.
Result<void> copy_to(const std::string& from, const std::string& to, bool replace) {
    const File in(std::fopen(from.c_str(), "rb"), std::fclose);
    if (!in) return Error{Errc::io, from + ": " + std::strerror(errno)};
    TRY(const media::NewFile part, media::create_part(to));
    std::vector<char> block(1 << 20);
    bool good = true;
    int reason = 0;
    for (std::size_t got = 0; good && (got = std::fread(block.data(), 1, block.size(), in.get())) > 0;)
        for (std::size_t at = 0; good && at < got;) {
            const ssize_t put = ::write(part.fd, block.data() + at, got - at);
            if (put < 0 && errno == EINTR) continue;
            good = put > 0;
            reason = put < 0 ? errno : ENOSPC;
            at += good ? static_cast<std::size_t>(put) : 0;
        }
    ::close(part.fd);
    Result<void> placed =
        good ? media::place(part.path, to, replace) : Result<void>(Error{Errc::io, to + ": " + std::strerror(reason)});
    if (!placed) ::unlink(part.path.c_str());
    return placed;
}

// What one file of the output is made of.
struct Delivery {
    std::string from, to, sha256;
};

Result<bool> is_there(const Delivery& file) {
    std::error_code error;
    if (!fs::is_regular_file(file.to, error)) return false;
    TRY(const FileSum sum, sum_of(file.to));
    return sum.sha256 == file.sha256;
}

Result<void> deliver(const std::vector<Delivery>& files, const JobJoin& join) {
    if (!join.overwrite)
        for (const Delivery& file : files) {
            TRY(const media::Standing standing, media::standing(file.to));
            if (standing == media::Standing::nothing) continue;
            TRY(const bool same, is_there(file));
            if (!same)
                return Error{Errc::exists, file.to + ": there already, and not this job's; use --force to overwrite " +
                                               "it, or -o with another folder"};
        }
    std::int64_t count = 0;
    for (const Delivery& file : files) {
        TRY(join.cancel.check());
        VideoProgress progress;
        progress.frames = ++count;
        progress.fraction = static_cast<double>(count) / static_cast<double>(files.size());
        if (join.progress && join.progress(progress) != VideoControl::go_on)
            return Error{Errc::cancelled, "stopped; files that have their names keep them, and another join goes on"};
        TRY(const bool same, is_there(file));
        if (same) continue;
        std::error_code error;
        fs::create_directories(fs::path(file.to).parent_path(), error);
        if (error) return Error{Errc::io, fs::path(file.to).parent_path().string() + ": " + error.message()};
        TRY(copy_to(file.from, file.to, join.overwrite));
    }
    return {};
}

std::string folder_of(const FarmJob& job, const JobJoin& join) {
    if (!join.output.empty()) return join.output;
    fs::path folder = fs::path(job.output).lexically_normal();
    if (!folder.has_filename()) folder = folder.parent_path();
    return folder.string() + (join.so_far ? "_so_far" : "");
}

}  // namespace

Result<std::string> text_of(const std::vector<JobFile>& files) {
    std::string text;
    for (const JobFile& file : files) try {
            text += Json{file.input, file.output, file.pixels, file.bytes, file.sha256}.dump() + "\n";
        } catch (const nlohmann::json::exception&) {
            return Error{Errc::unsupported, file.input + ": a name that is not UTF-8 cannot stand in a job"};
        }
    return text;
}

Result<void> load_files(FarmJob& job) {
    const std::string path = FarmFolder{job.folder}.files();
    TRY(const std::string text, read_whole(path));
    media::Sha256 sum;
    sum.add(text.data(), text.size());
    if (sum.hex() != job.frames_sha256) return Error{Errc::format, path + ": not the list that job.json names"};
    std::istringstream lines(text);
    try {
        for (std::string line; std::getline(lines, line);) job.files.push_back(file_of(Json::parse(line)));
    } catch (const nlohmann::json::exception& wrong) {
        return Error{Errc::format, path + ": damaged: " + wrong.what()};
    }
    for (const JobFile& file : job.files)
        if (!stays_inside(file.input) || !stays_inside(file.output))
            return Error{Errc::format, path + ": a name that leads out of the folder: " + file.output};
    if (static_cast<std::int64_t>(job.files.size()) == job.frames) return {};
    return Error{Errc::format, path + ": " + std::to_string(job.files.size()) + " files, and job.json has " +
                                   std::to_string(job.frames)};
}

Result<FileSum> sum_of(const std::string& path) {
    const File in(std::fopen(path.c_str(), "rb"), std::fclose);
    const auto code = [] { return errno == ENOENT ? Errc::not_found : Errc::io; };
    if (!in) return Error{code(), path + ": " + std::strerror(errno)};
    FileSum found;
    media::Sha256 sum;
    std::vector<char> block(1 << 18);
    for (std::size_t got = 0; (got = std::fread(block.data(), 1, block.size(), in.get())) > 0;) {
        sum.add(block.data(), got);
        found.bytes += static_cast<std::int64_t>(got);
    }
    if (std::ferror(in.get())) return Error{Errc::io, path + ": " + std::strerror(errno)};
    found.sha256 = sum.hex();
    return found;
}

std::string made_folder(const FarmFolder& folder, int part) {
    return folder.parts() + "/" + part_name(part) + ".files";
}

std::string made_prefix(std::int64_t number) {
    char text[32];
    std::snprintf(text, sizeof text, "%06lld-", static_cast<long long>(number));
    return text;
}

Result<void> verify_files(const FarmFolder& folder, const FarmJob& job, const PartFile& part) {
    const std::string where = made_folder(folder, part.number);
    const auto wrong = [&](const std::string& what) { return Error{Errc::format, where + ": " + what}; };
    if (part.frames != range_of(job.parts[static_cast<std::size_t>(part.number)]))
        return wrong("not the files that were planned");
    if (static_cast<std::int64_t>(part.made.size()) != part.frames.count) return wrong("not as many files as planned");
    for (std::int64_t i = 0; i < part.frames.count; ++i) {
        const MadeFile& made = part.made[static_cast<std::size_t>(i)];
        if (!made.failed.empty()) continue;
        if (!made.name.starts_with(made_prefix(part.frames.first + i)) || made.name.find('/') != std::string::npos)
            return wrong("'" + made.name + "' is no name of a part's file");
        auto sum = sum_of(where + "/" + made.name);
        if (!sum) return Error{Errc::format, sum.error().message};
        if (sum->sha256 != made.sha256) return wrong(made.name + " is damaged: its SHA-256 is not the one it had");
    }
    return {};
}

Result<JobJoinReport> join_files(const FarmJob& job, const std::vector<PartFile>& parts, const JobJoin& join) {
    JobJoinReport report;
    report.output = folder_of(job, join);
    report.files = true;
    std::vector<Delivery> files;
    for (const PartFile& part : parts)
        for (std::int64_t i = 0; i < part.frames.count; ++i) {
            const MadeFile& made = part.made[static_cast<std::size_t>(i)];
            const JobFile& planned = job.files[static_cast<std::size_t>(part.frames.first + i)];
            if (!made.failed.empty()) {
                report.failed.push_back(made.failed);
                continue;
            }
            report.bytes += made.bytes;
            files.push_back({made_folder(FarmFolder{job.folder}, part.number) + "/" + made.name,
                             (fs::path(report.output) / planned.output).string(), made.sha256});
        }
    report.frames = static_cast<std::int64_t>(files.size());
    report.frames_missing = job.frames - report.frames - static_cast<std::int64_t>(report.failed.size());
    TRY(deliver(files, join));
    return report;
}

}  // namespace enlarge::video
