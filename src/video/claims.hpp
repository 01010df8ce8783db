// SPDX-License-Identifier: Apache-2.0
// Who works on which part, told by files alone, for workers that know nothing of each other.
//
//     part-000007.2          is worked on; its date says when that was last so
//     part-000007.1.failed   was worked on and failed; the reason is in it
//     part-000007.1.left     was given back
//
// The number behind the dot counts the attempts. To take a part is to make the file of its next attempt, which only one
// can do; a dead worker's file stays what it is, and the next attempt stands above it. Ages are differences of dates
// that the file server gave, so clocks need not agree. Should two work on one part nevertheless (a worker that was only
// slow, a file server that does not keep its promises), both make the same bytes.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/result.hpp"

namespace enlarge::video {

// A part that failed so often is given up.
inline constexpr int kMostFailures = 3;

// What the files say about a part.
struct ClaimStanding {
    int attempts = 0;          // the highest number
    int failures = 0;
    bool open = false;         // the last attempt neither failed nor was given back
    std::string file;          // of the last attempt, or of the last failure
};

// A part that is being worked on: every quarter of the lease its file gets a new date.
class Claim {
public:
    Claim(std::string path, double lease_s);
    ~Claim();  // given back, unless it came to an end
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

    void fail(const std::string& reason);
    void finish();  // the part is there: the file goes away

private:
    void beat();
    void end();
    std::string path_;
    double every_s_;
    bool ended_ = false;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::jthread heart_;
};

class Claims {
public:
    // In a folder that is there. `who` is written into claims.
    Claims(std::string folder, double lease_s, std::string who)
        : folder_(std::move(folder)), lease_s_(lease_s), who_(std::move(who)) {}

    // Of all parts that were ever taken, by number. Reads the folder, and none of its files.
    [[nodiscard]] Result<std::map<int, ClaimStanding>> look() const;
    // For how many seconds nobody has said that the work on an open claim goes on; nothing when it came to its end.
    // `time`: of now().
    [[nodiscard]] std::optional<double> silence(const ClaimStanding& standing, double time) const;
    [[nodiscard]] bool is_dead(double silent_s) const { return silent_s > lease_s_; }
    // The file server's time, as a file's date.
    [[nodiscard]] Result<double> now() const;
    // Takes the part; nothing when somebody else was quicker.
    [[nodiscard]] Result<std::unique_ptr<Claim>> take(int part, const ClaimStanding& standing) const;
    // Failures of this part do not count any more.
    void forget_failures(int part) const;
    // What was written into a claim's file: who, or the reason.
    [[nodiscard]] std::string said(const ClaimStanding& standing) const;

private:
    std::string folder_;
    double lease_s_;
    std::string who_;
};

// "node7:4711", the same as long as the process lives.
std::string this_worker();

}  // namespace enlarge::video
