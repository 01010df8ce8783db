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
    std::string model;                // empty: see settings_for()
    std::string purpose;              // of --for
    double denoise = -1;              // 0..1, negative when not given
    double strength = -1;             // 0..1, negative when not given
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

// What is done with pictures, or with video: what was given, else what suits --for, else the defaults.
struct Settings {
    std::string model;
    double denoise = -1;        // negative: as the network is
    double strength = 1;
    bool deinterlace = true;    // of video, as in enlarge::Choice
    std::string filter_before;
    std::string said;           // what was chosen, in one line; empty where nothing was
};
// "fine-x4, --denoise 0.5, --strength 0.8"
std::string with_options(const Settings& settings);

// Adds them, in the groups "Size", "Model" and "Engine".
void define_model_options(CLI::App& app, EngineChoice& choice);
void define_size_options(CLI::App& app, EngineChoice& choice);
void define_engine_options(CLI::App& app, EngineChoice& choice);

// For an enlargement by `factor` (0: not known). Where no network was named it is the one that --for means, or the one
// that the user prefers, or the built-in default. Fails with Errc::argument when --for is no kind of picture, or when
// --denoise is asked of a kind whose network cannot be told.
enlarge::Result<Settings> settings_for(const EngineChoice& choice, enlarge::Use use, double factor);
// The network of that name or file. A public one that is not here is fetched, if the user agrees; a misspelt name gets
// a suggestion.
enlarge::Result<enlarge::Model> open_named(const std::string& name, const FetchConsent& consent);
// The same, mixed as `choice` says.
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
