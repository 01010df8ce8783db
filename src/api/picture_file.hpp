// SPDX-License-Identifier: Apache-2.0
// One picture, from file to file: what `enlarge in.png -o out.png` does.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "enlarge/engine.hpp"
#include "enlarge/picture.hpp"

namespace enlarge {

struct PictureFileOptions {
    OutputSize size;
    ReadOptions read;
    WriteOptions write;                    // `provenance_model` is filled in by enlarge_picture()
    bool provenance = true;
    std::optional<Background> background;  // behind what is transparent
    std::function<void(const Notice&)> notice;
};

struct PictureFileReport {
    Size input;
    UpscaleReport work;
};

Result<PictureFileReport> enlarge_picture(Engine::Session& session, const std::string& input,
                                          const std::string& output, const PictureFileOptions& options,
                                          const CallOptions& call);

}  // namespace enlarge
