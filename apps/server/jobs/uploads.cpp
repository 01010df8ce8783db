// SPDX-License-Identifier: Apache-2.0
#include "jobs/uploads.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace serve {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;
namespace fs = std::filesystem;

// Bytes go to the file as they come, so what a lost connection brought is there.
class UploadSink final : public Sink {
public:
    UploadSink(int fd, std::int64_t offset, std::int64_t length, std::shared_ptr<Uploads::Writer> writer,
               std::function<Response(std::int64_t)> respond)
        : fd_(fd), offset_(offset), length_(length), writer_(std::move(writer)), respond_(std::move(respond)) {}
    ~UploadSink() override { ::close(fd_); }

    Result<void> take(std::string_view bytes) override {
        const std::lock_guard lock(writer_->mutex);
        if (writer_->over) return Error{Errc::exists, "another request goes on with this upload"};
        if (static_cast<std::int64_t>(bytes.size()) > length_ - offset_)
            return Error{Errc::limit, "the upload would be longer than the " + std::to_string(length_) +
                                          " bytes that were announced"};
        while (!bytes.empty()) {
            const ssize_t put = ::pwrite(fd_, bytes.data(), bytes.size(), offset_);
            if (put < 0 && errno == EINTR) continue;
            if (put <= 0) return Error{Errc::io, std::string("the upload cannot be stored: ") + std::strerror(errno)};
            offset_ += put;
            bytes.remove_prefix(static_cast<std::size_t>(put));
        }
        return {};
    }
    Response finish(bool whole) override {
        if (whole && offset_ == length_) ::fdatasync(fd_);
        return respond_(offset_);
    }

private:
    int fd_;
    std::int64_t offset_, length_;
    std::shared_ptr<Uploads::Writer> writer_;
    std::function<Response(std::int64_t)> respond_;
};

Result<std::unique_ptr<Uploads>> Uploads::open(Store& store, const std::string& folder) {
    const auto known = store.uploads();
    if (!known) return known.error();
    std::unique_ptr<Uploads> uploads(new Uploads(store, folder));
    for (Upload upload : *known) {
        struct stat info = {};  // the table has when it was made, the file when bytes came last
        if (::stat(uploads->path(upload).c_str(), &info) == 0)
            upload.touched = std::max(upload.touched, static_cast<double>(info.st_mtime));
        uploads->uploads_[upload.id] = upload;
    }
    return uploads;
}

Result<Upload> Uploads::create(std::int64_t length, const std::string& name) {
    Upload upload{0, random_id(), name, length, now_seconds()};
    const auto number = store_.add(upload);
    if (!number) return number.error();
    upload.number = *number;
    const int fd = ::open(path(upload).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return Error{Errc::io, std::string("the upload cannot be stored: ") + std::strerror(errno)};
    ::close(fd);
    const std::lock_guard lock(mutex_);
    return uploads_[upload.id] = upload;
}

std::optional<Upload> Uploads::find(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = uploads_.find(id);
    return found == uploads_.end() ? std::nullopt : std::optional(found->second);
}

std::int64_t Uploads::offset(const Upload& upload) const {
    struct stat info = {};
    return ::stat(path(upload).c_str(), &info) == 0 ? info.st_size : 0;
}

Result<std::unique_ptr<Sink>> Uploads::append(const Upload& upload, std::int64_t offset,
                                              std::function<Response(std::int64_t)> respond) {
    const std::lock_guard lock(mutex_);
    const auto found = uploads_.find(upload.id);
    if (found == uploads_.end()) return Error{Errc::not_found, "there is no such upload"};
    if (auto& before = writers_[upload.id]) {
        const std::lock_guard theirs(before->mutex);
        before->over = true;
    }
    const std::int64_t there = this->offset(upload);
    if (offset != there)
        return Error{Errc::exists, "the upload has " + std::to_string(there) + " bytes, not " + std::to_string(offset)};
    const int fd = ::open(path(upload).c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return Error{Errc::io, std::string("the upload cannot be stored: ") + std::strerror(errno)};
    found->second.touched = now_seconds();
    auto writer = std::make_shared<Writer>();
    writers_[upload.id] = writer;
    return std::unique_ptr<Sink>(new UploadSink(fd, offset, upload.length, std::move(writer), std::move(respond)));
}

Result<void> Uploads::take(const Upload& upload, const std::string& target) {
    const std::lock_guard lock(mutex_);
    if (uploads_.erase(upload.id) == 0) return Error{Errc::not_found, "there is no such upload"};
    writers_.erase(upload.id);
    if (::rename(path(upload).c_str(), target.c_str()) != 0)
        return Error{Errc::io, std::string("the upload cannot be moved: ") + std::strerror(errno)};
    return store_.remove_upload(upload.number);
}

Result<void> Uploads::remove(const Upload& upload) {
    const std::lock_guard lock(mutex_);
    if (uploads_.erase(upload.id) == 0) return Error{Errc::not_found, "there is no such upload"};
    if (const auto found = writers_.find(upload.id); found != writers_.end()) {
        const std::lock_guard theirs(found->second->mutex);
        found->second->over = true;
    }
    writers_.erase(upload.id);
    ::unlink(path(upload).c_str());
    return store_.remove_upload(upload.number);
}

void Uploads::remove_older(double seconds) {
    std::vector<Upload> old;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, upload] : uploads_)
            if (upload.touched < now_seconds() - seconds) old.push_back(upload);
    }
    for (const Upload& upload : old) (void)remove(upload);
}

std::int64_t Uploads::bytes() const {
    std::int64_t sum = 0;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error))
        if (const auto size = entry.file_size(error); !error) sum += static_cast<std::int64_t>(size);
    return sum;
}

}  // namespace serve
