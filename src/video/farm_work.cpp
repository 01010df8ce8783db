// SPDX-License-Identifier: Apache-2.0
// A worker: takes parts, makes them, says how it went.
#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <functional>
#include <set>
#include <thread>

#include "base/text.hpp"
#include "media/sha256.hpp"
#include "video/claims.hpp"
#include "video/farm.hpp"

namespace enlarge::video {

namespace {

// Lines of what happened to a part, for people; several workers may write.
class PartLog {
public:
    PartLog(const FarmFolder& folder, int number, const std::string& worker)
        : file_(std::fopen((folder.logs() + "/" + part_name(number) + ".log").c_str(), "a"), std::fclose),
          worker_(worker) {}
    void line(const std::string& text) const {
        if (!file_) return;
        char when[32];
        const std::time_t now = std::time(nullptr);
        std::tm parts{};
        ::gmtime_r(&now, &parts);
        std::strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
        std::fprintf(file_.get(), "%s %s %s\n", when, worker_.c_str(), text.c_str());
        std::fflush(file_.get());
    }

private:
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
    std::string worker_;
};

// What went wrong for a reason that the next part would meet as well.
bool is_of_the_machine(Errc code) {
    switch (code) {
        case Errc::format:
        case Errc::numeric:
        case Errc::internal: return false;
        default: return true;
    }
}

class Worker {
public:
    Worker(const NamedEnlarger& network, FarmJob job, const VideoOptions& options, const JobWork& work,
           const media::JobFingerprint& facts)
        : job_(std::move(job)), folder_{job_.folder}, work_(work), caller_(options), options_(options),
          claims_(folder_.claims(), job_.lease_s, name_),
          part_work_{network, job_, options_, work.input.empty() ? job_.input : work.input, name_,
                     work.enlarge, facts, work.allow_mixed} {}

    Result<JobWorkReport> run() {
        const auto start = std::chrono::steady_clock::now();
        auto done = work_.tasks.empty() ? share_out() : do_tasks();
        report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        TRY(std::move(done));
        return report_;
    }

private:
    enum class Outcome { made, there, taken, failed };

    Result<void> do_tasks();
    Result<void> share_out();
    Result<Outcome> attempt(int number, const ClaimStanding& standing);
    Result<bool> round(bool& all_done);
    Result<std::optional<int>> dead_one(const std::vector<int>& open, const std::map<int, ClaimStanding>& standings);
    Result<void> wait() const;
    [[nodiscard]] bool is_there(int number) const { return read_part(folder_, number).ok(); }
    [[nodiscard]] std::set<int> parts_there() const;

