// SPDX-License-Identifier: Apache-2.0
// The main command's options, shared by its picture and its video half.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine_options.hpp"
#include "inputs.hpp"
#include "reporter.hpp"

namespace cli {

struct UpscaleOptions {
    InputOptions inputs;
    EngineChoice engine;
    ReportOptions report;
    bool force = false;
    bool no_provenance = false;
    // pictures
    std::string format;           // of --format; empty: by extension
    int quality = 0;
    bool lossless = false;
    std::string background;       // "white", "#rrggbb"
    int page = 0;                 // counted from 1; 0 when not given
    bool allow_damaged = false;
};

// The networks and their upscalers, made when first needed and used for all inputs: the one that was named, or the default
// for what is enlarged and by how much (0: not known).
class Engine {
public:
    explicit Engine(const UpscaleOptions& options) : options_(options) {}
    enlarge::Result<enlarge::Model*> model(enlarge::Use use, double factor);
    enlarge::Result<enlarge::Upscaler*> upscaler(enlarge::Use use, double factor);

private:
    struct Network {
        enlarge::Model model;
        std::optional<enlarge::Upscaler> upscaler;
    };
    enlarge::Result<Network*> network(enlarge::Use use, double factor);

    const UpscaleOptions& options_;
    std::map<std::string, Network> networks_;  // by the name that was asked for
};

// Where upscale_picture() will write; the input is opened when the name depends on it.
enlarge::Result<std::string> picture_output(const Job& job, const UpscaleOptions& options);
// Makes it and all above it; an empty name is the folder that is there.
enlarge::Result<void> make_folder(const std::string& folder);

// One picture, from file to file. `output` may be empty (named by default). Errors have been given the file's name.
enlarge::Result<void> upscale_picture(const Job& job, const UpscaleOptions& options, Engine& engine, Reporter& reporter);

}  // namespace cli
