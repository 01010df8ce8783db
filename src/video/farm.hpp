// SPDX-License-Identifier: Apache-2.0
// Jobs of several machines: what enlarge/farm.hpp is made of.
#pragma once

#include <string>

#include "enlarge/farm.hpp"
#include "video/farm_file.hpp"
#include "video/job.hpp"

namespace enlarge::video {

Result<FarmJob> plan_farm(const NamedEnlarger& network, Precision precision, const std::string& input,
                          const std::string& output, const VideoOptions& options, const std::string& folder,
                          const JobRequest& request);
// The same for request.files. `facts`: what changes their bytes besides the network.
Result<FarmJob> plan_files(const NamedEnlarger& network, Precision precision, const std::string& input,
                           const std::string& output, const VideoOptions& options, const std::string& folder,
                           const JobRequest& request, const media::JobFingerprint& facts);
Result<JobWorkReport> work_on_farm(const NamedEnlarger& network, const std::string& folder, const VideoOptions& options,
                                   const JobWork& work, const media::JobFingerprint& facts);
Result<JobStatus> farm_status(const std::string& folder);
Result<JobJoinReport> join_farm(const std::string& folder, const JobJoin& join);

// decide() where the input may lie elsewhere: its errors name it.
Result<void> decide_here(Job& job);

// Why somebody with the facts `found` may not take part in the job; empty when he may. What depends on where a file
// lies (its date) does not count: every frame is compared with the plan's.
std::string refusal(const FarmJob& job, const media::JobFingerprint& found, bool allow_mixed);

// One part from its first frame to its side file. `worker` names whoever does it.
struct PartWork {
    const NamedEnlarger& network;
    const FarmJob& job;
    const VideoOptions& options;
    std::string input, worker;
    const EnlargeFile& enlarge;           // of a job of files
    const media::JobFingerprint& facts;   // of this machine, for such a job
    bool allow_mixed = false;
    bool checked = false;  // that this machine may take part; set by the first part
};
Result<PartFile> make_part(PartWork& work, int number);
// The same of a job of files (farm_files_part.cpp).
Result<PartFile> make_files(PartWork& work, int number);

}  // namespace enlarge::video
