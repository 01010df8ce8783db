// SPDX-License-Identifier: Apache-2.0
#include "video/farm_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "media/own_folder.hpp"
#include "media/place.hpp"
#include "media/sha256.hpp"
#include "video/farm_files.hpp"
#include "video/frame_list.hpp"

namespace enlarge::video {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr std::size_t kLargest = std::size_t{256} << 20;

Error failed(const std::string& what) { return {Errc::io, what + ": " + std::strerror(errno)}; }

// The path that leads there from here: the one that was written down, or the one that lies as it did to the job.
std::string reached(const std::string& folder, const Json& place) {
    const std::string path = place.at("path"), from_job = place.at("from_job");
    const std::string near = (fs::path(folder) / from_job).lexically_normal().string();
    std::error_code ignored;
    if (fs::exists(path, ignored)) return path;
    if (fs::exists(near, ignored)) return near;
    return fs::exists(fs::path(path).parent_path(), ignored) ? path : near;
}

Json place_of(const std::string& folder, const std::string& path) {
    return {{"path", fs::absolute(path).lexically_normal().string()}, {"from_job", relative_to(folder, path)}};
}

Json json_of(const JobPart& part, bool of_files) {
    Json out{{"first", part.first}, {of_files ? "files" : "frames", part.frames}};
    if (of_files) return out;
    out["first_s"] = part.first_s;
    out["last_s"] = part.last_s;
    out["decode_from"] = part.from_key_frame ? "key frame" : "beginning";
    if (part.from_key_frame) out["key_frame_s"] = part.key_frame_s;
    out["pre_roll"] = part.pre_roll;
    return out;
}

JobPart part_of(const Json& json) {
    JobPart part;
    part.first = json.at("first");
    if (json.contains("files")) {
        part.frames = json.at("files");
        return part;
    }
    part.frames = json.at("frames");
    part.first_s = json.at("first_s");
    part.last_s = json.at("last_s");
    part.from_key_frame = json.at("decode_from") == "key frame";
    if (part.from_key_frame) part.key_frame_s = json.at("key_frame_s");
    part.pre_roll = json.at("pre_roll");
    return part;
}

Json json_of(const FarmJob& job) {
    Json out{{"enlarge_job", kVersion}};
    out["input"] = place_of(job.folder, job.input);
    out["output"] = place_of(job.folder, job.output);
    for (const auto& [name, values] : job.options) out["options"].push_back({{"name", name}, {"values", values}});
    if (job.options.empty()) out["options"] = Json::array();
    out["model"] = job.model;
    out["arithmetic"] = job.arithmetic;
    out["precision"] = job.precision;
    for (const auto& [name, value] : job.facts) out["facts"].push_back({{"name", name}, {"value", value}});
    const bool of_files = !job.files.empty();
    if (of_files) {
        out["files"] = {{"count", job.frames}, {"list_sha256", job.frames_sha256}};
    } else {
        out["frames"] = {{"count", job.frames},
                         {"time_base", {job.time_base_num, job.time_base_den}},
                         {"list_sha256", job.frames_sha256}};
        out["segment_frames"] = job.segment_frames;
    }
    out["lease_s"] = job.lease_s;
    out[of_files ? "seconds_per_file" : "seconds_per_frame"] = job.seconds_per_frame;
    out["tasks"] = job.tasks;
    for (const JobPart& part : job.parts) out["parts"].push_back(json_of(part, of_files));
    return out;
}

FarmJob job_of(const std::string& folder, const Json& json) {
    FarmJob job;
    job.folder = folder;
    job.input = reached(folder, json.at("input"));
    job.output = reached(folder, json.at("output"));
    for (const Json& one : json.at("options")) job.options.emplace_back(one.at("name"), one.at("values"));
    job.model = json.at("model");
    job.arithmetic = json.at("arithmetic");
    job.precision = json.at("precision");
    for (const Json& fact : json.at("facts")) job.facts.emplace_back(fact.at("name"), fact.at("value"));
    const bool of_files = json.contains("files");
    const Json& list = json.at(of_files ? "files" : "frames");
    job.frames = list.at("count");
    job.frames_sha256 = list.at("list_sha256");
    job.time_base_num = of_files ? 1 : int(list.at("time_base").at(0));
    job.time_base_den = of_files ? 1 : int(list.at("time_base").at(1));
    job.segment_frames = of_files ? std::int64_t{1} : std::int64_t(json.at("segment_frames"));
    job.lease_s = json.at("lease_s");
    job.seconds_per_frame = json.at(of_files ? "seconds_per_file" : "seconds_per_frame");
    job.tasks = json.at("tasks");
    for (const Json& part : json.at("parts")) job.parts.push_back(part_of(part));
    return job;
}

// Numbers that a damaged or foreign text could have, and no job has.
Result<void> check(const FarmJob& job) {
    const auto parts = static_cast<std::int64_t>(job.parts.size());
    const bool sound = job.frames > 0 && job.frames <= media::kMostCounted && job.time_base_num > 0 &&
                       job.time_base_den > 0 && parts > 0 && job.tasks >= parts && job.lease_s > 0 && job.lease_s < 1e9;
    if (!sound) return Error{Errc::format, "its numbers cannot be meant"};
    return check(plan_of(job));
}

Json json_of(const MadeFile& made) {
    if (!made.failed.empty()) return {{"failed", made.failed}};
    return {{"name", made.name}, {"bytes", made.bytes}, {"sha256", made.sha256}};
}

Json json_of(const PartFile& part) {
    Json out{{"enlarge_part", kVersion}, {"part", part.number}, {"first", part.frames.first}};
    out["frames"] = part.frames.count;
    if (part.made.empty()) {
        out["first_time"] = part.first_time;
        out["last_time"] = part.last_time;
        out["file"] = part.file;
        out["bytes"] = part.bytes;
        out["sha256"] = part.sha256;
        for (const auto& one : part.segments) out["segments"].push_back({one.offset, store(one.segment)});
    }
    for (const MadeFile& made : part.made) out["files"].push_back(json_of(made));
    out["arithmetic"] = part.arithmetic;
    out["decoded_from"] = part.decoded_from;
    out["host"] = part.host;
    out["seconds"] = part.seconds;
    return out;
}

MadeFile made_file_of(const Json& json) {
    if (json.contains("failed")) return {"", "", 0, json.at("failed")};
    return {json.at("name"), json.at("sha256"), json.at("bytes"), ""};
}

Result<void> read_film_part(const Json& json, PartFile& part) {
    part.first_time = json.at("first_time");
    part.last_time = json.at("last_time");
    part.file = json.at("file");
    part.bytes = json.at("bytes");
    part.sha256 = json.at("sha256");
    for (const Json& one : json.at("segments")) {
        TRY(const auto segment, media::restore_segment(one.at(1)));
        part.segments.push_back({part.file, segment, one.at(0)});
    }
    return {};
}

Result<PartFile> part_file_of(const Json& json) {
    PartFile part;
    part.number = json.at("part");
    part.frames = {json.at("first"), json.at("frames")};
    if (json.contains("files")) {
        for (const Json& one : json.at("files")) part.made.push_back(made_file_of(one));
        for (const MadeFile& made : part.made) part.bytes += made.bytes;
    } else {
        TRY(read_film_part(json, part));
    }
    part.arithmetic = json.at("arithmetic");
    part.decoded_from = json.at("decoded_from");
    part.host = json.at("host");
    part.seconds = json.at("seconds");
    return part;
}

// The parser's sentence without its number.
std::string without_tag(const std::string& said) {
    const auto end = said.find("] ");
    return said.rfind("[json.", 0) == 0 && end != std::string::npos ? said.substr(end + 2) : said;
}

// `make` of the text's JSON; what is not as expected is Errc::format.
template <class Made>
Result<Made> from_json(const std::string& path, const char* kind, const auto& make) {
    TRY(const std::string text, read_whole(path));
    try {
        const Json json = Json::parse(text);
        if (!json.is_object() || !json.contains(kind)) return Error{Errc::format, path + ": no " + kind + " in it"};
        if (json.at(kind) != kVersion)
            return Error{Errc::unsupported, path + ": " + kind + " of version " + json.at(kind).dump() +
                                                "; this program knows version " + std::to_string(kVersion)};
        return make(json);
    } catch (const nlohmann::json::exception& wrong) {
        return Error{Errc::format, path + ": damaged: " + without_tag(wrong.what())};
    }
}

Result<std::string> text_of(const Json& json) {
    try {
        return json.dump(1) + "\n";
    } catch (const nlohmann::json::exception&) {
        return Error{Errc::unsupported, "a name that is not UTF-8 cannot stand in a job"};
    }
}

}  // namespace

