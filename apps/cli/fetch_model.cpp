// SPDX-License-Identifier: Apache-2.0
#include "fetch_model.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "CLI/CLI.hpp"
#include "reporter.hpp"
#include "text.hpp"

namespace cli {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::PublicModel;
using enlarge::Result;

// A question on the terminal; Enter means yes.
bool agreed() {
    std::fputs("Download it now? [Y/n] ", stderr);
    std::string answer;
    if (!std::getline(std::cin, answer)) return false;
    return answer.empty() || answer[0] == 'y' || answer[0] == 'Y';
}

Result<void> may_fetch(const PublicModel& model, const FetchConsent& consent) {
    const std::string not_here = "the model " + model.name + " is not on this machine";
    if (model.addresses.empty()) return {};  // pull_model() says what a person does
    if (offline(consent))
        return Error{Errc::network, not_here + ", and " + (consent.offline ? "--offline" : "ENLARGE_OFFLINE") +
                                        " forbids to download it"};
    const std::string author = model.author.empty() ? "unknown" : printable(model.author);
    if (!consent.quiet)
        std::fprintf(stderr, "%s: %s, by %s, licence: %s\n", printable(model.name).c_str(),
                     megabytes(model.bytes).c_str(), author.c_str(), printable(describe_licence(model.licence)).c_str());
    if (consent.yes) return {};
    if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
        return agreed() ? Result<void>() : Error{Errc::cancelled, not_here + "; get it with: enlarge models pull " + model.name};
    return Error{Errc::not_found, not_here + "; say --yes to download it, or get it with: enlarge models pull " + model.name};
}

}  // namespace

void define_fetch_options(CLI::App& app, FetchConsent& consent, const char* group) {
    app.add_flag("-y,--yes", consent.yes, "Download a public model that is named and not here without asking")
        ->group(group);
    app.add_flag("--offline", consent.offline, "Never download (ENLARGE_OFFLINE=1 does the same)")->group(group);
}

bool offline(const FetchConsent& consent) {
    const char* set = std::getenv("ENLARGE_OFFLINE");
    return consent.offline || (set && *set && std::string_view(set) != "0");
}

std::string megabytes(std::int64_t bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
    return text;
}

std::string describe_licence(const std::string& licence) {
    const auto commercial = enlarge::allows_commercial_use(licence);
    if (!commercial) return "not known";
    return licence + (*commercial ? "" : " (no commercial use)");
}

Result<std::string> fetch_model(const std::string& name, const FetchConsent& consent) {
    const auto model = enlarge::find_public_model(name);
    if (!model) return model.error();
    if (!model->path.empty()) return model->path;
    if (const auto allowed = may_fetch(*model, consent); !allowed) return allowed.error();
    ReportOptions report;
    report.quiet = consent.quiet;
    Reporter reporter(report);
    reporter.start(model->name, "");
    auto path = enlarge::pull_model(model->name, [&](std::int64_t done, std::int64_t total) {
        reporter.progress(total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0);
        return !interrupted();
    });
    if (path && !consent.quiet) reporter.done(*path, JsonLine("done"));
    return path;
}

}  // namespace cli
