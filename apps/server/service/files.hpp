// SPDX-License-Identifier: Apache-2.0
// Files as answers.
#pragma once

#include <string>

#include "http/message.hpp"

namespace serve {

// What of `size` bytes the request wants, as RFC 9110 has Range, If-Match, If-None-Match and If-Range: `first` and
// `count` of the response, its status, ETag and so on. False: the response is one without a body.
bool take_part(const Request& request, Response& response, const std::string& etag, std::int64_t size);

// With Range, ETag, If-None-Match, If-Match and If-Range as RFC 9110 has them. `etag_seed` tells this file from all
// others that were ever at that address. 404 where it is gone.
Response file_response(const Request& request, const std::string& path, const std::string& etag_seed,
                       const char* media_type, const std::string& name);

}  // namespace serve
