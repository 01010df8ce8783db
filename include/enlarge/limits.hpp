// SPDX-License-Identifier: Apache-2.0
// Bounds on what a hostile file or a careless caller may make us do. Checked before anything is allocated.
#pragma once

#include <cstdint>

namespace enlarge {

// The defaults are for a program of one user. A server that takes files of strangers tightens them, per engine
// (EngineOptions::limits), per model (Model::open) and per video (VideoOptions::limits). What is beyond fails with
// Errc::limit, or Errc::memory for memory_bytes.
struct Limits {
    // Model files.
    std::int64_t file_bytes = std::int64_t{4} << 30;       // a model file, whole
    std::int64_t header_bytes = std::int64_t{64} << 20;    // a header, pickle or protobuf skeleton
    std::int64_t tensors = 65536;                          // tensors in one file
    std::int64_t tensor_elements = std::int64_t{1} << 28;
    std::int64_t total_elements = std::int64_t{1} << 30;   // of all tensors together
    int nesting = 64;                                      // dicts in lists in dicts

    // Pictures and frames, on either side of the network.
    std::int64_t pixels = std::int64_t{1} << 36;           // width * height
    int side = 1 << 24;                                    // width or height
    // Working memory in bytes, besides the network's weights; 0 = half of what is free. Where
    // EngineOptions::memory_bytes is given too, the smaller of the two holds.
    std::int64_t memory_bytes = 0;
};

}  // namespace enlarge
