// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <system_error>

#include "base/log.hpp"
#include "zoo/download.hpp"
#include "zoo/registry.hpp"
#include "zoo/store.hpp"

namespace enlarge {
namespace {

namespace fs = std::filesystem;

// True when the file is there and is the registered one, false when it is not there.
Result<bool> is_stored(const fs::path& path, const PublicModel& model) {
    std::error_code error;
    if (!fs::exists(path, error)) return false;
    TRY(const std::string hash, zoo::sha256_of(path));
    if (hash == model.sha256) return true;
    return Error{Errc::exists, path.string() + " is there and is not the registered file; remove it to download that one"};
}

Result<std::string> pull(const PublicModel& model, const PullProgress& progress) {
    TRY(const fs::path folder, zoo::make_folder());
    const fs::path path = folder / model.file;
    const fs::path part = folder / (model.file + ".part");
    TRY(const zoo::FileLock lock, zoo::FileLock::acquire(folder / ("." + model.file + ".lock")));
    TRY(const bool stored, is_stored(path, model));
    if (stored) return path.string();

    std::error_code error;
    bool continued = fs::exists(part, error) && fs::file_size(part, error) > 0;
    for (;;) {
        const auto done = zoo::download({model.address, part, model.bytes}, progress);
        // A server that does not know the range we ask for: what is there cannot be continued.
        const bool refused = !done && continued && done.error().code == Errc::network &&
                             done.error().message.find("answered 416") != std::string::npos;
        if (!done && !refused) return done.error();
        if (done.ok()) {
            TRY(const std::string hash, zoo::sha256_of(part, [&] { return !progress || progress(model.bytes, model.bytes); }));
            if (hash == model.sha256) break;
            if (!continued) {
                fs::remove(part, error);
                return Error{Errc::format, "what " + model.address + " sent is not the registered file: its SHA-256 is " + hash +
                                               "; " + model.sha256 + " expected"};
            }
        }
        log(LogLevel::notice, {"download-restarted", "the partial download of " + model.name + " does not fit; starting over"});
        fs::remove(part, error);
        continued = false;
    }
    TRY(zoo::sync_to_disk(part));
    fs::rename(part, path, error);
    if (error) return Error{Errc::io, path.string() + ": cannot be put in place: " + error.message()};
    TRY(zoo::sync_to_disk(folder));
    return path.string();
}

}  // namespace

Result<std::string> pull_model(const std::string& name, const PullProgress& progress) {
    TRY(const zoo::Registry registry, zoo::load_registry());
    const auto found = std::find_if(registry.models.begin(), registry.models.end(),
                                    [&](const PublicModel& m) { return m.name == name || m.file == name; });
    if (found == registry.models.end())
        return Error{Errc::not_found, "no public model is named \"" + name + "\"; enlarge models lists them"};
    return pull(*found, progress);
}

}  // namespace enlarge
