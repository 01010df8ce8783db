// SPDX-License-Identifier: Apache-2.0
// Bounds on what a hostile file may make us do. Checked before anything is allocated; fuzzers and servers tighten them.
#pragma once

#include <cstdint>

namespace enlarge {

struct Limits {
    std::int64_t file_bytes = std::int64_t{4} << 30;    // a model file, whole
    std::int64_t header_bytes = std::int64_t{64} << 20; // a header, pickle or protobuf skeleton
    std::int64_t tensors = 65536;                       // tensors in one file
    std::int64_t tensor_elements = std::int64_t{1} << 28;
    std::int64_t total_elements = std::int64_t{1} << 30; // of all tensors together
    int nesting = 64;                                   // dicts in lists in dicts
    std::int64_t pixels = std::int64_t{1} << 36;        // of one picture or frame
    int side = 1 << 24;                                 // width or height
    std::int64_t memory_bytes = 0;                      // working memory; 0 = a fraction of what is free
};

}  // namespace enlarge
