// SPDX-License-Identifier: Apache-2.0
// What calibration found out about a network, kept in a folder, so that it is found out once per computer and not at
// every start: for RRDB 64/23 that is most of a second.
//
// A file is believed only when it is whole, says itself whose it is, holds what calibration can have found, and nobody
// but this user can have written it. Whether the numbers are true is asked of the network: Calibration::agrees().
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "backend/cpu/calibrate.hpp"
#include "base/cpu.hpp"
#include "graph/graph.hpp"

namespace enlarge::cpu {

struct KeptPrecision {
    Precision precision = Precision::fp32;  // what automatic means for this network: fp32, fp16 or int16
    Fidelity fidelity;                      // of that path
    TransformAbsMax transform_abs_max;      // int16: the ranges its scales are made from
    TransformAbsMax probe;                  // int16: what one picture has of them (Calibration::probe())
};

// Whose it is: a hash of all of a graph's operations, shapes and numbers, of the kernels that ran it, and of the
// version of what is measured and how.
struct PrecisionKey {
    std::uint64_t high = 0, low = 0;
    bool operator==(const PrecisionKey&) const = default;
};
PrecisionKey precision_key(const Graph& graph, Isa isa, const KernelTable& kernels);

// The key is the name. The same network has the same file, whatever file it was read from.
std::filesystem::path precision_file(const std::filesystem::path& folder, const PrecisionKey& key);

// Nothing when there is no such file, or when it is damaged, of another version, network or instruction set, not a
// plain file of this user that only he can write, or holds numbers that cannot be: unknown precisions, ranges that are
// no ranges, a fidelity beyond `gate` (asked of the precision that the file names; see Gate in cpu.cpp).
using PassesGate = bool (*)(Precision, const Fidelity&);
std::optional<KeptPrecision> load_precision(const std::filesystem::path& file, const PrecisionKey& key, PassesGate gate);

// Creates the folder too, for this user alone. Whole or not at all; a failure is only logged, at debug level.
void store_precision(const std::filesystem::path& file, const PrecisionKey& key, const KeptPrecision& kept);

}  // namespace enlarge::cpu
