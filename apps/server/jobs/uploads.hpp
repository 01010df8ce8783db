// SPDX-License-Identifier: Apache-2.0
// Uploads that may be interrupted and go on: files that grow. How far one has come is the size of its file.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "http/message.hpp"
#include "jobs/store.hpp"

namespace serve {

class Uploads {
public:
    // `folder` is there. Takes up what the store knows of.
    static enlarge::Result<std::unique_ptr<Uploads>> open(Store& store, const std::string& folder);

    enlarge::Result<Upload> create(std::int64_t length, const std::string& name);
    [[nodiscard]] std::optional<Upload> find(const std::string& id) const;
    [[nodiscard]] std::int64_t offset(const Upload& upload) const;
    // Writes from `offset` on, which must be where the file ends: Errc::exists otherwise. A writer that was there
    // before may not write any more: its connection is lost, or nobody would ask again.
    enlarge::Result<std::unique_ptr<Sink>> append(const Upload& upload, std::int64_t offset,
                                                  std::function<Response(std::int64_t)> respond);
    // Moves the file of a whole upload to `path` and forgets the upload.
    enlarge::Result<void> take(const Upload& upload, const std::string& path);
    enlarge::Result<void> remove(const Upload& upload);
    // Those that nobody has touched for so long.
    void remove_older(double seconds);
    [[nodiscard]] std::int64_t bytes() const;  // on disk

private:
    friend class UploadSink;
    struct Writer {
        std::mutex mutex;
        bool over = false;  // another has taken its place
    };
    Uploads(Store& store, std::string folder) : store_(store), folder_(std::move(folder)) {}
    [[nodiscard]] std::string path(const Upload& upload) const { return folder_ + "/" + std::to_string(upload.number); }

    Store& store_;
    std::string folder_;
    mutable std::mutex mutex_;
    std::map<std::string, Upload> uploads_;
    std::map<std::string, std::shared_ptr<Writer>> writers_;
};

}  // namespace serve
