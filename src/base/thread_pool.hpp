// SPDX-License-Identifier: Apache-2.0
// Threads shared by everything that computes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

namespace enlarge {

// A fixed set of threads. Several callers may use it at once: each parallel() call gets the threads it can.
class ThreadPool {
public:
    // `threads` includes the caller of parallel(); 0 = usable_cores(). Where no more can be started, fewer, said in a notice.
    explicit ThreadPool(int threads = 0);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    [[nodiscard]] int size() const;

    // Runs body(index, most) on the caller (index 0) and on every free thread of the pool that gets to it in time, each
    // with an index of its own below `most` <= size(). Returns when body(0) and every body that began have returned; a
    // thread that comes after body(0) has returned does not begin. So body(0) must be able to do all the work alone: on a
    // busy machine nobody may come. `want` > 0 asks for at most that many. An exception from a body is rethrown here.
    // Nested calls run alone.
    void parallel(const std::function<void(int index, int most)>& body, int want = 0);

    // Calls body(i) for 0 <= i < n, divided dynamically in pieces of `grain`.
    void for_each(std::int64_t n, std::int64_t grain, const std::function<void(std::int64_t)>& body);

private:
    struct State;
    std::unique_ptr<State> state_;
};

// A number that threads wait for, usually not for long: they look again a few microseconds, then sleep, so that on a busy
// machine whoever they wait for gets the processor.
class EventCount {
public:
    [[nodiscard]] int value() const { return value_.load(std::memory_order_acquire); }
    // Whoever sees the value sees everything written before.
    void set(int value);
    // Returns when the value is no longer `old`.
    void wait_while(int old) const;

private:
    alignas(64) std::atomic<int> value_{0};
    mutable std::atomic<int> sleepers_{0};
};

}  // namespace enlarge
