// SPDX-License-Identifier: Apache-2.0
// What a request asks for: parameters, and the first bytes of an upload. The first byte says which.
#include <cstdint>
#include <span>
#include <string>

#include "fuzz/clients.hpp"
#include "work/kinds.hpp"
#include "work/options.hpp"

namespace {

using enlarge::fuzz::accepted;
using enlarge::fuzz::is_sentence;
using enlarge::fuzz::require;

void options(std::string_view text) {
    const auto query = serve::parse_query(text);
    if (!query) return;
    const auto parsed = serve::parse_options(*query);
    if (!parsed) return is_sentence(parsed.error());
    accepted = true;
    require(parsed->model.find('/') == std::string::npos && !parsed->model.starts_with("."), "a model is no path");
    require(parsed->size.scale >= 0 && parsed->size.scale <= 64 && parsed->size.width >= 0 && parsed->size.height >= 0,
            "sizes");
    require(parsed->denoise <= 1 && parsed->strength <= 1 && parsed->quality >= 0 && parsed->quality <= 100, "shares");
    require(parsed->format.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string::npos,
            "a format is a word");
    if (parsed->preview) require(parsed->preview->width > 0 && parsed->preview->x >= 0, "a part has a size");
}

void upload(std::span<const std::byte> head) {
    const auto kind = serve::kind_of(head);
    if (!kind) return is_sentence(kind.error());
    accepted = true;
    require(kind->moving == !kind->demuxer.empty(), "films have a reader that is forced");
    require(kind->extension.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string::npos,
            "an ending is a word");
    const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
    require(!text.starts_with("#EXTM3U") && !text.starts_with("ffconcat") && !text.starts_with("v=0") &&
                !text.starts_with("<"),
            "what names other files is refused");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    if (data[0] == 'o') options({reinterpret_cast<const char*>(data) + 1, size - 1});
    if (data[0] == 'u') upload(std::as_bytes(std::span(data, size)).subspan(1));
    return 0;
}
