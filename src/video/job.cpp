// SPDX-License-Identifier: Apache-2.0
#include "video/job.hpp"

#include <algorithm>
#include <filesystem>

#include "base/log.hpp"

namespace enlarge::video {

bool is_pattern(const std::string& path) { return path.find('%') != std::string::npos; }
bool is_address(const std::string& path) { return path.find("://") != std::string::npos; }

Job::~Job() {
    std::error_code ignored;
    if (!part_folder.empty()) std::filesystem::remove_all(part_folder, ignored);
}

bool Job::to_file() const { return output != "-" && !is_address(output); }

bool Job::may_be_journalled() const { return to_file() && input != "-" && !is_address(input) && !options.live; }

bool Job::stateful() const {
    return request.container == "gif" || request.container == "apng" || request.container == "webp";
}

void Job::notice(const Notice& said) {
    const std::lock_guard lock(notice_mutex);
    if (options.notice) options.notice(said);
    else log(LogLevel::notice, said);
}

VideoProgress Job::progress_now() const {
    VideoProgress now;
    const auto until = ended ? *ended : std::chrono::steady_clock::now();
    const std::chrono::duration<double> passed = until - began.value_or(until);
    const std::int64_t done = encoded;
    now.frames = skip + done;
    now.frames_total = total;
    now.resumed_frames = skip;
    if (total > 0) now.fraction = std::min(1.0, static_cast<double>(now.frames) / static_cast<double>(total));
    if (done > 0 && passed.count() > 0) {
        now.frames_per_second = static_cast<double>(done) / passed.count();
        now.speed = position_s / passed.count();
        if (total > now.frames) now.seconds_left = static_cast<double>(total - now.frames) / now.frames_per_second;
    }
    now.output_bytes = bytes;
    now.stopping = stop_soon;
    if (journal && stop_soon) now.frames_to_stop = options.segment_frames - done % options.segment_frames;
    return now;
}

bool Job::may_go_on() const {
    if (options.cancel.requested()) return false;
    return !options.progress || options.progress(progress_now()) != VideoControl::stop_now;
}

}  // namespace enlarge::video
