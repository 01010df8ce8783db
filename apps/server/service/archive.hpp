// SPDX-License-Identifier: Apache-2.0
// A ZIP archive of files that lie on disk, as it is read: stored as they are, nothing made beforehand, so any part of
// it can be asked for. Zip64 where sizes need it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "http/message.hpp"

namespace serve {

class Archive final : public Bytes {
public:
    struct Entry {
        std::string name;  // in the archive, UTF-8; made unlike those before it where it is not
        std::string path;
        std::int64_t size = 0;
        std::uint32_t checksum = 0;  // CRC-32
        double modified = 0;         // seconds since 1970
    };
    explicit Archive(std::vector<Entry> entries);

    [[nodiscard]] std::int64_t size() const override { return size_; }
    // Fails where a file is gone or shorter than it was.
    std::ptrdiff_t read(std::int64_t position, char* buffer, std::size_t most) override;

private:
    struct Piece {
        std::int64_t at, size;
        std::string text, path;  // one of them
    };
    void add(std::string text);

    std::vector<Piece> pieces_;
    std::int64_t size_ = 0;
    std::string open_path_;
    int fd_ = -1;

public:
    ~Archive() override;
    Archive(const Archive&) = delete;
    Archive& operator=(const Archive&) = delete;
};

}  // namespace serve
