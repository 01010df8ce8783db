// SPDX-License-Identifier: Apache-2.0
#include "plan/stages.hpp"

#include <algorithm>

#include "base/at.hpp"

namespace enlarge {
namespace {

std::int64_t up(std::int64_t a, std::int64_t b) { return a > 0 ? (a + b - 1) / b : 0; }

// One number per channel.
bool is_numbers(const Shape& shape) { return shape.size() == 3 && shape[1] == Extent(1) && shape[2] == Extent(1); }

}  // namespace

Stages::Stages(const Graph& graph, std::vector<WorkStep> steps, int alignment)
    : graph_(graph),
      steps_(std::move(steps)),
      alignment_(alignment),
      depends_(depends_on_pixels(graph.nodes())),
      local_(graph.nodes().size(), false),
      first_(graph.nodes().size(), 0),
      after_(graph.nodes().size(), -1),
      kept_(graph.nodes().size(), false) {
    find_levels();
    find_kept();
}

bool Stages::is_local(const WorkStep& step) const {
    if (step.inputs.empty() || !at(depends_, step.node) || !is_picture(at(graph_.nodes(), step.node).shape)) return false;
    for (std::size_t k = 0; k < step.inputs.size(); ++k) {
        const Shape& shape = at(graph_.nodes(), step.inputs[k]).shape;
        if (is_numbers(shape)) continue;
        if (!is_picture(shape) || step.reads[k].kind != Reads::Kind::window) return false;
    }
    return true;
}

// A local step can run in the stage of the latest of its inputs. Any other runs behind the stage that makes the last of
// them whole; tiles read it from the next stage on.
void Stages::find_levels() {
    for (const WorkStep& step : steps_) {
        if (step.inputs.empty()) continue;  // there from the start
        int first = 0, after = -1;
        for (const int from : step.inputs) {
            first = std::max(first, at(first_, from));
            after = std::max(after, at(after_, from));
        }
        if ((at(local_, step.node) = is_local(step))) {
            at(first_, step.node) = at(after_, step.node) = first;
        } else {
            at(after_, step.node) = after;
            at(first_, step.node) = after + 1;
        }
    }
}

void Stages::find_kept() {
    std::vector<bool> crosses(graph_.nodes().size(), false);
    for (const WorkStep& step : steps_)
        for (const int from : step.inputs) {
            if (!at(local_, from)) continue;
            if (at(local_, step.node))
                at(crosses, from) = at(crosses, from) || at(first_, step.node) > at(first_, from);
            else if (!step.sums)
                at(kept_, from) = true;
        }
    for (int node = 0; node < static_cast<int>(crosses.size()); ++node)
        if (at(crosses, node) && !at(kept_, node)) crossing_.push_back(node);
}

std::vector<Stage> Stages::find(const std::vector<bool>& dropped) const {
    std::vector<bool> keep = kept_;
    for (const int node : crossing_) at(keep, node) = !at(dropped, node);
    const int last = static_cast<int>(graph_.nodes().size()) - 1;
    std::vector<Stage> stages(static_cast<std::size_t>(at(after_, last)) + 2);
    for (int s = 0; s < static_cast<int>(steps_.size()); ++s) {
        const WorkStep& step = at(steps_, s);
        if (at(local_, step.node) || at(graph_.nodes(), step.node).is<op::Input>()) continue;
        Stage& stage = at(stages, at(after_, step.node) + 1);
        const bool from_tiles = step.sums && at(local_, step.inputs[0]);
        (from_tiles ? stage.sums : stage.whole).push_back(s);
    }
    for (int k = 0; k + 1 < static_cast<int>(stages.size()); ++k) {
        Stage& stage = at(stages, k + 1);
        std::vector<int> targets;
        for (const WorkStep& step : steps_)
            if (at(local_, step.node) && at(first_, step.node) == k && (at(keep, step.node) || step.node == last))
                targets.push_back(step.node);
        stage.keeps = targets;
        std::erase(stage.keeps, last);
        for (const int s : stage.sums) targets.push_back(at(steps_, s).inputs[0]);
        // What the targets need and no earlier stage has kept.
        std::vector<bool> needed(graph_.nodes().size(), false);
        for (const int target : targets) at(needed, target) = true;
        for (int s = static_cast<int>(steps_.size()); s-- > 0;) {
            const WorkStep& step = at(steps_, s);
            if (!at(needed, step.node) || !at(local_, step.node) || (at(keep, step.node) && at(first_, step.node) < k)) continue;
            stage.steps.push_back(s);
            for (const int from : step.inputs) at(needed, from) = true;
        }
        std::reverse(stage.steps.begin(), stage.steps.end());
        stage.halo = halo(stage.steps, targets);
    }
    return stages;
}

// A picture that goes on to a multiple is mirrored at its own edge (op::Pad), which may lie before the last core.
int Stages::halo(const std::vector<int>& steps, const std::vector<int>& targets) const {
    const auto mirrors = [this](int s) { return at(graph_.nodes(), at(steps_, s).node).is<op::Pad>(); };
    const int before = 2 * (graph_.spare() + graph_.size_multiple() - 1);
    return std::max(reach(steps, targets, true), reach(steps, targets, false)) +
           (std::any_of(steps.begin(), steps.end(), mirrors) ? before : 0);
}

// For one core of `alignment` input pixels, what each node has to hold; then how far the tile must go beyond the core for
// it to lie inside. A result of `fixed + mul * length / den` pixels begins at mul / den times the tile's own place.
int Stages::reach(const std::vector<int>& steps, const std::vector<int>& targets, bool rows) const {
    const auto side = [&](int node) {
        const Extent& e = at(graph_.nodes(), node).shape[rows ? 1 : 2];
        return ReadWindow{.mul = static_cast<int>(rows ? e.h : e.w), .div = static_cast<int>(e.den), .low = static_cast<int>(e.fixed)};
    };
    std::vector<Interval> need(graph_.nodes().size());
    for (const int target : targets) {
        const ReadWindow s = side(target);
        at(need, target) = {0, std::int64_t{alignment_} * s.mul / s.div - 1};
    }
    for (std::size_t i = steps.size(); i-- > 0;) {
        const WorkStep& step = at(steps_, steps[i]);
        for (std::size_t k = 0; k < step.inputs.size(); ++k) {
            const Node& from = at(graph_.nodes(), step.inputs[k]);
            if (is_picture(from.shape))
                at(need, step.inputs[k]).add(read(at(need, step.node), rows ? step.reads[k].rows : step.reads[k].columns));
        }
    }
    std::int64_t most = 0;
    for (int node = 0; node < static_cast<int>(need.size()); ++node) {
        if (at(need, node).empty()) continue;
        const ReadWindow s = side(node);
        const std::int64_t beyond = (at(need, node).last + 1 - s.low) * s.div - std::int64_t{alignment_} * s.mul;
        most = std::max({most, up(-at(need, node).first * s.div, s.mul), up(beyond, s.mul)});
    }
    return static_cast<int>(std::min<std::int64_t>(most, 1 << 24));
}

double Stages::macs(const std::vector<Stage>& stages) const {
    double sum = 0;
    for (const Stage& stage : stages)
        for (const std::vector<int>* const some : {&stage.steps, &stage.sums, &stage.whole})
            for (const int s : *some) sum += at(steps_, s).macs;
    return sum;
}

double Stages::macs() const {
    double sum = 0;
    for (const WorkStep& step : steps_) sum += step.macs;
    return sum;
}

}  // namespace enlarge
