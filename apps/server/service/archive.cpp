// SPDX-License-Identifier: Apache-2.0
#include "service/archive.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <set>

namespace serve {
namespace {

constexpr std::uint64_t kFull = 0xffffffff;  // "in the Zip64 field"
constexpr unsigned kUtf8 = 1 << 11, kVersion = 20, kVersion64 = 45, kUnix = 3;

// Numbers of an archive: the lowest byte first.
class Record {
public:
    Record& u16(std::uint64_t value) { return put(value, 2); }
    Record& u32(std::uint64_t value) { return put(value, 4); }
    Record& u64(std::uint64_t value) { return put(value, 8); }
    Record& text(const std::string& bytes) { return text_ += bytes, *this; }
    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    Record& put(std::uint64_t value, int bytes) {
        for (; bytes > 0; --bytes, value >>= 8) text_ += static_cast<char>(value & 0xff);
        return *this;
    }
    std::string text_;
};

// Date and time in two seconds' steps, from 1980 on.
std::uint32_t dos_time(double seconds) {
    const auto time = static_cast<std::time_t>(std::clamp(seconds, 315532800.0, 4354819198.0));
    std::tm t{};
    gmtime_r(&time, &t);
    return static_cast<std::uint32_t>((t.tm_year - 80) << 25 | (t.tm_mon + 1) << 21 | t.tm_mday << 16 |
                                      t.tm_hour << 11 | t.tm_min << 5 | t.tm_sec / 2);
}

// A name that can be unpacked everywhere and is not one of `taken`.
std::string fitting(std::string name, std::set<std::string>& taken) {
    for (char& c : name)
        if (std::strchr("<>:\"|?*\\/", c) != nullptr || static_cast<unsigned char>(c) < 0x20) c = '_';
    const auto point = name.find_last_of('.');
    const std::string stem = name.substr(0, point), ending = point == std::string::npos ? "" : name.substr(point);
    for (int number = 2; !taken.insert(lower(name)).second; ++number)
        name = stem + " (" + std::to_string(number) + ")" + ending;
    return name;
}

std::string local_header(const Archive::Entry& e) {
    const auto size = static_cast<std::uint64_t>(e.size);
    const bool large = size >= kFull;
    Record r;
    r.u32(0x04034b50).u16(large ? kVersion64 : kVersion).u16(kUtf8).u16(0).u32(dos_time(e.modified)).u32(e.checksum);
    r.u32(large ? kFull : size).u32(large ? kFull : size).u16(e.name.size()).u16(large ? 20 : 0).text(e.name);
    if (large) r.u16(1).u16(16).u64(size).u64(size);
    return r.take();
}

std::string directory_entry(const Archive::Entry& e, std::uint64_t offset) {
    const auto size = static_cast<std::uint64_t>(e.size);
    const bool large = size >= kFull, far = offset >= kFull;
    const unsigned extra = (large ? 16u : 0) + (far ? 8u : 0);
    const unsigned version = extra > 0 ? kVersion64 : kVersion;
    Record r;
    r.u32(0x02014b50).u16(kUnix << 8 | version).u16(version).u16(kUtf8).u16(0);
    r.u32(dos_time(e.modified)).u32(e.checksum).u32(large ? kFull : size).u32(large ? kFull : size);
    r.u16(e.name.size()).u16(extra > 0 ? extra + 4 : 0).u16(0).u16(0).u16(0);
    r.u32(0100644u << 16).u32(far ? kFull : offset).text(e.name);
    if (extra > 0) r.u16(1).u16(extra);
    if (large) r.u64(size).u64(size);
    if (far) r.u64(offset);
    return r.take();
}

std::string end_record(std::uint64_t count, std::uint64_t at, std::uint64_t size) {
    const bool large = count >= 0xffff || at >= kFull || size >= kFull;
    Record r;
    if (large) {
        r.u32(0x06064b50).u64(44).u16(kUnix << 8 | kVersion64).u16(kVersion64).u32(0).u32(0).u64(count).u64(count);
        r.u64(size).u64(at).u32(0x07064b50).u32(0).u64(at + size).u32(1);
    }
    const std::uint64_t few = large ? 0xffff : count;
    r.u32(0x06054b50).u16(0).u16(0).u16(few).u16(few).u32(large ? kFull : size).u32(large ? kFull : at).u16(0);
    return r.take();
}

}  // namespace

Archive::Archive(std::vector<Entry> entries) {
    std::set<std::string> taken;
    std::string directory;
    for (Entry& entry : entries) {
        entry.name = fitting(std::move(entry.name), taken);
        directory += directory_entry(entry, static_cast<std::uint64_t>(size_));
        add(local_header(entry));
        pieces_.push_back({size_, entry.size, "", entry.path});
        size_ += entry.size;
    }
    const std::int64_t at = size_;
    const std::uint64_t length = directory.size();
    add(std::move(directory));
    add(end_record(entries.size(), static_cast<std::uint64_t>(at), length));
}

Archive::~Archive() {
    if (fd_ >= 0) ::close(fd_);
}

void Archive::add(std::string text) {
    const auto size = static_cast<std::int64_t>(text.size());
    pieces_.push_back({size_, size, std::move(text), ""});
    size_ += size;
}

std::ptrdiff_t Archive::read(std::int64_t position, char* buffer, std::size_t most) {
    auto piece = std::upper_bound(pieces_.begin(), pieces_.end(), position,
                                  [](std::int64_t at, const Piece& one) { return at < one.at + one.size; });
    if (piece == pieces_.end()) return -1;
    const std::int64_t within = position - piece->at;
    const std::size_t count = std::min(most, static_cast<std::size_t>(piece->size - within));
    if (piece->path.empty()) {
        std::memcpy(buffer, piece->text.data() + within, count);
        return static_cast<std::ptrdiff_t>(count);
    }
    if (open_path_ != piece->path) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = ::open(piece->path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        open_path_ = piece->path;
    }
    ssize_t got;
    do got = ::pread(fd_, buffer, count, within);
    while (got < 0 && errno == EINTR);
    return got > 0 ? got : -1;
}

}  // namespace serve
