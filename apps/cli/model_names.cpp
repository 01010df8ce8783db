// SPDX-License-Identifier: Apache-2.0
// Names of networks, and which one was meant.
#include <algorithm>
#include <filesystem>
#include <numeric>
#include <tuple>

#include "engine_options.hpp"
#include "enlarge/models.hpp"

namespace cli {
namespace {

// Letters to change, add, drop or swap to get from one word to the other; case does not count.
std::size_t distance(const std::string& a, const std::string& b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c == '_' ? '-' : c; };
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i)
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (same ? 0 : 1)});
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1])) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[a.size()][b.size()];
}

}  // namespace

std::vector<std::string> model_names() {
    std::vector<std::string> names = enlarge::builtin_models();
    for (const std::string& path : enlarge::stored_models()) names.push_back(std::filesystem::path(path).stem().string());
    return names;
}

std::string nearest(const std::string& name, const std::vector<std::string>& names) {
    std::string best;
    using Rank = std::tuple<std::size_t, std::size_t, bool>;  // the least is the nearest; by 4 before by 2
    Rank least{std::max<std::size_t>(2, name.size() / 3) + 1, 0, false};
    for (const std::string& candidate : names) {
        const std::size_t d = distance(name, candidate);
        // "general-x4v3" means "realesr-general-x4v3".
        const bool within = name.size() >= 4 && candidate.find(name) != std::string::npos;
        const Rank rank{within ? std::min<std::size_t>(d, 1) : d, d, candidate.ends_with("x2")};
        if (rank < least) least = rank, best = candidate;
    }
    return best == name ? "" : best;
}

std::string suggestion(const std::string& name) {
    std::vector<std::string> names = model_names();
    if (const auto known = enlarge::public_models())
        for (const enlarge::PublicModel& model : *known) names.push_back(model.name);
    const std::string best = nearest(name, names);
    return best.empty() ? "" : "; did you mean '" + best + "'?";
}

}  // namespace cli
