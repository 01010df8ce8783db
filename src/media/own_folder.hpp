// SPDX-License-Identifier: Apache-2.0
// A folder with a name that anybody could have taken before us: used only when it is ours, files in it only when they are.
#pragma once

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace enlarge::media {

// Files are reached through the folder itself, so it does not matter what becomes of its name meanwhile.
class OwnFolder {
public:
    // Makes the folder, or opens it. Fails with Errc::exists when the name belongs to a link, to something that is not a
    // folder, or to another user's folder.
    static Result<OwnFolder> open(const std::string& path);
    OwnFolder() = default;
    OwnFolder(OwnFolder&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), owner_(other.owner_) {}
    OwnFolder& operator=(OwnFolder&& other) noexcept;
    ~OwnFolder();

    [[nodiscard]] const std::string& path() const { return path_; }
    // open(2) of `name`, never through a link; Errc::exists when it is not a regular file of the folder's owner,
    // Errc::not_found when there is none.
    [[nodiscard]] Result<int> file(const std::string& name, int flags) const;
    // The same as a stream: "r" or "w" (which replaces what was there).
    [[nodiscard]] Result<std::FILE*> stream(const std::string& name, const char* mode) const;
    [[nodiscard]] Result<void> rename(const std::string& from, const std::string& to) const;
    void unlink(const std::string& name) const;
    [[nodiscard]] Result<std::vector<std::string>> names() const;
    // What was renamed is on disk.
    [[nodiscard]] Result<void> sync() const;

private:
    std::string path_;
    int fd_ = -1;
    unsigned owner_ = 0;
};

}  // namespace enlarge::media
