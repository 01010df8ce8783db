// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <optional>
#include <string_view>
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

// Brings one address's file to `part`, verified. A partial file that does not fit is started over once.
Result<void> fetch(const PublicModel& model, const std::string& address, const fs::path& part, const PullProgress& progress) {
    std::error_code error;
    for (bool continued = fs::exists(part, error) && fs::file_size(part, error) > 0;; continued = false) {
        const auto done = zoo::download({address, part, model.bytes}, progress);
        // A server that does not know the range we ask for: what is there cannot be continued.
        const bool refused = !done && continued && done.error().code == Errc::network &&
                             done.error().message.find("answered 416") != std::string::npos;
        if (!done && !refused) return done.error();
        if (done.ok()) {
            TRY(const std::string hash, zoo::sha256_of(part, [&] { return !progress || progress(model.bytes, model.bytes); }));
            if (hash == model.sha256) return {};
            if (!continued) {
                fs::remove(part, error);
                return Error{Errc::format, "what " + address + " sent is not the registered file: its SHA-256 is " + hash +
                                               "; " + model.sha256 + " expected"};
            }
        }
        log(LogLevel::notice, {"download-restarted", "the partial download of " + model.name + " does not fit; starting over"});
        fs::remove(part, error);
    }
}

// Where a person gets a file that no program could fetch, and what to do with it.
std::string by_hand(const PublicModel& model, const fs::path& folder) {
    return "a person finds it at " + model.page + "; put it into " + folder.string() + " as " + model.file;
}

Result<void> fetch_from_any(const PublicModel& model, const fs::path& folder, const fs::path& part, const PullProgress& progress) {
    std::optional<Error> first;
    for (const std::string& address : model.addresses) {
        auto done = fetch(model, address, part, progress);
        if (done.ok()) return {};
        const Errc code = done.error().code;
        if (code != Errc::network && code != Errc::format) return done.error();
        if (&address != &model.addresses.back())
            log(LogLevel::notice, {"next-address", done.error().message + "; trying the next address"});
        if (!first) first = std::move(done.error());
    }
    if (const std::size_t others = model.addresses.size() - 1; others > 0)
        first->message += " (and " + std::to_string(others) + (others == 1 ? " more address failed)" : " more addresses failed)");
    if (!model.page.empty()) first->message += "; " + by_hand(model, folder);
    return std::move(*first);
}

bool is_offline() {
    const char* offline = std::getenv("ENLARGE_OFFLINE");
    return offline && *offline && std::string_view(offline) != "0";
}

Result<std::string> pull(const PublicModel& model, const PullProgress& progress) {
    TRY(const fs::path folder, zoo::make_folder());
    const fs::path path = folder / model.file;
    const fs::path part = folder / (model.file + ".part");
    TRY(const zoo::FileLock lock, zoo::FileLock::acquire(folder / ("." + model.file + ".lock")));
    TRY(const bool stored, is_stored(path, model));
    if (stored) return path.string();
    if (model.addresses.empty())
        return Error{Errc::unsupported, "no program can download " + model.name + "; " + by_hand(model, folder)};
    if (is_offline())
        return Error{Errc::network, model.name + " is not on this machine, and ENLARGE_OFFLINE forbids to download it"};
    std::error_code error;
    if (auto fetched = fetch_from_any(model, folder, part, progress); !fetched.ok()) {
        if (fs::exists(part, error) && fs::file_size(part, error) == 0) fs::remove(part, error);
        return std::move(fetched).error();
    }
    TRY(zoo::sync_to_disk(part));
    fs::rename(part, path, error);
    if (error) return Error{Errc::io, path.string() + ": cannot be put in place: " + error.message()};
    TRY(zoo::sync_to_disk(folder));
    return path.string();
}

}  // namespace

Result<std::string> pull_model(const std::string& name, const PullProgress& progress, const Cancellation& cancel) {
    TRY(const zoo::Registry registry, zoo::load_registry());
    TRY(const PublicModel* model, zoo::only_named(registry.models, name));
    TRY(cancel.check());
    auto pulled = pull(*model, [&](std::int64_t done, std::int64_t total) {
        return !cancel.requested() && (!progress || progress(done, total));
    });
    if (!pulled.ok() && pulled.error().code == Errc::cancelled) TRY(cancel.check());
    return pulled;
}

}  // namespace enlarge
