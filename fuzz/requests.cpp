// SPDX-License-Identifier: Apache-2.0
// What clients write into addresses and headers. The first byte says which reader gets the rest.
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/outcome.hpp"
#include "http/text.hpp"

namespace {

using enlarge::fuzz::accepted;
using enlarge::fuzz::require;

// The text before and after the first line's end.
std::pair<std::string_view, std::string_view> halves(std::string_view text) {
    const auto end = text.find('\n');
    return {text.substr(0, end), end == std::string_view::npos ? "" : text.substr(end + 1)};
}

void query(std::string_view text) {
    const auto parsed = serve::parse_query(text);
    if (!parsed) return;
    accepted = true;
    require(parsed->size() <= 64, "at most 64 parameters");
    std::string again;
    for (const auto& [name, value] : *parsed) {
        require((name + value).find('\0') == std::string::npos, "no zero bytes");
        again += (again.empty() ? "" : "&") + serve::percent_encoded(name) + "=" + serve::percent_encoded(value);
    }
    require(serve::parse_query(again) == parsed, "what is written as a query reads as it was");
}

void target(std::string_view text) {
    const serve::Target split = serve::split_target(text);
    require(text.ends_with(split.address), "an address is the end of what was asked for");
    if (!split.host) return require(split.address == text, "or all of it");
    accepted = serve::host_allowed(*split.host, {});
    require(split.host->find_first_of("/?") == std::string_view::npos, "a host has no path");
    require(split.address.empty() || split.address[0] == '/' || split.address[0] == '?', "an address begins as one");
}

void host(std::string_view text) {
    const auto [name, origin] = halves(text);
    accepted = serve::host_allowed(name, {"pictures.example"});
    require(!accepted || name.find('/') == std::string_view::npos, "a host has no path");
    if (serve::origin_allowed(origin, "a.example", {}))
        require(serve::lower(origin) == "http://a.example" || serve::lower(origin) == "https://a.example",
                "one origin is allowed");
}

void range(std::string_view text) {
    const auto [number, header] = halves(text);
    const std::int64_t size = serve::whole_number(number).value_or(1000);
    serve::Range part;
    if (serve::parse_range(header, size, part) != serve::RangeKind::part) return;
    accepted = true;
    require(part.first >= 0 && part.count > 0 && part.first <= size - part.count, "a part lies in the file");
}

void name(std::string_view text) {
    for (const std::string& one : {serve::safe_name(text), serve::disposition_name(text)}) {
        if (one.empty()) continue;
        require(one.size() <= 120 && one[0] != '.', "a name is short and not hidden");
        for (const unsigned char c : one)
            require(c >= 0x20 && c != 0x7f && c != '/' && c != '\\', "a name has no folder and no control");
        require(serve::safe_name(one) == one, "a safe name stays as it is");
        const std::string header = serve::attachment(one);
        for (const unsigned char c : header) require(c >= 0x20 && c < 0x7f, "a header is plain text");
        require(serve::disposition_name(header) == one || one.find_first_of("\"\\%;") != std::string::npos,
                "a name comes back");
    }
    accepted = true;
}

void base64(std::string_view text) {
    require(serve::base64_decoded(serve::base64_encoded(text)) == std::string(text), "bytes come back");
    if (const auto bytes = serve::base64_decoded(text)) {
        accepted = true;
        require(bytes->size() <= text.size() / 4 * 3 + 3, "no more bytes than digits hold");
    }
}

void secrets(std::string_view text) {
    const auto [given, secret] = halves(text);
    accepted = serve::same_secret(secret, secret);
    require(serve::same_secret(given, secret) == (given == secret), "a secret is itself alone");
    if (const auto value = serve::cookie(given, "enlarge_token"))
        require(given.find(*value) != std::string_view::npos, "a cookie's value is in the header");
    (void)serve::lists_etag(given, secret);
}

void metadata(std::string_view text) {
    const auto parsed = serve::parse_upload_metadata(text);
    if (!parsed) return;
    accepted = true;
    require(parsed->size() <= 32, "at most 32 entries");
    for (const auto& entry : *parsed)
        require(!entry.first.empty() && entry.first.find_first_of(", ") == std::string::npos, "keys are words");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0]) {
        case 'q':
            query(text);
            break;
        case 't':
            target(text);
            break;
        case 'h':
            host(text);
            break;
        case 'r':
            range(text);
            break;
        case 'n':
            name(text);
            break;
        case 'b':
            base64(text);
            break;
        case 's':
            secrets(text);
            break;
        case 'm':
            metadata(text);
            break;
        default:
            break;
    }
    return 0;
}
