// SPDX-License-Identifier: Apache-2.0
// Colour under transparent pixels. It is arbitrary in most files, and a network or filter would mix it into the visible
// edge as a fringe.
#pragma once

#include <cstdint>
#include <vector>

#include "enlarge/image.hpp"

namespace enlarge {

// How far colour spreads, in pixels. What lies farther from anything visible keeps its colour.
inline constexpr int kBleedReach = 32;

// Grows visible colour (alpha > 0) into pixels with alpha 0, one ring of neighbours per round, kBleedReach rounds: each
// pixel becomes the mean of its up to 8 neighbours that had colour in the round before. A pixel's result depends on
// pixels within kBleedReach only, so a picture may be done in bands that overlap by that much. Alpha is not changed.
class Bleeder {
public:
    using Index = std::int64_t;  // of a pixel: there may be more than 2^31

    // Planar grey + alpha or RGBA, any sample type. Reuses its memory from call to call.
    void run(const MutableImageView& picture);

private:
    std::vector<unsigned char> round_;  // in which a pixel got its colour: 0 = visible; 255 = not yet
    std::vector<Index> front_, next_;
};

}  // namespace enlarge
