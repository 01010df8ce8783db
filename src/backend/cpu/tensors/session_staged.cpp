// SPDX-License-Identifier: Apache-2.0
// A picture stage by stage: tiles of each stage put together, then what reads all of it.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <utility>

#include "backend/cpu/tensors/session.hpp"
#include "base/at.hpp"
#include "base/log.hpp"
#include "graph/traits.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu::tensors {
namespace {

// Where the graph's input pixel x lies in a result along one side; the end of the picture is the end of the result.
int place(const Extent& side, int x, int picture, std::int64_t length) {
    return static_cast<int>(x == picture ? length : (side.h + side.w) * x / side.den);
}

}  // namespace

// The run of one picture.
class Runner::Tiles {
public:
    Tiles(Runner& run, const StagedPlan& plan, const TileJob& job)
        : run_(run), plan_(plan), job_(job), picture_(job.in.size), whole_(plan.whole.size()), views_(plan.whole.size()),
          last_(static_cast<int>(plan.whole.size()) - 1) {
        for (std::size_t i = 0; i < whole_.size(); ++i)
            if (!plan.whole[i].sides.empty()) whole_[i] = {&plan.whole[i], run.arena_.as<float>() + plan.whole[i].offset};
        for (std::size_t k = 0; k < plan.stages.size(); ++k)
            units_ += static_cast<double>(plan.stages[k].steps.size() * tiles(k) + plan.stages[k].whole.size());
    }

    Result<TileReport> all() {
        run_.tensors_ = whole_;
        run_.load(job_);
        TileReport report;
        for (std::size_t k = 0; k < plan_.stages.size(); ++k) {
            TRY(tiles_of(k, report));
            run_.tensors_ = whole_;
            for (const int s : plan_.stages[k].whole) {
                run_.compute(at(run_.network_->steps, s), job_.continued);
                TRY(go_on());
            }
        }
        if (!is_whole(last_)) return report;
        const int s = run_.info_.scale;
        const Rect& core = job_.core;
        return run_.store(at(whole_, last_), {core.x * s, core.y * s, core.width * s, core.height * s}, job_.out);
    }

private:
    [[nodiscard]] bool is_whole(int node) const { return at(whole_, node).layout != nullptr; }
    [[nodiscard]] const Shape& shape(int node) const { return run_.node(node).shape; }
    [[nodiscard]] std::size_t tiles(std::size_t k) const {
        const TileGrid grid(picture_, plan_.cores[k]);
        return plan_.stages[k].steps.empty() ? 0 : static_cast<std::size_t>(grid.columns()) * static_cast<std::size_t>(grid.rows());
    }

    Result<void> go_on() {
        ++done_;
        if (job_.progress && *job_.progress && !(*job_.progress)(std::min(1.0, done_ / units_))) return Error{Errc::cancelled, "stopped"};
        return {};
    }

    Result<void> tiles_of(std::size_t k, TileReport& report) {
        const Stage& stage = plan_.stages[k];
        if (stage.steps.empty()) return {};
        layouts_.clear();
        std::vector<RowSums> sums;
        for (const int s : stage.sums) {
            const auto sides = enlarge::at(shape(input_of(s)), picture_);
            sums.emplace_back(run_.kernels_, static_cast<int>((*sides)[1]),
                              round_up(static_cast<int>((*sides)[0]), run_.kernels_.lanes));
        }
        for (const int node : stage.keeps) run_.clear_borders(at(whole_, node));
        const TileGrid grid(picture_, plan_.cores[k]);
        const bool makes_output = at(run_.network_->steps, stage.steps.back()).node == last_;
        for (int row = 0; row < grid.rows(); ++row)
            for (int column = 0; column < grid.columns(); ++column) {
                const Rect core = grid.core(column, row);
                const bool only_output = makes_output && stage.keeps.empty() && stage.sums.empty();
                if (only_output && part_of(core).width == 0) continue;
                TRY(tile(stage, core, sums));
                if (makes_output) report.finite = put_out(part_of(core)) && report.finite;
            }
        for (std::size_t i = 0; i < sums.size(); ++i) {
            const auto sides = enlarge::at(shape(input_of(stage.sums[i])), picture_);
            put_mean(sums[i].total(), (*sides)[1] * (*sides)[2], at(whole_, at(run_.network_->steps, stage.sums[i]).node));
        }
        return {};
    }