std::string part_name(int number) {
    char name[32];
    std::snprintf(name, sizeof name, "part-%06d", number);
    return name;
}

int part_number(const std::string& name) {
    int number = -1, used = 0;
    if (std::sscanf(name.c_str(), "part-%9d%n", &number, &used) != 1 || number < 0) return -1;
    const char next = name[static_cast<std::size_t>(used)];
    return next == '\0' || next == '.' || next == '-' ? number : -1;
}

Result<void> write_whole(const std::string& path, const std::string& text, bool replace) {
    TRY(const media::NewFile file, media::create_part(path));
    const ssize_t written = ::write(file.fd, text.data(), text.size());
    const int reason = errno;
    ::close(file.fd);
    if (written != static_cast<ssize_t>(text.size())) {
        ::unlink(file.path.c_str());
        return Error{Errc::io, path + ": " + (written < 0 ? std::strerror(reason) : "the disk is full")};
    }
    if (auto placed = media::place(file.path, path, replace); !placed) {
        ::unlink(file.path.c_str());
        return placed;
    }
    return media::sync_folder_of(path);
}

Result<std::string> read_whole(const std::string& path) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(path.c_str(), "rb"), std::fclose);
    if (!in) return Error{errno == ENOENT ? Errc::not_found : Errc::io, path + ": " + std::strerror(errno)};
    std::string text;
    char block[65536];
    for (std::size_t got = 0; (got = std::fread(block, 1, sizeof block, in.get())) > 0;) {
        text.append(block, got);
        if (text.size() > kLargest) return Error{Errc::limit, path + ": larger than any such text"};
    }
    if (std::ferror(in.get())) return failed(path);
    return text;
}

