// SPDX-License-Identifier: Apache-2.0
// Public models: which there are, where their files are kept on this machine, and how to get them.
//
// Files live in models_folder(). Only what has the registered size and SHA-256 is ever put there by pull_model(); files
// that a user copies there are found by their name, too.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "enlarge/result.hpp"

namespace enlarge {

// A model somebody else published, as models/registry.json describes it.
struct PublicModel {
    std::string name;         // "realesr-general-x4v3"
    std::string file;         // "realesr-general-x4v3.pth"
    std::string address;      // where it is downloaded from
    std::int64_t bytes = 0;
    std::string sha256;       // lower-case hex
    std::string licence;      // SPDX: "BSD-3-Clause"
    std::string licence_address;
    std::string family;       // "Compact", "RRDB"
    int scale = 0;
    std::string purpose;      // one line, for people
    std::string path;         // where it is stored here; empty when it is not
};

// All public models, in the registry's order. Fails only when ENLARGE_MODELS_REGISTRY names a registry (for tests, or a
// mirror inside a company) that cannot be read.
Result<std::vector<PublicModel>> public_models();

// $XDG_DATA_HOME/enlarge/models, or ~/.local/share/enlarge/models. Fails when neither variable is set.
Result<std::string> models_folder();

// Paths of the weight files in models_folder(), sorted; public ones and those a user copied there.
std::vector<std::string> stored_models();

// The stored file for a name: of a public model ("realesr-general-x4v3") or of a file in models_folder(), with or
// without its extension. Fails with Errc::not_found; for a public model that is not stored the message says how to get it.
Result<std::string> find_model(const std::string& name);

// Called with the bytes there so far and the bytes of the whole file; return false to stop with Errc::cancelled (what is
// there is kept, and the next pull continues). Called on the caller's thread, several times a second.
using PullProgress = std::function<bool(std::int64_t done, std::int64_t total)>;

// Downloads a public model into models_folder() and gives its path; does nothing when it is there already. A download
// that was interrupted continues. The file gets its name only after size and SHA-256 are right. Fails with
// Errc::not_found for an unknown name, ::network when the server cannot be reached or sends something else, ::format
// when the content is not the registered one, ::io when the disk is full or not writable.
Result<std::string> pull_model(const std::string& name, const PullProgress& progress = {});

}  // namespace enlarge
