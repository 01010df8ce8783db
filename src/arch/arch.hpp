// SPDX-License-Identifier: Apache-2.0
// Recognises which network a weight file holds and builds its graph. One file per family; registry.cpp lists them.
#pragma once

#include <string>

#include "base/result.hpp"
#include "graph/graph.hpp"
#include "weights/state_dict.hpp"

namespace enlarge {

struct Network {
    Graph graph;
    std::string family;   // "Compact", "RRDB", "SPAN"
    std::string variant;  // key style or form: "Real-ESRGAN keys", "slim"
    int features = 0;     // channels of the body
    int blocks = 0;       // convolutions between first and last (Compact), blocks (RRDB, SPAN)
    int growth = 0;       // RRDB growth channels, else 0
    int scale = 1;
};

// Builds the network. A file of another family is refused with Errc::unsupported, naming the family it seems to be.
Result<Network> recognise(const StateDict& weights);

// Mixes two state dicts of the same names and shapes: (1 - share) * a + share * b. Fails with Errc::argument naming the
// first tensor that differs in shape or is missing.
Result<StateDict> blend(const StateDict& a, const StateDict& b, float share);

}  // namespace enlarge
