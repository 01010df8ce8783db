// SPDX-License-Identifier: Apache-2.0
// The real VapourSynth, without Python: its library is loaded, clips are made by a source of ours.
#pragma once

#include <VapourSynth4.h>
#include <enlarge/enlarge.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace host {

using Bytes = std::vector<std::uint8_t>;

struct Kind {
    int id = pfYUV420P8;  // VSPresetVideoFormat
    int width = 48, height = 32, frames = 4;
    std::vector<std::pair<std::string, std::int64_t>> properties;
};

// VapourSynth with the plugin, or why it is not there.
class Host {
public:
    Host();
    ~Host();
    std::string missing;  // empty: all is there

    // The node that `function` of enlarge makes of a clip of such frames; `arguments` are "name", value pairs.
    struct Argument {
        std::string name;
        double number = 0;
        std::string text;  // where it is not empty, instead of the number
    };
    VSNode* upscale(const Kind& kind, const std::vector<Argument>& arguments, std::string& error);
    // The planes of frame n one after another without padding, or an error.
    Bytes frame(VSNode* node, int n, std::string& error);
    Bytes planes(const VSFrame* frame) const;

    VSNode* source(const Kind& kind);
    const VSAPI* api = nullptr;
    VSCore* core = nullptr;
};

// Sample i of the pattern of frame n, 0 to 1.
double pattern(int n, int plane, int x, int y);

}  // namespace host
