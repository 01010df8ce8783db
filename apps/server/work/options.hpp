// SPDX-License-Identifier: Apache-2.0
// What a request asks for: parameters named as the command line's options, checked before anything is done.
#pragma once

#include <optional>
#include <string>

#include "enlarge/enlarge.hpp"
#include "enlarge/picture.hpp"
#include "http/text.hpp"

namespace serve {

struct Options {
    std::string model;                   // empty: what suits `purpose`, else the default
    std::string purpose;                 // "photo", ...; of `for`
    double denoise = -1, strength = -1;  // 0..1; negative when not given
    enlarge::OutputSize size;
    std::string cover;  // with both sides: fill them, keeping the shape; "crop": and cut what is beyond
    bool tta = false;
    enlarge::Precision precision = enlarge::Precision::automatic;
    enlarge::AlphaMode alpha = enlarge::AlphaMode::network;
    // pictures
    std::string format;  // "png"; of a film its container: "mkv"; empty: as the input where that can be
    int quality = 0;
    bool lossless = false, provenance = true, allow_damaged = false;
    std::string background;  // "white", "black", "#rrggbb"
    int page = 0;
    std::optional<enlarge::Rect> preview;
    // films
    std::string codec;
    std::optional<double> crf;
    double from_s = 0, to_s = 0;  // 0: to its end
    bool deinterlace = true;
};

// One sentence on what cannot be meant: Errc::argument. Models are names of the registry (built in, or stored here):
// whatever could be a path fails with Errc::not_found.
enlarge::Result<Options> parse_options(const Params& params);

// All names that parse_options() knows.
const std::vector<const char*>& option_names();

// Containers that films may be written as.
bool is_container(const std::string& name);

// The name as the registry or the list of built-in networks has it, if it can be used now. Errc::not_found with a
// sentence.
enlarge::Result<std::string> usable_model(const std::string& name);

}  // namespace serve
