// SPDX-License-Identifier: Apache-2.0
// Public models: which there are, where their files are kept on this machine, and how to get them.
//
// Files live in models_folder(). Only what has the registered size and SHA-256 is ever put there by pull_model(); files
// that a user copies there, or keeps in folders that ENLARGE_MODELS names (several: separated by ':'), are found by
// their name, too: they are a public model only where size and SHA-256 are that one's. Nothing here asks the network
// but pull_model().
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "enlarge/cancel.hpp"
#include "enlarge/notice.hpp"
#include "enlarge/result.hpp"

namespace enlarge {

// A model somebody else published, as models/registry.json describes it.
struct PublicModel {
    std::string name;                    // "realesr-general-x4v3"
    std::vector<std::string> aliases;    // other names it is known by: "4x-realesr-general-x4v3"
    std::string author;                  // empty when not known
    std::string file;                    // "realesr-general-x4v3.pth"
    std::vector<std::string> addresses;  // where a program can download the file, tried in this order; may be empty
    std::string page;                    // where a person finds it
    std::int64_t bytes = 0;
    std::string sha256;                  // lower-case hex
    std::string licence;                 // SPDX: "BSD-3-Clause"; "unknown" when its author named none
    std::string licence_address;         // may be empty
    std::optional<bool> commercial;      // whether the licence allows commercial use; nullopt when the licence is unknown
    std::string family;                  // "Compact", "RRDB", "SwinIR"
    bool runs = false;                   // whether this build runs networks of that family
    int scale = 0;
    std::vector<std::string> tags;       // "anime", "photo", "jpeg", ...
    std::string purpose;                 // one line, for people; the tags where nobody wrote one
    bool original = false;               // one of the classic networks that the registry says a purpose of
    std::string path;                    // where that very file is stored here; empty when it is not
};

// All public models, in the registry's order. Fails only when ENLARGE_MODELS_REGISTRY names a registry (for tests, or a
// mirror inside a company) that cannot be read.
Result<std::vector<PublicModel>> public_models();

// What to look for. Fields left as they are take everything.
struct ModelQuery {
    std::string text;         // words; each must occur in the name, another name, the author, the family, a tag or the
                              // purpose, whatever its case
    int scale = 0;            // as drawn by the network
    std::string family;       // whatever its case
    bool commercial = false;  // only those whose licence is known to allow commercial use
    bool runs = false;        // only those that this build runs
};

// The public models that fit, in the registry's order.
Result<std::vector<PublicModel>> search_models(const ModelQuery& query);

// $XDG_DATA_HOME/enlarge/models, or ~/.local/share/enlarge/models. Fails when neither variable is set.
Result<std::string> models_folder();

// Paths of the weight files in models_folder(), sorted, then those in the folders of ENLARGE_MODELS and below. Hidden
// files and folders are passed over. Whether they hold a network is not looked at.
std::vector<std::string> stored_models();

// One of them.
struct StoredModel {
    std::string path;
    std::string name;          // by which Model::open() opens this file and no other; the path where none does
    std::string public_model;  // name of the public model that it is, by size and SHA-256; empty: a file of one's own
    std::string namesake;      // name of the built-in or public model that is named so and that it is not; else empty
};
// The files of stored_models(), in that order. Fails as public_models() does.
Result<std::vector<StoredModel>> list_stored_models();

// What ENLARGE_MODELS names that is no folder, a remark for each.
std::vector<Notice> own_folder_notices();

// Whether an SPDX licence allows commercial use; nullopt when it is empty or "unknown".
std::optional<bool> allows_commercial_use(std::string_view licence);

// The model that this user wants where none is named: what prefer_model() wrote into $XDG_CONFIG_HOME/enlarge/model (or
// ~/.config/enlarge/model); empty when nothing did. The library itself never asks: only the command line does.
std::string preferred_model();

// Keeps that name; an empty one undoes it. Fails with Errc::io, or ::not_found when there is no folder for it.
Result<void> prefer_model(const std::string& name);

// The stored file for a name: of a public model, by any of its names ("realesr-general-x4v3"), where its very file is
// stored; else of any stored file, by its path within its folder ("anime/4x_mine.pth") or its own name ("4x_mine.pth"),
// with or without ending. Case does not count, nor '_' against '-', where no file is named exactly so.
// Fails with Errc::argument, naming them, when several files may be meant; with Errc::not_found when there is none: for
// a public model that is not stored the message says how to get it.
Result<std::string> find_model(const std::string& name);

// The public model of that name or alias, stored or not. Fails with Errc::not_found.
Result<PublicModel> find_public_model(const std::string& name);

// Called with the bytes there so far and the bytes of the whole file; return false to stop with Errc::cancelled (what is
// there is kept, and the next pull continues). Called on the caller's thread, several times a second.
using PullProgress = std::function<bool(std::int64_t done, std::int64_t total)>;

// Downloads a public model into models_folder() and gives its path; does nothing when it is there already. A download
// that was interrupted continues; where one address fails the next is tried. The file gets its name only after size and
// SHA-256 are right. Fails with Errc::not_found for an unknown name, ::network when no server can be reached or all send
// something else, or when ENLARGE_OFFLINE is set and not "0", ::format when the content is not the registered one, ::io
// when the disk is full or not writable, ::unsupported when no program can download the file: the message says where a
// person finds it.
// `cancel` stops it as `progress` can.
Result<std::string> pull_model(const std::string& name, const PullProgress& progress = {},
                               const Cancellation& cancel = {});

}  // namespace enlarge
