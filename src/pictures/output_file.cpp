// SPDX-License-Identifier: Apache-2.0
#include "pictures/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

namespace enlarge::pictures {
namespace {

Error failure(const std::string& path, const std::string& what, int error) {
    const Errc code = error == ENOENT ? Errc::not_found : error == EEXIST ? Errc::exists : Errc::io;
    if (error == EFBIG)
        return {Errc::io, (path == "-" ? "standard output" : path) + ": " + what + ": the file would be larger than the file system, or `ulimit -f`, allows"};
    std::string reason = std::strerror(error);
    for (char& c : reason) c = static_cast<char>(c >= 'A' && c <= 'Z' && &c == reason.data() ? c - 'A' + 'a' : c);
    return {code, (path == "-" ? "standard output" : path) + ": " + what + ": " + reason};
}

Error there_already(const std::string& path) {
    return {Errc::exists, path + ": there already; use --force to overwrite it, or -o with another name"};
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string random_suffix() {
    std::random_device device;
    std::string text;
    for (int i = 0; i < 10; ++i) text += "abcdefghijklmnopqrstuvwxyz0123456789"[device() % 36];
    return text;
}

// A hidden name beside `path`, shortened so that it stays below the 255 bytes of a file name.
std::string beside(const std::string& path) {
    const std::string folder = folder_of(path);
    return folder + (folder == "/" ? "." : "/.") + "enlarge-" + random_suffix() + ".tmp";
}

Result<void> write_all(int fd, std::span<const std::byte> bytes, const std::string& path) {
    while (!bytes.empty()) {
        const ssize_t done = ::write(fd, bytes.data(), bytes.size());
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return failure(path, "cannot write", errno);
        bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
    return {};
}

struct Destination {
    std::string path;     // symbolic links followed
    bool special = false; // not a regular file
    int mode = -1;        // of the file that is there
};

Result<Destination> look(const std::string& path, bool overwrite) {
    Destination found{path};
    if (path.empty()) return Error{Errc::argument, "the output has no name"};
    if (path == "-") {
        found.special = true;
        return found;
    }
    struct stat info = {};
    if (::stat(path.c_str(), &info) == 0) {
        if (S_ISDIR(info.st_mode)) return Error{Errc::exists, path + ": is a folder"};
        if (!S_ISREG(info.st_mode)) {
            found.special = true;
            return found;
        }
        if (!overwrite) return there_already(path);
        found.mode = static_cast<int>(info.st_mode & 07777);
        if (char* real = ::realpath(path.c_str(), nullptr)) {
            found.path = real;
            std::free(real);
        }
    }
    const std::string folder = folder_of(found.path);
    if (::stat(folder.c_str(), &info) != 0 && errno == ENOENT)
        return Error{Errc::not_found, path + ": cannot be created: there is no folder " + folder};
    if (::stat(folder.c_str(), &info) != 0) return failure(path, "cannot create", errno);
    if (!S_ISDIR(info.st_mode)) return Error{Errc::io, path + ": " + folder + " is not a folder"};
    if (::access(folder.c_str(), W_OK) != 0) return failure(path, "cannot create", errno);
    if (found.path.size() - (found.path.rfind('/') + 1) > 255 || found.path.back() == '/')
        return Error{Errc::argument, path + ": not a usable file name"};
    return found;
}

}  // namespace

Result<void> OutputFile::check(const std::string& path, bool overwrite) {
    TRY(look(path, overwrite));
    return {};
}

Result<OutputFile> OutputFile::create(const std::string& path, bool overwrite) {
    TRY(const Destination destination, look(path, overwrite));
    OutputFile file;
    file.path_ = path;
    file.destination_ = destination.path;
    file.overwrite_ = overwrite;
    file.copy_ = destination.special;
    std::vector<std::string> folders{folder_of(destination.path)};
    if (file.copy_) {  // what TMPDIR names may not be there
        const char* temporary = std::getenv("TMPDIR");
        folders = {temporary && *temporary ? temporary : "/tmp", "/tmp", "/var/tmp"};
    }
    for (const std::string& folder : folders) {
        file.open_in(folder);
        if (file.fd_ >= 0) break;
    }
    if (file.fd_ < 0)
        return failure(path, file.copy_ ? "cannot make a temporary file in " + folders.front() + " (TMPDIR), /tmp or /var/tmp" : "cannot create", errno);
    if (destination.mode >= 0 && ::fchmod(file.fd_, static_cast<mode_t>(destination.mode)) != 0)
        return failure(path, "cannot set permissions", errno);
    return file;
}

void OutputFile::open_in(const std::string& folder) {
#ifdef O_TMPFILE
    fd_ = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (fd_ >= 0) return;
#endif
    temporary_ = beside(folder + "/x");
    fd_ = ::open(temporary_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
    if (fd_ < 0) temporary_.clear();
}

OutputFile::OutputFile(OutputFile&& other) noexcept { *this = std::move(other); }

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
    if (this != &other) {
        discard();
        path_ = std::move(other.path_);
        destination_ = std::move(other.destination_);
        temporary_ = std::exchange(other.temporary_, {});
        fd_ = std::exchange(other.fd_, -1);
        overwrite_ = other.overwrite_;
        copy_ = other.copy_;
    }
    return *this;
}

OutputFile::~OutputFile() { discard(); }

void OutputFile::discard() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    forget_name();
}

void OutputFile::forget_name() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    temporary_.clear();
}

Result<void> OutputFile::write(std::span<const std::byte> bytes) { return write_all(fd_, bytes, path_); }

Result<std::size_t> OutputFile::read(std::span<std::byte> bytes) {
    for (;;) {
        const ssize_t done = ::read(fd_, bytes.data(), bytes.size());
        if (done >= 0) return static_cast<std::size_t>(done);
        if (errno != EINTR) return failure(path_, "cannot read back", errno);
    }
}

Result<std::int64_t> OutputFile::seek(std::int64_t offset, int whence) {
    const off_t at = ::lseek(fd_, offset, whence);
    if (at < 0) return failure(path_, "cannot seek", errno);
    return static_cast<std::int64_t>(at);
}

Result<void> OutputFile::truncate(std::int64_t size) {
    if (::ftruncate(fd_, size) != 0) return failure(path_, "cannot write", errno);
    return {};
}

Result<void> OutputFile::sync() {
    if (!copy_ && ::fsync(fd_) != 0) return failure(path_, "cannot write", errno);
    return {};
}

Result<void> OutputFile::commit() {
    if (copy_) {
        const int out = path_ == "-" ? ::dup(STDOUT_FILENO) : ::open(destination_.c_str(), O_WRONLY | O_CLOEXEC);
        if (out < 0) return failure(path_, "cannot write", errno);
        std::array<std::byte, 65536> buffer;
        Result<void> result = {};
        if (auto start = seek(0, SEEK_SET); !start) result = std::move(start).error();
        while (result.ok()) {
            auto got = read(buffer);
            if (!got) result = std::move(got).error();
            if (!got || *got == 0) break;
            result = write_all(out, std::span(buffer).first(*got), path_);
        }
        ::close(out);
        discard();
        return result;
    }
    TRY(sync());
    if (temporary_.empty()) {
        const std::string self = "/proc/self/fd/" + std::to_string(fd_);
        const std::string name = overwrite_ ? beside(destination_) : destination_;
        if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
            return errno == EEXIST ? there_already(path_) : failure(path_, "cannot create", errno);
        if (overwrite_) temporary_ = name;
    }
    if (!temporary_.empty()) {
        // Without --force somebody may have made the file meanwhile: link() refuses, rename() would replace it. Where
        // links are not possible (FAT) the check is done just before.
        if (!overwrite_) {
            if (::link(temporary_.c_str(), destination_.c_str()) == 0) {
                ::unlink(temporary_.c_str());
                temporary_.clear();
            } else if (errno == EEXIST || ::access(destination_.c_str(), F_OK) == 0) {
                return there_already(path_);
            }
        }
        if (!temporary_.empty() && ::rename(temporary_.c_str(), destination_.c_str()) != 0)
            return failure(path_, "cannot create", errno);
        temporary_.clear();
    }
    const int folder = ::open(folder_of(destination_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        ::fsync(folder);  // not all file systems can; the file itself is on disk
        ::close(folder);
    }
    if (::close(std::exchange(fd_, -1)) != 0) return failure(path_, "cannot write", errno);
    return {};
}

}  // namespace enlarge::pictures
