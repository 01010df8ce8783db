// SPDX-License-Identifier: Apache-2.0
// One film, or one folder's pictures, on many machines. A job is a folder that all of them see; docs/farm.md describes
// what is in it.
//
//     auto job = enlarge::plan_job(upscaler, "film.mkv", "out.mkv", options, "job", {.parts = 100});  // once
//     auto done = enlarge::work_on_job(upscaler, "job", options, {.tasks = {{7, 7}}});                // each part
//     auto film = enlarge::join_job("job");                                                           // once
//
// The file is, byte for byte, the one that enlarge_video() makes with the same options.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "enlarge/media.hpp"

namespace enlarge {

// Frames first ... first + frames - 1 of the output, counted from 0.
struct JobPart {
    std::int64_t first = 0, frames = 0;
    double first_s = 0, last_s = 0;  // when its first and its last frame are shown, on the input's clock
    bool from_key_frame = false;     // where decoding begins: at the key frame below, or at the input's beginning
    double key_frame_s = 0;
    std::int64_t pre_roll = 0;       // frames that are decoded before `first`
};

// One file of a job whose parts are files: of a folder's pictures.
struct JobFile {
    std::string input, output;       // names in the two folders: "2024/photo.jpg", "2024/photo_x4.jpg"
    std::int64_t pixels = 0;         // of the input, for the estimate
    std::int64_t bytes = 0;          // of the input; this and its SHA-256 are found out by plan_job()
    std::string sha256;
};

using JobOption = std::pair<std::string, std::vector<std::string>>;  // {"--crf", {"17"}}

// What job.json says.
struct FarmJob {
    std::string folder, input, output;  // input and output: as they are reached from here
    std::vector<JobOption> options;     // of the caller, as given to plan_job()
    std::string model, arithmetic;      // "swift-x2"; "cpu avx2, fp32 Winograd F(6x6,3x3)"
    std::string precision;              // to be asked for by those who work: "int16"; "auto" where that is not known
    std::vector<std::pair<std::string, std::string>> facts;  // all that changes a byte of the video, each with its name
    std::vector<JobFile> files;         // of a folder; then input and output are folders, and files count as frames
    std::int64_t frames = 0, segment_frames = 0;
    int time_base_num = 0, time_base_den = 1;  // of the list of frames
    std::string frames_sha256;          // of that list, or of the list of files
    int tasks = 0;                      // numbers from 0 that mean something; those beyond the parts have no frames
    std::vector<JobPart> parts;
    double lease_s = 300;               // a worker that is silent for so long counts as dead
    double seconds_per_frame = 0;       // the network alone, measured when the job was planned
};

struct JobRequest {
    int parts = 0;                      // 0: as `chunk_s` says
    double chunk_s = 60;                // of film in each part; of files the time that the network takes for them
    double lease_s = 300;
    std::vector<JobOption> options;     // kept in the job, for whoever works on it
    std::vector<JobFile> files;         // not a film but these: input and output are folders
};

// Decodes all of `input` once, or reads all files, and writes the folder. Fails with Errc::exists when a job is there
// already. Of `options` a job of files takes only the callbacks.
Result<FarmJob> plan_job(Upscaler& upscaler, const std::string& input, const std::string& output,
                         const VideoOptions& options, const std::string& folder, const JobRequest& request = {});

Result<FarmJob> read_job(const std::string& folder);

// Makes the file `output`, which is not there, from `input`; `notice` is told what there is to remark.
using EnlargeFile = std::function<Result<void>(const std::string& input, const std::string& output,
                                               const std::function<void(const Notice&)>& notice)>;

struct JobWork {
    std::vector<std::pair<int, int>> tasks;  // first and last; empty: whatever nobody else works on, until all is done
    std::string input;                  // where the input is on this machine; empty: where the job says
    bool allow_mixed = false;           // also when this machine computes other bits than the one that planned
    bool retry = false;                 // also parts that failed three times
    EnlargeFile enlarge;                // of a job of files: how one is made, by the same Upscaler
};

struct JobWorkReport {
    int made = 0, passed_over = 0;      // parts; passed over: there already, or without frames
    std::vector<int> given_up;          // failed three times
    std::int64_t frames = 0;
    double seconds = 0;
};

// Makes parts. `options` are those of plan_job(); its callbacks are told of each part. A part that fails ends a call
// with tasks; without, the next one is begun, unless the machine is to blame (disk, memory, device).
Result<JobWorkReport> work_on_job(Upscaler& upscaler, const std::string& folder, const VideoOptions& options,
                                  const JobWork& work = {});

enum class PartState { waiting, working, silent, failed, given_up, done };

struct JobPartStatus {
    PartState state = PartState::waiting;
    int failures = 0;
    std::string who;      // works on it, or made it: host and process
    std::string reason;   // of the last failure
    double seconds = 0;   // done: what it took; working: since it was heard of
};

struct JobStatus {
    FarmJob job;
    std::vector<JobPartStatus> parts;
    std::int64_t frames_done = 0, bytes = 0;
    int files_failed = 0;      // of those done: files that cannot be enlarged
    int working = 0;
    double seconds_left = -1;  // with the workers of now; negative: not known
};
Result<JobStatus> status_of_job(const std::string& folder);

struct JobJoin {
    std::string output;        // empty: where the job says; of what is done so far that name with "_so_far"
    std::string input;         // where the input is on this machine
    bool so_far = false;       // what is done, playable; the job stays as it is
    bool overwrite = false;
    Cancellation cancel;
    std::function<VideoControl(const VideoProgress&)> progress;
    std::function<void(const Notice&)> notice;
};

struct JobJoinReport {
    std::string output;
    std::int64_t frames = 0, bytes = 0;
    std::int64_t frames_missing = 0;  // of what is done so far
    bool files = false;               // a job of files: "frames" are files
    std::vector<std::string> failed;  // files that could not be enlarged, and why
    bool input_cut_short = false;
};

// `folder` is a job's, or with so_far one that an interrupted enlarge_video() left. Every part is verified; when one is
// missing, or is not what it says, fails naming it.
Result<JobJoinReport> join_job(const std::string& folder, const JobJoin& join = {});

}  // namespace enlarge
