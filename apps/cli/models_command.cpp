// SPDX-License-Identifier: Apache-2.0
// `enlarge models list | pull NAME | info FILE`.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "CLI/CLI.hpp"
#include "command.hpp"
#include "engine_options.hpp"
#include "enlarge/enlarge.hpp"
#include "enlarge/models.hpp"
#include "reporter.hpp"
#include "text.hpp"

namespace cli {
namespace {

struct ModelsOptions {
    bool names = false, json = false, quiet = false;
    std::vector<std::string> pull;
    std::string info;
};

std::string stem(const std::string& path) { return std::filesystem::path(path).stem().string(); }

std::string megabytes(std::int64_t bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
    return text;
}

int list(const ModelsOptions& options) {
    const auto known = enlarge::public_models();
    if (!known) return fail(known.error());
    if (options.names) {
        for (const std::string& name : model_names()) std::printf("%s\n", printable(name).c_str());
        return kOk;
    }
    if (!options.json) std::printf("Built in:\n");
    for (const std::string& name : enlarge::builtin_models()) {
        const auto model = enlarge::Model::open(name);
        if (!model) return fail(model.error());
        const enlarge::ModelInfo& info = model->info();
        if (options.json)
            std::printf("%s\n", JsonLine("model").add("name", name).add("state", "built in").add("family", info.family).add("scale", info.scale)
                                    .add("licence", info.licence).text().c_str());
        else
            std::printf("  %-28s x%d  %s%s\n", name.c_str(), info.scale, info.family.c_str(), name == enlarge::kDefaultModel ? "  (the default)" : "");
    }
    for (const bool here : {true, false}) {
        if (!options.json) std::printf("%s", here ? "Stored here:\n" : "To be had with `enlarge models pull NAME`:\n");
        std::size_t shown = 0;
        std::vector<std::string> own = here ? enlarge::stored_models() : std::vector<std::string>{};
        for (const enlarge::PublicModel& model : *known) {
            own.erase(std::remove(own.begin(), own.end(), model.path), own.end());
            if (model.path.empty() == here) continue;
            ++shown;
            if (options.json)
                std::printf("%s\n", JsonLine("model").add("name", model.name).add("state", here ? "stored" : "available").add("family", model.family)
                                        .add("scale", model.scale).add("bytes", model.bytes).add("licence", model.licence).add("purpose", model.purpose)
                                        .add("path", model.path).text().c_str());
            else
                std::printf("  %-28s x%d  %-8s %9s  %s\n", printable(model.name).c_str(), model.scale, model.family.c_str(), megabytes(model.bytes).c_str(), printable(model.purpose).c_str());
        }
        for (const std::string& path : own) {
            ++shown;
            if (options.json)
                std::printf("%s\n", JsonLine("model").add("name", stem(path)).add("state", "stored").add("path", path).text().c_str());
            else
                std::printf("  %-28s     %s\n", printable(stem(path)).c_str(), printable(path).c_str());
        }
        if (shown == 0 && !options.json) std::printf("  none\n");
    }
    return kOk;
}

int pull(const ModelsOptions& options) {
    const auto known = enlarge::public_models();
    if (!known) return fail(known.error());
    ReportOptions report;
    report.quiet = options.quiet;
    report.json = options.json;
    Reporter reporter(report);
    reporter.expect(options.pull.size());
    int code = kOk;
    for (const std::string& name : options.pull) {
        reporter.start(name, "");
        const auto path = enlarge::pull_model(name, [&](std::int64_t done, std::int64_t total) {
            reporter.progress(total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0);
            return !interrupted();
        });
        if (!path) {
            enlarge::Error error = path.error();
            if (error.code == enlarge::Errc::not_found) error.message += suggestion(name);
            reporter.error(name, error);
            code = exit_code(error.code);
            if (interrupted()) return kInterrupted;
            continue;
        }
        std::string licence, address;
        for (const enlarge::PublicModel& model : *known)
            if (model.name == name) licence = model.licence, address = model.licence_address;
        reporter.done(*path, JsonLine("done").add("name", name).add("path", *path).add("licence", licence));
        if (!options.json && !options.quiet)
            std::printf("%s\nlicence: %s%s%s\n", printable(*path).c_str(), printable(licence).c_str(), address.empty() ? "" : ", ", printable(address).c_str());
    }
    return code;
}

int info(const ModelsOptions& options) {
    const auto model = enlarge::Model::open(options.info);
    if (!model) {
        enlarge::Error error = model.error();
        if (error.code == enlarge::Errc::not_found) error.message += suggestion(options.info);
        return fail(error);
    }
    const enlarge::ModelInfo& i = model->info();
    if (options.json) {
        std::printf("%s\n", JsonLine("model").add("name", i.name).add("path", i.path).add("family", i.family).add("variant", i.variant)
                                .add("features", i.features).add("blocks", i.blocks).add("growth", i.growth).add("scale", i.scale).add("channels", i.channels)
                                .add("parameters", i.parameters).add("macs_per_pixel", i.macs_per_pixel).add("receptive_radius", i.receptive_radius)
                                .add("licence", i.licence).text().c_str());
        return kOk;
    }
    std::printf("name              %s\n", printable(i.name).c_str());
    if (!i.path.empty()) std::printf("file              %s\n", printable(i.path).c_str());
    std::printf("family            %s%s%s\n", i.family.c_str(), i.variant.empty() ? "" : ", ", printable(i.variant).c_str());
    std::printf("size              %d features, %d blocks", i.features, i.blocks);
    if (i.growth) std::printf(", growth %d", i.growth);
    std::printf("\nscale             x%d\nchannels          %d\nparameters        %lld\n", i.scale, i.channels, static_cast<long long>(i.parameters));
    std::printf("MAC per pixel     %.0f\nreceptive radius  %d pixels\nlicence           %s\n", i.macs_per_pixel, i.receptive_radius,
                i.licence.empty() ? "not known" : printable(i.licence).c_str());
    return kOk;
}

}  // namespace

Action define_models(CLI::App& app) {
    auto options = std::make_shared<ModelsOptions>();
    auto* list_app = app.add_subcommand("list", "What is built in, stored here, and to be had (the default)");
    list_app->add_flag("--names", options->names, "Names only, of those that can be used now")->group("Output");
    list_app->add_flag("--json", options->json, "One JSON object per model and line")->group("Output");
    auto* pull_app = app.add_subcommand("pull", "Fetch public networks, check and store them");
    pull_app->add_option("NAME", options->pull, "Names from the list")->required()->group("Arguments");
    pull_app->add_flag("--quiet", options->quiet, "Errors only")->group("Output");
    pull_app->add_flag("--json", options->json, "JSON lines: start, progress, done, error")->group("Output");
    auto* info_app = app.add_subcommand("info", "What a weight file or a named network is");
    info_app->add_option("NAME", options->info, "Weight file, or name")->type_name("NAME|FILE")->required()->group("Arguments");
    info_app->add_flag("--json", options->json, "One JSON object on one line")->group("Output");
    app.require_subcommand(0, 1);
    return [options, pull_app, info_app] { return pull_app->parsed() ? pull(*options) : info_app->parsed() ? info(*options) : list(*options); };
}

}  // namespace cli
