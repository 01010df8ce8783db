// SPDX-License-Identifier: Apache-2.0
// Options of pictures, for one run and for a job of many machines.
#include "CLI/CLI.hpp"
#include "checks.hpp"
#include "upscale.hpp"

namespace cli {

void define_picture_options(CLI::App& app, PictureChoice& picture, EngineChoice& engine, const char* group) {
    app.add_option("--format", picture.format,
                   "Write jpg, png, webp, tif, avif, heic, jxl, ppm or pfm (default: by the output's extension)")
        ->type_name("FORMAT")
        ->group(group);
    app.add_option("-q,--quality", picture.quality,
                   "Of lossy formats, 1 to 100 (default: JPEG 95, WebP and JPEG XL 92, AVIF and HEIC 80)")
        ->type_name("N")
        ->check(whole(1, 100))
        ->group(group);
    app.add_flag("--lossless", picture.lossless, "Compress WebP or JPEG XL without loss")->group(group);
    app.add_option("--alpha", engine.alpha, "How transparency is enlarged: network or lanczos")
        ->type_name("HOW")
        ->check(CLI::IsMember({"network", "lanczos"}))
        ->capture_default_str()
        ->group(group);
    app.add_option("--background", picture.background, "Replace transparency by a colour: white, black, #rrggbb")
        ->type_name("COLOUR")
        ->group(group);
    app.add_flag("--allow-damaged", picture.allow_damaged, "Take what can be decoded of a truncated or damaged file")
        ->group(group);
    app.add_flag("--no-provenance", picture.no_provenance,
                 "Do not record in the metadata that the picture was enlarged and by which network")
        ->group(group);
}

}  // namespace cli
