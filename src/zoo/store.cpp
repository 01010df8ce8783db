// SPDX-License-Identifier: Apache-2.0
#include "zoo/store.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <sstream>
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

// Folders of a user's own models: how deep below one, and how many files of each are looked at.
constexpr int kDeepest = 3;
constexpr std::size_t kMostFiles = 10000;

// The weight files in a folder, sorted, and in those below down to `depth`.
void add_weight_files(const fs::path& folder, int depth, std::vector<std::string>& paths) {
    std::vector<std::string> files;
    std::error_code error;
    for (fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error), end;
         !error && it != end && files.size() < kMostFiles; it.increment(error)) {
        std::error_code ignored;
        if (it.depth() >= depth) it.disable_recursion_pending();
        if (it->is_regular_file(ignored) && is_weight_file(it->path())) files.push_back(it->path().string());
    }
    std::sort(files.begin(), files.end());
    paths.insert(paths.end(), files.begin(), files.end());
}

// The folders that ENLARGE_MODELS names.
std::vector<std::string> own_folders() {
    const char* variable = std::getenv("ENLARGE_MODELS");
    std::vector<std::string> folders;
    std::istringstream list(variable ? variable : "");
    for (std::string folder; std::getline(list, folder, ':');)
        if (!folder.empty()) folders.push_back(folder);
    return folders;
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
    if (const auto folder = models_folder()) add_weight_files(*folder, 0, paths);
    for (const std::string& folder : own_folders()) add_weight_files(folder, kDeepest, paths);
    return paths;
}

Result<std::string> find_model(const std::string& name) {
    TRY(const std::vector<PublicModel> models, zoo::registered_models());
    const std::vector<const PublicModel*> known = zoo::named(models, name);
    if (known.size() == 1 && !known[0]->path.empty()) return known[0]->path;
    const std::vector<std::string> stored = stored_models();
    for (const std::string& path : stored)
        if (fs::path(path).filename() == name || fs::path(path).stem() == name) return path;
    std::vector<std::string> alike;
    const std::string wanted = zoo::folded(name);
    for (const std::string& path : stored)
        if (zoo::folded(fs::path(path).filename().string()) == wanted || zoo::folded(fs::path(path).stem().string()) == wanted)
            alike.push_back(path);
    if (alike.size() == 1) return alike[0];
    if (alike.size() > 1)
        return Error{Errc::not_found, "\"" + name + "\" may mean " + alike[0] + " or " + alike[1] + "; write one exactly"};
    if (!known.empty()) {
        TRY(const PublicModel* model, zoo::only_named(models, name));
        return Error{Errc::not_found, "the model " + model->name + " is not on this machine; get it with: enlarge models pull " +
                                          model->name};
    }
    return Error{Errc::not_found, "no model is named \"" + name + "\"; enlarge models lists them"};
}

namespace zoo {

Result<std::vector<PublicModel>> registered_models() {
    TRY(Registry registry, load_registry());
    std::map<std::string, std::string> stored;  // folded stem: path; the first of two counts
    for (const std::string& path : stored_models()) stored.emplace(folded(fs::path(path).stem().string()), path);
    for (PublicModel& model : registry.models) {
        std::vector<std::string> names = model.aliases;
        names.insert(names.begin(), {fs::path(model.file).stem().string(), model.name});
        for (const std::string& name : names)
            if (const auto found = stored.find(folded(name)); found != stored.end() && model.path.empty()) model.path = found->second;
    }
    return std::move(registry.models);
}

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
