// SPDX-License-Identifier: Apache-2.0
#include "media/place.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <vector>

namespace enlarge::media {

namespace {

Error failed(const std::string& what) { return {Errc::io, what + ": " + std::strerror(errno)}; }
Error there(const std::string& path) { return {Errc::exists, path + ": there already"}; }

std::size_t name_at(const std::string& path) { return path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1; }
std::string folder_of(const std::string& path) {
    const std::size_t at = name_at(path);
    return at == 0 ? "." : path.substr(0, at);
}

// Both are files with the same bytes.
bool same_bytes(const std::string& a, const std::string& b) {
    struct stat info_a {}, info_b {};
    if (::lstat(a.c_str(), &info_a) != 0 || ::lstat(b.c_str(), &info_b) != 0) return false;
    if (!S_ISREG(info_a.st_mode) || !S_ISREG(info_b.st_mode) || info_a.st_size != info_b.st_size) return false;
    std::ifstream in_a(a, std::ios::binary), in_b(b, std::ios::binary);
    std::vector<char> block_a(1 << 20), block_b(1 << 20);
    for (std::int64_t left = info_a.st_size; left > 0;) {
        const auto size = std::min<std::int64_t>(left, static_cast<std::int64_t>(block_a.size()));
        if (!in_a.read(block_a.data(), size) || !in_b.read(block_b.data(), size)) return false;
        if (std::memcmp(block_a.data(), block_b.data(), static_cast<std::size_t>(size)) != 0) return false;
        left -= size;
    }
    return true;
}

Result<void> sync_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return failed(path);
    const bool synced = ::fsync(fd) == 0;
    const int reason = errno;
    ::close(fd);
    errno = reason;
    if (!synced) return failed(path);
    return {};
}

}  // namespace

std::size_t longest_name(const std::string& path) {
    const long most = ::pathconf(folder_of(path).c_str(), _PC_NAME_MAX);
    return most > 0 ? static_cast<std::size_t>(most) : NAME_MAX;
}

std::string beside(const std::string& path, const std::string& suffix) {
    const std::size_t at = name_at(path), most = longest_name(path);
    std::string name = path.substr(at);
    std::replace(name.begin(), name.end(), '%', '_');  // of a pattern
    if (name.size() + suffix.size() > most && most > suffix.size() + 20) {
        std::uint64_t hash = 14695981039346656037u;
        for (const char c : path.substr(at)) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
        char text[24];
        std::snprintf(text, sizeof text, "~%016llx", static_cast<unsigned long long>(hash));
        std::size_t keep = most - suffix.size() - std::strlen(text);
        while (keep > 0 && (static_cast<unsigned char>(name[keep]) & 0xC0) == 0x80) --keep;  // not within a character
        name = name.substr(0, keep) + text;
    }
    return path.substr(0, at) + name + suffix;
}

Result<Standing> standing(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
        if (errno == ENOENT) return Standing::nothing;
        if (errno == ENAMETOOLONG)
            return Error{Errc::argument, path + ": the name is too long: it has " + std::to_string(path.size() - name_at(path)) +
                                             " bytes, and the file system takes " + std::to_string(longest_name(path)) +
                                             " (and paths of " + std::to_string(PATH_MAX - 1) + ")"};
        return failed(path);
    }
    if (S_ISREG(info.st_mode)) return Standing::file;
    if (S_ISLNK(info.st_mode)) return Standing::link;
    return S_ISDIR(info.st_mode) ? Standing::folder : Standing::other;
}

Result<int> create_new(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0) return fd;
    if (errno == EEXIST) return there(path);
    return failed(path);
}

namespace {

// `make` is tried with one name after another until it does not fail with Errc::exists.
template <class Made>
Result<Made> create_some_part(const std::string& path, Result<Made> (*make)(const std::string& name)) {
    for (int i = 1; i <= 1000; ++i) {
        auto made = make(beside(path, i == 1 ? ".part" : ".part" + std::to_string(i)));
        if (made || made.error().code != Errc::exists) return made;
    }
    return Error{Errc::exists, path + ".part to .part1000 are there already; what earlier runs left can be removed"};
}

}  // namespace

Result<NewFile> create_part(const std::string& path) {
    return create_some_part<NewFile>(path, [](const std::string& name) -> Result<NewFile> {
        TRY(const int fd, create_new(name));
        return NewFile{fd, name};
    });
}

Result<std::string> create_part_folder(const std::string& path) {
    return create_some_part<std::string>(path, [](const std::string& name) -> Result<std::string> {
        if (::mkdir(name.c_str(), 0777) == 0) return name;
        if (errno == EEXIST) return there(name);
        return failed(name);
    });
}

Result<void> name_with(Naming way, const std::string& from, const std::string& to) {
    if (way == Naming::claim) {
        TRY(const int fd, create_new(to));
        ::close(fd);
        if (::rename(from.c_str(), to.c_str()) != 0) {
            Error error = failed(to);
            ::unlink(to.c_str());
            return error;
        }
        return {};
    }
    const int rc = way == Naming::link ? ::link(from.c_str(), to.c_str())
                                       : ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
    if (rc == 0) {
        if (way == Naming::link) ::unlink(from.c_str());
        return {};
    }
    if (errno == EEXIST) return there(to);
    if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM || errno == EMLINK)
        return Error{Errc::unsupported, to + ": " + std::strerror(errno)};
    return failed(to);
}

Result<void> place(const std::string& from, const std::string& to, bool replace) {
    TRY(sync_file(from));
    if (replace) {
        if (::rename(from.c_str(), to.c_str()) != 0) return failed(to);
        return {};
    }
    Result<void> named;
    for (const Naming way : {Naming::rename, Naming::link, Naming::claim}) {
        named = name_with(way, from, to);
        if (named || named.error().code != Errc::unsupported) break;
    }
    if (!named && named.error().code == Errc::exists && same_bytes(from, to)) {
        ::unlink(from.c_str());
        return {};
    }
    return named;
}

Result<void> sync_folder_of(const std::string& path) {
    const std::string folder = folder_of(path);
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return {};  // a folder that may be written but not read; the file itself is on disk
    const int rc = ::fsync(fd);
    const int reason = errno;
    ::close(fd);
    errno = reason;
    if (rc != 0 && errno != EINVAL && errno != ENOTSUP) return failed(folder);
    return {};
}

}  // namespace enlarge::media
