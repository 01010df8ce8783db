// SPDX-License-Identifier: Apache-2.0
// Jobs and uploads in a SQLite file: what survives the end of the server, however it comes.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "enlarge/result.hpp"
#include "http/text.hpp"

struct sqlite3;

namespace serve {

enum class JobState { queued, running, done, failed, cancelled };
const char* state_name(JobState state);
inline bool is_final(JobState state) { return state != JobState::queued && state != JobState::running; }

struct Job {
    std::int64_t number = 0;  // names its folder; never a client's word
    std::string id;           // the client's name for it, or ours
    JobState state = JobState::queued;
    std::string upload;     // which it was made of; empty when the file came with it
    std::string name;       // the client's name for the file, safe_name()d
    std::string extension;  // of the input, by its content
    bool moving = false;
    std::string demuxer;
    std::int64_t bytes = 0;
    Params options;
    double created = 0, started = 0, ended = 0;  // seconds since 1970
    double fraction = 0;
    int width = 0, height = 0;  // of the result, with what follows
    std::int64_t frames = 0, output_bytes = 0;
    std::uint32_t checksum = 0;  // CRC-32 of the result
    std::string output_extension, model;
    double seconds = 0;
    std::string code, message;  // of a failure
    std::vector<std::string> remarks;
};

struct Upload {
    std::int64_t number = 0;
    std::string id, name;
    std::int64_t length = 0;
    double touched = 0;
};

// Any thread.
class Store {
public:
    // Makes the file where it is not there. Errc::io or ::format with a sentence.
    static enlarge::Result<std::unique_ptr<Store>> open(const std::string& path);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // Each is on disk when it returns.
    enlarge::Result<std::int64_t> add(const Job& job);  // its number
    enlarge::Result<void> update(const Job& job);
    enlarge::Result<void> remove_job(std::int64_t number);
    [[nodiscard]] enlarge::Result<std::vector<Job>> jobs() const;  // the oldest first

    enlarge::Result<std::int64_t> add(const Upload& upload);
    enlarge::Result<void> remove_upload(std::int64_t number);
    [[nodiscard]] enlarge::Result<std::vector<Upload>> uploads() const;

private:
    explicit Store(sqlite3* database) : database_(database) {}
    sqlite3* database_;
    mutable std::mutex mutex_;
};

double now_seconds();  // since 1970

}  // namespace serve
