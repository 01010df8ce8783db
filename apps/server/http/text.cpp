// SPDX-License-Identifier: Apache-2.0
#include "http/text.hpp"

#include <arpa/inet.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace serve {
namespace {

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool is_word(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Calls `take` with each part between commas, trimmed; stops when it returns true, and returns that.
template <class Take>
bool any_of_list(std::string_view list, char separator, Take take) {
    while (true) {
        const auto end = list.find(separator);
        if (take(trimmed(list.substr(0, end)))) return true;
        if (end == std::string_view::npos) return false;
        list.remove_prefix(end + 1);
    }
}

// How many bytes of `text` are one character in UTF-8; 0 when they are none.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char head = byte(0);
    const std::size_t length = head < 0x80   ? 1
                               : head < 0xc2 ? 0
                               : head < 0xe0 ? 2
                               : head < 0xf0 ? 3
                               : head < 0xf5 ? 4
                                             : 0;
    if (length == 0 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    if (length == 3 && ((head == 0xe0 && byte(1) < 0xa0) || (head == 0xed && byte(1) > 0x9f))) return 0;
    if (length == 4 && ((head == 0xf0 && byte(1) < 0x90) || (head == 0xf4 && byte(1) > 0x8f))) return 0;
    return length;
}

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

consteval std::array<signed char, 256> digits_of_base64() {
    std::array<signed char, 256> table{};
    for (signed char& entry : table) entry = -1;
    for (std::size_t i = 0; i < kAlphabet.size(); ++i)
        table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<signed char>(i);
    return table;
}

}  // namespace

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::optional<std::int64_t> whole_number(std::string_view text, std::int64_t most) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || text.front() == '-' || error != std::errc() || end != text.data() + text.size() || value > most)
        return std::nullopt;
    return value;
}

std::optional<std::string> percent_decoded(std::string_view text, bool plus) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '+' && plus) c = ' ';
        if (c == '%') {
            const int high = i + 2 < text.size() ? hex(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex(text[i + 2]) : -1;
            if (high < 0 || low < 0) return std::nullopt;
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        if (c == '\0') return std::nullopt;
        result += c;
    }
    return result;
}

std::string percent_encoded(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (is_word(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            result += c;
            continue;
        }
        constexpr char kHex[] = "0123456789ABCDEF";
        const auto byte = static_cast<unsigned char>(c);
        result += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
    return result;
}

std::optional<Params> parse_query(std::string_view text) {
    Params result;
    const bool bad = any_of_list(text, '&', [&](std::string_view part) {
        if (part.empty()) return false;
        if (result.size() == 64) return true;
        const auto equals = part.find('=');
        auto name = percent_decoded(part.substr(0, equals), true);
        auto value = percent_decoded(equals == std::string_view::npos ? "" : part.substr(equals + 1), true);
        if (!name || !value) return true;
        result.emplace_back(std::move(*name), std::move(*value));
        return false;
    });
    if (bad) return std::nullopt;
    return result;
}

Target split_target(std::string_view text) {
    const auto scheme = text.find("://");
    if (scheme == std::string_view::npos) return {std::nullopt, text};
    const std::string kind = lower(text.substr(0, scheme));
    if (kind != "http" && kind != "https") return {std::nullopt, text};
    text.remove_prefix(scheme + 3);
    const auto end = std::min(text.find_first_of("/?"), text.size());
    return {text.substr(0, end), text.substr(end)};
}

std::string_view without_port(std::string_view host) {
    if (host.starts_with('[')) {
        const auto end = host.find(']');
        return end == std::string_view::npos ? host : host.substr(0, end + 1);
    }
    return host.substr(0, host.find(':'));
}

bool host_allowed(std::string_view header, const std::vector<std::string>& names) {
    const std::string_view bare = without_port(header);
    const std::string_view port = header.substr(bare.size());
    if (!port.empty() && (port.front() != ':' || !whole_number(port.substr(1), 65535))) return false;
    const std::string host = lower(bare);
    if (host == "localhost") return true;
    if (host.find('\0') != std::string::npos) return false;  // what C would read is not all of it
    unsigned char address[16];
    if (host.starts_with('['))
        return host.size() > 2 && host.back() == ']' &&
               inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), address) == 1;
    if (inet_pton(AF_INET, host.c_str(), address) == 1) return true;
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return lower(name) == host; });
}

