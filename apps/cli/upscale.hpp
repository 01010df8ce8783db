// SPDX-License-Identifier: Apache-2.0
// The main command's options, shared by its picture and its video half.
#pragma once

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

// The network and its upscaler, made when first needed and used for all inputs.
class Engine {
public:
    explicit Engine(const UpscaleOptions& options) : options_(options) {}
    enlarge::Result<enlarge::Model*> model();
    enlarge::Result<enlarge::Upscaler*> upscaler();
    [[nodiscard]] bool started() const { return upscaler_.has_value(); }

private:
    const UpscaleOptions& options_;
    std::optional<enlarge::Model> model_;
    std::optional<enlarge::Upscaler> upscaler_;
};

// Where upscale_picture() will write; the input is opened when the name depends on it.
enlarge::Result<std::string> picture_output(const Job& job, const UpscaleOptions& options);
// Makes it and all above it; an empty name is the folder that is there.
enlarge::Result<void> make_folder(const std::string& folder);

// One picture, from file to file. `output` may be empty (named by default). Errors have been given the file's name.
enlarge::Result<void> upscale_picture(const Job& job, const UpscaleOptions& options, Engine& engine, Reporter& reporter);

}  // namespace cli
