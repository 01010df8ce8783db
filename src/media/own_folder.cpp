// SPDX-License-Identifier: Apache-2.0
#include "media/own_folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace enlarge::media {

namespace {

Error failed(const std::string& what) { return {Errc::io, what + ": " + std::strerror(errno)}; }

// Who owns what we make in this folder. Not always ourselves: file systems without owners (FAT, SMB) show whom they were
// mounted for, and NFS has nobody in place of root.
bool makes_files_of(int folder, uid_t owner) {
    constexpr const char* kProbe = "journal.owner";
    const int fd = ::openat(folder, kProbe, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    struct stat info {};
    const bool same = ::fstat(fd, &info) == 0 && info.st_uid == owner;
    ::close(fd);
    ::unlinkat(folder, kProbe, 0);
    return same;
}

}  // namespace

OwnFolder& OwnFolder::operator=(OwnFolder&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(fd_, other.fd_);
    std::swap(owner_, other.owner_);
    return *this;
}

OwnFolder::~OwnFolder() {
    if (fd_ >= 0) ::close(fd_);
}

Result<OwnFolder> OwnFolder::open(const std::string& path) {
    OwnFolder folder;
    folder.path_ = path;
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return failed(path);
    folder.fd_ = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder.fd_ < 0 && (errno == ELOOP || errno == ENOTDIR))
        return Error{Errc::exists, path + ": unfinished work is kept under this name, and a link or file has it; remove that, or give the output another name"};
    if (folder.fd_ < 0) return failed(path);
    struct stat info {};
    if (::fstat(folder.fd_, &info) != 0) return failed(path);
    folder.owner_ = info.st_uid;
    if (info.st_uid != ::geteuid() && !makes_files_of(folder.fd_, info.st_uid))
        return Error{Errc::exists, path + ": this folder for unfinished work belongs to user " + std::to_string(info.st_uid) + ", and this is user " +
                                       std::to_string(::geteuid()) + "; remove it, or give the output another name"};
    return folder;
}

Result<int> OwnFolder::file(const std::string& name, int flags) const {
    const std::string full = path_ + "/" + name;
    const int fd = ::openat(fd_, name.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    if (fd < 0 && errno == ENOENT) return Error{Errc::not_found, full + ": " + std::strerror(ENOENT)};
    struct stat info {};
    const bool link = fd < 0 && errno == ELOOP;
    if (fd < 0 && !link) return failed(full);
    if (link || ::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != owner_) {
        if (fd >= 0) ::close(fd);
        return Error{Errc::exists, full + ": not a file that this user's earlier run made; remove " + path_ + ", or give the output another name"};
    }
    return fd;
}

Result<std::FILE*> OwnFolder::stream(const std::string& name, const char* mode) const {
    const bool writes = mode[0] == 'w';
    if (writes) unlink(name);  // a name of ours, whatever has it
    TRY(const int fd, file(name, writes ? O_WRONLY | O_CREAT | O_EXCL : O_RDONLY));
    std::FILE* stream = ::fdopen(fd, writes ? "wb" : "rb");
    if (stream) return stream;
    Error error = failed(path_ + "/" + name);
    ::close(fd);
    return error;
}

Result<void> OwnFolder::rename(const std::string& from, const std::string& to) const {
    if (::renameat(fd_, from.c_str(), fd_, to.c_str()) != 0) return failed(path_ + "/" + to);
    return {};
}

void OwnFolder::unlink(const std::string& name) const { ::unlinkat(fd_, name.c_str(), 0); }

Result<std::vector<std::string>> OwnFolder::names() const {
    const int fd = ::openat(fd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const list = fd < 0 ? nullptr : ::fdopendir(fd);
    if (!list) {
        Error error = failed(path_);
        if (fd >= 0) ::close(fd);
        return error;
    }
    std::vector<std::string> out;
    while (const dirent* entry = ::readdir(list))
        if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) out.emplace_back(entry->d_name);
    ::closedir(list);
    return out;
}

Result<void> OwnFolder::sync() const {
    if (::fsync(fd_) != 0 && errno != EINVAL && errno != ENOTSUP) return failed(path_);
    return {};
}

}  // namespace enlarge::media
