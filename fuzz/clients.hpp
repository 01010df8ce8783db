// SPDX-License-Identifier: Apache-2.0
// What must hold whatever a client of `enlarge serve` writes.
#pragma once

#include "enlarge/result.hpp"
#include "fuzz/outcome.hpp"

namespace enlarge::fuzz {

inline void is_sentence(const Error& error) {
    require(!error.message.empty() && error.message.size() < 1000, "an error is short");
    for (const unsigned char c : error.message) require(c >= 0x20 && c != 0x7f, "an error is plain text");
}

}  // namespace enlarge::fuzz
