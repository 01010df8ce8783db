// SPDX-License-Identifier: Apache-2.0
#include "base/own_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "base/log.hpp"

namespace enlarge {

namespace fs = std::filesystem;

std::optional<std::string> read_own_file(const fs::path& file, std::size_t most_bytes) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) return {};
    const std::unique_ptr<const int, void (*)(const int*)> closes(&descriptor, [](const int* fd) { ::close(*fd); });
    struct stat info {};
    if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) return {};
    if (info.st_uid != ::geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        log(LogLevel::warning, {"measurement-not-trusted", "what was measured before is not used: " + file.string() +
                                                               " belongs to another user, or others can write it"});
        return {};
    }
    if (info.st_size < 0 || static_cast<std::uint64_t>(info.st_size) > most_bytes) return {};
    std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
    for (std::size_t have = 0; have < bytes.size();) {
        const ssize_t got = ::read(descriptor, bytes.data() + have, bytes.size() - have);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return {};
        have += static_cast<std::size_t>(got);
    }
    return bytes;
}

bool write_own_file(const fs::path& file, const std::string& bytes) {
    std::error_code error;
    if (fs::create_directories(file.parent_path(), error))
        fs::permissions(file.parent_path(), fs::perms::group_write | fs::perms::others_write, fs::perm_options::remove,
                        error);
    const fs::path part = file.string() + "." + std::to_string(::getpid()) + ".part";
    // A new file, never one that lies there already: it may be a link to another, or another user's.
    ::unlink(part.c_str());
    const int descriptor =
        ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    bool written = descriptor >= 0;
    for (std::size_t done = 0; written && done < bytes.size();) {
        const ssize_t put = ::write(descriptor, bytes.data() + done, bytes.size() - done);
        if (put < 0 && errno == EINTR) continue;
        written = put > 0;
        done += written ? static_cast<std::size_t>(put) : 0;
    }
    if (descriptor >= 0 && ::close(descriptor) != 0) written = false;
    if (written) fs::rename(part, file, error);
    if (!written || error) {
        fs::remove(part, error);
        return false;
    }
    return true;
}

}  // namespace enlarge
