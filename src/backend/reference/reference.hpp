// SPDX-License-Identifier: Apache-2.0
// The plain backend that all others are tested against: one loop per op, whole rectangle at a time, every sum in
// double precision in a fixed order (input channel, kernel row, kernel column), rounded to float after each op.
// Slow, and keeps every tensor in memory.
#pragma once

#include "backend/backend.hpp"

namespace enlarge {

// "reference". Its results depend on nothing but the pixels: not on threads, tile size or position.
const Backend& reference_backend();

}  // namespace enlarge
