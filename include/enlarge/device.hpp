// SPDX-License-Identifier: Apache-2.0
// Devices and precisions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "enlarge/result.hpp"

namespace enlarge {

// How the network computes. fp32 is the exact path: within 1e-4 of a plain float implementation, the same bits whatever
// the tile size and thread count. The others trade exactness for speed, within these bounds where automatic takes them:
// for samples of 8 bits. Asked for by name they run any network and any picture, and nothing is promised for floats
// beyond 0..1.
enum class Precision {
    automatic,  // the fastest whose quality gate holds for the model; pictures of more than 8 bits or of floats run in
                // fp32
    fp32,
    fp16,   // activations stored in half precision, or products of factors of 16 bits: at least 58 dB to fp32, no pixel
            // off by more than 2 of 255
    int16,  // 16-bit integer Winograd, or on AMX bfloat16 terms of rows in half precision: at least 48 dB, no pixel off
            // by more than 6
    int8,  // GPUs only
};
std::string_view precision_name(Precision precision);             // "auto", "fp32", ...
Result<Precision> parse_precision(std::string_view name);

enum class DeviceKind {
    cpu,        // this computer's processors
    gpu,        // a graphics processor with memory of its own
    reference,  // plain loops on one processor: the truth that the others are measured against
};

struct DeviceInfo {
    std::string id;           // what --device takes: "cpu", "cuda:0"
    std::string name;         // "AMD EPYC (2 threads, avx2)"
    std::int64_t memory_bytes = 0;
    bool usable = false;
    std::string detail;       // driver, precisions; or why it cannot be used

    DeviceKind kind = DeviceKind::cpu;
    std::vector<Precision> precisions;  // that can be asked for by name, the exact one first; empty if it is not usable
    // Frames of video go in and come out as codecs hold them (4:2:0), without RGB in between, where nothing else is
    // asked of them.
    bool takes_frames = false;
    // The device that takes over where "auto" chose this one and it cannot run a network after all; empty: none does.
    std::string fallback_to;
};

// Everything that can run networks here, and what cannot with the reason. Best first.
std::vector<DeviceInfo> devices();

}  // namespace enlarge
