// SPDX-License-Identifier: Apache-2.0
// Numbers as text, the same in every locale: std::to_string(double), printf and streams write "0,5" in a program that has
// set a German one.
#pragma once

#include <charconv>
#include <string>

namespace enlarge {

// With `digits` after the point: "12.50".
inline std::string fixed(double value, int digits) {
    char text[400];  // the largest double has 309 digits before the point
    const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits);
    return end.ec == std::errc() ? std::string(text, end.ptr) : "?";
}

// With at most `digits` significant digits and no needless zeros, as printf's %g: "0.25".
inline std::string shortest(double value, int digits = 6) {
    char text[64];
    return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::general, digits).ptr};
}

// The shortest text that is exactly this number again: for what must be told apart later.
inline std::string exact(double value) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace enlarge
