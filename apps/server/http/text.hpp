// SPDX-License-Identifier: Apache-2.0
// What strangers write into requests: addresses, headers, names. Readers of text alone; none of them fails on any
// bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace serve {

using Params = std::vector<std::pair<std::string, std::string>>;  // in the order given; a name may occur twice

// "%41" -> "A"; with `plus`, '+' is a blank. Nothing where a '%' is not followed by two hexadecimal digits, or where
// the text would hold a zero byte.
std::optional<std::string> percent_decoded(std::string_view text, bool plus);
// The reverse: letters, digits and "-._~" stay.
std::string percent_encoded(std::string_view text);

// "a=1&b=two%20words". Nothing when a part cannot be decoded or there are more than 64 parts.
std::optional<Params> parse_query(std::string_view text);

// What a request line asks for: "/v1?a=b", or with the server's name before it, "http://a.example:80/v1?a=b", as
// clients write who take this for a proxy.
struct Target {
    std::optional<std::string_view> host;
    std::string_view address;
};
Target split_target(std::string_view text);

// Whether a Host header names this machine (localhost, an address in figures) or one of `names`, with any port: what no
// page of another site can be called, whatever a name server says.
bool host_allowed(std::string_view host, const std::vector<std::string>& names);
// Whether an Origin header is of the page that `host` is of, or of one of `names`.
bool origin_allowed(std::string_view origin, std::string_view host, const std::vector<std::string>& names);
// "[::1]:4848" -> "[::1]"; "a.b:1" -> "a.b".
std::string_view without_port(std::string_view host);

// Takes the same time wherever the two differ; it tells only the length of `secret`.
bool same_secret(std::string_view given, std::string_view secret);
// The value of a cookie; nothing when it is not there.
std::optional<std::string> cookie(std::string_view header, std::string_view name);

// Of a file of `size` bytes.
struct Range {
    std::int64_t first = 0, count = 0;
};
enum class RangeKind {
    whole,  // no range, several, or something else than bytes: the whole is answered, as RFC 9110 allows
    part,
    unsatisfiable,  // 416
};
RangeKind parse_range(std::string_view header, std::int64_t size, Range& range);

// Whether an If-None-Match or If-Match header lists this ETag (given with its quotes), or is '*'.
bool lists_etag(std::string_view header, std::string_view etag);

// The name of a file as a stranger gives it, for messages and for the one that downloads it: its last part, no control
// characters, valid UTF-8, at most 120 bytes; never empty, never beginning with '.', and never used as a path here.
std::string safe_name(std::string_view name);
// Content-Disposition for a download of that name (RFC 6266).
std::string attachment(const std::string& name, bool inline_ = false);
// The file name in a Content-Disposition header; empty when there is none.
std::string disposition_name(std::string_view header);

// RFC 4648, padded or not; blanks and line ends are passed over. Nothing when something else is in it.
std::optional<std::string> base64_decoded(std::string_view text);
std::string base64_encoded(std::string_view bytes);

// tus: "filename d29ybGQ=,is_confidential" -> names and decoded values. Nothing where it is not so.
std::optional<Params> parse_upload_metadata(std::string_view header);

// A name that a client may give to a job or that is ours: 1 to 64 letters, digits, '-' and '_'.
bool is_id(std::string_view text);
// 128 random bits as hexadecimal digits.
std::string random_id();

std::string lower(std::string_view text);
std::string_view trimmed(std::string_view text);
// A whole number without sign, all of the text, at most `most`.
std::optional<std::int64_t> whole_number(std::string_view text, std::int64_t most = INT64_MAX);

}  // namespace serve
