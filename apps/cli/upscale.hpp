// SPDX-License-Identifier: Apache-2.0
// The main command's options, shared by its picture and its video half.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "engine_options.hpp"
#include "enlarge/picture.hpp"
#include "inputs.hpp"
#include "reporter.hpp"

namespace cli {

// How pictures are read and written.
struct PictureChoice {
    std::string format;           // of --format; empty: by extension
    int quality = 0;
    bool lossless = false;
    std::string background;       // "white", "#rrggbb"
    bool allow_damaged = false;
    bool no_provenance = false;
};
// Adds the options in this group; --alpha is the engine's.
void define_picture_options(CLI::App& app, PictureChoice& picture, EngineChoice& engine, const char* group);

struct UpscaleOptions : PictureChoice {
    InputOptions inputs;
    EngineChoice engine;
    ReportOptions report;
    bool force = false;
    int page = 0;                 // counted from 1; 0 when not given
    // instead of the whole
    std::string preview;          // "x,y,w,h" of the input
    bool try_models = false;
    std::string crop;             // of try_models, likewise
};

// The networks and their upscalers, made when first needed and used for all inputs, as settings_for() says.
class Upscalers {
public:
    explicit Upscalers(const UpscaleOptions& options) : options_(options) {}
    enlarge::Result<enlarge::Model*> model(enlarge::Use use, double factor);
    enlarge::Result<enlarge::Upscaler*> upscaler(enlarge::Use use, double factor);
    // What upscaler() is made of.
    [[nodiscard]] enlarge::Result<Settings> settings(enlarge::Use use, double factor) const;
    // Settings::said of what is used; empty when it was given before.
    std::string remark(enlarge::Use use, double factor);

private:
    struct Opened {
        enlarge::Model model;
        double strength = 1;
        std::optional<enlarge::Upscaler> upscaler;
    };
    enlarge::Result<Opened*> network(enlarge::Use use, double factor);

    const UpscaleOptions& options_;
    std::map<std::tuple<std::string, double, double>, Opened> networks_;  // by name, denoising and strength
    std::set<std::string> said_;
};

// Where upscale_picture() will write; the input is opened when the name depends on it.
enlarge::Result<std::string> picture_output(const Job& job, const UpscaleOptions& options);
// Makes it and all above it; an empty name is the folder that is there.
enlarge::Result<void> make_folder(const std::string& folder);

// "x,y,width,height". Fails with Errc::argument, naming the option.
enlarge::Result<enlarge::Rect> parse_rect(const std::string& text, const char* option);
// The part of it that lies in a picture of this size. Fails with Errc::argument where there is none.
enlarge::Result<enlarge::Rect> rect_within(const std::string& text, const char* option, enlarge::Size size);
// The file, or what a pipe gives.
enlarge::Result<enlarge::Picture> open_picture(const std::string& path, const UpscaleOptions& options);

// How many times larger its result is along the longer way, by these options; 0 when that is left to the network.
enlarge::Result<double> picture_factor(const enlarge::Picture& picture, const UpscaleOptions& options);

// One picture with the same crop by every network that is here (--try-models).
enlarge::Result<void> try_models(const Job& job, const UpscaleOptions& options, Reporter& reporter);

// Which model makes finer pictures than the default, for people at a terminal and once a day at most; else empty.
std::string better_model(const UpscaleOptions& options, enlarge::Use use);

// One picture, from file to file. `output` may be empty (named by default). Errors have been given the file's name.
enlarge::Result<void> upscale_picture(const Job& job, const UpscaleOptions& options, Upscalers& upscalers,
                                      Reporter& reporter);

}  // namespace cli
