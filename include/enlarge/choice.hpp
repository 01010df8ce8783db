// SPDX-License-Identifier: Apache-2.0
// A kind of picture in plain words, and what somebody who knows the networks would do with it.
//
//     auto kind = enlarge::parse_kind("film");
//     auto choice = enlarge::choose(*kind, enlarge::Use::video);
//     auto model = enlarge::Model::open(choice.model);
//     auto upscaler = enlarge::Upscaler::create(*model, {.strength = choice.strength});
#pragma once

#include <string>
#include <string_view>

#include "enlarge/enlarge.hpp"

namespace enlarge {

enum class Kind {
    photo,    // by a camera: skin, leaves and some grain shall stay
    drawing,  // anime, comics, logos: clean lines, flat colours
    text,     // scans, screens, documents: no letter may be invented
    film,     // cinema and what has its grain
    tape,     // VHS, camcorders, old broadcasts: interlaced, noisy
    phone,    // small sensors and messengers: noise, blocks, sharpened edges
};
// "photo", "drawing", ... Fails with Errc::argument, listing them; of a word that others use ("anime") it says which is meant.
Result<Kind> parse_kind(std::string_view word);
const char* kind_name(Kind kind);

struct Choice {
    std::string model;          // built in; for drawings also one that is stored here, where no built-in one is for them
    double denoise = 1;         // below 1: blended with denoise_partner(model)
    double strength = 1;        // EngineOptions::strength
    // Of video: VideoOptions::deinterlace and ::filter_before.
    bool deinterlace = true;    // frames that are flagged as interlaced
    std::string filter_before;  // of tapes, whose flags are often lost: all frames are deinterlaced
};
Choice choose(Kind kind, Use use, double factor = 4);

}  // namespace enlarge
