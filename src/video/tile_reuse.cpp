// SPDX-License-Identifier: Apache-2.0
#include "video/tile_reuse.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "image/format.hpp"
#include "image/samples.hpp"
#include "run/tile_runner.hpp"
#include "tile/tile.hpp"

namespace enlarge::video {

namespace {

constexpr int kBlock = 32;     // the least that is looked at as changed or not, before rounding to the network's grid
constexpr int kMostCore = 512; // of a rectangle that is computed in one go

bool same(const ImageView& a, const ImageView& b, const Rect& rect) {
    for (int p = 0; p < plane_count(a.format); ++p) {
        const auto step = static_cast<std::ptrdiff_t>(sample_bytes(a.format.sample));
        const auto bytes = static_cast<std::size_t>(rect.width) * static_cast<std::size_t>(step);
        for (int y = rect.y; y < rect.bottom(); ++y)
            if (std::memcmp(a.row(p, y) + rect.x * step, b.row(p, y) + rect.x * step, bytes) != 0) return false;
    }
    return true;
}

bool overlap(const Rect& a, const Rect& b) {
    return a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom();
}

}  // namespace

struct TileReuse::State {
    std::optional<TileRunner> runner;
    Size in;
    int scale = 1, block = kBlock, columns = 0, rows = 0;
    std::vector<char> changed, dirty;
    std::vector<Rect> found;  // what look() says is to be computed
    bool grey = false;        // there is no colour, which Enlarger::run() enlarges in another way

    [[nodiscard]] std::size_t at(int column, int row) const {
        return static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(column);
    }
    [[nodiscard]] Rect rect(int column, int row) const {
        const int x = column * block, y = row * block;
        return {x, y, std::min(block, in.width - x), std::min(block, in.height - y)};
    }
    // Marks the blocks in which two pictures differ, and returns how many those are.
    std::size_t compare(const ImageView& last, const ImageView& now);
    // Marks as dirty the blocks that are computed from a pixel that changed: those, and no other, may come out
    // otherwise.
    void spread();
    // Rectangles that cover all dirty blocks once: runs of a row, joined with equal runs of the rows below.
    [[nodiscard]] std::vector<Rect> cores();
};

std::vector<Rect> TileReuse::State::cores() {
    std::vector<Rect> out;
    const int longest = std::max(1, kMostCore / block);
    for (int row = 0; row < rows; ++row)
        for (int column = 0; column < columns; ++column) {
            if (!dirty[at(column, row)]) continue;
            int across = 1, down = 1;
            while (across < longest && column + across < columns && dirty[at(column + across, row)]) ++across;
            const auto full = [&](int r) {
                for (int c = column; c < column + across; ++c)
                    if (!dirty[at(c, r)]) return false;
                return true;
            };
            while (down < longest && row + down < rows && full(row + down)) ++down;
            for (int r = row; r < row + down; ++r)
                for (int c = column; c < column + across; ++c) dirty[at(c, r)] = 0;
            const int x = column * block, y = row * block;
            out.push_back({x, y, std::min(across * block, in.width - x), std::min(down * block, in.height - y)});
        }
    return out;
}

TileReuse::TileReuse(Enlarger& enlarger, Size in, Size out, bool on) {
    if (!on) return;
    NetworkEngine& engine = enlarger.engine();
    const ProgramInfo& info = engine.info();
    // One run of the network over the picture as it is; anything else mixes pixels from further away.
    const bool whole = in.width % info.size_multiple == 0 && in.height % info.size_multiple == 0 && engine.graph().spare() == 0;
    const bool exact = out == Size{in.width * info.scale, in.height * info.scale};
    if (enlarger.options().strength < 1 || info.channels != 3 || !whole || !exact) return;
    state_ = std::make_unique<State>();
    state_->runner.emplace(engine, info.halo, enlarger.options().tta);
    state_->in = in;
    state_->scale = info.scale;
    state_->block = round_up(kBlock, state_->runner->rules().alignment);
    state_->columns = (in.width + state_->block - 1) / state_->block;
    state_->rows = (in.height + state_->block - 1) / state_->block;
}

TileReuse::~TileReuse() = default;

void TileReuse::stop() { state_.reset(); }

std::size_t TileReuse::State::compare(const ImageView& last, const ImageView& now) {
    std::size_t changes = 0;
    for (int row = 0; row < rows; ++row)
        for (int column = 0; column < columns; ++column) {
            changed[at(column, row)] = same(last, now, rect(column, row)) ? 0 : 1;
            changes += static_cast<std::size_t>(changed[at(column, row)]);
        }
    return changes;
}

void TileReuse::State::spread() {
    for (int row = 0; row < rows; ++row)
        for (int column = 0; column < columns; ++column) {
            const Rect read = tile_input(rect(column, row), runner->rules(), in);
            bool hit = false;
            for (int r = read.y / block; !hit && r <= (read.bottom() - 1) / block; ++r)
                for (int c = read.x / block; !hit && c <= (read.right() - 1) / block; ++c)
                    hit = changed[at(c, r)] && overlap(read, rect(c, r));
            dirty[at(column, row)] = hit;
        }
}

double TileReuse::look(const ImageView& last, const ImageView& now) {
    if (!state_) return 1;
    State& s = *state_;
    if (!(last.size == s.in) || !(now.size == s.in)) return 1;
    s.grey = colourless(now);
    if (s.grey != colourless(last)) return 1;
    const auto blocks = static_cast<std::size_t>(s.columns) * static_cast<std::size_t>(s.rows);
    s.changed.assign(blocks, 0);
    s.dirty.assign(blocks, 0);
    if (s.compare(last, now) * 2 > blocks) return 1;
    s.spread();
    s.found = s.cores();
    double work = 0, computed = 0;
    for (const Rect& core : s.found) {
        const Rect read = tile_input(core, s.runner->rules(), s.in);
        work += static_cast<double>(read.width) * read.height;
        computed += static_cast<double>(core.width) * core.height;
    }
    const double all = static_cast<double>(s.in.width) * s.in.height;
    return work > 0.8 * all ? 1 : computed / all;
}

Result<void> TileReuse::run(const ImageView& now, const ImageView& last_result, const MutableImageView& result) {
    ENSURE(state_ && now.size == state_->in);
    State& s = *state_;
    const auto width = static_cast<std::size_t>(result.size.width);
    const std::size_t line = width * static_cast<std::size_t>(sample_bytes(result.format.sample));
    for (int p = 0; p < plane_count(result.format); ++p)
        for (int y = 0; y < result.size.height; ++y) std::memcpy(result.row(p, y), last_result.row(p, y), line);
    const Band band{now, 0, s.in};
    for (const Rect& core : s.found) {
        const Rect target{core.x * s.scale, core.y * s.scale, core.width * s.scale, core.height * s.scale};
        const MutableImageView part = result.part(target);
        TRY(s.runner->run(band, core, part, {}));
        if (!s.grey) continue;
        luma(part, part);
        for (int c = 1; c < 3; ++c) copy_channel(part, 0, part, c);
    }
    return {};
}

}  // namespace enlarge::video
