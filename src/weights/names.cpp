// SPDX-License-Identifier: Apache-2.0
#include "weights/names.hpp"

#include <algorithm>

namespace enlarge {
namespace {

// "model." is not among them: it belongs to the names of the first ESRGAN files.
constexpr std::string_view kPrefixes[] = {"module.",    "_orig_mod.", "netG.",       "net_g.",     "generator_ema.",
                                          "generator.", "params_ema.", "params.",    "state_dict."};

}  // namespace

std::size_t shared_prefix(const std::vector<std::string_view>& names) {
    std::size_t length = 0;
    for (bool again = !names.empty(); again;) {
        again = false;
        for (const std::string_view prefix : kPrefixes) {
            if (!std::all_of(names.begin(), names.end(),
                             [&](std::string_view name) { return name.substr(length).starts_with(prefix); }))
                continue;
            length += prefix.size();
            again = true;
        }
    }
    return length;
}

std::string_view generator_prefix(const std::vector<std::string_view>& names) {
    const auto any = [&](std::string_view prefix) {
        return std::any_of(names.begin(), names.end(), [&](std::string_view name) { return name.starts_with(prefix); });
    };
    if (!any("discriminator.")) return {};
    for (const std::string_view prefix : {"generator_ema.", "generator."})
        if (any(prefix)) return prefix;
    return {};
}

}  // namespace enlarge
