// SPDX-License-Identifier: Apache-2.0
// Weight files in models_folder() and the folders of ENLARGE_MODELS: which there are, and which one a name means.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "enlarge/models.hpp"

namespace enlarge::zoo {

struct StoredFile {
    std::string path;
    std::string relative;  // within its folder: "anime/Deep-One.safetensors"
};

// Sorted, models_folder() first. Nothing hidden, nothing twice.
std::vector<StoredFile> stored_files();

// Those that a name may mean: whose path within the folder it is; else whose file name, or either of them without the
// ending; else the same whatever the case, or '_' and ' ' for '-'. Several when only more words tell them apart.
std::vector<const StoredFile*> meant(const std::vector<StoredFile>& files, const std::string& name);

// By what each of the files, and none but it, is meant: the shortest of its name without ending, its path within the
// folder, its path. No name for which `taken` says true, because it means something else.
std::vector<std::string> names_of(const std::vector<StoredFile>& files,
                                  const std::function<bool(const std::string& name)>& taken);

// Whether a file has the size and the SHA-256 of a public model. Read only where the size is right, and once per
// process while the file stays as it is.
bool is_file_of(const PublicModel& model, const std::string& path);

// Whether a file is named as that public model: by its name, its file or an alias.
bool is_named_as(const PublicModel& model, const std::string& path);

// Fills in `path` of the models whose file is among these.
void locate(std::vector<PublicModel>& models, const std::vector<StoredFile>& files);

// What a name means here.
struct Found {
    std::string path;
    std::string not_public;  // name of the public model that is named so, and that the file is not; else empty
};
// Fails as find_model() does.
Result<Found> find(const std::string& name);

}  // namespace enlarge::zoo
