// SPDX-License-Identifier: Apache-2.0
// The options of every command that runs a network: which one, how large, on what.
#pragma once

#include <string>
#include <vector>

#include "command.hpp"
#include "enlarge/enlarge.hpp"
#include "fetch_model.hpp"

namespace cli {

struct EngineChoice {
    std::string model;                // empty: see model_name()
    double denoise = -1;              // 0..1, negative when not given
    std::vector<std::string> blend;   // "FILE:WEIGHT"
    double scale = 0;
    int width = 0, height = 0;
    std::string size;                 // "WxH"
    bool exact = false, fit = false;
    std::string precision = "auto";
    std::string alpha = "network";
    std::string memory;               // "2G"
    FetchConsent fetch;               // of a public model that is named and not here
    enlarge::EngineOptions engine;    // device, threads, tile, tta
};

// Adds them, in the groups "Size", "Model" and "Engine".
void define_model_options(CLI::App& app, EngineChoice& choice);
void define_size_options(CLI::App& app, EngineChoice& choice);
void define_engine_options(CLI::App& app, EngineChoice& choice);

// The network that was named; where none was, the one that the user prefers, or the built-in default for what is enlarged
// and by how much (0: not known).
std::string model_name(const EngineChoice& choice, enlarge::Use use, double factor);
// The network `name`, mixed as --denoise and --blend say. A public one that is not here is fetched, if the user agrees; a
// misspelt name gets a suggestion.
enlarge::Result<enlarge::Model> open_model(const std::string& name, const EngineChoice& choice);
enlarge::Result<enlarge::OutputSize> output_size(const EngineChoice& choice);
enlarge::Result<enlarge::EngineOptions> engine_options(const EngineChoice& choice);

// Networks that can be used now by name: built in or stored.
std::vector<std::string> model_names();
// Whichever of `names` was probably meant by `name`; empty when none is near, or one is the same.
std::string nearest(const std::string& name, const std::vector<std::string>& names);
// "; did you mean 'realesr-general-x4v3'?", or nothing when no name is near.
std::string suggestion(const std::string& name);

// Bytes in "512M", "2G", "1.5GiB", "800000"; K, M, G, T are powers of 1024.
enlarge::Result<std::int64_t> parse_bytes(const std::string& text);

}  // namespace cli
