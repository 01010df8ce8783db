// SPDX-License-Identifier: Apache-2.0
// Recognises which network a weight file holds and builds its graph. One file per family; registry.cpp lists them.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "graph/graph.hpp"
#include "weights/state_dict.hpp"

namespace enlarge {

// One thing to know about a network besides what all have: {"features", "64"}.
struct Fact {
    std::string key, value;
    Fact(std::string what, std::string is) : key(std::move(what)), value(std::move(is)) {}
    Fact(std::string what, const char* is) : key(std::move(what)), value(is) {}
    Fact(std::string what, int is) : key(std::move(what)), value(std::to_string(is)) {}
    bool operator==(const Fact&) const = default;
};

struct Network {
    Graph graph;
    std::string family;   // "Compact", "RRDB", "SPAN"; "ONNX graph", "ncnn graph": a file's own graph, as it is
    std::string variant;  // key style or form: "Real-ESRGAN keys", "slim"; of graphs what they are made of
    std::vector<Fact> facts;  // sizes and kinds of its parts, in the order to show them
    int scale = 1;        // of what the file's own network gives; graph.scale() differs where a file ends in a resampling

    // The number that the fact of that key begins with; 0 where there is none.
    [[nodiscard]] int number(std::string_view key) const {
        for (const Fact& fact : facts)
            if (fact.key == key) return std::atoi(fact.value.c_str());
        return 0;
    }
};

// Builds the network, from the names of the tensors, or from the layers where the file has them: those of a known family
// as that family, all others as they are. A file of tensors of another family is refused with Errc::unsupported, naming
// the family it seems to be; one of layers, naming the first layer that is not supported.
// `likely_scale` is what else is known of the scale, as by scale_in_name(); 0: nothing. It decides only where the tensors
// cannot: an RRDB network with one upsampling has the same tensors for x2 and x3. Without it, x2 is taken.
Result<Network> recognise(const StateDict& weights, int likely_scale = 0);

// Whether recognise() knows a family by that name, as in Network::family.
bool runs_family(std::string_view name);

// The scale that a file's name tells, as in "3x_Faces.pth" and "faces-x3.pth"; 0 for none, and for several.
int scale_in_name(std::string_view file_name);

// The tensors of a graph under the names its family has in PyTorch: one style for all files of a family. Fails with
// Errc::unsupported when its operations are not those of a family.
Result<StateDict> name_tensors(const Graph& graph);

// The tensors of a file with layers under the names its family has in PyTorch (Real-ESRGAN's for RRDB, merged convolutions
// for SPAN), so that it can be blended with others; none where they are of no family. A file without layers is returned
// as it is.
Result<StateDict> named_tensors(const StateDict& file);

// Mixes two state dicts of the same names and shapes: (1 - share) * a + share * b. Fails with Errc::argument naming the
// first tensor that differs in shape or is missing.
Result<StateDict> blend(const StateDict& a, const StateDict& b, float share);

}  // namespace enlarge
