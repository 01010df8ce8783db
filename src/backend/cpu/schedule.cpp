// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/schedule.hpp"

#include <algorithm>
#include <cstring>

#include "tile/tile.hpp"

namespace enlarge::cpu {
namespace {

// Winograd blocks of a task for each thread, at least: two rounds of the products' registers. Of terms the weights of
// blocks of six are half of what is read.
constexpr int kBlocksPerThread = 28, kTermBlocksPerThread = 256;

int floor_div(int a, int b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// The pixels of an input that `own` reads.
Range needed(const Range& own, const Input& input) {
    return {floor_div(own.begin * input.mul - input.reach, input.div),
            floor_div(own.end * input.mul - 1 + input.reach, input.div) + 1};
}

Range clamp(Range r, int size) { return {std::clamp(r.begin, 0, size), std::clamp(r.end, 0, size)}; }

// Grown outwards to multiples of `align`, not beyond the picture.
Range align_out(Range r, int align, int size) {
    return clamp({r.begin / align * align, (r.end + align - 1) / align * align}, size);
}

Range join(const Range& a, const Range& b) {
    if (a.size() <= 0) return b;
    if (b.size() <= 0) return a;
    return {std::min(a.begin, b.begin), std::max(a.end, b.end)};
}

}  // namespace

void Schedule::plan(const LoweredNetwork& network, Size in, const Rect& core, int threads, bool measure_only) {
    ready_ = false;
    in_ = in;
    core_ = core;
    // Each thread reads all weights of a step for its part of a task: with too few blocks it would only read weights.
    const int across = (core.width + network.block - 1) / network.block;
    const int least = network.terms > 0 && network.block == 6 ? kTermBlocksPerThread : kBlocksPerThread;
    const int rows = (least * threads + across - 1) / across * network.block;
    rows_per_task_ = std::max(network.rows_per_task, rows);
    find_needs(network);
    simulate(network);
    place(measure_only);
    ready_ = !measure_only;
}

// From the core back to the input: which rows and columns of every step have a say in the result.
void Schedule::find_needs(const LoweredNetwork& network) {
    rows_.assign(network.steps.size(), {});
    columns_.assign(network.steps.size(), {});
    buffer_rows_.assign(network.buffers.size(), {});

    buffer_columns_.assign(network.buffers.size(), {});
    for (std::size_t s = network.steps.size(); s-- > 0;) {
        const Step& step = network.steps[s];
        const Size own = size(step.num, step.den);
        if (step.output < 0) {
            rows_[s] = {core_.y * step.num / step.den, (core_.y + core_.height) * step.num / step.den};
            columns_[s] = {core_.x * step.num / step.den, (core_.x + core_.width) * step.num / step.den};
        } else {
            const auto buffer = static_cast<std::size_t>(network.tensors[static_cast<std::size_t>(step.output)].buffer);
            rows_[s] = buffer_rows_[buffer];
            columns_[s] = buffer_columns_[buffer];
        }
        rows_[s] = align_out(rows_[s], step.align, own.height);
        columns_[s] = align_out(columns_[s], step.align, own.width);
        for (const Input& input : step.inputs) {
            const auto buffer = static_cast<std::size_t>(network.tensors[static_cast<std::size_t>(input.tensor)].buffer);
            const Size from = size(network.buffers[buffer].num, network.buffers[buffer].den);
            buffer_rows_[buffer] = join(buffer_rows_[buffer], clamp(needed(rows_[s], input), from.height));
            buffer_columns_[buffer] = join(buffer_columns_[buffer], clamp(needed(columns_[s], input), from.width));
        }
    }
}

// The rows a step could make next; false when there are too few to be worth a task.
bool Schedule::can_run(const LoweredNetwork& network, int s, Range& rows) const {
    const auto index = static_cast<std::size_t>(s);
    const Step& step = network.steps[index];
    const int begin = done_[index], last = rows_[index].end;
    if (begin >= last) return false;
    const int want = std::min(begin + round_up(rows_per_task_, step.align), last);
    for (const Input& input : step.inputs) {
        const auto buffer = static_cast<std::size_t>(network.tensors[static_cast<std::size_t>(input.tensor)].buffer);
        const int height = size(network.buffers[buffer].num, network.buffers[buffer].den).height;
        const int end = std::min(needed({begin, want}, input).end, height);
        // Every writer of the part that is read must be that far. A concatenation's later parts do not count.
        const Tensor& tensor = network.tensors[static_cast<std::size_t>(input.tensor)];
        for (const int writer : writers_[buffer]) {
            const Tensor& written = network.tensors[static_cast<std::size_t>(network.steps[static_cast<std::size_t>(writer)].output)];
            if (written.offset + written.channels() <= tensor.offset || written.offset >= tensor.offset + tensor.channels())
                continue;
            if (done_[static_cast<std::size_t>(writer)] < end) return false;
        }
    }
    rows = {begin, want};
    return true;
}

// Gives back the rows of a buffer that no reader will read again.
void Schedule::release(const LoweredNetwork& network, int b) {
    const auto buffer = static_cast<std::size_t>(b);
    int keep = taken_[buffer];
    for (const int reader : readers_[buffer]) {
        const auto r = static_cast<std::size_t>(reader);
        if (done_[r] >= rows_[r].end) continue;
        for (const Input& input : network.steps[r].inputs)
            if (network.tensors[static_cast<std::size_t>(input.tensor)].buffer == b)
                keep = std::min(keep, needed({done_[r], done_[r] + 1}, input).begin);
    }
    for (const int writer : writers_[buffer]) {
        const auto w = static_cast<std::size_t>(writer);
        if (done_[w] < rows_[w].end) keep = std::min(keep, done_[w]);
    }
    RowPool& rows = pools_[static_cast<std::size_t>(pool_of_[buffer])];
    for (int& y = released_[buffer]; y < keep; ++y)
        rows.free.push_back(slots_[table_start_[buffer] + static_cast<std::size_t>(y + kRowMargin)]);
}

void Schedule::simulate(const LoweredNetwork& network) {
    const std::size_t buffers = network.buffers.size(), steps = network.steps.size();
    if (readers_.size() != buffers || consumers_.size() != steps) {
        readers_.assign(buffers, {});
        writers_.assign(buffers, {});
        consumers_.assign(steps, {});
        pool_of_.assign(buffers, 0);
        for (std::size_t s = 0; s < steps; ++s) {
            if (network.steps[s].output >= 0)
                writers_[static_cast<std::size_t>(network.tensors[static_cast<std::size_t>(network.steps[s].output)].buffer)].push_back(static_cast<int>(s));
            for (const Input& input : network.steps[s].inputs) {
                auto& list = readers_[static_cast<std::size_t>(network.tensors[static_cast<std::size_t>(input.tensor)].buffer)];
                if (list.empty() || list.back() != static_cast<int>(s)) list.push_back(static_cast<int>(s));
            }
        }
        for (std::size_t s = 0; s < steps; ++s)
            if (network.steps[s].output >= 0)
                consumers_[s] = readers_[static_cast<std::size_t>(network.tensors[static_cast<std::size_t>(network.steps[s].output)].buffer)];
    }
    // Classes and tables.
    for (RowPool& c : pools_) {
        c.free.clear();
        c.used = 0;
        c.width = -1;
    }
    std::size_t pool_count = 0;
    table_start_.resize(buffers);
    std::size_t entries = 0;
    for (std::size_t b = 0; b < buffers; ++b) {
        const Buffer& buffer = network.buffers[b];
        const Size own = size(buffer.num, buffer.den);
        const int pixel = buffer.stride * element_bytes(buffer.element);
        std::size_t c = 0;
        while (c < pool_count && (pools_[c].pixel_bytes != pixel || pools_[c].width != own.width)) ++c;
        if (c == pool_count) {
            if (pools_.size() == pool_count) pools_.emplace_back();
            RowPool& fresh = pools_[pool_count++];
            fresh.pixel_bytes = pixel;
            fresh.width = own.width;
            fresh.lead = (static_cast<std::size_t>(kLeftPad) * static_cast<std::size_t>(pixel) + 63) / 64 * 64;
            fresh.bytes = fresh.lead + (static_cast<std::size_t>(own.width + kRightPad) * static_cast<std::size_t>(pixel) + 63) / 64 * 64;
            // Rows a multiple of 4096 bytes apart fall on the same cache sets.
            if (fresh.bytes % 4096 < 256) fresh.bytes += 256;
        }
        pool_of_[b] = static_cast<int>(c);
        table_start_[b] = entries;
        entries += static_cast<std::size_t>(own.height + 2 * kRowMargin);
    }
    slots_.assign(entries, -1);

    tasks_.clear();
    done_.resize(steps);
    for (std::size_t s = 0; s < steps; ++s) done_[s] = rows_[s].begin;
    released_.resize(buffers);
    taken_.resize(buffers);
    for (std::size_t b = 0; b < buffers; ++b) {
        int first = buffer_rows_[b].begin;
        for (const int writer : writers_[b]) first = std::min(first, rows_[static_cast<std::size_t>(writer)].begin);
        released_[b] = taken_[b] = first;
    }

    int cursor = static_cast<int>(steps) - 1;
    while (cursor >= 0) {
        Range rows;
        if (!can_run(network, cursor, rows)) {
            --cursor;
            continue;
        }
        const Step& step = network.steps[static_cast<std::size_t>(cursor)];
        if (step.output >= 0) {
            const auto b = static_cast<std::size_t>(network.tensors[static_cast<std::size_t>(step.output)].buffer);
            RowPool& c = pools_[static_cast<std::size_t>(pool_of_[b])];
            for (int& y = taken_[b]; y < rows.end; ++y) {
                int slot = c.used;
                if (c.free.empty()) {
                    ++c.used;
                } else {
                    slot = c.free.back();
                    c.free.pop_back();
                }
                slots_[table_start_[b] + static_cast<std::size_t>(y + kRowMargin)] = slot;
            }
        }
        tasks_.push_back({cursor, rows});
        done_[static_cast<std::size_t>(cursor)] = rows.end;
        for (const Input& input : step.inputs) release(network, network.tensors[static_cast<std::size_t>(input.tensor)].buffer);
        // Only readers of what was just made can have become able to run.
        for (const int consumer : consumers_[static_cast<std::size_t>(cursor)]) cursor = std::max(cursor, consumer);
    }
}

void Schedule::place(bool measure_only) {
    std::size_t bytes = 0, zero = 0;
    for (RowPool& c : pools_) {
        if (c.width < 0) continue;
        c.offset = bytes;
        bytes += c.bytes * static_cast<std::size_t>(c.used);
        zero = std::max(zero, c.bytes);
    }
    row_bytes_ = bytes + zero;
    if (measure_only) return;
    if (memory_.bytes() < row_bytes_) {
        memory_ = Block();
        memory_ = Block(row_bytes_);
    }
    std::byte* const base = memory_.as<std::byte>();
    std::memset(base + bytes, 0, zero);
    for (const RowPool& c : pools_) {
        if (c.width < 0) continue;
        const std::size_t right = c.lead + static_cast<std::size_t>(c.width) * static_cast<std::size_t>(c.pixel_bytes);
        for (int slot = 0; slot < c.used; ++slot) {
            std::byte* const row = base + c.offset + c.bytes * static_cast<std::size_t>(slot);
            std::memset(row, 0, c.lead);
            std::memset(row + right, 0, c.bytes - right);
        }
    }
    tables_.resize(slots_.size());
    for (std::size_t b = 0; b < table_start_.size(); ++b) {
        const RowPool& c = pools_[static_cast<std::size_t>(pool_of_[b])];
        const std::size_t end = b + 1 < table_start_.size() ? table_start_[b + 1] : slots_.size();
        for (std::size_t i = table_start_[b]; i < end; ++i) {
            const int slot = slots_[i];
            tables_[i] = (slot < 0 ? base + bytes : base + c.offset + c.bytes * static_cast<std::size_t>(slot)) + c.lead;
        }
    }
}

}  // namespace enlarge::cpu
