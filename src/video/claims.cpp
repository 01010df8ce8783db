// SPDX-License-Identifier: Apache-2.0
#include "video/claims.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "video/farm_file.hpp"

namespace enlarge::video {

namespace {

Error failed(const std::string& what) { return {Errc::io, what + ": " + std::strerror(errno)}; }

// The date of a file. It is opened for that: a network file system may answer a mere stat() from memory.
std::optional<double> date_of(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return std::nullopt;
    struct stat info {};
    const bool good = ::fstat(fd, &info) == 0;
    ::close(fd);
    if (!good) return std::nullopt;
    return static_cast<double>(info.st_mtim.tv_sec) + static_cast<double>(info.st_mtim.tv_nsec) / 1e9;
}

// A name in the folder: of which part, which attempt, and how that ended (empty: it did not).
struct ClaimName {
    int part = -1, attempt = 0;
    std::string end;
};
std::optional<ClaimName> parse(const std::string& name) {
    ClaimName claim;
    int used = 0;
    if (std::sscanf(name.c_str(), "part-%9d.%9d%n", &claim.part, &claim.attempt, &used) != 2) return std::nullopt;
    claim.end = name.substr(static_cast<std::size_t>(used));
    const bool known = claim.end.empty() || claim.end == ".failed" || claim.end == ".left";
    if (!known || claim.part < 0 || claim.attempt < 1) return std::nullopt;
    return claim;
}

Result<std::vector<std::string>> names_in(const std::string& folder) {
    DIR* const list = ::opendir(folder.c_str());
    if (!list) return failed(folder);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(list)) names.emplace_back(entry->d_name);
    ::closedir(list);
    return names;
}

bool write_into(int fd, const std::string& text) {
    return ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace

std::string this_worker() {
    char host[256] = "";
    ::gethostname(host, sizeof host - 1);
    std::string name = host;
    std::replace(name.begin(), name.end(), '/', '_');
    return name + ":" + std::to_string(::getpid());
}

Claim::Claim(std::string path, double lease_s) : path_(std::move(path)), every_s_(lease_s / 4) {
    heart_ = std::jthread([this] { beat(); });
}

Claim::~Claim() {
    if (ended_) return;
    end();
    ::rename(path_.c_str(), (path_ + ".left").c_str());
}

void Claim::beat() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, std::chrono::duration<double>(every_s_), [this] { return ended_; }))
        ::utimensat(AT_FDCWD, path_.c_str(), nullptr, 0);  // the server's time, not ours
}

void Claim::end() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    wake_.notify_all();
    heart_.join();
}

void Claim::fail(const std::string& reason) {
    end();
    if (const int fd = ::open(path_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC); fd >= 0) {
        const bool ignored = write_into(fd, reason + "\n");
        (void)ignored;  // that it failed is in its name
        ::close(fd);
    }
    ::rename(path_.c_str(), (path_ + ".failed").c_str());
}

void Claim::finish() {
    end();
    ::unlink(path_.c_str());
}

Result<double> Claims::now() const {
    const std::string path = folder_ + "/clock";
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return failed(path);
    // A byte that is written brings the server's date with it also where dates cannot be set.
    struct stat info {};
    const bool good = ::pwrite(fd, "\n", 1, 0) == 1 && ::futimens(fd, nullptr) == 0 && ::fsync(fd) == 0 &&
                      ::fstat(fd, &info) == 0;
    const Error error = failed(path);
    ::close(fd);
    if (!good) return error;
    return static_cast<double>(info.st_mtim.tv_sec) + static_cast<double>(info.st_mtim.tv_nsec) / 1e9;
}

Result<std::map<int, ClaimStanding>> Claims::look() const {
    TRY(const auto names, names_in(folder_));
    std::map<int, ClaimStanding> all;
    std::map<int, std::string> failures;
    for (const std::string& name : names) {
        const auto claim = parse(name);
        if (!claim) continue;
        ClaimStanding& standing = all[claim->part];
        if (claim->end == ".failed") {
            ++standing.failures;
            failures[claim->part] = name;
        }
        if (claim->attempt < standing.attempts) continue;
        standing.attempts = claim->attempt;
        standing.open = claim->end.empty();
        standing.file = name;
    }
    for (const auto& [part, name] : failures)
        if (!all[part].open) all[part].file = name;
    return all;
}

std::optional<double> Claims::silence(const ClaimStanding& standing, double time) const {
    const auto date = date_of(folder_ + "/" + standing.file);
    if (!date) return std::nullopt;
    return std::max(0.0, time - *date);
}

Result<std::unique_ptr<Claim>> Claims::take(int part, const ClaimStanding& standing) const {
    const std::string path = folder_ + "/" + part_name(part) + "." + std::to_string(standing.attempts + 1);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST) return std::unique_ptr<Claim>();
    if (fd < 0) return failed(path);
    const bool good = write_into(fd, who_ + "\n");
    const Error error = failed(path);
    ::close(fd);
    if (!good) {
        ::unlink(path.c_str());
        return error;
    }
    return std::make_unique<Claim>(path, lease_s_);
}

void Claims::forget_failures(int part) const {
    const auto names = names_in(folder_);
    if (!names) return;
    for (const std::string& name : *names) {
        const auto claim = parse(name);
        if (!claim || claim->part != part || claim->end != ".failed") continue;
        const std::string path = folder_ + "/" + name;
        ::rename(path.c_str(), (path.substr(0, path.size() - std::strlen(".failed")) + ".left").c_str());
    }
}

std::string Claims::said(const ClaimStanding& standing) const {
    auto text = read_whole(folder_ + "/" + standing.file);
    if (!text) return "";
    while (!text->empty() && text->back() == '\n') text->pop_back();
    return *text;
}

}  // namespace enlarge::video
