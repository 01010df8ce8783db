// SPDX-License-Identifier: Apache-2.0
#include "zoo/store.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/folders.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;

Error io_error(const fs::path& path, const std::string& what) {
    return {Errc::io, path.string() + ": " + what + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::string> models_folder() {
    if (const std::string folder = user_folder("XDG_DATA_HOME", ".local/share"); !folder.empty()) return folder + "/models";
    return Error{Errc::not_found, "no folder for models: neither XDG_DATA_HOME nor HOME is set"};
}

namespace zoo {

Result<fs::path> make_folder() {
    TRY(const std::string folder, models_folder());
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return Error{Errc::io, folder + ": cannot be created: " + error.message()};
    return fs::path(folder);
}

Result<std::string> sha256_of(const fs::path& file, const std::function<bool()>& step) {
    const std::unique_ptr<FILE, int (*)(FILE*)> in(std::fopen(file.c_str(), "rb"), std::fclose);
    if (!in) return io_error(file, "cannot be opened");
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    ENSURE(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
    std::vector<unsigned char> buffer(std::size_t{1} << 18);
    for (std::size_t got; (got = std::fread(buffer.data(), 1, buffer.size(), in.get())) > 0;) {
        ENSURE(EVP_DigestUpdate(context.get(), buffer.data(), got) == 1);
        if (step && !step()) return Error{Errc::cancelled, "stopped"};
    }
    if (std::ferror(in.get())) return io_error(file, "cannot be read");
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    ENSURE(EVP_DigestFinal_ex(context.get(), digest.data(), &length) == 1);
    std::string hex;
    for (unsigned i = 0; i < length; ++i) {
        hex += "0123456789abcdef"[digest[i] >> 4];
        hex += "0123456789abcdef"[digest[i] & 15];
    }
    return hex;
}

Result<void> sync_to_disk(const fs::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return io_error(path, "cannot be opened");
    const int result = ::fsync(descriptor);
    const int saved = errno;
    ::close(descriptor);
    errno = saved;
    if (result != 0 && errno != EINVAL) return io_error(path, "cannot be written to the disk");
    return {};
}

Result<FileLock> FileLock::acquire(const fs::path& file) {
    for (;;) {
        const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (descriptor < 0) return io_error(file, "cannot be created");
        if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
            Error why = errno == EWOULDBLOCK ? Error{Errc::exists, "another download of this model is running"}
                                             : io_error(file, "cannot be locked");
            ::close(descriptor);
            return why;
        }
        // Who held it before has removed the file by now: then this one locks nothing that others see.
        struct stat info = {};
        if (::fstat(descriptor, &info) == 0 && info.st_nlink > 0) return FileLock(descriptor, file);
        ::close(descriptor);
    }
}

FileLock::FileLock(FileLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), file_(std::move(other.file_)) {}

FileLock::~FileLock() {
    if (descriptor_ < 0) return;
    ::unlink(file_.c_str());  // while it is locked
    ::close(descriptor_);
}

}  // namespace zoo
}  // namespace enlarge
