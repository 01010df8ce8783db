// SPDX-License-Identifier: Apache-2.0
// Public models that are not on this machine yet: fetched when they are first named.
#pragma once

#include <string>

#include "command.hpp"
#include "enlarge/models.hpp"

namespace cli {

// What the user said about downloads, once for all.
struct FetchConsent {
    bool yes = false;      // --yes: do not ask
    bool offline = false;  // --offline: never
    bool quiet = false;
};

void define_fetch_options(CLI::App& app, FetchConsent& consent, const char* group);

// Whether it or ENLARGE_OFFLINE forbids all downloads.
bool offline(const FetchConsent& consent);

// Downloads the public model `name` after saying its size and licence, and asking on a terminal; without a terminal only
// with --yes. Gives its path. Fails with Errc::not_found when no public model has that name, or when nobody agreed: the
// message says how it can be got; with ::network when all downloads are forbidden.
enlarge::Result<std::string> fetch_model(const std::string& name, const FetchConsent& consent);

// "67.0 MB"
std::string megabytes(std::int64_t bytes);

// "CC-BY-NC-SA-4.0 (no commercial use)"; "not known".
std::string describe_licence(const std::string& licence);

}  // namespace cli
