// SPDX-License-Identifier: Apache-2.0
// Which tensors of a file are the network's, and what training programs put in front of their names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace enlarge {

struct TensorName {
    std::string_view name;
    std::int64_t elements = 0;
    bool integers = false;
};

struct TidyNames {
    std::vector<bool> keep;  // for each name; what is dropped are counters, discriminators, losses
    std::size_t prefix = 0;  // characters to remove from the front of every name that is kept
};

// A counter (one integer) beside the weights is no part of them; of a generator beside its discriminator and losses
// ("net_g.", "generator_ema." and others) only the generator is, averaged where there is an average; and prefixes that
// all names share ("module.", "_orig_mod.") are wrapping.
TidyNames tidy_names(const std::vector<TensorName>& names);

// Whether a key in a checkpoint says that what is below is of no use: optimizers, callbacks, schedules.
bool is_never_weights(std::string_view key);
// The same for networks that are not the wanted one: discriminators, losses.
bool is_other_network(std::string_view key);

}  // namespace enlarge
