// SPDX-License-Identifier: Apache-2.0
// Jobs of files: the list of what there is to do, and the files that were made.
#pragma once

#include <string>
#include <vector>

#include "video/farm_file.hpp"

namespace enlarge::video {

// The list in the job's folder: of each file a line of JSON, [input, output, pixels, bytes, sha256]. Fails with
// Errc::unsupported for a name that is not UTF-8.
Result<std::string> text_of(const std::vector<JobFile>& files);
// The files of a job whose other fields are known. Errc::format when the list is not the one that the job names.
Result<void> load_files(FarmJob& job);

// The size and the SHA-256 of a file.
struct FileSum {
    std::int64_t bytes = 0;
    std::string sha256;
};
Result<FileSum> sum_of(const std::string& path);

// Where a part's files lie, each as "000123-<sum>" after its number in the job: whoever continues a part finds what
// others finished, and two makers never share a file unless it is the same.
std::string made_folder(const FarmFolder& folder, int part);
std::string made_prefix(std::int64_t number);
// verify_part() of the files.
Result<void> verify_files(const FarmFolder& folder, const FarmJob& job, const PartFile& part);

// All files of these verified parts under their names in the output's folder. One that is there already, with the very
// same bytes, is passed over.
Result<JobJoinReport> join_files(const FarmJob& job, const std::vector<PartFile>& parts, const JobJoin& join);

}  // namespace enlarge::video