    const std::string name_ = this_worker();
    const FarmJob job_;
    const FarmFolder folder_;
    const JobWork& work_;
    const VideoOptions& caller_;
    VideoOptions options_;
    const Claims claims_;
    PartWork part_work_;
    JobWorkReport report_;
    std::set<std::string> said_;
    std::size_t asked_ = std::hash<std::string>()(name_);  // where in a list of parts in work to begin
    Error last_;  // of what failed
};

Result<Worker::Outcome> Worker::attempt(int number, const ClaimStanding& standing) {
    TRY(const auto claim, claims_.take(number, standing));
    if (!claim) return Outcome::taken;
    if (is_there(number) && work_.tasks.empty()) {
        claim->finish();
        return Outcome::there;
    }
    const PartLog log(folder_, number, name_);
    const JobPart& part = job_.parts[static_cast<std::size_t>(number)];
    const std::string unit = job_.files.empty() ? " frames" : " files";
    log.line("begins with attempt " + std::to_string(standing.attempts + 1) + ":" + unit + " " +
             std::to_string(part.first) + " to " + std::to_string(part.first + part.frames - 1));
    options_.notice = [&](const Notice& said) {
        log.line(said.text);
        if (caller_.notice && said_.insert(said.text).second) caller_.notice(said);
    };
    const auto made = make_part(part_work_, number);
    if (made) {
        log.line("done: " + std::to_string(made->frames.count) + unit + " in " + fixed(made->seconds, 1) + " s" +
                 (job_.files.empty() ? ", decoded from the " + made->decoded_from + ", sha256 " + made->sha256 : ""));
        claim->finish();
        report_.frames += made->frames.count;
        return Outcome::made;
    }
    last_ = made.error();
    if (last_.code == Errc::cancelled || !part_work_.checked) {  // not the part's fault
        log.line("given back: " + last_.message);
        return last_;
    }
    if (is_there(number) && work_.tasks.empty()) {
        log.line("another worker made it meanwhile");
        claim->finish();
        return Outcome::there;
    }
    log.line("failed: " + last_.message);
    claim->fail(name_ + ": " + last_.message);
    last_.message = "part " + std::to_string(number) + ": " + last_.message;
    return Outcome::failed;
}

// Whoever names a task answers for nobody else working on it: a claim of that part is not waited for.
Result<void> Worker::do_tasks() {
    for (const auto& [from, to] : work_.tasks)
        for (int number = from; number <= to; ++number) {
            if (number < 0 || number >= job_.tasks)
                return Error{Errc::argument, "task " + std::to_string(number) + "; the job has tasks 0 to " +
                                                 std::to_string(job_.tasks - 1)};
            if (number >= static_cast<int>(job_.parts.size())) {
                ++report_.passed_over;
                continue;
            }
            const auto part = read_part(folder_, number);
            if (part && verify_part(folder_, job_, *part)) {
                ++report_.passed_over;
                continue;
            }
            Outcome outcome = Outcome::taken;
            while (outcome == Outcome::taken) {
                TRY(const auto standings, claims_.look());
                const auto found = standings.find(number);
                TRY(outcome, attempt(number, found == standings.end() ? ClaimStanding{} : found->second));
            }
            if (outcome == Outcome::failed) return last_;
            ++(outcome == Outcome::made ? report_.made : report_.passed_over);
        }
    return {};
}

std::set<int> Worker::parts_there() const {
    std::set<int> numbers;
    DIR* const list = ::opendir(folder_.parts().c_str());
    while (const dirent* entry = list ? ::readdir(list) : nullptr) {
        const std::string name = entry->d_name;
        if (entry->d_type == DT_DIR) continue;
        if (name.size() > 5 && name.compare(name.size() - 5, 5, ".json") == 0) numbers.insert(part_number(name));
    }
    if (list) ::closedir(list);
    return numbers;
}

// One of the parts in work whose worker is dead. Of many only some are asked for, each time others: so many workers
// that wait do not ask the file server for more than it can tell.
Result<std::optional<int>> Worker::dead_one(const std::vector<int>& open,
                                            const std::map<int, ClaimStanding>& standings) {
    constexpr std::size_t kMost = 64;
    if (open.empty()) return std::optional<int>();
    TRY(const double time, claims_.now());
    for (std::size_t i = 0; i < std::min(kMost, open.size()); ++i) {
        const int number = open[(asked_ + i) % open.size()];
        const auto silent = claims_.silence(standings.at(number), time);
        if (!silent || claims_.is_dead(*silent)) return std::optional(number);
    }
    asked_ += kMost;
    return std::optional<int>();
}

// One part: of those that failed least often the first that nobody works on; else a dead worker's. False: there is
// none.
Result<bool> Worker::round(bool& all_done) {
    const std::set<int> there = parts_there();
    TRY(const auto standings, claims_.look());
    std::vector<std::pair<int, int>> free;  // failures, number
    std::vector<int> open;
    report_.given_up.clear();
    all_done = true;
    for (int number = 0; number < static_cast<int>(job_.parts.size()); ++number) {
        if (there.count(number) > 0) continue;
        const auto found = standings.find(number);
        const ClaimStanding standing = found == standings.end() ? ClaimStanding{} : found->second;
        if (standing.failures >= kMostFailures) {
            report_.given_up.push_back(number);
            continue;
        }
        all_done = false;
        if (standing.open) open.push_back(number);
        else free.emplace_back(standing.failures, number);
    }
    std::sort(free.begin(), free.end());
    if (free.empty()) {
        TRY(const auto dead, dead_one(open, standings));
        if (dead) free.emplace_back(0, *dead);
    }
    for (const auto& [failures, number] : free) {
        const auto found = standings.find(number);
        TRY(const Outcome outcome, attempt(number, found == standings.end() ? ClaimStanding{} : found->second));
        if (outcome == Outcome::taken) continue;  // by another worker that saw the same list
        if (outcome == Outcome::failed && is_of_the_machine(last_.code)) return last_;
        if (outcome == Outcome::made) ++report_.made;
        return true;
    }
    return false;
}

// Until it may be worth to look again: somebody finished, or is silent for too long.
Result<void> Worker::wait() const {
    const std::chrono::duration<double> time(std::min(30.0, job_.lease_s / 4));
    const auto until = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < until) {
        TRY(caller_.cancel.check());
        if (caller_.progress && caller_.progress({}) != VideoControl::go_on)
            return Error{Errc::cancelled, "stopped while others work on the rest"};
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return {};
}

Result<void> Worker::share_out() {
    if (work_.retry)
        for (int number = 0; number < static_cast<int>(job_.parts.size()); ++number) claims_.forget_failures(number);
    const auto parts = static_cast<int>(job_.parts.size());
    for (bool all_done = false; !all_done;) {
        TRY(const bool worked, round(all_done));
        if (!worked && !all_done) TRY(wait());
    }
    report_.passed_over = parts - report_.made - static_cast<int>(report_.given_up.size());
    return {};
}

}  // namespace

Result<JobWorkReport> work_on_farm(const NamedEnlarger& network, const std::string& folder, const VideoOptions& options,
                                   const JobWork& work, const media::JobFingerprint& facts) {
    TRY(FarmJob job, read_farm_job(folder));
    if (!job.files.empty()) {
        if (work.enlarge) return Worker(network, std::move(job), options, work, facts).run();
        return Error{Errc::argument, folder + ": a job of files; the caller must say how one is enlarged"};
    }
    const std::string list = FarmFolder{folder}.frames();
    TRY(const std::string frames, read_whole(list));
    media::Sha256 sum;
    sum.add(frames.data(), frames.size());
    if (sum.hex() != job.frames_sha256) return Error{Errc::format, list + ": not the list that job.json names"};
    return Worker(network, std::move(job), options, work, facts).run();
}

}  // namespace enlarge::video
