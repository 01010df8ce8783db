// SPDX-License-Identifier: Apache-2.0
// What `enlarge serve` was told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace serve {

struct ServeOptions {
    std::string address = "127.0.0.1";
    int port = 4848;  // 0: a free one
    std::string token;
    std::vector<std::string> names;            // host names besides addresses and localhost
    std::string prefix;                        // "/enlarge"
    std::string data;                          // the folder of all that is kept
    std::string program;                       // what is started as a worker: this program
    std::vector<std::string> devices{"auto"};  // one worker each
    int threads = 0;
    std::int64_t memory_bytes = 0;  // of a worker besides weights; 0: half of what is free, for all together
    std::int64_t upload_bytes = std::int64_t{2} << 30;
    std::int64_t pixels = 200'000'000;  // of a picture, before and after
    std::size_t queue = 256;
    double picture_s = 900, film_s = 86400;            // of work on one
    int patience_s = 30;                               // with slow clients
    double keep_s = 7 * 86400;                         // of finished jobs
    std::int64_t disk_bytes = std::int64_t{50} << 30;  // of uploads and results together
};

}  // namespace serve
