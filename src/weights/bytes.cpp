// SPDX-License-Identifier: Apache-2.0
#include "weights/bytes.hpp"

namespace enlarge {

Error truncated(std::uint64_t have, std::uint64_t need) {
    return {Errc::format, "truncated after " + std::to_string(have) + " bytes; " + std::to_string(need) + " expected"};
}

std::string printable(std::string_view text, std::size_t most) {
    std::string out;
    for (const char c : text.substr(0, most)) out += c >= 0x20 && c < 0x7f ? c : '?';
    if (text.size() > most) out += "...";
    return out;
}

}  // namespace enlarge
