// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <utility>

#include "base/result.hpp"
#include "enlarge/device.hpp"

namespace enlarge {
namespace {

constexpr std::array<std::pair<Precision, std::string_view>, 5> kPrecisions{{{Precision::automatic, "auto"},
                                                                             {Precision::fp32, "fp32"},
                                                                             {Precision::fp16, "fp16"},
                                                                             {Precision::int16, "int16"},
                                                                             {Precision::int8, "int8"}}};

}  // namespace

std::string_view precision_name(Precision precision) {
    for (const auto& [value, name] : kPrecisions)
        if (value == precision) return name;
    return "?";
}

Result<Precision> parse_precision(std::string_view name) {
    for (const auto& [value, known] : kPrecisions)
        if (known == name) return value;
    return Error{Errc::argument, "precision '" + std::string(name) + "'; expected auto, fp32, fp16, int16 or int8"};
}

}  // namespace enlarge
