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
    response.with("ETag", etag).with("Accept-Ranges", "bytes").with("Cache-Control", "private, no-cache");
    const auto empty = [&](int status) {
        ::close(fd);
        response.status = status;
        return response;
    };
    const std::string match = request.header("if-match"), none = request.header("if-none-match");
    if (!match.empty() && !lists_etag(match, etag)) return empty(412);
    if (!none.empty() && lists_etag(none, etag)) return empty(304);
    response.with("Content-Type", media_type)
        .with("Content-Disposition", attachment(name, request.parameter("download").empty()));
    Range range{0, info.st_size};
    const std::string if_range = request.header("if-range"), wanted = request.header("range");
    if (!wanted.empty() && request.method == "GET" && (if_range.empty() || if_range == etag)) {
        const RangeKind kind = parse_range(wanted, info.st_size, range);
        if (kind == RangeKind::unsatisfiable) {
            response.with("Content-Range", "bytes */" + std::to_string(info.st_size));
            return empty(416);
        }
        if (kind == RangeKind::part) {
            response.status = 206;
            response.with("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                               std::to_string(range.first + range.count - 1) + "/" +
                                               std::to_string(info.st_size));
        }
    }
    response.fd = fd;
    response.first = range.first;
    response.count = range.count;
    return response;
}

}  // namespace serve
