// SPDX-License-Identifier: Apache-2.0
// Hands out a list of tasks in pieces. Every thread takes from a part of its own first, so that most of what it reads it
// has written itself; whoever has finished helps the others. A task ends when its pieces are done, whoever did them:
// threads that are late, or never come, are not waited for.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/thread_pool.hpp"

namespace enlarge::cpu {

class WorkQueue {
public:
    explicit WorkQueue(int parts) : parts_(parts), part_(std::make_unique<Part[]>(static_cast<std::size_t>(parts))) {}

    [[nodiscard]] int parts() const { return parts_; }

    // Before any thread calls run(). count(task, part) is the number of pieces, at least one over the parts of a task.
    template <class Count>
    void start(int tasks, const Count& count) {
        tasks_ = tasks;
        open(0, count);
    }

    // What each thread calls; `index` < parts(). Calls work(task, part, piece), pieces of one task at the same time, tasks
    // one after the other, until all are done; `wait` is told when a thread has nothing to do and when it has again. No
    // further task begins once stop() returns true.
    template <class Count, class Work, class Stop, class Wait>
    void run(int index, const Count& count, const Work& work, const Stop& stop, const Wait& wait) {
        for (int task = progress_.value(); task < tasks_; task = progress_.value()) {
            for (int i = 0; i < parts_; ++i) {
                const int part = index + i < parts_ ? index + i : index + i - parts_;
                for (int piece; take(task, part, piece);) {
                    // Also when work throws: others wait for this piece.
                    struct Finished {
                        WorkQueue& all;
                        int task, part;
                        const Count& count;
                        const Stop& stop;
                        ~Finished() { all.finish(task, part, count, stop); }
                    } const finish{*this, task, part, count, stop};
                    work(task, part, piece);
                }
            }
            wait([&] { progress_.wait_while(task); });
        }
    }

private:
    struct alignas(64) Part {
        std::atomic<std::uint64_t> left{0};  // task << 32 | pieces nobody has taken
        std::atomic<int> unfinished{0};
    };

    template <class Count>
    void open(int task, const Count& count) {
        if (task < tasks_) {
            int parts = 0;
            for (int p = 0; p < parts_; ++p) {
                const int pieces = count(task, p);
                parts += pieces > 0;
                part_[p].unfinished.store(pieces, std::memory_order_relaxed);
                part_[p].left.store(static_cast<std::uint64_t>(task) << 32 | static_cast<std::uint64_t>(pieces), std::memory_order_relaxed);
            }
            unfinished_.store(parts, std::memory_order_relaxed);
        }
        progress_.set(task);
    }

    bool take(int task, int p, int& piece) {
        std::atomic<std::uint64_t>& left = part_[p].left;
        std::uint64_t seen = left.load(std::memory_order_relaxed);
        do {
            if (seen >> 32 != static_cast<std::uint64_t>(task) || (seen & 0xFFFFFFFF) == 0) return false;
        } while (!left.compare_exchange_weak(seen, seen - 1, std::memory_order_relaxed));
        piece = static_cast<int>(seen & 0xFFFFFFFF) - 1;
        return true;
    }

    template <class Count, class Stop>
    void finish(int task, int p, const Count& count, const Stop& stop) {
        if (part_[p].unfinished.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        open(stop() ? tasks_ : task + 1, count);
    }

    int parts_;
    int tasks_ = 0;
    std::unique_ptr<Part[]> part_;
    std::atomic<int> unfinished_{0};  // parts
    EventCount progress_;
};

}  // namespace enlarge::cpu