bool origin_allowed(std::string_view origin, std::string_view host, const std::vector<std::string>& names) {
    const auto scheme = origin.find("://");
    if (scheme == std::string_view::npos) return false;  // "null" too: a sandboxed frame, a file
    const std::string kind = lower(origin.substr(0, scheme));
    if (kind != "http" && kind != "https") return false;
    const std::string name = lower(origin.substr(scheme + 3));
    if (name.empty() || name.find_first_of("/?#@ ") != std::string::npos) return false;
    if (name == lower(host)) return true;
    const std::string_view bare = without_port(name);
    return std::any_of(names.begin(), names.end(), [&](const std::string& one) { return lower(one) == bare; });
}

bool same_secret(std::string_view given, std::string_view secret) {
    unsigned difference = given.size() == secret.size() ? 0 : 1;
    for (std::size_t i = 0; i < secret.size(); ++i) {
        const unsigned other = i < given.size() ? static_cast<unsigned char>(given[i]) : 256;
        difference |= other ^ static_cast<unsigned char>(secret[i]);
    }
    const volatile unsigned result = difference;
    return result == 0;
}

std::optional<std::string> cookie(std::string_view header, std::string_view name) {
    std::optional<std::string> found;
    any_of_list(header, ';', [&](std::string_view part) {
        const auto equals = part.find('=');
        if (equals == std::string_view::npos || part.substr(0, equals) != name) return false;
        found = std::string(part.substr(equals + 1));
        return true;
    });
    return found;
}

RangeKind parse_range(std::string_view header, std::int64_t size, Range& range) {
    if (lower(header.substr(0, 6)) != "bytes=") return RangeKind::whole;
    header.remove_prefix(6);
    const auto dash = header.find('-');
    if (dash == std::string_view::npos || header.find(',') != std::string_view::npos) return RangeKind::whole;
    const std::string_view from = trimmed(header.substr(0, dash)), to = trimmed(header.substr(dash + 1));
    const auto first = whole_number(from), last = whole_number(to);
    if ((!from.empty() && !first) || (!to.empty() && !last) || (from.empty() && to.empty())) return RangeKind::whole;
    if (first) {
        if (last && *last < *first) return RangeKind::whole;
        if (*first >= size) return RangeKind::unsatisfiable;
        range = {*first, (last ? std::min(*last, size - 1) : size - 1) - *first + 1};
        return RangeKind::part;
    }
    if (*last == 0 || size == 0) return RangeKind::unsatisfiable;
    range.count = std::min(*last, size);
    range.first = size - range.count;
    return RangeKind::part;
}

bool lists_etag(std::string_view header, std::string_view etag) {
    return any_of_list(header, ',', [&](std::string_view one) {
        if (one.starts_with("W/")) one.remove_prefix(2);
        return one == "*" || one == etag;
    });
}

std::string safe_name(std::string_view name) {
    if (const auto slash = name.find_last_of("/\\"); slash != std::string_view::npos) name.remove_prefix(slash + 1);
    std::string result;
    while (!name.empty() && result.size() < 117) {
        const std::size_t length = utf8_length(name);
        const auto head = static_cast<unsigned char>(name[0]);
        const bool control =
            head < 0x20 || head == 0x7f || (length == 2 && head == 0xc2 && static_cast<unsigned char>(name[1]) < 0xa0);
        const bool ordered =
            length == 3 && head == 0xe2 && name[1] == '\x80' && static_cast<unsigned char>(name[2]) >= 0x8b;
        if (length == 0 || control || ordered)  // U+200B to U+203F: also what reverses the direction of writing
            result += '_';
        else
            result += name.substr(0, length);
        name.remove_prefix(std::max<std::size_t>(length, 1));
    }
    const auto first = result.find_first_not_of(". ");
    result.erase(0, std::min(first, result.size()));
    return result.empty() ? "picture" : result;
}

