// SPDX-License-Identifier: Apache-2.0
// The families, one file each; registry.cpp lists them.
#pragma once

#include <string>

#include "arch/arch.hpp"

namespace enlarge {

// compact.cpp: SRVGGNetCompact, "body.0.weight", "body.1.weight", ...
bool is_compact(const StateDict& weights);
Result<Network> build_compact(const StateDict& weights);

// rrdb.cpp: ESRGAN and Real-ESRGAN, four styles of keys. `likely_scale` as in recognise().
bool is_rrdb(const StateDict& weights);
Result<Network> build_rrdb(const StateDict& weights, int likely_scale);

// span.cpp: "conv_1.sk.weight", "block_1.c1_r.eval_conv.weight", ...
bool is_span(const StateDict& weights);
Result<Network> build_span(const StateDict& weights);

// refused.cpp: the family that a file seems to be of, told from its keys; empty when none is known.
std::string refused_family(const StateDict& weights);

}  // namespace enlarge
