// SPDX-License-Identifier: Apache-2.0
// One file over HTTP into a partial file that a later call can continue.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "enlarge/models.hpp"

namespace enlarge::zoo {

struct Download {
    std::string address;         // https, or http to this machine (then redirects must stay on this machine)
    std::filesystem::path part;  // where the bytes go; continued when it is there
    std::int64_t bytes = 0;      // size of the whole file
};

// Brings `part` to exactly `bytes` bytes. What arrived stays there after a failure. Fails with Errc::network when the
// server cannot be reached, breaks off or refuses, Errc::format when it sends another size, Errc::io, Errc::cancelled.
Result<void> download(const Download& what, const PullProgress& progress);

}  // namespace enlarge::zoo