    [[nodiscard]] int input_of(int s) const { return at(run_.network_->steps, s).inputs[0]; }

    // Computes the stage's steps for what a core needs, and puts aside of each result what is wanted of it, for its place
    // may be another's soon.
    Result<void> tile(const Stage& stage, const Rect& core, std::vector<RowSums>& sums) {
        tile_ = tile_input(core, {stage.halo, run_.network_->alignment}, picture_);
        TRY(const Layouts* const layouts, layouts_of(stage, tile_.size()));
        run_.reserve(run_.tile_arena_, layouts->arena_floats);
        run_.tensors_ = whole_;
        for (const int s : stage.steps) {
            const Step& step = at(run_.network_->steps, s);
            at(run_.tensors_, step.node) = {&at(layouts->nodes, step.node), run_.tile_arena_.as<float>() + at(layouts->nodes, step.node).offset};
        }
        made_.assign(whole_.size(), false);
        for (const int s : stage.steps) at(made_, at(run_.network_->steps, s).node) = true;
        for (const int s : stage.steps)
            for (const int from : at(run_.network_->steps, s).inputs)
                if (!at(made_, from) && is_picture(shape(from))) look_at(from, at(layouts->nodes, from));
        const Size beyond{std::max(0, tile_.right() - (picture_.width - job_.continued.width)),
                          std::max(0, tile_.bottom() - (picture_.height - job_.continued.height))};
        for (const int s : stage.steps) {
            const int node = at(run_.network_->steps, s).node;
            run_.compute(at(run_.network_->steps, s), beyond);
            if (std::find(stage.keeps.begin(), stage.keeps.end(), node) != stage.keeps.end()) keep(node, core);
            for (std::size_t i = 0; i < sums.size(); ++i)
                if (input_of(stage.sums[i]) == node) add(node, core, sums[i]);
            TRY(go_on());
        }
        return {};
    }

    Result<const Layouts*> layouts_of(const Stage& stage, Size size) {
        const auto key = std::pair(size.width, size.height);
        if (const auto known = layouts_.find(key); known != layouts_.end()) return &known->second;
        TRY(Layouts made, lay_out(*run_.network_, stage.steps, size, run_.kernels_.lanes, false));
        run_.zeros_.resize(std::max(run_.zeros_.size(), static_cast<std::size_t>(made.zero_row_floats)), 0.0F);
        return &layouts_.emplace(key, std::move(made)).first->second;
    }

    // The pixels of a whole result that belong to a rectangle of input pixels.
    [[nodiscard]] Rect rect_of(int node, const Rect& in) const {
        const Layout& whole = *at(whole_, node).layout;
        return rect_of(node, in, whole.width, whole.height);
    }
    [[nodiscard]] Rect rect_of(int node, const Rect& in, std::int64_t width, std::int64_t height) const {
        const Extent &rows = shape(node)[1], &columns = shape(node)[2];
        const int x = place(columns, in.x, picture_.width, width), y = place(rows, in.y, picture_.height, height);
        return {x, y, place(columns, in.right(), picture_.width, width) - x, place(rows, in.bottom(), picture_.height, height) - y};
    }

    // The tile's part of a whole result, where it lies.
    void look_at(int node, const Layout& tile) {
        const Tensor& whole = at(whole_, node);
        const Rect at_tile = rect_of(node, tile_);
        Layout& view = at(views_, node) = tile;
        view.left = whole.layout->left;
        view.row_floats = whole.layout->row_floats;
        at(run_.tensors_, node) = {&view, whole.data + at_tile.y * view.row_floats + std::ptrdiff_t{at_tile.x} * view.padded};
    }