std::string attachment(const std::string& name, bool inline_) {
    std::string plain;
    for (const char c : name) plain += c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '%' ? c : '_';
    const std::string kind = inline_ ? "inline" : "attachment";
    return kind + "; filename=\"" + plain + "\"" + (plain == name ? "" : "; filename*=UTF-8''" + percent_encoded(name));
}

std::string disposition_name(std::string_view header) {
    std::string found;
    any_of_list(header, ';', [&](std::string_view part) {
        const auto equals = part.find('=');
        if (equals == std::string_view::npos) return false;
        const std::string key = lower(trimmed(part.substr(0, equals)));
        std::string_view value = trimmed(part.substr(equals + 1));
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
        if (key == "filename") found = value;
        if (key != "filename*" || value.size() < 7 || lower(value.substr(0, 7)) != "utf-8''") return false;
        auto decoded = percent_decoded(value.substr(7), false);
        if (decoded) found = std::move(*decoded);
        return decoded.has_value();
    });
    return found.empty() ? found : safe_name(found);
}

std::optional<std::string> base64_decoded(std::string_view text) {
    static constexpr std::array<signed char, 256> kDigit = digits_of_base64();
    std::string result;
    result.reserve(text.size() / 4 * 3 + 3);
    unsigned bits = 0, count = 0, padding = 0;
    for (const char c : text) {
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
        if (c == '=') {
            if (++padding > 2) return std::nullopt;
            continue;
        }
        const int digit = kDigit[static_cast<unsigned char>(c)];
        if (digit < 0 || padding > 0) return std::nullopt;
        bits = bits << 6 | static_cast<unsigned>(digit);
        if (++count % 4 != 0) continue;
        result += {static_cast<char>(bits >> 16), static_cast<char>(bits >> 8), static_cast<char>(bits)};
        bits = 0;
    }
    const unsigned rest = count % 4;
    if (rest == 1 || (padding > 0 && (rest + padding) % 4 != 0)) return std::nullopt;
    if (rest >= 2) result += static_cast<char>(bits >> (rest == 2 ? 4 : 10));
    if (rest == 3) result += static_cast<char>(bits >> 2);
    return result;
}

std::string base64_encoded(std::string_view bytes) {
    std::string result;
    result.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto at = [&](std::size_t k) {
            return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u;
        };
        const unsigned bits = at(0) << 16 | at(1) << 8 | at(2);
        result +=
            {kAlphabet[bits >> 18], kAlphabet[bits >> 12 & 63], i + 1 < bytes.size() ? kAlphabet[bits >> 6 & 63] : '=',
             i + 2 < bytes.size() ? kAlphabet[bits & 63] : '='};
    }
    return result;
}

std::optional<Params> parse_upload_metadata(std::string_view header) {
    Params result;
    while (!trimmed(header).empty()) {
        const auto comma = header.find(',');
        const std::string_view pair = trimmed(header.substr(0, comma));
        const auto blank = pair.find(' ');
        const std::string_view key = pair.substr(0, blank);
        auto value = base64_decoded(blank == std::string_view::npos ? "" : trimmed(pair.substr(blank)));
        if (key.empty() || !value || result.size() == 32) return std::nullopt;
        result.emplace_back(key, std::move(*value));
        if (comma == std::string_view::npos) break;
        header.remove_prefix(comma + 1);
    }
    return result;
}

bool is_id(std::string_view text) {
    return !text.empty() && text.size() <= 64 &&
           std::all_of(text.begin(), text.end(), [](char c) { return is_word(c) || c == '-' || c == '_'; });
}

std::string random_id() {
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes))
        std::abort();  // Linux promises up to 256
    std::string result;
    for (const unsigned char byte : bytes) result += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    return result;
}

}  // namespace serve
