// SPDX-License-Identifier: Apache-2.0
// `enlarge models list | search WORDS | pull NAME | info FILE | check FILE | use NAME`.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "CLI/CLI.hpp"
#include "check_model.hpp"
#include "checks.hpp"
#include "command.hpp"
#include "engine_options.hpp"
#include "enlarge/enlarge.hpp"
#include "enlarge/models.hpp"
#include "fetch_model.hpp"
#include "reporter.hpp"
#include "text.hpp"

namespace cli {
namespace {

struct ModelsOptions {
    bool names = false, json = false, quiet = false;
    std::vector<std::string> pull;
    std::string info;
    CheckChoice check;
    std::vector<std::string> words;  // of search
    enlarge::ModelQuery query;
    std::string licence = "any";
    std::string use;
    bool undo = false;
    FetchConsent fetch;  // of use
};

std::string stem(const std::string& path) { return std::filesystem::path(path).stem().string(); }

// What a built-in network is the default for, for people.
const char* default_for(const std::string& name) {
    using enlarge::Use;
    if (name == enlarge::default_model(Use::pictures)) return "  (the default for pictures)";
    if (name == enlarge::default_model(Use::pictures, 2)) return "  (the default for pictures, up to twice the size)";
    if (name == enlarge::default_model(Use::video)) return "  (the default for video)";
    if (name == enlarge::default_model(Use::video, 2)) return "  (the default for video, up to twice the size)";
    return "";
}

// What `enlarge models use` chose: a name as the lists have it, or a file. Empty: nothing.
const std::string& preferred() {
    static const std::string name = enlarge::preferred_model();  // a file; asked for every model of a list
    return name;
}

// The mark behind a model that is taken where none is named.
std::string mark(const std::string& name) {
    if (name == preferred()) return "  (yours)";
    return preferred().empty() ? default_for(name) : "";
}

// The name by which lists show a model; of a file that is not stored, its path from everywhere.
std::string listed_name(const std::string& name, const enlarge::ModelInfo& info) {
    if (info.path.empty()) return info.name;
    std::error_code ignored;
    if (std::filesystem::equivalent(name, info.path, ignored))
        return std::filesystem::absolute(name).lexically_normal().string();
    if (const auto stored = enlarge::list_stored_models())
        for (const enlarge::StoredModel& model : *stored)
            if (model.path == info.path) return model.name;
    return std::filesystem::absolute(info.path).lexically_normal().string();
}

int list_built_in(bool json) {
    if (!json) std::printf("Built in:\n");
    for (const std::string& name : enlarge::builtin_models()) {
        const auto model = enlarge::Model::open(name);
        if (!model) return fail(model.error());
        const enlarge::ModelInfo& info = model->info();
        if (json)
            std::printf("%s\n", JsonLine("model").add("name", name).add("state", "built in").add("family", info.family)
                                    .add("scale", info.scale).add("licence", info.licence)
                                    .add("preferred", name == preferred()).text().c_str());
        else
            std::printf("  %-28s x%d  %s%s\n", name.c_str(), info.scale, info.family.c_str(), mark(name).c_str());
    }
    return kOk;
}

void list_public(const enlarge::PublicModel& model, bool json) {
    if (json) {
        JsonLine line("model");
        line.add("name", model.name).add("state", model.path.empty() ? "available" : "stored").add("author", model.author)
            .add("family", model.family).add("runs", model.runs).add("scale", model.scale).add("bytes", model.bytes)
            .add("sha256", model.sha256).add("licence", model.licence).add("purpose", model.purpose)
            .add("address", model.addresses.empty() ? "" : model.addresses[0]).add("page", model.page).add("path", model.path)
            .add("preferred", model.name == preferred());
        if (model.commercial) line.add("commercial", *model.commercial);
        std::printf("%s\n", line.text().c_str());
        return;
    }
    std::string remarks;
    if (!model.runs) remarks += "; not run by this build";
    if (model.commercial == false) remarks += "; no commercial use";
    if (model.addresses.empty() && model.path.empty()) remarks += "; by hand from " + model.page;
    std::printf("  %-28s x%d  %-8s %9s  %s%s%s\n", printable(model.name).c_str(), model.scale, printable(model.family).c_str(),
                megabytes(model.bytes).c_str(), printable(model.purpose).c_str(), printable(remarks).c_str(), mark(model.name).c_str());
}

// Why a file cannot be used, without its name before.
std::string reason(const enlarge::Error& error, const std::string& path) {
    const std::string before = path + ": ";
    return error.message.starts_with(before) ? error.message.substr(before.size()) : error.message;
}

// A file of one's own: what it is shows only when it is read.
void list_own(const enlarge::StoredModel& own, bool json) {
    const auto model = enlarge::Model::open(own.path);
    const std::string why = model ? "" : reason(model.error(), own.path);
    if (json) {
        JsonLine line("model");
        line.add("name", own.name).add("state", "own").add("path", own.path).add("runs", model.ok());
        if (model)
            line.add("family", model->info().family).add("scale", model->info().scale)
                .add("licence", model->info().licence);
        else
            line.add("reason", why);
        if (!own.public_model.empty()) line.add("public_model", own.public_model);
        if (!own.namesake.empty()) line.add("namesake", own.namesake);
        std::printf("%s\n", line.add("preferred", own.name == preferred()).text().c_str());
        return;
    }
    const auto built_in = enlarge::builtin_models();
    std::string remarks;
    if (!own.public_model.empty()) remarks = "; a copy of the public " + own.public_model;
    else if (std::find(built_in.begin(), built_in.end(), own.namesake) != built_in.end())
        remarks = "; -m " + own.namesake + " means the built-in one";
    else if (!own.namesake.empty()) remarks = "; not the public model " + own.namesake;
    const std::string what =
        model ? "x" + std::to_string(model->info().scale) + "  " + model->info().family
              : "--  cannot be used: " + why.substr(0, why.find(';'));
    std::printf("  %-28s %s  %s%s%s\n", printable(own.name).c_str(), printable(what).c_str(),
                printable(own.path).c_str(), printable(remarks).c_str(), own.name == preferred() ? "  (yours)" : "");
}

int list_stored(const std::vector<enlarge::PublicModel>& known, bool json) {
    const auto stored = enlarge::list_stored_models();
    if (!stored) return fail(stored.error());
    if (!json) std::printf("Stored here:\n");
    if (stored->empty() && !json) std::printf("  none\n");
    for (const enlarge::PublicModel& model : known)
        if (!model.path.empty()) list_public(model, json);
    for (const enlarge::StoredModel& model : *stored)
        if (model.public_model.empty() || model.name != model.public_model) list_own(model, json);
    return kOk;
}

// For completions: only what can be written as it is printed. Files are not read, which takes seconds.
int list_names(const std::vector<enlarge::PublicModel>& known) {
    std::vector<std::string> names = enlarge::builtin_models();
    const auto stored = enlarge::list_stored_models();
    if (!stored) return fail(stored.error());
    for (const enlarge::StoredModel& model : *stored) {
        const auto is_it = [&](const enlarge::PublicModel& one) { return one.path == model.path; };
        const auto found = std::find_if(known.begin(), known.end(), is_it);
        if (found == known.end() || found->runs) names.push_back(model.name);
    }
    for (const std::string& name : names)
        if (printable(name) == name) std::printf("%s\n", name.c_str());
    return kOk;
}

int list(const ModelsOptions& options) {
    const auto known = enlarge::public_models();
    if (!known) return fail(known.error());
    if (options.names) return list_names(*known);
    say_notes();
    if (!options.json && !preferred().empty())
        std::printf("Taken where none is named: %s (`enlarge models use --default` undoes it)\n",
                    printable(preferred()).c_str());
    if (const int code = list_built_in(options.json); code != kOk) return code;
    if (const int code = list_stored(*known, options.json); code != kOk) return code;
    if (options.json && preferred().starts_with('/'))  // a file, in no list
        std::printf("%s\n", JsonLine("model").add("name", stem(preferred())).add("state", "file")
                                .add("path", preferred()).add("preferred", true).text().c_str());
    if (!options.json) std::printf("To be had with `enlarge models pull NAME`:\n");
    std::size_t more = 0;
    for (const enlarge::PublicModel& model : *known) {
        if (!model.path.empty()) continue;
        if (model.original) list_public(model, options.json);
        else ++more;
    }
    if (!options.json && more > 0) std::printf("  and %zu more: `enlarge models search WORDS`\n", more);
    return kOk;
}

int search(const ModelsOptions& options) {
    enlarge::ModelQuery query = options.query;
    query.commercial = options.licence == "commercial";
    for (const std::string& word : options.words) query.text += word + " ";
    const auto found = enlarge::search_models(query);
    if (!found) return fail(found.error());
    for (const enlarge::PublicModel& model : *found) list_public(model, options.json);
    if (found->empty() && !options.json) return fail({enlarge::Errc::not_found, "no public model fits; `enlarge models search ''` lists all"});
    return found->empty() ? static_cast<int>(kNotFound) : static_cast<int>(kOk);
}

int use(const ModelsOptions& options) {
    if (options.undo && !options.use.empty())
        return fail({enlarge::Errc::argument, "name one model, or say --default: enlarge models use NAME"});
    if (!options.undo && options.use.empty()) {
        std::printf("%s\n", preferred().empty() ? "the built-in default" : printable(preferred()).c_str());
        return kOk;
    }
    std::string name;
    if (!options.quiet) say_notes();
    if (!options.undo) {
        const auto model = open_named(options.use, options.fetch);
        if (!model) return fail(model.error());
        name = listed_name(options.use, model->info());
    }
    if (const auto kept = enlarge::prefer_model(name); !kept) return fail(kept.error());
    if (!options.quiet) std::printf("%s\n", name.empty() ? "the built-in default again" : printable(name).c_str());
    return kOk;
}

int pull(const ModelsOptions& options) {
    ReportOptions report;
    report.quiet = options.quiet;
    report.json = options.json;
    Reporter reporter(report);
    reporter.expect(options.pull.size());
    int code = kOk;
    const std::vector<std::string> built_in = enlarge::builtin_models();
    for (const std::string& name : options.pull) {
        reporter.start(name, "");
        const auto same = std::find_if(built_in.begin(), built_in.end(), [&](const std::string& one) {
            return std::equal(one.begin(), one.end(), name.begin(), name.end(), [](unsigned char a, unsigned char b) {
                return std::tolower(a) == std::tolower(b);
            });
        });
        if (same != built_in.end()) {
            const auto model = enlarge::Model::open(*same);
            if (!model) return fail(model.error());
            const std::string& licence = model->info().licence;
            JsonLine line("done");
            line.add("name", *same).add("path", "").add("licence", licence);
            if (options.json) reporter.done("", line);
            else if (!options.quiet) std::printf("%s is built in; nothing is to be fetched\n", same->c_str());
            continue;
        }
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
        const auto model = enlarge::find_public_model(name);
        const std::string licence = model ? model->licence : "";
        const std::string address = model ? model->licence_address : "";
        reporter.done(*path, JsonLine("done").add("name", name).add("path", *path).add("licence", licence));
        if (!options.json && !options.quiet)
            std::printf("%s\nlicence: %s%s%s\n", printable(*path).c_str(), printable(describe_licence(licence)).c_str(), address.empty() ? "" : ", ", printable(address).c_str());
    }
    return code;
}

void show(const std::string& key, const std::string& value) {
    if (!value.empty()) std::printf("%-26s%s\n", printable(key).c_str(), printable(value).c_str());
}

// What the catalogue says of a network that is not here.
void show_catalogue(const enlarge::PublicModel& model, bool json) {
    if (json) return list_public(model, true);
    show("name", model.name);
    show("author", model.author);
    show("family", model.family + (model.runs ? "" : " (does not run in this version)"));
    show("scale", std::to_string(model.scale));
    show("file", model.file + ", " + megabytes(model.bytes));
    show("licence", describe_licence(model.licence));
    show("page", model.page);
}

int info(const ModelsOptions& options) {
    say_notes();
    const auto model = enlarge::Model::open(options.info);
    if (!model) {
        enlarge::Error error = model.error();
        if (error.code == enlarge::Errc::not_found) {
            if (const auto known = enlarge::find_public_model(options.info); known && known->path.empty())
                show_catalogue(*known, options.json);
            else
                error.message += suggestion(options.info);
        }
        return fail(error);
    }
    const enlarge::ModelInfo& i = model->info();
    if (options.json) {
        JsonLine line("model");
        line.add("name", i.name).add("path", i.path).add("family", i.family).add("variant", i.variant).add("scale", i.scale)
            .add("channels", i.channels).add("parameters", i.parameters).add("macs_per_pixel", i.macs_per_pixel)
            .add("size_multiple", i.size_multiple).add("receptive_radius", i.receptive_radius)
            .add("tiles_exact", i.tiles_exact).add("licence", i.licence).add("facts", i.facts);
        std::printf("%s\n", line.text().c_str());
        return kOk;
    }
    show("name", i.name);
    if (!i.path.empty()) show("file", i.path);
    for (const auto& [key, value] : i.facts) show(key, value);
    if (i.licence.empty()) show("licence", "not known");
    return kOk;
}

int check(const ModelsOptions& options) {
    CheckChoice choice = options.check;
    choice.json = options.json;
    return check_model(choice);
}

void define_check(CLI::App& app, ModelsOptions& options) {
    CheckChoice& choice = options.check;
    app.add_option("NAME", choice.model, "Weight file, or name")->type_name("NAME|FILE")->required()->group("Arguments");
    app.add_option("--picture", choice.picture, "Check on the middle of this picture (default: one made for it)")
        ->type_name("FILE")->group("What");
    app.add_option("-d,--device", choice.device, "Where to compute: auto, cpu, cuda, cuda:N, vulkan:N, reference")
        ->type_name("DEVICE")->capture_default_str()->group("Engine");
    app.add_option("-p,--precision", choice.precision, "auto, fp32, fp16, int16 or int8")
        ->type_name("PRECISION")->capture_default_str()->group("Engine");
    app.add_option("--threads", choice.threads, "Processor threads; 0: all usable cores")
        ->type_name("N")->check(whole(0, 4096))->capture_default_str()->group("Engine");
    app.add_flag("--json", options.json, "One JSON object on one line")->group("Output");
}

}  // namespace

Action define_models(CLI::App& app) {
    auto options = std::make_shared<ModelsOptions>();
    auto* list_app = app.add_subcommand("list", "What is built in, stored here, and to be had (the default)");
    list_app->add_flag("--names", options->names, "Names only, of those that are here; files are not read")->group("Output");
    list_app->add_flag("--json", options->json, "One JSON object per model and line")->group("Output");
    auto* pull_app = app.add_subcommand("pull", "Fetch public networks, check and store them");
    pull_app->add_option("NAME", options->pull, "Names from the list")->required()->group("Arguments");
    pull_app->add_flag("--quiet", options->quiet, "Errors only")->group("Output");
    pull_app->add_flag("--json", options->json, "JSON lines: start, progress, done, error")->group("Output");
    auto* info_app = app.add_subcommand("info", "What a weight file or a named network is");
    info_app->add_option("NAME", options->info, "Weight file, or name")->type_name("NAME|FILE")->required()->group("Arguments");
    info_app->add_flag("--json", options->json, "One JSON object on one line")->group("Output");
    auto* check_app = app.add_subcommand("check", "Whether a network computes here what the plain reference does");
    define_check(*check_app, *options);
    auto* search_app = app.add_subcommand("search", "Look through the whole public catalogue");
    search_app->add_option("WORDS", options->words, "Words in a model's name, author, family or tags; '' for all")->group("Arguments");
    search_app->add_option("-s,--scale", options->query.scale, "How large the network itself draws")
        ->type_name("N")->check(whole(1, 64))->group("What");
    search_app->add_option("--family", options->query.family, "Compact, RRDB, SPAN, ...")->type_name("NAME")->group("What");
    search_app->add_option("--licence", options->licence, "any, or commercial: licences known to allow commercial use")
        ->check(CLI::IsMember({"any", "commercial"}))->capture_default_str()->group("What");
    search_app->add_flag("--runs", options->query.runs, "Only what this build runs")->group("What");
    search_app->add_flag("--json", options->json, "One JSON object per model and line")->group("Output");
    auto* use_app = app.add_subcommand("use", "Take this model from now on where none is named; without a name: which one it is");
    use_app->add_option("NAME", options->use, "Weight file, or name")->type_name("NAME|FILE")->group("Arguments");
    use_app->add_flag("--default", options->undo, "The built-in default again")->group("Arguments");
    define_fetch_options(*use_app, options->fetch, "Download");
    use_app->add_flag("--quiet", options->quiet, "Errors only")->group("Output");
    app.require_subcommand(0, 1);
    const std::vector<std::pair<CLI::App*, int (*)(const ModelsOptions&)>> actions{
        {pull_app, pull}, {info_app, info}, {check_app, check}, {search_app, search}, {use_app, use}};
    return [options, actions] {
        for (const auto& [sub, action] : actions)
            if (sub->parsed()) return action(*options);
        return list(*options);
    };
}

}  // namespace cli
