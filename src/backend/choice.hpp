// SPDX-License-Identifier: Apache-2.0
// What "auto" goes by beyond the order of the backends.
#pragma once

#include "backend/backend.hpp"

namespace enlarge {

// Errc::unsupported where it is known from a measurement that another device runs this network faster, with both times;
// for a program that nobody asked for by its device's name.
Result<void> worth_choosing(const Backend& backend, const Graph& graph, const Program& program,
                            const CompileOptions& options);

}  // namespace enlarge
