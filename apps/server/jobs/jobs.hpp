// SPDX-License-Identifier: Apache-2.0
// Jobs: made, worked on, kept for a while. The table is on disk before a client hears of a job, so whatever ends the
// server loses none: those that were not done begin again, films with the segments that there are.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "jobs/events.hpp"
#include "jobs/store.hpp"
#include "jobs/uploads.hpp"
#include "work/pool.hpp"

namespace serve {

struct JobLimits {
    std::int64_t pixels = 0, memory_bytes = 0, disk_bytes = 0;
    double picture_s = 0, film_s = 0, keep_s = 0, upload_s = 86400;
};

class Jobs {
public:
    // `folder` gets jobs/ and uploads/ and the table. Begins with what an earlier run left. `ended` hears of each end.
    static enlarge::Result<std::unique_ptr<Jobs>> open(const std::string& folder, const JobLimits& limits, Pool& pool,
                                                       std::function<void(const Said&)> ended);
    ~Jobs();

    // What a client wants: the file lies at `file` (taken over), or is the upload of that id.
    struct Wanted {
        std::string id, file, upload, name;
        Params options;
    };
    // A job of that id that was made of the same is given as it is (`fresh` false); of something else: Errc::exists.
    // Errc::cancelled: the queue is full. Errc::limit: the disk is.
    enlarge::Result<Job> create(const Wanted& wanted, bool& fresh);
    [[nodiscard]] std::optional<Job> find(const std::string& id) const;
    [[nodiscard]] std::vector<Job> list() const;  // the oldest first
    bool cancel(const std::string& id);           // false when there is none
    bool remove(const std::string& id);           // cancels it, too

    [[nodiscard]] json described(const Job& job) const;
    [[nodiscard]] std::string folder_of(const Job& job) const {
        return folder_ + "/jobs/" + std::to_string(job.number);
    }
    [[nodiscard]] std::string input_path(const Job& job) const;
    [[nodiscard]] std::string output_path(const Job& job) const;
    std::shared_ptr<Feed> listen(const std::string& id, const std::string& last_id);  // all, where id is empty
    [[nodiscard]] bool heard_all(const std::string& id, const std::string& last_id) const {
        return events_.heard_all(id, last_id);
    }

    Uploads& uploads() { return *uploads_; }
    [[nodiscard]] std::int64_t disk_bytes() const;  // uploads, inputs, results
    // Removes what is too old, and the oldest that are done while there is too much.
    void tidy();

private:
    Jobs(const std::string& folder, const JobLimits& limits, Pool& pool, std::function<void(const Said&)> ended)
        : folder_(folder), limits_(limits), pool_(pool), ended_(std::move(ended)) {}
    enlarge::Result<void> resume();
    std::shared_ptr<Task> task_of(const Job& job);
    void begun(std::int64_t number);
    void heard(std::int64_t number, const Said& said);
    // Changes a job under the lock, on disk too if `keep`, and tells listeners.
    void change(std::int64_t number, const char* event, bool keep, const std::function<void(Job&)>& how);
    enlarge::Result<Job> place(Job job, const Wanted& wanted);
    void erase(const Job& job);
    [[nodiscard]] double age_s(const Job& job) const;

    std::string folder_;
    JobLimits limits_;
    Pool& pool_;
    std::function<void(const Said&)> ended_;
    std::unique_ptr<Store> store_;
    std::unique_ptr<Uploads> uploads_;
    Events events_;
    mutable std::mutex mutex_;
    std::map<std::int64_t, Job> jobs_;             // by number
    std::map<std::string, std::int64_t> numbers_;  // by id
    std::map<std::int64_t, double> left_;          // seconds, of those in hand
    using Clock = std::chrono::steady_clock;
    std::map<std::int64_t, Clock::time_point> ended_here_;  // of those that ended in this run
    std::mutex creating_;                          // one at a time
    std::condition_variable changed_;
    bool ends_ = false;
    std::thread janitor_;
};

}  // namespace serve
