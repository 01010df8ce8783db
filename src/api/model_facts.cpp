// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "api/model_state.hpp"
#include "backend/own_size.hpp"

namespace enlarge {
namespace {

// What a network's attention shows of itself: all numbers of heads and windows that occur, in order of appearance.
struct Attention {
    std::string heads, window;

    void see(int with, int rows, int columns) {
        append(heads, std::to_string(with));
        const std::string square = std::to_string(rows);
        if (rows > 0) append(window, rows == columns ? square : square + "x" + std::to_string(columns));
    }
    static void append(std::string& list, const std::string& one) {
        if ((", " + list + ", ").find(", " + one + ", ") != std::string::npos) return;
        list += (list.empty() ? "" : ", ") + one;
    }
};

Attention attention_of(const Graph& graph) {
    Attention found;
    for (const Node& node : graph.nodes()) {
        if (const auto* window = node.as<op::WindowAttention>())
            found.see(window->heads, window->window_h, window->window_w);
        if (const auto* overlap = node.as<op::OverlapAttention>())
            found.see(overlap->heads, overlap->window, overlap->window);
        if (const auto* grid = node.as<op::GridAttention>()) found.see(grid->heads, grid->window_h, grid->window_w);
        if (const auto* channel = node.as<op::ChannelAttention>())
            found.see(channel->heads, channel->window, channel->window);
    }
    return found;
}

}  // namespace

std::vector<ModelFact> facts_of(const ModelInfo& info, const Network& network) {
    std::vector<ModelFact> facts{{"family", info.family}};
    const auto add = [&facts](std::string key, std::string value) {
        facts.push_back({std::move(key), std::move(value)});
    };
    if (!info.variant.empty()) add("variant", info.variant);
    add("scale", std::to_string(info.scale));
    add("channels", std::to_string(info.channels));
    for (const Fact& fact : network.facts) add(fact.key, fact.value);
    const Attention attention = attention_of(network.graph);  // where the family has not said it
    const auto unsaid = [&](const char* key) {
        return std::none_of(network.facts.begin(), network.facts.end(), [&](const Fact& f) { return f.key == key; });
    };
    if (!attention.window.empty() && unsaid("window")) add("window", attention.window);
    if (!attention.heads.empty() && unsaid("heads")) add("heads", attention.heads);
    char multiplications[32];
    std::snprintf(multiplications, sizeof multiplications, "%.0f", info.macs_per_pixel);
    add("size multiple", std::to_string(info.size_multiple));
    add("receptive radius", info.receptive_radius < 0 ? "the whole picture" : std::to_string(info.receptive_radius));
    if (const auto own = network.graph.own_size())
        add("tiles", "of " + std::to_string(own->width) + "x" + std::to_string(own->height) + ", which overlap by " +
                         std::to_string(2 * own_size_overlap(*own)));
    else
        add("tiles", info.tiles_exact ? "same bits" : "overlap by less than the receptive radius");
    add("parameters", std::to_string(info.parameters));
    add("multiplications per pixel", multiplications);
    if (!info.licence.empty()) add("licence", info.licence);
    return facts;
}

}  // namespace enlarge
