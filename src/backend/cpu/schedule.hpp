// SPDX-License-Identifier: Apache-2.0
// Which rows of which step are computed when, and where they lie. Depth first: a few rows go as deep as they can before
// the next rows of the picture are read, so that no step keeps more rows than its readers still need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/cpu/steps.hpp"

namespace enlarge::cpu {

struct Range {
    int begin = 0, end = 0;
    [[nodiscard]] int size() const { return end - begin; }
};

// Rows [rows.begin, rows.end) of one step, all its needed columns. Each task may start when the one before has ended.
struct Task {
    int step = 0;
    Range rows;
};

// Zero pixels left and right of every row: Winograd blocks read one pixel before the first and up to four after the last.
inline constexpr int kLeftPad = 4, kRightPad = 8;
// Zero rows above and below each buffer's table of rows.
inline constexpr int kRowMargin = 8;

// The plan for one size of tile. Rebuilding it for another size allocates only when that size needs more.
class Schedule {
public:
    // Plans a tile of `in` pixels of which `core` is wanted, for so many threads. Allocates the rows unless `measure_only`.
    void plan(const LoweredNetwork& network, Size in, const Rect& core, int threads, bool measure_only);

    [[nodiscard]] const std::vector<Task>& tasks() const { return tasks_; }
    // First element of row y of a buffer (its pixel 0); rows outside are zero rows. -kRowMargin <= y < height + margin.
    [[nodiscard]] std::byte* row(int buffer, int y) const {
        return tables_[table_start_[static_cast<std::size_t>(buffer)] + static_cast<std::size_t>(y + kRowMargin)];
    }
    [[nodiscard]] Range columns(int step) const { return columns_[static_cast<std::size_t>(step)]; }
    [[nodiscard]] Size size(int num, int den) const {
        return {static_cast<int>(std::int64_t{in_.width} * num / den), static_cast<int>(std::int64_t{in_.height} * num / den)};
    }
    [[nodiscard]] std::size_t row_bytes() const { return row_bytes_; }  // of all rows together
    [[nodiscard]] bool fits(Size in, const Rect& core) const { return ready_ && in_ == in && core_ == core; }

private:
    struct RowPool {  // rows that may take each other's place: the same pixels, so the same zero padding
        std::size_t bytes = 0, lead = 0;
        int pixel_bytes = 0, width = 0;
        std::vector<int> free;
        int used = 0;
        std::size_t offset = 0;
    };

    void find_needs(const LoweredNetwork& network);
    void simulate(const LoweredNetwork& network);
    void place(bool measure_only);
    bool can_run(const LoweredNetwork& network, int step, Range& rows) const;
    void release(const LoweredNetwork& network, int buffer);

    Size in_;
    Rect core_;
    int rows_per_task_ = 16;
    bool ready_ = false;
    std::vector<Task> tasks_;
    std::vector<Range> rows_, columns_;           // needed, per step
    std::vector<Range> buffer_rows_, buffer_columns_;  // needed, per buffer
    std::vector<int> done_;                       // rows made, per step
    std::vector<std::vector<int>> readers_, writers_, consumers_;  // steps per buffer, per buffer, per step
    std::vector<int> released_, taken_;           // per buffer: rows given back, rows with a slot
    std::vector<int> slots_;                      // per entry of tables_; -1 is the zero row
    std::vector<std::byte*> tables_;
    std::vector<std::size_t> table_start_;
    std::vector<int> pool_of_;
    std::vector<RowPool> pools_;
    std::size_t row_bytes_ = 0;
    Block memory_;
};

}  // namespace enlarge::cpu
