// SPDX-License-Identifier: Apache-2.0
// The line that tells of a better model, once a day at most.
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "enlarge/models.hpp"
#include "text.hpp"
#include "upscale.hpp"

namespace cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFiner = "realesr-general-x4v3";  // which the built-in ones were taught by
constexpr double kFinerWork = 1'209'024;                // multiplications per input pixel

// True once a day, kept by a file's time; false where nothing can be kept.
bool once_a_day() {
    const std::string folder = enlarge::cache_folder();
    if (folder.empty()) return false;
    std::error_code error;
    const fs::path file = fs::path(folder) / "better-model-said";
    const auto written = fs::last_write_time(file, error);
    if (!error && fs::file_time_type::clock::now() - written < std::chrono::hours(24)) return false;
    fs::create_directories(folder, error);
    return static_cast<bool>(std::ofstream(file, std::ios::trunc) << "delete this to be told again\n");
}

// "about 4 times the time"
std::string costs(const std::string& from, double work) {
    const auto model = enlarge::Model::open(from);
    const double times = model && model->info().macs_per_pixel > 0 ? work / model->info().macs_per_pixel : 0;
    return times >= 1.5 ? " in about " + fixed(times, 0) + " times the time" : "";
}

}  // namespace

std::string better_model(const UpscaleOptions& options, enlarge::Use use) {
    const EngineChoice& choice = options.engine;
    const bool by_default = choice.model.empty() && choice.purpose.empty() && choice.denoise < 0 && choice.strength != 0 && choice.blend.empty() &&
                            !options.try_models;
    if (!by_default || options.report.quiet || options.report.json || !isatty(STDERR_FILENO)) return "";
    if (!enlarge::preferred_model().empty()) return "";
    const std::string used = enlarge::default_model(use, choice.scale);
    if (use == enlarge::Use::video) {
        const std::string finer = enlarge::default_model(enlarge::Use::pictures, choice.scale);
        const auto model = enlarge::Model::open(finer);
        if (!model || !once_a_day()) return "";
        return "finer" + costs(used, model->info().macs_per_pixel) + ": -m " + finer;
    }
    const auto finer = enlarge::find_public_model(kFiner);
    if (!finer || (finer->path.empty() && offline(choice.fetch)) || !once_a_day()) return "";
    const std::string download = finer->path.empty() ? " (" + megabytes(finer->bytes) + ", fetched once)" : "";
    return "finer" + costs(used, kFinerWork) + ": -m " + finer->name + download + "; every model side by side: --try-models";
}

}  // namespace cli
