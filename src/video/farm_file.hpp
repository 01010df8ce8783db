// SPDX-License-Identifier: Apache-2.0
// The folder of a job that several machines share, and the text that describes the job. docs/farm.md has every field.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "enlarge/farm.hpp"
#include "media/segment.hpp"
#include "video/job_plan.hpp"

namespace enlarge::video {

// Paths in the folder.
struct FarmFolder {
    std::string path;
    [[nodiscard]] std::string job() const { return path + "/job.json"; }
    [[nodiscard]] std::string frames() const { return path + "/frames"; }
    [[nodiscard]] std::string files() const { return path + "/files"; }
    [[nodiscard]] std::string parts() const { return path + "/parts"; }
    [[nodiscard]] std::string claims() const { return path + "/claims"; }
    [[nodiscard]] std::string work() const { return path + "/work"; }
    [[nodiscard]] std::string logs() const { return path + "/logs"; }
};

// "part-000007"
std::string part_name(int number);
// The number in it, also when more follows behind a dot or a hyphen; -1: it is none.
int part_number(const std::string& name);

// A text file that is there whole, and on disk, or not at all. Without `replace`: Errc::exists where one is.
Result<void> write_whole(const std::string& path, const std::string& text, bool replace = true);
Result<std::string> read_whole(const std::string& path);

// A name that stays right when the folder and what lies beside it are seen elsewhere: from `folder` to `path`.
std::string relative_to(const std::string& folder, const std::string& path);

Result<void> write_job(const FarmJob& job);
Result<FarmJob> read_farm_job(const std::string& folder);

// What finished work is checked against (job_plan.hpp).
JobPlan plan_of(const FarmJob& job);
inline FrameRange range_of(const JobPart& part) { return {part.first, part.frames}; }

// What became of one of a job's files.
struct MadeFile {
    std::string name, sha256;  // in the folder made_folder()
    std::int64_t bytes = 0;
    std::string failed;        // not empty: it cannot be enlarged, and why; there is no file
};

// A finished part: what its side file says.
struct PartFile {
    int number = 0;
    FrameRange frames;
    std::int64_t first_time = 0, last_time = 0;  // in the job's time base
    std::string file, sha256;                    // beside it: the segments, one behind the other
    std::int64_t bytes = 0;
    std::vector<media::NamedSegment> segments;   // in that file
    std::vector<MadeFile> made;                  // instead of all that: of a job of files
    std::string arithmetic, decoded_from, host;
    double seconds = 0;                          // that it took
};
Result<void> write_part(const FarmFolder& folder, const PartFile& part);
// Errc::not_found: it is not there yet.
Result<PartFile> read_part(const FarmFolder& folder, int number);
// Reads the whole file, or all of the files. Errc::format says what is not as the job and the side file have it.
Result<void> verify_part(const FarmFolder& folder, const FarmJob& job, const PartFile& part);

}  // namespace enlarge::video
