// SPDX-License-Identifier: Apache-2.0
// What calibration found out about a network, kept in a folder, so that it is found out once per computer and not at
// every start: for RRDB 64/23 that is most of a second.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "backend/cpu/calibrate.hpp"
#include "base/cpu.hpp"
#include "graph/graph.hpp"

namespace enlarge::cpu {

struct Verdict {
    Precision precision = Precision::fp32;  // what automatic means for this network: fp32, fp16 or int16
    Fidelity fidelity;                      // of that path
    LargestV largest_v;                     // int16: the ranges its scales are made from
};

// The file for a graph, whatever file it was read from: all its numbers and the instruction set are in the name.
std::filesystem::path verdict_file(const std::filesystem::path& folder, const Graph& graph, Isa isa);

// Nothing when there is no such file, or one that is damaged or of another version.
std::optional<Verdict> recall(const std::filesystem::path& file);

// Creates the folder too. Whole or not at all; a failure is only logged, at debug level.
void remember(const std::filesystem::path& file, const Verdict& verdict);

}  // namespace enlarge::cpu
