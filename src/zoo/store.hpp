// SPDX-License-Identifier: Apache-2.0
// Files of models on this machine: the folder, the lock, hashes.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/result.hpp"

namespace enlarge::zoo {

// The folder, created with its parents if it is not there.
Result<std::filesystem::path> make_folder();

// SHA-256 of a whole file as lower-case hex. `step`, if given, is called now and then; false stops with Errc::cancelled.
Result<std::string> sha256_of(const std::filesystem::path& file, const std::function<bool()>& step = {});

// Writes a file's data, or the names in a folder, to the disk itself.
Result<void> sync_to_disk(const std::filesystem::path& path);

// A lock between processes, held while the object lives. The file stays.
class FileLock {
public:
    // Fails with Errc::exists when another process (or thread) holds it.
    static Result<FileLock> acquire(const std::filesystem::path& file);
    FileLock(FileLock&& other) noexcept;
    FileLock& operator=(FileLock&&) = delete;
    ~FileLock();

private:
    FileLock(int descriptor, std::filesystem::path file) : descriptor_(descriptor), file_(std::move(file)) {}
    int descriptor_;
    std::filesystem::path file_;
};

}  // namespace enlarge::zoo
