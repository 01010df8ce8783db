// SPDX-License-Identifier: Apache-2.0
#include "plan/concats.hpp"

#include <algorithm>
#include <set>

#include "base/at.hpp"

namespace enlarge {
namespace {

class Placing {
public:
    Placing(const Graph& graph, const ConcatRules& rules) : nodes_(graph.nodes()), rules_(rules) {
        places_.of.resize(nodes_.size());
    }

    void place(int concat, const std::vector<int>& parts) {
        const std::vector<int> starts = starts_of(parts);
        if (const int first = run_of(parts, starts); first >= 0) {
            at(places_.of, concat) = {at(places_.of, parts[0]).buffer, first};
            return;
        }
        std::set<int> free;
        std::size_t placed = 0;
        for (std::size_t k = 0; k < parts.size(); ++k)
            if (starts[k] >= 0 && is_free(parts[k]) && free.insert(parts[k]).second) ++placed;
        if (placed != parts.size() && !rules_.some) return;
        const int buffer = static_cast<int>(places_.buffers.size());
        places_.buffers.push_back({blocks_of(parts), concat});
        at(places_.of, concat) = {buffer, 0};
        for (std::size_t k = 0; k < parts.size(); ++k)
            if (starts[k] >= 0 && free.erase(parts[k])) at(places_.of, parts[k]) = {buffer, starts[k]};
    }

    ConcatPlaces result() && { return std::move(places_); }

private:
    [[nodiscard]] int channels(int node) const { return at(nodes_, node).channels; }
    [[nodiscard]] int blocks(int channels) const { return (channels + rules_.block - 1) / rules_.block; }
    [[nodiscard]] bool is_free(int part) const {
        return at(places_.of, part).buffer < 0 && (!rules_.placed || rules_.placed(part));
    }

    [[nodiscard]] int blocks_of(const std::vector<int>& parts) const {
        int sum = 0, all = 0;
        for (const int part : parts) {
            sum += blocks(channels(part));
            all += channels(part);
        }
        return rules_.gaps ? sum : blocks(all);
    }

    // The block at which each part begins; -1 where one begins or ends within a block that others share.
    [[nodiscard]] std::vector<int> starts_of(const std::vector<int>& parts) const {
        std::vector<int> starts;
        int block = 0, channel = 0;
        for (std::size_t k = 0; k < parts.size(); ++k) {
            const int own = channels(parts[k]);
            const bool whole = channel % rules_.block == 0 && (own % rules_.block == 0 || k + 1 == parts.size());
            starts.push_back(rules_.gaps ? block : whole ? channel / rules_.block : -1);
            block += blocks(own);
            channel += own;
        }
        return starts;
    }

    // The first block of the parts where they lie beside each other already; else -1.
    [[nodiscard]] int run_of(const std::vector<int>& parts, const std::vector<int>& starts) const {
        const ConcatPlaces::Place head = at(places_.of, parts[0]);
        if (head.buffer < 0) return -1;
        for (std::size_t k = 0; k < parts.size(); ++k) {
            const ConcatPlaces::Place place = at(places_.of, parts[k]);
            if (starts[k] < 0 || place.buffer != head.buffer || place.block != head.block + starts[k]) return -1;
        }
        return head.block;
    }

    const std::vector<Node>& nodes_;
    const ConcatRules& rules_;
    ConcatPlaces places_;
};

}  // namespace

std::vector<int> parts_of_concat(const Graph& graph, int concat) {
    std::vector<int> parts;
    for (const int from : at(graph.nodes(), concat).inputs) {
        if (!at(graph.nodes(), from).is<op::Concat>()) {
            parts.push_back(from);
            continue;
        }
        const std::vector<int> inner = parts_of_concat(graph, from);
        parts.insert(parts.end(), inner.begin(), inner.end());
    }
    return parts;
}

ConcatPlaces place_concats(const Graph& graph, const ConcatRules& rules) {
    struct Found {
        int concat;
        std::vector<int> parts;
    };
    std::vector<Found> found;
    for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i)
        if (at(graph.nodes(), i).is<op::Concat>() && (!rules.needed || rules.needed(i)))
            found.push_back({i, parts_of_concat(graph, i)});
    std::stable_sort(found.begin(), found.end(),
                     [](const Found& a, const Found& b) { return a.parts.size() > b.parts.size(); });
    Placing placing(graph, rules);
    for (const Found& f : found) placing.place(f.concat, f.parts);
    return std::move(placing).result();
}

}  // namespace enlarge
