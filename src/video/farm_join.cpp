// SPDX-License-Identifier: Apache-2.0
// The film from the parts of a job, or from what an interrupted run left.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>

#include "media/place.hpp"
#include "video/claims.hpp"
#include "video/farm.hpp"
#include "video/farm_files.hpp"

namespace enlarge::video {

namespace {

namespace fs = std::filesystem;
using media::NamedSegment;
using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string fact(const JobPlan& plan, const std::string& name) {
    for (const auto& [known, value] : plan.fingerprint)
        if (known == name) return value;
    return "";
}

// The inverse of what fingerprint.cpp makes of pairs: "key=value key=value", a blank in them behind a backslash.
Pairs split(const std::string& joined) {
    Pairs out;
    std::string word;
    const auto end_word = [&] {
        const auto equals = word.find('=');
        if (equals != std::string::npos) out.emplace_back(word.substr(0, equals), word.substr(equals + 1));
        word.clear();
    };
    for (std::size_t i = 0; i < joined.size(); ++i) {
        if (joined[i] == '\\' && i + 1 < joined.size()) word += joined[++i];
        else if (joined[i] == ' ') end_word();
        else word += joined[i];
    }
    end_word();
    return out;
}

double number(const std::string& text, double otherwise) {
    if (text == "inf") return std::numeric_limits<double>::infinity();
    double value = otherwise;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    return read.ec == std::errc() ? value : otherwise;
}

// Of the options that the work was begun with, all that the file around the video depends on.
VideoOptions options_of(const JobPlan& plan, const JobJoin& join) {
    VideoOptions o;
    o.container = fact(plan, "the container");
    o.container_options = split(fact(plan, "--container-option"));
    o.input_format = fact(plan, "--input-format");
    o.input_options = split(fact(plan, "--input-option"));
    o.frame_rate = number(fact(plan, "--frame-rate"), 0);
    o.from_s = number(fact(plan, "--from"), 0);
    o.to_s = number(fact(plan, "--to"), std::numeric_limits<double>::infinity());
    o.filter_before = fact(plan, "--filter-before");
    o.deinterlace = fact(plan, "deinterlacing") != "off";
    o.square_pixels = fact(plan, "--square-pixels") == "on";
    o.skip_unsupported = fact(plan, "--skip-unsupported") == "on" || join.so_far;
    const std::string size = fact(plan, "the output size");
    o.size.width = static_cast<int>(number(size.substr(0, size.find('x')), 0));
    o.size.height = static_cast<int>(number(size.substr(std::min(size.size(), size.find('x') + 1)), 0));
    o.size.fit = false;
    o.overwrite = join.overwrite;
    o.cancel = join.cancel;
    o.progress = join.progress;
    o.notice = [&join](const Notice& said) {
        // What this run decides was decided, and said, before the work began.
        if (join.notice && said.code != "input" && said.code != "encoder") join.notice(said);
    };
    return o;
}

// "3, 7 to 9"
std::string list_of(const std::vector<int>& numbers) {
    std::string text;
    for (std::size_t i = 0; i < numbers.size();) {
        std::size_t last = i;
        while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
        text += (text.empty() ? "" : ", ") + std::to_string(numbers[i]);
        if (last > i) text += (last > i + 1 ? " to " : ", ") + std::to_string(numbers[last]);
        i = last + 1;
    }
    return text;
}

Error missing(const FarmFolder& folder, const FarmJob& job, const std::vector<int>& numbers) {
    std::string text = std::to_string(numbers.size()) + " of " + std::to_string(job.parts.size()) +
                       " parts are missing: " + list_of(numbers);
    const Claims claims(folder.claims(), job.lease_s, "");
    if (const auto standings = claims.look())
        for (const int number : numbers) {
            const auto found = standings.value().find(number);
            if (found == standings.value().end() || found->second.failures == 0) continue;
            text += "; part " + std::to_string(number) + " failed " + std::to_string(found->second.failures) +
                    (found->second.failures == 1 ? " time (" : " times (") + claims.said(found->second) + ")";
        }
    return {Errc::not_found, text};
}

// All parts that are there, each verified.
Result<std::vector<PartFile>> gather(const FarmFolder& folder, const FarmJob& job, const JobJoin& join) {
    std::vector<PartFile> parts;
    std::vector<int> absent;
    std::string others;
    for (int number = 0; number < static_cast<int>(job.parts.size()); ++number) {
        TRY(join.cancel.check());
        auto part = read_part(folder, number);
        if (!part && part.error().code == Errc::not_found) {
            absent.push_back(number);
            continue;
        }
        auto sound = part ? verify_part(folder, job, *part) : Result<void>(part.error());
        if (!sound) {
            sound.error().message += "; `enlarge work` with --task " + std::to_string(number) + " makes it anew";
            return std::move(sound).error();
        }
        if (part->arithmetic != job.arithmetic && others.find(part->arithmetic) == std::string::npos)
            others += "; " + part->arithmetic;
        parts.push_back(std::move(part).value());
    }
    if (!absent.empty() && !join.so_far) return missing(folder, job, absent);
    if (!others.empty() && join.notice)
        join.notice({"parts-mixed", "warning: parts were computed in several ways: " + job.arithmetic + others});
    return parts;
}

// film.mkv -> film_so_far.mkv
std::string output_of(const JobJoin& join, const std::string& planned) {
    if (!join.output.empty()) return join.output;
    if (!join.so_far) return planned;
    const fs::path path(planned);
    return (path.parent_path() / (path.stem().string() + "_so_far" + path.extension().string())).string();
}

// The container was planned; a name that says another one would be a lie.
Result<void> check_ending(const JobPlan& plan, const JobJoin& join) {
    const std::string planned = fs::path(plan.output).extension().string();
    if (join.output.empty() || fs::path(join.output).extension() == planned) return {};
    return Error{Errc::argument, join.output + ": the work was begun for a name that ends in '" + planned +
                                     "', which says the container; -o with that ending"};
}

// It is the file that was planned for, as far as it can be told without reading all of it.
Result<void> check_input(const Job& job, const JobPlan& plan) {
    if (is_pattern(job.input)) return {};
    TRY(auto now, media::file_fingerprint(job.input));
    std::erase_if(now, [](const auto& known) { return known.first == "the input's date"; });
    const std::string differs = media::differences(plan.fingerprint, now);
    if (differs.empty()) return {};
    return Error{Errc::exists, job.input + ": not the input of this work: " + differs};
}

Result<JobJoinReport> put_together_from(const media::OwnFolder& folder, std::vector<NamedSegment> segments,
                                        const JobPlan& plan, const JobJoin& join) {
    const std::string output = output_of(join, plan.output);
    TRY(check_ending(plan, join));
    Job job({nullptr, "", "", 1}, join.input.empty() ? plan.input : join.input, output, options_of(plan, join));
    TRY(decide_here(job));
    TRY(check_input(job, plan));
    TRY(job.standing, OutputStanding::look(job));
    if (!job.options.overwrite && !job.standing.taken.empty())
        return Error{Errc::exists, job.standing.taken + ": there already; use --force to overwrite it, or -o with " +
                                       "another name"};
    JobJoinReport report;
    for (const NamedSegment& one : segments) report.frames += one.segment.frames;
    report.frames_missing = std::max<std::int64_t>(0, plan.frames - report.frames);
    TRY(const auto packets, media::read_segments(folder, std::move(segments)));
    TRY(write_beside(job));
    TRY(put_together(job, *packets, report.input_cut_short));
    report.output = job.standing.path;
    report.bytes = job.bytes;
    return report;
}

Error nothing_yet(const std::string& folder) { return {Errc::not_found, folder + ": nothing is finished yet"}; }

}  // namespace

Result<JobJoinReport> join_farm(const std::string& folder, const JobJoin& join) {
    std::error_code ignored;
    const FarmFolder where{folder};
    if (!fs::exists(where.job(), ignored) && fs::exists(folder + "/journal", ignored)) {
        if (!join.so_far)
            return Error{Errc::argument, folder + ": unfinished work of one machine: the command that began it " +
                                             "finishes it; --so-far makes a film of what is done"};
        TRY(const auto journal, Journal::look(folder));
        if (journal->frames() == 0) return nothing_yet(folder);
        return put_together_from(journal->folder(), journal->list(), journal->plan(), join);
    }
    TRY(const FarmJob job, read_farm_job(folder));
    TRY(const auto parts, gather(where, job, join));
    if (parts.empty()) return nothing_yet(folder);
    if (!job.files.empty()) return join_files(job, parts, join);
    std::vector<NamedSegment> segments;
    for (const PartFile& part : parts) segments.insert(segments.end(), part.segments.begin(), part.segments.end());
    TRY(const auto own, media::OwnFolder::open(where.parts()));
    return put_together_from(own, std::move(segments), plan_of(job), join);
}

}  // namespace enlarge::video