std::string relative_to(const std::string& folder, const std::string& path) {
    std::error_code error;
    const fs::path from = fs::weakly_canonical(folder, error), to = fs::weakly_canonical(fs::absolute(path), error);
    return to.lexically_relative(from).string();
}

Result<void> write_job(const FarmJob& job) {
    TRY(check(job));
    TRY(const std::string text, text_of(json_of(job)));
    return write_whole(FarmFolder{job.folder}.job(), text, false);  // of two that plan at once, one is told
}

Result<FarmJob> read_farm_job(const std::string& folder) {
    const std::string path = FarmFolder{folder}.job();
    auto job = from_json<FarmJob>(path, "enlarge_job", [&](const Json& json) -> Result<FarmJob> {
        FarmJob read = job_of(folder, json);
        if (json.contains("files")) TRY(load_files(read));
        return read;
    });
    std::error_code ignored;
    if (!job && fs::exists(folder, ignored) && !fs::is_directory(folder, ignored))
        return Error{Errc::argument, folder + ": a file; the folder that `enlarge plan` made was expected"};
    if (!job && job.error().code == Errc::not_found)
        return Error{Errc::not_found, folder + ": no job is there (no job.json); `enlarge plan` makes one"};
    if (!job) return job;
    if (auto sound = check(*job); !sound) return std::move(sound.error()).within(path);
    return job;
}

JobPlan plan_of(const FarmJob& job) {
    JobPlan plan;
    plan.input = job.input;
    plan.output = job.output;
    plan.frames = job.frames;
    plan.segment_frames = job.segment_frames;
    plan.fingerprint = job.facts;
    for (const JobPart& part : job.parts) plan.parts.push_back(range_of(part));
    return plan;
}

Result<void> write_part(const FarmFolder& folder, const PartFile& part) {
    TRY(const std::string text, text_of(json_of(part)));
    return write_whole(folder.parts() + "/" + part_name(part.number) + ".json", text);
}

Result<PartFile> read_part(const FarmFolder& folder, int number) {
    const std::string path = folder.parts() + "/" + part_name(number) + ".json";
    TRY(auto part, from_json<PartFile>(path, "enlarge_part", part_file_of));
    if (part.number == number) return part;
    return Error{Errc::format, path + ": says that it is part " + std::to_string(part.number)};
}

Result<void> verify_part(const FarmFolder& folder, const FarmJob& job, const PartFile& part) {
    if (!job.files.empty()) return verify_files(folder, job, part);
    const std::string name = folder.parts() + "/" + part.file;
    const auto wrong = [&](const std::string& what) { return Error{Errc::format, name + ": " + what}; };
    const JobPart& planned = job.parts[static_cast<std::size_t>(part.number)];
    if (part_number(part.file) != part.number || part.file.find('/') != std::string::npos)
        return wrong("no name of this part's file");
    if (part.frames != range_of(planned)) return wrong("not the frames that were planned");
    TRY(const auto marks, read_marks(folder.frames(), part.frames));
    if (part.first_time != marks.front().time || part.last_time != marks.back().time)
        return wrong("its times are not those that were planned");
    std::int64_t next = part.frames.first, offset = 0;
    for (const auto& [file, segment, at] : part.segments) {
        if (segment.first != next || at != offset) return wrong("its segments do not follow each other");
        next = segment.end();
        offset += segment.bytes;
    }
    if (next != part.frames.end() || offset != part.bytes) return wrong("its segments do not make up its frames");
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(name.c_str(), "rb"), std::fclose);
    if (!in) return failed(name);
    media::Sha256 sum;
    std::vector<char> block(1 << 20);
    std::int64_t bytes = 0;
    for (std::size_t got = 0; (got = std::fread(block.data(), 1, block.size(), in.get())) > 0;) {
        sum.add(block.data(), got);
        bytes += static_cast<std::int64_t>(got);
    }
    if (bytes != part.bytes) return wrong(std::to_string(bytes) + " bytes; it had " + std::to_string(part.bytes));
    if (sum.hex() != part.sha256) return wrong("damaged: its SHA-256 is not the one it had");
    return {};
}

}  // namespace enlarge::video
