// SPDX-License-Identifier: Apache-2.0
// Any bytes as a list of public models. What is accepted can be stored without leaving the folder of models.
#include "zoo/registry.hpp"

#include <cctype>
#include <cstdint>
#include <string_view>

#include "fuzz/outcome.hpp"
#include "fuzz/weights.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace enlarge;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const bool overridden : {false, true}) {
        const auto registry = zoo::parse_registry(text, overridden);
        if (!registry) {
            fuzz::require(!registry.error().message.empty() && registry.error().code == Errc::format,
                          "a bad list is Errc::format");
            fuzz::require(registry.error().message.size() < 1000, "an error is short");
            continue;
        }
        fuzz::accepted = fuzz::accepted || !registry->models.empty();
        for (const PublicModel& model : registry->models) {
            for (const std::string& name : {model.name, model.file}) {
                fuzz::require(!name.empty() && name[0] != '.', "no hidden name, no \"..\"");
                fuzz::require(name.find('/') == std::string::npos && name.find('\0') == std::string::npos,
                              "a name has no folder");
                for (const unsigned char c : name) fuzz::require(c > 0x20 && c < 0x7f, "a name is plain text");
            }
            for (const std::string& address : model.addresses)
                fuzz::require(address.starts_with("https://") || (overridden && address.starts_with("http://")), "https");
            fuzz::require(!model.addresses.empty() || model.page.starts_with("https://"), "an address or a page");
            fuzz::require(model.bytes > 0 && model.scale > 0, "positive sizes");
            fuzz::require(model.sha256.size() == 64, "a whole hash");
        }
    }
    return 0;
}
