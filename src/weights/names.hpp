// SPDX-License-Identifier: Apache-2.0
// Tidies the names of tensors: what training programs put in front of them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace enlarge {

// How many characters to remove from the front of every name: known prefixes ("module.", "netG.") that all names share.
std::size_t shared_prefix(const std::vector<std::string_view>& names);

// When the names are those of a generator beside its discriminator and losses ("generator_ema.", "generator." and
// others), the prefix of the part that makes pictures; else empty.
std::string_view generator_prefix(const std::vector<std::string_view>& names);

}  // namespace enlarge
