// SPDX-License-Identifier: Apache-2.0
// A file that appears whole or not at all.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"

namespace enlarge::pictures {

// Written without a name (O_TMPFILE) where the file system can, else under a hidden temporary name in the same folder;
// commit() syncs it and gives it its name. Destroyed without commit(), nothing remains. "-" and things that are not
// regular files (/dev/null, a fifo) receive all bytes at commit().
class OutputFile {
public:
    // Errc::exists when `path` is there and `overwrite` is false; not_found or io when the folder is missing or may not
    // be written.
    static Result<OutputFile> create(const std::string& path, bool overwrite);
    // The checks of create() alone; leaves nothing behind.
    static Result<void> check(const std::string& path, bool overwrite);

    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&& other) noexcept;
    ~OutputFile();

    Result<void> write(std::span<const std::byte> bytes);     // at the current position
    Result<std::size_t> read(std::span<std::byte> bytes);     // from the current position; 0 at the end
    Result<std::int64_t> seek(std::int64_t offset, int whence);
    Result<void> truncate(std::int64_t size);
    // Waits until all is on disk, as commit() does.
    Result<void> sync();
    Result<void> commit();
    // There is no file of that name any more, if there was one; all but commit() goes on as before.
    void forget_name();
    [[nodiscard]] const std::string& path() const { return path_; }  // as given, for messages

private:
    OutputFile() = default;
    void discard();
    void open_in(const std::string& folder);  // fd_ stays negative, and errno says why, when it cannot

    std::string path_;
    std::string destination_; // with symbolic links followed
    std::string temporary_;   // empty while the file has no name
    int fd_ = -1;
    bool overwrite_ = false;
    bool copy_ = false;       // destination is a pipe or device
};

}  // namespace enlarge::pictures
