// SPDX-License-Identifier: Apache-2.0
// Files as answers.
#pragma once

#include <string>

#include "http/message.hpp"

namespace serve {

// With Range, ETag, If-None-Match, If-Match and If-Range as RFC 9110 has them. `etag_seed` tells this file from all
// others that were ever at that address. 404 where it is gone.
Response file_response(const Request& request, const std::string& path, const std::string& etag_seed,
                       const char* media_type, const std::string& name);

}  // namespace serve
