// SPDX-License-Identifier: Apache-2.0
// How far a job is, told by its files.
#include "video/claims.hpp"
#include "video/farm.hpp"

namespace enlarge::video {

namespace {

JobPartStatus state_of(const ClaimStanding& standing, const Claims& claims, double time) {
    JobPartStatus status;
    status.failures = standing.failures;
    if (standing.open) {
        status.seconds = claims.silence(standing, time).value_or(0);
        status.state = claims.is_dead(status.seconds) ? PartState::silent : PartState::working;
        status.who = claims.said(standing);
    } else if (standing.failures > 0) {
        status.state = standing.failures >= kMostFailures ? PartState::given_up : PartState::failed;
        status.reason = claims.said(standing);
    }
    return status;
}

}  // namespace

Result<JobStatus> farm_status(const std::string& folder) {
    JobStatus status;
    TRY(status.job, read_farm_job(folder));
    const FarmFolder where{folder};
    const Claims claims(where.claims(), status.job.lease_s, "");
    TRY(const auto standings, claims.look());
    TRY(const double time, claims.now());
    double seconds = 0;
    for (int number = 0; number < static_cast<int>(status.job.parts.size()); ++number) {
        JobPartStatus part;
        if (const auto found = standings.find(number); found != standings.end()) {
            part = state_of(found->second, claims, time);
        }
        if (const auto made = read_part(where, number)) {
            part.state = PartState::done;
            part.who = made->host;
            part.seconds = made->seconds;
            status.frames_done += made->frames.count;
            status.bytes += made->bytes;
            for (const MadeFile& file : made->made) status.files_failed += file.failed.empty() ? 0 : 1;
            seconds += made->seconds;
        }
        if (part.state == PartState::working) ++status.working;
        status.parts.push_back(std::move(part));
    }
    if (status.frames_done > 0 && status.working > 0)
        status.seconds_left = seconds / static_cast<double>(status.frames_done) *
                              static_cast<double>(status.job.frames - status.frames_done) / status.working;
    return status;
}

}  // namespace enlarge::video
