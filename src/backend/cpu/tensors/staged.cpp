// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/tensors/staged.hpp"

#include <algorithm>

#include "base/at.hpp"
#include "plan/arena.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu::tensors {
namespace {

constexpr std::int64_t kFloat = sizeof(float);
constexpr double kMostWork = 6;  // times the work of the whole picture in one go
constexpr int kSides[] = {4096, 2048, 1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64};  // of cores
constexpr int kSmallest = 64;

class Planner {
public:
    Planner(const PreparedNetwork& network, Size picture, std::int64_t memory, int lanes, const ThreadPool* pool)
        : network_(network), stages_(*network.stages), picture_(picture), memory_(memory), lanes_(lanes), pool_(pool),
          dropped_(network.graph.nodes().size(), false), needed_(dropped_) {}

    // Keeps what later stages use; as long as that does not fit, the largest of what is there at the fullest moment is
    // computed again instead.
    Result<StagedPlan> run() {
        for (;;) {
            const bool last = !attempt_.stages.empty() && !drop();
            TRY(attempt());
            if (last) {
                TRY(const bool fits, choose_cores(kSmallest));
                (void)fits;
                return std::move(attempt_);
            }
            TRY(const bool fits, choose_cores(0));
            if (fits) return std::move(attempt_);
        }
    }

private:
    [[nodiscard]] const Step& step(int s) const { return at(network_.steps, s); }
    [[nodiscard]] bool is_whole(int node) const { return !at(attempt_.whole, node).sides.empty(); }

    Result<void> attempt() {
        attempt_ = {};
        attempt_.stages = stages_.find(dropped_);
        attempt_.work = stages_.macs() > 0 ? stages_.macs(attempt_.stages) / stages_.macs() : 1;
        attempt_.whole.resize(network_.graph.nodes().size());
        std::vector<int> kept{0};
        for (const Stage& stage : attempt_.stages) {
            kept.insert(kept.end(), stage.keeps.begin(), stage.keeps.end());
            for (const auto* const some : {&stage.sums, &stage.whole})
                for (const int s : *some) kept.push_back(step(s).node);
        }
        for (const int node : kept) {
            TRY(at(attempt_.whole, node), layout_of(network_, node, picture_, lanes_));
            attempt_.zero_row_floats = std::max<std::int64_t>(attempt_.zero_row_floats, at(attempt_.whole, node).row_floats);
        }
        place();
        return {};
    }

    // Moments: the tiles of a stage, then each of the steps behind them.
    void place() {
        lifetimes_.assign(attempt_.whole.size(), {});
        int moment = 0;
        const auto reads = [&](int s) {
            for (const int from : step(s).inputs)
                if (is_whole(from)) at(lifetimes_, from).last = moment;
        };
        const auto makes = [&](int node) { at(lifetimes_, node) = {at(attempt_.whole, node).floats, moment, moment}; };
        makes(0);
        for (const Stage& stage : attempt_.stages) {
            ++moment;
            for (const int s : stage.steps) reads(s);
            for (const int node : stage.keeps) makes(node);
            for (const int s : stage.sums) makes(step(s).node);
            for (const int s : stage.whole) {
                ++moment;
                reads(s);
                makes(step(s).node);
            }
        }
        const Arena arena = place_in_arena(lifetimes_, 16);
        for (std::size_t i = 0; i < arena.offset.size(); ++i) attempt_.whole[i].offset = arena.offset[i];
        attempt_.whole_floats = arena.size;
    }

    // Whether something is computed again from now on.
    bool drop() {
        std::vector<std::int64_t> there(network_.steps.size() * 2 + 2, 0);
        for (const Lifetime& l : lifetimes_)
            for (int m = l.first; m <= l.last; ++m) at(there, m) += l.size;
        const int fullest = static_cast<int>(std::max_element(there.begin(), there.end()) - there.begin());
        int best = -1;
        for (const int node : stages_.may_be_dropped()) {
            const Lifetime& l = at(lifetimes_, node);
            if (at(dropped_, node) || at(needed_, node) || l.first > fullest || l.last < fullest) continue;
            if (best < 0 || l.size > at(lifetimes_, best).size) best = node;
        }
        if (best < 0) return false;
        at(dropped_, best) = true;
        if (stages_.macs(stages_.find(dropped_)) > kMostWork * stages_.macs()) {
            at(dropped_, best) = false;
            at(needed_, best) = true;
            return drop();
        }
        return true;
    }

    // The largest cores that fit, of sides no smaller than the halo, or of `side` if that is not 0. False: too large.
    Result<bool> choose_cores(int side) {
        attempt_.cores.clear();
        attempt_.bytes = 0;
        bool all = true;
        for (const Stage& stage : attempt_.stages) {
            std::int64_t own = attempt_.whole_floats * kFloat + scratch_bytes(network_, pool_), behind = 0;
            for (const int s : stage.sums) {
                TRY(const Layout from, layout_of(network_, step(s).inputs[0], picture_, lanes_));
                own += std::int64_t{from.channels} * from.height * static_cast<std::int64_t>(sizeof(double));
            }
            for (const int s : stage.whole)
                if (step(s).plain) behind = std::max(behind, copies(step(s)) * kFloat);
            const int least = std::max(kSmallest, stage.halo);
            bool found = false;
            for (const int one : kSides) {
                if (side == 0 && one < least && one != kSides[0]) break;
                if (side != 0 && one != side) continue;
                const Size core = core_of(one);
                TRY(const Layouts tile, lay_out(network_, stage.steps, tile_of(stage, core), lanes_, false));
                const std::int64_t bytes = own + std::max(tile.bytes(), behind);
                found = bytes <= memory_;
                if (!found && side == 0) continue;
                attempt_.cores.push_back(core);
                attempt_.bytes = std::max(attempt_.bytes, bytes);
                break;
            }
            all = all && found;
            if (!all && side == 0) return false;
        }
        return all;
    }

    [[nodiscard]] std::int64_t copies(const Step& step) const {
        std::int64_t floats = at(attempt_.whole, step.node).floats;
        for (const int from : step.inputs) floats += at(attempt_.whole, from).floats;
        return floats;
    }

    [[nodiscard]] Size core_of(int side) const {
        const int whole = round_up(side, network_.alignment);
        return {std::min(picture_.width, whole), std::min(picture_.height, whole)};
    }

    // The largest that a core reads.
    [[nodiscard]] Size tile_of(const Stage& stage, Size core) const {
        const int beyond = 2 * round_up(stage.halo, network_.alignment);
        return {std::min(picture_.width, core.width + beyond), std::min(picture_.height, core.height + beyond)};
    }

    const PreparedNetwork& network_;
    const Stages& stages_;
    Size picture_;
    std::int64_t memory_;
    int lanes_;
    const ThreadPool* pool_;
    std::vector<bool> dropped_, needed_;
    std::vector<Lifetime> lifetimes_;
    StagedPlan attempt_;
};

}  // namespace

Result<StagedPlan> plan_stages(const PreparedNetwork& network, Size picture, std::int64_t memory, int lanes, const ThreadPool* pool) {
    return Planner(network, picture, memory, lanes, pool).run();
}

}  // namespace enlarge::cpu::tensors
