// SPDX-License-Identifier: Apache-2.0
// What a Model holds; shared by the files of api/.
#pragma once

#include <vector>

#include "arch/arch.hpp"
#include "enlarge/enlarge.hpp"
#include "weights/state_dict.hpp"

namespace enlarge {

struct Model::State {
    ModelInfo info;
    Network network;    // the graph that is compiled
    StateDict weights;  // for blend(); empty where the network is large: name_tensors(network.graph) makes them again
};

// Everything that can be said of a network, in the order to show it; `info` is complete but for this.
std::vector<ModelFact> facts_of(const ModelInfo& info, const Network& network);

}  // namespace enlarge
