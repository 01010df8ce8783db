// SPDX-License-Identifier: Apache-2.0
// A Graph as an ONNX file.
#pragma once

#include <map>
#include <string>

#include "graph/graph.hpp"

namespace enlarge {

struct OnnxFile {
    bool half = false;                            // half-precision weights and arithmetic between float input and output
    std::string name = "network";                 // of the graph
    std::string description;                      // doc string
    std::map<std::string, std::string> metadata;  // metadata_props
};

// The bytes of the file. Fails with Errc::limit beyond protobuf's 2 GiB.
Result<std::string> write_onnx(const Graph& graph, const OnnxFile& file = {});

}  // namespace enlarge
