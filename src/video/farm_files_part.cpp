// SPDX-License-Identifier: Apache-2.0
// One part of a job of files: each is made apart, and keeps what it is whatever becomes of its maker.
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "base/version.hpp"
#include "media/place.hpp"
#include "video/farm.hpp"
#include "video/farm_files.hpp"

namespace enlarge::video {

namespace {

namespace fs = std::filesystem;

// The file itself cannot be enlarged, here or elsewhere.
bool is_of_the_file(Errc code) {
    switch (code) {
        case Errc::format:
        case Errc::unsupported:
        case Errc::argument:
        case Errc::limit:
            return true;
        default:
            return false;
    }
}

Result<void> make_folder(const std::string& path) {
    std::error_code error;
    fs::create_directories(path, error);
    if (error) return Error{Errc::io, path + ": " + error.message()};
    return {};
}

// A folder that goes away with all that is in it.
struct Passing {
    std::string path;
    ~Passing() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
};

// What another maker of this part has finished.
std::optional<MadeFile> found(const std::string& where, std::int64_t number) {
    const std::string prefix = made_prefix(number);
    std::error_code error;
    const fs::directory_iterator end;
    for (fs::directory_iterator it(where, error); !error && it != end; it.increment(error)) {
        const std::string name = it->path().filename().string();
        if (!name.starts_with(prefix)) continue;
        const auto sum = sum_of(it->path().string());
        if (sum && name == prefix + sum->sha256.substr(0, 16)) return MadeFile{name, sum->sha256, sum->bytes, ""};
    }
    return std::nullopt;
}

Result<void> check_input(const std::string& path, const JobFile& file) {
    TRY(const FileSum sum, sum_of(path));
    if (sum.bytes == file.bytes && sum.sha256 == file.sha256) return {};
    return Error{Errc::format, path + ": not the file that was planned: its size or its SHA-256 is another"};
}

// One file, from the input to its place among the part's.
Result<MadeFile> make_file(PartWork& work, const std::string& where, const std::string& own, std::int64_t number) {
    const JobFile& file = work.job.files[static_cast<std::size_t>(number)];
    if (auto there = found(where, number)) return *there;
    const std::string input = (fs::path(work.input) / file.input).string();
    TRY(check_input(input, file));
    const Passing apart{own + "/" + std::to_string(number)};
    TRY(make_folder(apart.path));
    const std::string made = (fs::path(apart.path) / fs::path(file.output).filename()).string();
    const auto said = [&](const Notice& notice) {
        if (work.options.notice) work.options.notice({notice.code, file.input + ": " + notice.text});
    };
    if (auto done = work.enlarge(input, made, said); !done) {
        if (!is_of_the_file(done.error().code)) return std::move(done).error();
        if (work.options.notice) work.options.notice({"file-failed", done.error().message});
        return MadeFile{"", "", 0, done.error().message};
    }
    TRY(const FileSum sum, sum_of(made));
    const std::string name = made_prefix(number) + sum.sha256.substr(0, 16);
    TRY(media::place(made, where + "/" + name, true));
    TRY(media::sync_folder_of(where + "/" + name));
    return MadeFile{name, sum.sha256, sum.bytes, ""};
}

Result<void> admit(PartWork& work) {
    if (work.checked) return {};
    TRY(auto facts, network_facts(work.network));
    facts.emplace_back("enlarge", version());
    for (const auto& fact : work.facts) facts.push_back(fact);
    const std::string why = refusal(work.job, facts, work.allow_mixed);
    if (!why.empty()) return Error{Errc::exists, why};
    std::error_code error;
    if (!fs::is_directory(work.input, error))
        return Error{Errc::not_found,
                     work.input + ": the job's folder of inputs is not there; --input says where it is"};
    work.checked = true;
    return {};
}

}  // namespace

Result<PartFile> make_files(PartWork& work, int number) {
    const auto start = std::chrono::steady_clock::now();
    TRY(admit(work));
    const FarmFolder folder{work.job.folder};
    PartFile part{.number = number, .frames = range_of(work.job.parts[static_cast<std::size_t>(number)])};
    const std::string where = made_folder(folder, number);
    const Passing own{folder.work() + "/" + part_name(number) + "-" + work.worker};
    TRY(make_folder(where));
    TRY(make_folder(own.path));
    for (std::int64_t i = part.frames.first; i < part.frames.end(); ++i) {
        TRY(work.options.cancel.check());
        VideoProgress progress;
        progress.frames = i - part.frames.first;
        progress.frames_total = part.frames.count;
        progress.fraction = static_cast<double>(progress.frames) / static_cast<double>(part.frames.count);
        if (work.options.progress && work.options.progress(progress) != VideoControl::go_on)
            return Error{Errc::cancelled, "stopped; what is finished of the part is kept"};
        TRY(MadeFile made, make_file(work, where, own.path, i));
        part.made.push_back(std::move(made));
    }
    part.arithmetic = work.network.description;
    part.decoded_from = "file";
    part.host = work.worker;
    part.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    TRY(write_part(folder, part));
    return part;
}

}  // namespace enlarge::video
