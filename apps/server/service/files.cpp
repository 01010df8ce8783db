// SPDX-License-Identifier: Apache-2.0
#include "service/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/names.hpp"

namespace serve {

std::string result_name(const std::string& name, int width, int height, const std::string& extension) {
    std::string stem = name.substr(0, name.find_last_of('.'));
    if (stem.empty()) stem = "picture";
    return stem + "_" + std::to_string(width) + "x" + std::to_string(height) + "." + extension;
}

bool take_part(const Request& request, Response& response, const std::string& etag, std::int64_t size) {
    response.with("ETag", etag).with("Accept-Ranges", "bytes").with("Cache-Control", "private, no-cache");
    const std::string match = request.header("if-match"), none = request.header("if-none-match");
    if (!match.empty() && !lists_etag(match, etag)) return response.status = 412, false;
    if (!none.empty() && lists_etag(none, etag)) return response.status = 304, false;
    Range range{0, size};
    const std::string if_range = request.header("if-range"), wanted = request.header("range");
    if (!wanted.empty() && request.method == "GET" && (if_range.empty() || if_range == etag)) {
        const RangeKind kind = parse_range(wanted, size, range);
        if (kind == RangeKind::unsatisfiable) {
            response.with("Content-Range", "bytes */" + std::to_string(size));
            return response.status = 416, false;
        }
        if (kind == RangeKind::part) {
            response.status = 206;
            response.with("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                               std::to_string(range.first + range.count - 1) + "/" +
                                               std::to_string(size));
        }
    }
    response.first = range.first;
    response.count = range.count;
    return true;
}

Response file_response(const Request& request, const std::string& path, const std::string& etag_seed,
                       const char* media_type, const std::string& name) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat info = {};
    if (fd < 0 || ::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        if (fd >= 0) ::close(fd);
        return error_response(404, "not_found", "the file is not there any more");
    }
    const std::string etag = "\"" + etag_seed + "-" + std::to_string(info.st_size) + "-" +
                             std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec) + "\"";
    Response response;
    if (!take_part(request, response, etag, info.st_size)) {
        ::close(fd);
        return response;
    }
    response.fd = fd;
    return response.with("Content-Type", media_type)
        .with("Content-Disposition", attachment(name, request.parameter("download").empty()));
}

}  // namespace serve
