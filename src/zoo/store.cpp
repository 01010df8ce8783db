// SPDX-License-Identifier: Apache-2.0
#include "zoo/store.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/folders.hpp"
#include "zoo/registry.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;

bool is_weight_file(const fs::path& path) {
    const std::string extension = path.extension().string();
    return extension == ".pth" || extension == ".pt" || extension == ".ckpt" || extension == ".safetensors" || extension == ".onnx" ||
           extension == ".param";
}

Error io_error(const fs::path& path, const std::string& what) {
    return {Errc::io, path.string() + ": " + what + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::string> models_folder() {
    if (const std::string folder = user_folder("XDG_DATA_HOME", ".local/share"); !folder.empty()) return folder + "/models";
    return Error{Errc::not_found, "no folder for models: neither XDG_DATA_HOME nor HOME is set"};
}

std::vector<std::string> stored_models() {
    std::vector<std::string> paths;
    const auto folder = models_folder();
    if (!folder) return paths;
    std::error_code error;
    for (fs::directory_iterator it(*folder, error), end; !error && it != end; it.increment(error)) {
        std::error_code ignored;
        if (it->is_regular_file(ignored) && is_weight_file(it->path())) paths.push_back(it->path().string());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

Result<std::vector<PublicModel>> public_models() {
    TRY(zoo::Registry registry, zoo::load_registry());
    const auto folder = models_folder();
    for (PublicModel& model : registry.models) {
        if (!folder) break;
        const fs::path path = fs::path(*folder) / model.file;
        std::error_code error;
        if (fs::is_regular_file(path, error)) model.path = path.string();
    }
    return std::move(registry.models);
}

Result<std::string> find_model(const std::string& name) {
    TRY(const std::vector<PublicModel> models, public_models());
    for (const PublicModel& model : models) {
        if (model.name != name && model.file != name) continue;
        if (!model.path.empty()) return model.path;
        return Error{Errc::not_found, "the model " + model.name + " is not on this machine; get it with: enlarge models pull " + model.name};
    }
    for (const std::string& path : stored_models())
        if (fs::path(path).filename() == name || fs::path(path).stem() == name) return path;
    return Error{Errc::not_found, "no model is named \"" + name + "\"; enlarge models lists them"};
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
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) return io_error(file, "cannot be created");
    FileLock lock(descriptor);
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return Error{Errc::exists, "another download of this model is running"};
        return io_error(file, "cannot be locked");
    }
    return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock::~FileLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace zoo
}  // namespace enlarge
