// SPDX-License-Identifier: Apache-2.0
// Text for terminals and programs, and numbers the same in every locale.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cli {

// For terminals: what could move the cursor, change colours or reverse the writing direction becomes visible ("\x1b",
// "\u{202e}"), and so do bytes that are not UTF-8. Names, tags and messages that come from files pass through here.
std::string printable(std::string_view text);

// As a JSON string, with its quotes. Bytes that are not UTF-8 become U+FFFD.
std::string json_quoted(std::string_view text);

// `digits` after the point: "12.50".
std::string fixed(double value, int digits);
// At most six significant digits: "0.333333", "1e+20".
std::string shortest(double value);
// The number that `text` begins with, a point before its fraction; `rest` is what follows. Nothing when there is none.
std::optional<double> leading_number(std::string_view text, std::string_view& rest);

}  // namespace cli
