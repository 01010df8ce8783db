// SPDX-License-Identifier: Apache-2.0
#include "jobs/jobs.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "service/names.hpp"
#include "work/kinds.hpp"
#include "work/options.hpp"

namespace serve {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kJobWork = std::int64_t{1} << 40;  // added to a job's number: work of requests has small ones

std::int64_t bytes_below(const fs::path& folder) {
    std::int64_t sum = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
        if (std::error_code gone; at->is_regular_file(gone)) {
            const auto size = at->file_size(gone);
            if (!gone) sum += static_cast<std::int64_t>(size);
        }
    return sum;
}

std::int64_t size_of(const std::string& path) {
    struct stat info = {};
    return ::stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

bool same_bytes(const std::string& one, const std::string& other) {
    if (size_of(one) != size_of(other)) return false;
    std::ifstream a(one, std::ios::binary), b(other, std::ios::binary);
    std::vector<char> left(1 << 18), right(1 << 18);
    while (a && b) {
        a.read(left.data(), static_cast<std::streamsize>(left.size()));
        b.read(right.data(), static_cast<std::streamsize>(right.size()));
        if (a.gcount() != b.gcount() || !std::equal(left.begin(), left.begin() + a.gcount(), right.begin()))
            return false;
    }
    return a.eof() && b.eof();
}

Params sorted(Params params) {
    std::sort(params.begin(), params.end());
    return params;
}

}  // namespace

Result<std::unique_ptr<Jobs>> Jobs::open(const std::string& folder, const JobLimits& limits, Pool& pool,
                                         std::function<void(const Said&)> ended) {
    std::unique_ptr<Jobs> jobs(new Jobs(folder, limits, pool, std::move(ended)));
    std::error_code error;
    for (const char* name : {"/jobs", "/uploads"}) fs::create_directories(folder + name, error);
    if (error) return Error{Errc::io, folder + ": cannot create folders there: " + error.message()};
    auto store = Store::open(folder + "/jobs.sqlite");
    if (!store) return std::move(store).error();
    jobs->store_ = std::move(store).value();
    auto uploads = Uploads::open(*jobs->store_, folder + "/uploads");
    if (!uploads) return std::move(uploads).error();
    jobs->uploads_ = std::move(uploads).value();
    if (auto resumed = jobs->resume(); !resumed) return std::move(resumed).error();
    jobs->janitor_ = std::thread([&jobs = *jobs] {
        std::unique_lock lock(jobs.mutex_);
        while (!jobs.changed_.wait_for(lock, 60s, [&] { return jobs.ends_; })) {
            lock.unlock();
            jobs.tidy();
            lock.lock();
        }
    });
    return jobs;
}

Jobs::~Jobs() {
    {
        const std::lock_guard lock(mutex_);
        ends_ = true;
        changed_.notify_all();
    }
    if (janitor_.joinable()) janitor_.join();
}

Result<void> Jobs::resume() {
    const auto known = store_->jobs();
    if (!known) return known.error();
    for (Job job : *known) {
        if (size_of(input_path(job)) == 0 && !is_final(job.state)) {
            // Written down, and the server ended before the client could hear of it: the file was not moved yet.
            if (auto removed = store_->remove_job(job.number); !removed) return removed;
            continue;
        }
        if (job.state == JobState::running) job.state = JobState::queued;
        jobs_[job.number] = job;
        numbers_[job.id] = job.number;
        if (job.state == JobState::queued) pool_.submit(task_of(job), true);
    }
    std::error_code error;  // folders of jobs that are not in the table
    for (const auto& entry : fs::directory_iterator(folder_ + "/jobs", error)) {
        const auto number = whole_number(entry.path().filename().string());
        if (std::error_code gone; !number || !jobs_.contains(*number)) fs::remove_all(entry.path(), gone);
    }
    return {};
}

std::string Jobs::input_path(const Job& job) const { return folder_of(job) + "/input." + job.extension; }
std::string Jobs::output_path(const Job& job) const { return folder_of(job) + "/output." + job.output_extension; }

std::shared_ptr<Task> Jobs::task_of(const Job& job) {
    auto task = std::make_shared<Task>();
    task->work = {.id = kJobWork + job.number,
                  .input = input_path(job),
                  .output = folder_of(job) + "/output",
                  .name = job.name,
                  .options = job.options,
                  .moving = job.moving,
                  .demuxer = job.demuxer,
                  .max_pixels = limits_.pixels,
                  .memory_bytes = limits_.memory_bytes,
                  .seconds = job.moving ? limits_.film_s : limits_.picture_s,
                  .checksum = true};
    task->started = [this, number = job.number] { begun(number); };
    task->said = [this, number = job.number](const Said& said) { heard(number, said); };
    return task;
}

Result<Job> Jobs::create(const Wanted& wanted, bool& fresh) {
    const std::lock_guard one(creating_);
    fresh = false;
    if (const auto known = find(wanted.id)) {
        const bool same =
            sorted(known->options) == sorted(wanted.options) &&
            (wanted.upload.empty() ? known->upload.empty() && same_bytes(wanted.file, input_path(*known))
                                   : known->upload == wanted.upload);
        if (same) return *known;
        return Error{Errc::exists, "there is a job '" + wanted.id + "' that was made of something else"};
    }
    if (auto options = parse_options(wanted.options); !options) return options.error();
    // Before anything is moved: who comes again finds the upload as it was.
    if (pool_.full()) return Error{Errc::cancelled, "the queue is full; try again in a few seconds"};
    Job job{.id = wanted.id,
            .upload = wanted.upload,
            .name = wanted.name,
            .options = wanted.options,
            .created = now_seconds()};
    std::string file = wanted.file;
    if (!wanted.upload.empty()) {
        const auto upload = uploads_->find(wanted.upload);
        if (!upload) return Error{Errc::not_found, "there is no upload '" + safe_name(wanted.upload) + "'"};
        const std::int64_t there = uploads_->offset(*upload);
        if (there != upload->length)
            return Error{Errc::argument, "the upload has " + std::to_string(there) + " of " +
                                             std::to_string(upload->length) + " bytes"};
        if (job.name.empty()) job.name = upload->name;
        file = folder_ + "/uploads/" + std::to_string(upload->number);
    }
    if (job.name.empty()) job.name = "picture";
    job.bytes = size_of(file);
    const auto kind = kind_of_file(file);
    if (!kind) return kind.error();
    job.extension = kind->extension;
    job.moving = kind->moving;
    job.demuxer = kind->demuxer;
    if (limits_.disk_bytes > 0 && disk_bytes() > limits_.disk_bytes) tidy();
    if (limits_.disk_bytes > 0 && disk_bytes() > limits_.disk_bytes)
        return Error{Errc::limit,
                     "the disk is full of jobs and uploads; results that are not needed any more should be deleted"};
    auto made = place(job, wanted);
    fresh = made.ok();
    return made;
}

// In the table, then its file in its folder, then in the queue.
Result<Job> Jobs::place(Job job, const Wanted& wanted) {
    const auto number = store_->add(job);
    if (!number) return number.error();
    job.number = *number;
    const auto undo = [&](Error error) {
        erase(job);
        return error;
    };
    std::error_code error;
    fs::create_directories(folder_of(job), error);
    if (error) return undo({Errc::io, "the job cannot be stored: " + error.message()});
    {
        const std::lock_guard lock(mutex_);
        jobs_[job.number] = job;
        numbers_[job.id] = job.number;
    }
    if (wanted.upload.empty()) {
        if (::rename(wanted.file.c_str(), input_path(job).c_str()) != 0)
            return undo({Errc::io, std::string("the job cannot be stored: ") + std::strerror(errno)});
    } else if (const auto upload = uploads_->find(wanted.upload)) {
        if (auto taken = uploads_->take(*upload, input_path(job)); !taken) return undo(taken.error());
    }
    if (!pool_.submit(task_of(job), true)) return undo({Errc::cancelled, "the server is being stopped"});
    events_.publish(job.id, "state", dumped(described(job)));
    return job;
}

void Jobs::erase(const Job& job) {
    (void)store_->remove_job(job.number);
    {
        const std::lock_guard lock(mutex_);
        jobs_.erase(job.number);
        numbers_.erase(job.id);
        left_.erase(job.number);
        ended_here_.erase(job.number);
    }
    std::error_code error;
    fs::remove_all(folder_of(job), error);
}

std::optional<Job> Jobs::find(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = numbers_.find(id);
    return found == numbers_.end() ? std::nullopt : std::optional(jobs_.at(found->second));
}

std::vector<Job> Jobs::list() const {
    const std::lock_guard lock(mutex_);
    std::vector<Job> all;
    for (const auto& [number, job] : jobs_) all.push_back(job);
    return all;
}

bool Jobs::cancel(const std::string& id) {
    const auto job = find(id);
    if (!job) return false;
    if (!is_final(job->state)) pool_.cancel(kJobWork + job->number);
    return true;
}

bool Jobs::remove(const std::string& id) {
    const auto job = find(id);
    if (!job) return false;
    pool_.cancel(kJobWork + job->number);
    erase(*job);
    events_.publish(id, "removed", dumped(json{{"id", id}}), true);
    return true;
}

void Jobs::change(std::int64_t number, const char* event, bool keep, const std::function<void(Job&)>& how) {
    Job changed;
    {
        const std::lock_guard lock(mutex_);
        const auto found = jobs_.find(number);
        if (found == jobs_.end()) return;
        how(found->second);
        changed = found->second;
        if (is_final(changed.state)) {
            left_.erase(number);
            ended_here_.emplace(number, Clock::now());
        }
    }
    if (keep) (void)store_->update(changed);
    events_.publish(changed.id, event, dumped(described(changed)), is_final(changed.state));
}

void Jobs::begun(std::int64_t number) {
    change(number, "state", true, [](Job& job) {
        job.state = JobState::running;
        job.remarks.clear();
        if (job.started == 0) job.started = now_seconds();
    });
}

void Jobs::heard(std::int64_t number, const Said& said) {
    using enum Said::Event;
    if (said.event == progress) {
        {
            const std::lock_guard lock(mutex_);
            left_[number] = said.seconds_left;
        }
        return change(number, "progress", false, [&](Job& job) { job.fraction = said.fraction; });
    }
    if (said.event == remark)
        return change(number, "remark", false, [&](Job& job) {
            if (job.remarks.size() < 32) job.remarks.push_back(said.text);
        });
    if (said.event == film) return change(number, "state", true, [](Job& job) { job.state = JobState::queued; });
    ended_(said);
    change(number, "state", true, [&](Job& job) {
        job.ended = now_seconds();
        if (said.event == failed) {
            job.state = said.code == Errc::cancelled ? JobState::cancelled : JobState::failed;
            job.code = errc_name(said.code);
            job.message = said.text;
            return;
        }
        job.state = JobState::done;
        job.fraction = 1;
        job.width = said.width, job.height = said.height, job.frames = said.frames;
        job.output_extension = said.extension, job.model = said.model, job.seconds = said.seconds;
        job.output_bytes = size_of(output_path(job));
        job.checksum = said.checksum;
    });
    const auto job = [&] {
        const std::lock_guard lock(mutex_);
        const auto found = jobs_.find(number);
        return found == jobs_.end() ? std::nullopt : std::optional(found->second);
    }();
    std::error_code error;
    if (!job)
        fs::remove_all(folder_ + "/jobs/" + std::to_string(number), error);  // removed meanwhile
    else if (job->state == JobState::cancelled)                              // segments that nobody goes on with
        for (const auto& entry : fs::directory_iterator(folder_of(*job), error))
            if (entry.path().filename().string().starts_with("output")) fs::remove_all(entry.path(), error);
}

json Jobs::described(const Job& job) const {
    json value = {{"id", job.id},
                  {"state", state_name(job.state)},
                  {"name", job.name},
                  {"kind", job.moving ? "film" : "picture"},
                  {"media_type", media_type_of(job.extension)},
                  {"bytes", job.bytes},
                  {"created", job.created},
                  {"number", job.number}};
    json options = json::object();
    for (const auto& [key, text] : job.options) options[key] = text;
    value["options"] = std::move(options);
    value["remarks"] = job.remarks;
    if (job.started > 0) value["started"] = job.started;
    if (job.ended > 0) value["ended"] = job.ended;
    if (job.state == JobState::queued) {
        const Pool::Place place = pool_.place(kJobWork + job.number);
        value["queue"] = {{"before", std::max(0, place.before)},
                          {"seconds", place.seconds >= 0 ? json(place.seconds) : json()}};
    }
    if (job.state == JobState::running) {
        const std::lock_guard lock(mutex_);
        const auto left = left_.find(job.number);
        value["progress"] = {{"fraction", job.fraction},
                             {"seconds_left", left != left_.end() && left->second >= 0 ? json(left->second) : json()}};
    }
    if (job.state == JobState::done)
        value["output"] = {{"width", job.width},
                           {"height", job.height},
                           {"frames", job.frames},
                           {"bytes", job.output_bytes},
                           {"media_type", media_type_of(job.output_extension)},
                           {"model", job.model},
                           {"seconds", job.seconds},
                           {"name", result_name(job.name, job.width, job.height, job.output_extension)}};
    if (!job.code.empty()) value["error"] = {{"code", job.code}, {"message", job.message}};
    return value;
}

std::shared_ptr<Feed> Jobs::listen(const std::string& id, const std::string& last_id) {
    return events_.listen(id, last_id, [this, id] {
        std::vector<std::string> lines;
        for (const Job& job : list())
            if (id.empty() || job.id == id) lines.push_back(dumped(described(job)));
        return lines;
    });
}

std::int64_t Jobs::disk_bytes() const { return bytes_below(folder_ + "/jobs") + uploads_->bytes(); }

// Since its end. Of those that ended in this run by a clock that nobody sets.
double Jobs::age_s(const Job& job) const {
    const std::lock_guard lock(mutex_);
    const auto here = ended_here_.find(job.number);
    if (here == ended_here_.end()) return now_seconds() - job.ended;
    return std::chrono::duration<double>(Clock::now() - here->second).count();
}

void Jobs::tidy() {
    uploads_->remove_older(limits_.upload_s);
    std::vector<Job> ended;
    for (const Job& job : list()) {
        if (!is_final(job.state)) continue;
        if (limits_.keep_s > 0 && age_s(job) > limits_.keep_s)
            remove(job.id);
        else
            ended.push_back(job);
    }
    for (const Job& job : ended) {
        if (limits_.disk_bytes <= 0 || disk_bytes() <= limits_.disk_bytes) return;
        remove(job.id);
    }
}

}  // namespace serve