    // Where a core's pixels lie in the tile's tensor.
    [[nodiscard]] Rect inside(int node, const Rect& part) const {
        const Extent &rows = shape(node)[1], &columns = shape(node)[2];
        return {part.x - static_cast<int>((columns.h + columns.w) * tile_.x / columns.den),
                part.y - static_cast<int>((rows.h + rows.w) * tile_.y / rows.den), part.width, part.height};
    }

    void keep(int node, const Rect& core) {
        const Rect to = rect_of(node, core), from = inside(node, to);
        const Tensor &tile = at(run_.tensors_, node), &whole = at(whole_, node);
        run_.parallel(to.height, [&](std::int64_t row, Scratch&) {
            const int y = static_cast<int>(row);
            std::memcpy(whole.pixel(to.y + y, to.x), tile.pixel(from.y + y, from.x), static_cast<std::size_t>(to.width) * static_cast<std::size_t>(tile.padded()) * sizeof(float));
        });
    }

    void add(int node, const Rect& core, RowSums& sums) {
        const auto sides = enlarge::at(shape(node), picture_);
        const Rect to = rect_of(node, core, (*sides)[2], (*sides)[1]), from = inside(node, to);
        const Tensor& tile = at(run_.tensors_, node);
        run_.parallel(to.height, [&](std::int64_t row, Scratch&) {
            const int y = static_cast<int>(row);
            sums.add(to.y + y, tile.pixel(from.y + y, from.x), to.width);
        });
    }

    // What of a core is asked for.
    [[nodiscard]] Rect part_of(const Rect& core) const {
        const int x = std::max(core.x, job_.core.x), y = std::max(core.y, job_.core.y);
        const int width = std::min(core.right(), job_.core.right()) - x, height = std::min(core.bottom(), job_.core.bottom()) - y;
        return width > 0 && height > 0 ? Rect{x, y, width, height} : Rect{};
    }

    // Whether all of it is finite.
    bool put_out(const Rect& part) {
        if (part.width == 0) return true;
        const int s = run_.info_.scale;
        const MutableImageView out = job_.out.part({(part.x - job_.core.x) * s, (part.y - job_.core.y) * s, part.width * s, part.height * s});
        return run_.store(at(run_.tensors_, last_), {(part.x - tile_.x) * s, (part.y - tile_.y) * s, part.width * s, part.height * s}, out).finite;
    }

    Runner& run_;
    const StagedPlan& plan_;
    const TileJob& job_;
    Size picture_;
    std::vector<Tensor> whole_;  // by node
    std::vector<Layout> views_;  // by node: parts of those
    std::vector<bool> made_;     // by node: whether the stage computes it
    std::map<std::pair<int, int>, Layouts> layouts_;  // of the stage's tiles, by their size
    Rect tile_;                  // what is computed of the picture
    int last_;
    double units_ = 0, done_ = 0;
};

Result<TileReport> Runner::run_staged(const TileJob& job) {
    const std::pair wanted(job.in.size, job.memory_bytes);
    if (!staged_ || staged_for_ != wanted) {
        staged_.reset();
        TRY(staged_, plan_stages(*network_, job.in.size, job.memory_bytes, kernels_.lanes, pool_));
        staged_for_ = wanted;
        char work[8];
        std::snprintf(work, sizeof work, "%.1f", staged_->work);
        log(LogLevel::info, std::to_string(job.in.size.width) + "x" + std::to_string(job.in.size.height) + " pixels in " +
                                std::to_string(staged_->stages.size() - 1) + " stages, with " + work +
                                " times the work of the picture in one go");
    }
    reserve(arena_, staged_->whole_floats);
    zeros_.resize(std::max(zeros_.size(), static_cast<std::size_t>(staged_->zero_row_floats)), 0.0F);
    return Tiles(*this, *staged_, job).all();
}

}  // namespace enlarge::cpu::tensors
