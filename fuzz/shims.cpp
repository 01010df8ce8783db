// SPDX-License-Identifier: Apache-2.0
// Requests in the shapes of other servers' clients. The first byte says which: 'e' one picture, 'b' a batch, 'i' a
// tensor, whose head has as many bytes as the two that follow say.
#include <cstdint>
#include <string>

#include "fuzz/clients.hpp"
#include "service/shim_requests.hpp"

namespace {

using enlarge::fuzz::accepted;
using enlarge::fuzz::is_sentence;
using enlarge::fuzz::require;

void extras(const std::string& body, bool batch) {
    const auto request = serve::parse_extras(body, batch);
    if (!request) return is_sentence(request.error());
    accepted = true;
    require(!request->pictures.empty() && request->pictures.size() <= 64, "1 to 64 pictures");
    require(batch || request->pictures.size() == 1, "one picture");
    for (const auto& picture : request->pictures) {
        require(!picture.bytes.empty() && picture.bytes.size() <= body.size(), "no more bytes than came");
        require(picture.name.find('/') == std::string::npos && !picture.name.starts_with("."), "a name is no path");
    }
}

void infer(const std::string& body, std::int64_t head) {
    const auto request = serve::parse_infer(body, head);
    if (!request) return is_sentence(request.error());
    accepted = true;
    require(request->width > 0 && request->height > 0 && (request->channels == 1 || request->channels == 3), "a shape");
    const auto wanted = std::size_t(request->width) * std::size_t(request->height) * std::size_t(request->channels);
    require(request->pixels.size() == wanted, "as many pixels as the shape says");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 3) return 0;
    const std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (data[0] == 'e') extras(body, false);
    if (data[0] == 'b') extras(body, true);
    if (data[0] == 'i') infer(body.substr(2), data[1] == 0xff ? -1 : data[1] * 256 + data[2]);
    return 0;
}
