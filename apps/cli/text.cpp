// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <charconv>
#include <cstdio>

namespace cli {
namespace {

// One character of UTF-8 at the front of `text`; length 0 when there is none.
struct Character {
    std::size_t length = 0;
    char32_t code = 0;
};

Character first_of(std::string_view text) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    const unsigned lead = byte(0);
    Character c;
    c.length = lead < 0x80 ? 1 : lead >= 0xC2 && lead < 0xE0 ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
    c.code = c.length <= 1 ? lead : lead & (0xFFU >> (c.length + 1));
    for (std::size_t i = 1; i < c.length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return {};
        c.code = c.code << 6 | (byte(i) & 0x3F);
    }
    const bool overlong = (c.length == 3 && c.code < 0x800) || (c.length == 4 && c.code < 0x10000);
    if (overlong || (c.code >= 0xD800 && c.code < 0xE000) || c.code > 0x10FFFF) return {};
    return c;
}

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

// What changes lines or the direction of writing without being seen.
bool is_hidden(char32_t c) {
    return c == 0x61C || (c >= 0x200E && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

template <class... Values>
void append(std::string& out, const char* format, Values... values) {
    char piece[16];
    std::snprintf(piece, sizeof piece, format, values...);
    out += piece;
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const Character c = first_of(text);
        if (c.length == 0) append(out, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(text.front())));
        else if (c.code == '\n') out += "\\n";
        else if (c.code == '\t') out += ' ';
        else if (is_control(c.code) || is_hidden(c.code)) append(out, c.code < 0x80 ? "\\x%02x" : "\\u{%x}", static_cast<unsigned>(c.code));
        else out.append(text.substr(0, c.length));
        text.remove_prefix(c.length ? c.length : 1);
    }
    return out;
}

std::string json_quoted(std::string_view text) {
    std::string out = "\"";
    while (!text.empty()) {
        const Character c = first_of(text);
        if (c.length == 0) {
            out += "\\ufffd";
        } else if (c.code == '"' || c.code == '\\') {
            out += '\\';
            out += static_cast<char>(c.code);
        } else if (is_control(c.code)) {
            append(out, "\\u%04x", static_cast<unsigned>(c.code));
        } else {
            out.append(text.substr(0, c.length));
        }
        text.remove_prefix(c.length ? c.length : 1);
    }
    return out + "\"";
}

std::string fixed(double value, int digits) {
    char text[400];  // the largest double has 309 digits before the point
    const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits);
    return end.ec == std::errc() ? std::string(text, end.ptr) : "?";
}

std::string shortest(double value) {
    char text[40];
    return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::general, 6).ptr};
}

std::optional<double> leading_number(std::string_view text, std::string_view& rest) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    if (text.starts_with('+')) text.remove_prefix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return std::nullopt;
    rest = text.substr(static_cast<std::size_t>(end - text.data()));
    return value;
}

}  // namespace cli
