// SPDX-License-Identifier: Apache-2.0
// A network on a device, as users of video hosts ask for it: what the doors into these have in common.
#pragma once

#include <optional>
#include <string>

#include "common/handles.hpp"

namespace enlarge_host {

struct EngineSettings {
    std::string model;              // "": as the command line chooses for video
    double scale = 0;               // that choice depends on it; 0: the network's own
    std::optional<double> denoise;  // 0 to 1; without: the network as it is
    std::string device;             // "": the library's choice
    int precision = ENLARGE_PRECISION_AUTO;
    int threads = 0, tile = 0;
};

struct OpenEngine {
    Handle<enlarge_model> model;
    Handle<enlarge_engine> engine;
};

// Opens the network and compiles it, which may take seconds. `log` and `user` as in enlarge_options. `opened` changes
// only where all went well; else the context has the text.
enlarge_status open_engine(enlarge_context* context, const EngineSettings& settings, enlarge_log log, void* user,
                           OpenEngine& opened);

}  // namespace enlarge_host
